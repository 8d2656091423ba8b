"""Which dead letters a command means: the options that `list`, `retry` and `drop` share."""

import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer

from streams.dead_letter_book import Where
from streams.dead_letters import STATES, WAITING, State
from streams.errors import SettingsError

_SECONDS = {"m": 60, "h": 3_600, "d": 86_400}

Names = Annotated[
    list[str] | None, typer.Argument(metavar="[LETTER]...", help="TOPIC/PARTITION/OFFSET[/ITEM]")
]
Reason = Annotated[str | None, typer.Option(help="With this reason.")]
Topic = Annotated[str | None, typer.Option(help="Read from this topic (full name).")]
Number = Annotated[int | None, typer.Option("--partition", min=0, help="... and partition.")]
Stage = Annotated[str | None, typer.Option(help="Refused by this stage.")]
Since = Annotated[
    str | None, typer.Option(help="Noted since: 2025-03-10T08:00 (UTC), or 30m, 6h, 3d ago.")
]
Until = Annotated[str | None, typer.Option(help="Noted before; as --since.")]
In = Annotated[str | None, typer.Option("--state", help=f"all, or some of: {', '.join(STATES)}.")]
All = Annotated[bool, typer.Option("--all", help="Every one that waits.")]


def chosen(
    names: Sequence[str] | None,
    reason: str | None,
    topic: str | None,
    partition: int | None,
    stage: str | None,
    since: str | None,
    until: str | None,
    state: str | None,
) -> Where:
    """What the options of a command mean.

    Raises:
        SettingsError: a time or a state is none.
    """
    now_ms = int(time.time() * 1000)
    return Where(
        frozenset(names) if names else None,
        reason,
        topic,
        partition,
        stage,
        moment("--since", since, now_ms),
        moment("--until", until, now_ms),
        _states(state),
    )


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
