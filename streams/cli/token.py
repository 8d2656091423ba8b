"""`cartograph token create|list|revoke`: who may ask the read API, where api_mode is token."""

import datetime as dt
import os
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from streams.cli.shell import JSON, group, note, say, settings, show, table, told
from streams.errors import SettingsError
from streams.process import private
from streams.serve import tokens

token = group("Tokens of the read API, for CARTOGRAPH_API_MODE=token.")

_DAY_MS = 86_400_000


class Role(StrEnum):
    """What a token may ask."""

    reader = "reader"
    reviewer = "reviewer"
    admin = "admin"


@token.command("create")
@told
def token_create(
    name: Annotated[str, typer.Argument(help="Who has it: letters, digits and ._@-")],
    role: Annotated[
        Role, typer.Option(help="reviewer: held and rejected facts too; admin: everything.")
    ] = Role.reader,
    days: Annotated[int, typer.Option(min=0, max=36_500, help="Until it expires; 0: never.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Write the token into this file instead of printing it.")
    ] = None,
    group_may_read: Annotated[
        bool, typer.Option("--group", help="The group of that file may read it too.")
    ] = False,
    replace: Annotated[bool, typer.Option(help="Revoke the token that has this name.")] = False,
) -> None:
    """Make a token and print it once: only its hash is kept. A running `serve` takes it at once."""
    file = tokens.file_of(settings())
    now_ms = int(time.time() * 1000)
    row, secret = tokens.create(
        file,
        name,
        role.value,
        now_ms=now_ms,
        expires_ms=now_ms + days * _DAY_MS if days else 0,
        replace=replace,
    )
    if out is None:
        sys.stdout.write(f"{secret}\n")
    else:
        try:
            private.write(out, secret.encode())
            os.chmod(out, 0o640 if group_may_read else 0o600)
        except OSError as error:
            tokens.revoke(file, row.id)
            raise SettingsError(
                f"{out} cannot be written ({error}): choose another file"
            ) from error
    note(f"token {row.id} of {name}, {row.role}, in {file}; it is not shown again")


@token.command("list")
@told
def token_list(as_json: Annotated[bool, JSON] = False) -> None:
    """The tokens there are; never the secrets, which are kept nowhere."""
    found = tokens.read(tokens.file_of(settings())).tokens
    rows = [
        {
            "id": each.id,
            "name": each.name,
            "role": each.role,
            "created": _day(each.created_ms),
            "expires": _day(each.expires_ms) if each.expires_ms else "never",
        }
        for each in found
    ]
    columns = ("id", "name", "role", "created", "expires")
    cells: list[list[Any]] = [[row[column] for column in columns] for row in rows]
    show(rows, as_json=as_json, text=lambda: table(columns, cells))


@token.command("revoke")
@told
def token_revoke(which: Annotated[str, typer.Argument(help="Its id or name.")]) -> None:
    """Take a token back: a running `serve` refuses it from its next request on."""
    gone = tokens.revoke(tokens.file_of(settings()), which)
    say(f"revoked token {gone.id} of {gone.name}")


def _day(at_ms: int) -> str:
    return dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC).date().isoformat()
