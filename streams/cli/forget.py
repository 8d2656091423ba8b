"""`cartograph forget`: a shopper asks to be forgotten."""

import asyncio
import sys
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from streams.cli.setup import address_of
from streams.cli.shell import FOUND_WRONG, JSON, note, say, settings, show, table, told
from streams.control import generation_log
from streams.control.claims import TOPIC
from streams.control.generations import LIVE
from streams.control.secret import refuse_other
from streams.erasures import Done, Erasure, new_erasure
from streams.errors import SettingsError, StateError
from streams.kafka import erasure_requests
from streams.kafka.erasure_requests import by_token
from streams.privacy import RECEIPT, SHOPPER, Pseudonyms, shopper_id
from streams.settings import Settings

RECEIPTS = "erasure-receipts.jsonl"
_WAIT_S = 60.0
_NOTHING = (
    "nothing of this shopper was kept. Right if he was never seen or is forgotten already; else "
    "the id is not as the shop's events have it"
)


class Receipt(msgspec.Struct, frozen=True):
    """Proof of an erasure. It names nobody: only the secret links `shopper` to the raw id.

    Attributes:
        shopper: keyed hash of the raw id, in a role of its own: it stands nowhere else.
        token: names the request; offset: of its record on the topic of erasures.
        asked_at, until: UTC; visits that began by `until`, in event time, are forgotten.
        obeyed: the owners in all graphs that keep shoppers have answered that it is committed.
        partition: of SHOPPERS, which answered; -1: none yet.
        sessions, ledger_rows, totals: what was taken back, in all graphs together.
        generations: the graphs whose owners have answered.
    """

    shopper: str
    token: str
    offset: int
    asked_at: str
    until: str
    obeyed: bool = False
    partition: int = -1
    sessions: int = 0
    ledger_rows: int = 0
    totals: int = 0
    generations: tuple[str, ...] = ()


class Found(msgspec.Struct, frozen=True):
    """An erasure of a shopper that stands on the topic, and whether a receipt here goes with it.

    Attributes:
        missing: graphs that keep shoppers and have not obeyed.
    """

    until: str
    offset: int
    obeyed: bool
    receipt: bool
    missing: tuple[str, ...] = ()


@told
def forget(
    shopper: Annotated[
        list[str],
        typer.Argument(help="The shop's own id, as its events have it; -: one a line on stdin."),
    ],
    until: Annotated[
        str,
        typer.Option(help="Visits that began until then, as 2026-05-31T12:00:00Z; default: now."),
    ] = "",
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for the owner's answer.")] = (
        _WAIT_S
    ),
    receipts: Annotated[
        Path | None,
        typer.Option(help=f"File that receipts are added to; default: {RECEIPTS} in data_dir."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Ask for nothing: show what stands, and its receipts.")
    ] = False,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Take back all that a shopper stands for; exit code 1 until it is obeyed.

    The id is hashed at once, as ROUTE does it; give it on stdin, so that no shell remembers it. A
    shopper whom several sources know by several ids is forgotten by giving all of them. What is
    older than the ledger (keep_days) is an anonymous count, and stays.
    """
    found = settings()
    key, raw = found.key(), _ids(shopper)
    file = receipts or found.data_dir / RECEIPTS
    until_ms = _until_ms(until, found)
    found = found.with_(kafka=address_of(found))
    wanted = asyncio.run(_graphs(found))
    if check:
        _check(found, key, raw, file, wanted, as_json=as_json)
        return
    names = Pseudonyms(key)
    orders = [new_erasure(names.of(each, SHOPPER), until_ms) for each in raw]
    orders = asyncio.run(erasure_requests.ask(found, orders))
    done = asyncio.run(erasure_requests.answers(found, orders, wanted, wait)) if wait else {}
    rows = [
        _receipt(names.of(each, RECEIPT), order, done.get(order.token, {}), wanted)
        for each, order in zip(raw, orders, strict=True)
    ]
    show(rows, as_json=as_json, text=lambda: _print(rows))
    _keep(file, rows)
    if nothing := [row.shopper for row in rows if _found_nothing(row)]:
        note(f"  {', '.join(nothing)}: {_NOTHING}")
    if not all(row.obeyed for row in rows):
        late = dict.fromkeys(each for row in rows for each in _missing(row.generations, wanted))
        note(
            f"  not obeyed within {wait:g} s by {', '.join(late)}: no worker of SHOPPERS has the "
            "partition. The erasure stands: it is obeyed before the first event when one starts, "
            "with `cartograph worker` (--generation NAME); see `cartograph forget --check`. Drop a "
            "graph that nobody needs: `cartograph graph drop`"
        )
        raise typer.Exit(FOUND_WRONG)


def _found_nothing(row: Receipt) -> bool:
    return row.obeyed and not (row.sessions or row.ledger_rows or row.totals)


def _ids(told_: Sequence[str]) -> list[str]:
    """The ids, as ROUTE takes them, each once.

    Raises:
        SettingsError: one stands for nobody, or there is none.
    """
    lines = [line for each in told_ for line in (sys.stdin if each == "-" else [each])]
    names = [shopper_id(line) for line in lines if line.strip()]
    if not names or not all(names):
        raise SettingsError(
            "no shopper: give the shop's own id, as its events have it; null, none, anonymous and "
            "the like stand for nobody and are never counted"
        )
    return list(dict.fromkeys(names))


def _until_ms(text: str, found: Settings) -> int:
    now_ms = int(time.time() * 1000)
    if not text:
        return now_ms
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(f"--until {text!r} is no time: write 2026-05-31T12:00:00Z") from error
    until_ms = int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
    if not 0 <= until_ms <= now_ms + found.future_ms:
        raise SettingsError(
            f"--until {text} is before 1970 or in the future: what a shopper will do cannot be "
            "forgotten"
        )
    return until_ms


async def _graphs(found: Settings) -> tuple[str, ...]:
    """The graphs that keep shoppers, as answers call them: "" is the first."""
    known = await generation_log.read(found)
    control = generation_log.of_base(found).topic(TOPIC)
    refuse_other(known.secret, found.key(), control)
    names = [each.name for each in known.with_stage("shoppers")]
    return tuple("" if name == LIVE else name for name in names)


def _missing(answered: Iterable[str], wanted: Iterable[str]) -> tuple[str, ...]:
    """Names of the graphs that have not answered."""
    there = set(answered)
    return tuple(name or LIVE for name in wanted if (name or LIVE) not in there)


def _receipt(
    shopper: str, order: Erasure, done: Mapping[str, Done], wanted: Collection[str]
) -> Receipt:
    answered = tuple(name or LIVE for name in done)
    return Receipt(
        shopper,
        order.token,
        order.offset,
        _time(time.time()),
        _ms(order.until_ms),
        obeyed=bool(done) and not _missing(answered, wanted),
        partition=max((each.partition for each in done.values()), default=-1),
        sessions=sum(each.sessions for each in done.values()),
        ledger_rows=sum(each.ledger_rows for each in done.values()),
        totals=sum(each.totals for each in done.values()),
        generations=answered,
    )


def _keep(file: Path, rows: Sequence[Receipt]) -> None:
    """Add receipts to the file.

    Raises:
        StateError: it cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("ab") as out:
            out.write(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    except OSError as error:
        raise StateError(
            f"the erasure stands, but its receipt cannot be written to {file} ({error}): keep "
            "what was printed, or name another file with --receipts"
        ) from error


def _read(file: Path) -> list[Receipt]:
    try:
        lines = file.read_bytes().splitlines()
        return [msgspec.json.decode(line, type=Receipt) for line in lines]
    except FileNotFoundError:
        return []
    except (OSError, msgspec.MsgspecError) as error:
        raise StateError(
            f"{file} holds no receipts ({error}): name the file with --receipts"
        ) from (error)


def _check(
    found: Settings,
    key: bytes,
    raw: Sequence[str],
    file: Path,
    wanted: Collection[str],
    *,
    as_json: bool,
) -> None:
    """Show what stands of these shoppers; exit code 1 if one has no erasure that is obeyed."""
    names = Pseudonyms(key)
    said = asyncio.run(erasure_requests.all_of(found))
    done = by_token(said)
    kept = {(each.shopper, each.token) for each in _read(file)}
    rows: list[Found] = []
    fine = True
    for one in raw:
        shopper, hashed = names.of(one, SHOPPER), names.of(one, RECEIPT)
        own = [each for each in said if isinstance(each, Erasure) and each.shopper == shopper]
        for each in own:
            answered = [name or LIVE for name in done.get(each.token, {})]
            missing = _missing(answered, wanted)
            obeyed, has_receipt = bool(answered) and not missing, (hashed, each.token) in kept
            rows.append(Found(_ms(each.until_ms), each.offset, obeyed, has_receipt, missing))
            fine = fine and obeyed
        fine = fine and bool(own)

    def text() -> None:
        if rows:
            columns = ("visits that began until", "offset", "obeyed", "receipt", "missing")
            table(
                columns,
                [
                    (r.until, r.offset, _yes(r.obeyed), _yes(r.receipt), ", ".join(r.missing))
                    for r in rows
                ],
            )
        else:
            say("nobody asked for this shopper to be forgotten")

    show(rows, as_json=as_json, text=text)
    if not fine:
        raise typer.Exit(FOUND_WRONG)


def _print(rows: Sequence[Receipt]) -> None:
    columns = ("receipt", "obeyed", "sessions", "ledger rows", "totals taken back")
    table(
        columns,
        [(r.shopper, _yes(r.obeyed), r.sessions, r.ledger_rows, r.totals) for r in rows],
    )


def _yes(is_so: bool) -> str:
    return "yes" if is_so else "no"


def _ms(at_ms: int) -> str:
    return _time(at_ms / 1000)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
