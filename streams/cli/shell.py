"""What all commands share: settings, output as text or JSON, errors with exit codes.

Exit codes: 0 done; 1 a check found something wrong; 2 the operator must change something (one
sentence on stderr says what); 130 interrupted.
"""

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from pathlib import Path
from typing import Literal, ParamSpec, TypeVar

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from models_onnx.errors import ModelError
from streams.errors import CartographError, SettingsError
from streams.settings import FILE_NAME, Settings, read_file
from topology.errors import TopologyError

FOUND_WRONG, MUST_CHANGE, INTERRUPTED = 1, 2, 130
JSON = typer.Option("--json", help="Print JSON, for other programs.")

_P = ParamSpec("_P")
_R = TypeVar("_R")
_PIPED_WIDTH = 10_000
_out = Console(highlight=False, soft_wrap=True)
_err = Console(stderr=True, highlight=False, soft_wrap=True)


def settings(**changes: object) -> Settings:
    """The settings of this environment and folder, with `changes` of the command line on top.

    The file is `cartograph.toml` in the working folder, or what CARTOGRAPH_CONFIG names.
    """
    named = os.environ.get("CARTOGRAPH_CONFIG")
    table = read_file(Path(named or FILE_NAME))
    if named and table is None:
        raise SettingsError(f"CARTOGRAPH_CONFIG names {named}, which does not exist")
    found = Settings.from_env(os.environ, table)
    told = {name: value for name, value in changes.items() if value is not None}
    return found.with_(**told) if told else found


def broker_folder(found: Settings) -> Path:
    """Where the embedded broker keeps its data."""
    return found.data_dir / "kafka"


def show(value: object, *, as_json: bool, text: Callable[[], None]) -> None:
    """Print a value as JSON, or call what prints it for people."""
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(value, order="sorted")).decode())
        sys.stdout.write("\n")
    else:
        text()


def say(line: str = "") -> None:
    """One line for people."""
    _out.print(line, markup=False)


def note(line: str) -> None:
    """One line of progress, on stderr so that output can be piped."""
    _err.print(line, markup=False)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, unbroken: str = "") -> None:
    """A table for people; columns of numbers to the right, with thousands apart.

    A number among words (a pid, a setting) stands as it can be given to a command again. Rows are
    folded to the terminal's width, but for the column `unbroken`; where output is piped, each is
    one line.
    """
    shown = Table(box=None, pad_edge=False, header_style="bold")
    listed = [list(row) for row in rows]
    numbers = [
        bool(listed) and all(isinstance(row[place], int | float) for row in listed)
        for place in range(len(columns))
    ]
    for name, numeric in zip(columns, numbers, strict=True):
        side: Literal["left", "right"] = "right" if numeric else "left"
        shown.add_column(name, justify=side, overflow="fold", no_wrap=name == unbroken)
    for row in listed:
        # Text, not markup: ids hold brackets.
        shown.add_row(
            *[Text(_cell(cell, numeric)) for cell, numeric in zip(row, numbers, strict=True)]
        )
    fits = _out.is_terminal or "COLUMNS" in os.environ
    (_out if fits else Console(highlight=False, width=_PIPED_WIDTH)).print(shown)


def _cell(value: object, numeric: bool) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if numeric and isinstance(value, int) else str(value)


def told(command: Callable[_P, _R]) -> Callable[_P, _R]:
    """Turn errors that an operator can act on into one sentence and an exit code."""

    @wraps(command)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return command(*args, **kwargs)
        except (CartographError, TopologyError, ModelError) as error:
            note(f"cartograph: {error}")
            raise typer.Exit(MUST_CHANGE) from error
        except OSError as error:
            if error.filename is None:
                raise
            note(
                f"cartograph: {error.filename} cannot be used ({error.strerror}): correct its "
                "rights or what stands there, or choose another place (CARTOGRAPH_DATA_DIR)"
            )
            raise typer.Exit(MUST_CHANGE) from error
        except KeyboardInterrupt as error:
            note("cartograph: interrupted")
            raise typer.Exit(INTERRUPTED) from error

    return run


def group(help_: str) -> typer.Typer:
    """A group of commands."""
    return typer.Typer(help=help_, no_args_is_help=True, add_completion=False)
