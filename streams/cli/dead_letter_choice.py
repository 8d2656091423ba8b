"""Which dead letters a command means: the options that `list`, `retry` and `drop` share."""

import inspect
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Annotated, Any, Final

import typer

from streams.dead_letters import STATES, WAITING, State
from streams.errors import SettingsError
from streams.retry.book import Where

_SECONDS = {"m": 60, "h": 3_600, "d": 86_400}

NAMED: Final = "TOPIC/PARTITION/OFFSET, or of one item TOPIC/PARTITION/OFFSET/ITEM."
All = Annotated[bool, typer.Option("--all", help="Every one that waits.")]


def chosen(
    letters: Annotated[
        list[str] | None,
        typer.Argument(metavar="LETTER", help=NAMED),
    ] = None,
    reason: Annotated[str | None, typer.Option(help="With this reason.")] = None,
    topic: Annotated[str | None, typer.Option(help="Read from this topic (full name).")] = None,
    partition: Annotated[int | None, typer.Option(min=0, help="... and partition.")] = None,
    stage: Annotated[str | None, typer.Option(help="Refused by this stage.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Noted since: 2025-03-10T08:00 (UTC), or 30m, 6h, 3d ago.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Noted before; as --since.")] = None,
    state: Annotated[
        str | None, typer.Option(help=f"all, or some of: {', '.join(STATES)}.")
    ] = None,
) -> Where:
    """What the options of a command mean; `choosing` gives a command these.

    Raises:
        SettingsError: a time or a state is none.
    """
    now_ms = int(time.time() * 1000)
    return Where(
        frozenset(letters) if letters else None,
        reason,
        topic,
        partition,
        stage,
        moment("--since", since, now_ms),
        moment("--until", until, now_ms),
        _states(state),
    )


def choosing(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command, in place of its first argument `where`, the options of `chosen`."""
    shared = inspect.signature(chosen, eval_str=True).parameters
    _, *own = inspect.signature(command, eval_str=True).parameters.values()

    @wraps(command)
    def run(**given: Any) -> None:
        where = chosen(**{name: given.pop(name) for name in shared})
        command(where, **given)

    run.__signature__ = inspect.Signature([*shared.values(), *own])  # type: ignore[attr-defined]
    return run


def must_choose(where: Where, *, every: bool) -> None:
    """Refuse to change all of them by mistake.

    Raises:
        SettingsError: nothing was chosen.
    """
    if not where.chooses and not every:
        raise SettingsError(
            "which ones? Name letters, choose by --reason, --topic, --stage, --since ..., or give "
            "--all"
        )


def moment(option: str, text: str | None, now_ms: int) -> int | None:
    """Milliseconds since 1970 of a time, or of so long ago.

    Raises:
        SettingsError: it is neither.
    """
    if text is None:
        return None
    if ago := re.fullmatch(r"(\d{1,6})([mhd])", text):
        return now_ms - int(ago[1]) * _SECONDS[ago[2]] * 1000
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(
            f"{option} {text!r} is no time: use 2025-03-10T08:00, or 30m, 6h, 3d"
        ) from error
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def _states(text: str | None) -> frozenset[State] | None:
    if text is None:
        return WAITING
    if text == "all":
        return None
    asked = {each.strip() for each in text.split(",")}
    if unknown := sorted(asked - STATES.keys()):
        raise SettingsError(
            f"--state {', '.join(unknown)} is none: use all, or some of {', '.join(STATES)}"
        )
    return frozenset(state for state in STATES if state in asked)
