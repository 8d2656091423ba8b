"""`cartograph checkpoint prune`: removes checkpoints that nobody keeps."""

import asyncio
import time
from typing import Annotated, NamedTuple

import typer

from streams.checkpoint.copying import GRACE_MS
from streams.checkpoint.pruning import LetGo, prune, remove_all
from streams.checkpoint.wiring import place_of, place_of_generation
from streams.cli import which
from streams.cli.checkpoint import checkpoint
from streams.cli.setup import address_of
from streams.cli.shell import JSON, note, say, settings, show, told
from streams.control import generation_log
from streams.control.generations import Generations, settings_of
from streams.errors import BrokerError, SettingsError, TopicError
from streams.settings import Settings


@checkpoint.command("prune")
@told
def checkpoint_prune(
    keep: Annotated[int | None, typer.Option(min=1, help="Complete checkpoints that stay.")] = None,
    grace_hours: Annotated[
        float, typer.Option(min=0, help="What is younger is left alone: somebody may write it.")
    ] = GRACE_MS / 3_600_000,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Remove all but the newest complete checkpoints, and the files that none of those names.

    Workers may write meanwhile, as long as copying a partition takes less than the grace. Of
    graphs that `cartograph graph drop` removed all goes, unless it was told to keep them, the
    grace after the drop; where CARTOGRAPH_GENERATION names one, they are left.
    """
    asked = settings()
    known = None if asked.generation else _known(asked)
    found = (
        which.kept(asked) if known is None else settings_of(asked, known.find(known.serving.name))
    )
    now_ms, grace_ms = time.time_ns() // 10**6, int(grace_hours * 3_600_000)
    done = prune(
        place_of(found), keep=keep or found.checkpoint_keep, now_ms=now_ms, grace_ms=grace_ms
    )
    dropped = [] if known is None else _remove_dropped(asked, known, now_ms, grace_ms)

    def text() -> None:
        say(f"removed {len(done.checkpoints)} checkpoints, {done.files} files, {done.size:,} bytes")
        for each in dropped:
            say(_of_dropped(each, grace_hours))

    value = {**done._asdict(), "dropped": [each._asdict() for each in dropped]}
    show(value, as_json=as_json, text=text)


class _Dropped(NamedTuple):
    """Checkpoints of a graph that was dropped.

    Attributes:
        removed: they were; else they stay.
        kept: they stay because nobody said that they may go.
    """

    generation: str
    removed: bool
    kept: bool
    checkpoints: tuple[str, ...]
    files: int
    size: int


def _known(found: Settings) -> Generations | None:
    """What Kafka says of generations; None, and a note of why, where it says nothing."""
    try:
        return asyncio.run(generation_log.read(found.with_(kafka=address_of(found))))
    except (BrokerError, SettingsError, TopicError) as error:
        note(f"checkpoints of dropped graphs were not looked for: {error}")
        return None


def _remove_dropped(
    found: Settings, known: Generations, now_ms: int, grace_ms: int
) -> list[_Dropped]:
    """What became of the checkpoints of graphs that are dropped; of those that have any."""
    rows: list[_Dropped] = []
    for each in known.dropped:
        place = place_of_generation(found, each.name)
        ids = tuple(place.ids())
        may = each.let_go_ms > 0
        found_there = LetGo(place, each.let_go_ms)
        done = remove_all(found_there, now_ms=now_ms, grace_ms=grace_ms) if may else None
        if done and (done.checkpoints or done.files):
            rows.append(_Dropped(each.name, True, False, *done))
        elif not done and ids:
            rows.append(_Dropped(each.name, False, not may, ids, 0, 0))
    return rows


def _of_dropped(each: _Dropped, grace_hours: float) -> str:
    count = f"{len(each.checkpoints)} checkpoints"
    if each.removed:
        return f"{each.generation} is dropped: removed its {count}, {each.files} files, " + (
            f"{each.size:,} bytes"
        )
    if each.kept:
        return (
            f"{each.generation} is dropped: its {count} stay; `cartograph graph drop "
            f"{each.generation} --no-keep-checkpoints` lets them go"
        )
    return (
        f"{each.generation} is dropped: its {count} stay until {grace_hours:g} hours after the "
        "drop, or after the last was written; what was written a day after the drop is another "
        "graph's, and stays"
    )
