"""Which generation answers, and the end of those that nobody needs: records first, then the deed.

Every step can be done again, so a command that was killed is given again and goes on.
"""

import asyncio
import contextlib
import shutil
import time
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

import msgspec

from streams.broker import removal
from streams.control import generation_log
from streams.control.generations import (
    LIVE,
    Generation,
    Generations,
    Serving,
    generation_record,
    serving_record,
    settings_of,
)
from streams.errors import StateError
from streams.kafka import connection, erasure_requests
from streams.replay.watch import stage_inputs
from streams.settings import Settings
from streams.topics import REMAIN
from streams.worker import lag
from streams.worker.fleet import folders_of, held, lock_file

BEHIND = 1_000
"""Records of one input that a generation may be behind and still be swapped in: seconds of work."""

_STOP_S = 60.0
Say = Callable[[str], None]


class Dropped(NamedTuple):
    """What became of a generation.

    Attributes:
        now: it was not dropped before.
        checkpoints_go: whoever prunes may remove its checkpoints.
    """

    now: bool
    checkpoints_go: bool


async def swap(settings: Settings, name: str, *, force: bool = False) -> Serving:
    """Let another generation answer; replicas and workers hear of it on `graph.control`.

    Args:
        settings: of the first generation, with the address of Kafka.
        name: of the generation; "live" for the first.
        force: also if it is not built, or behind.

    Raises:
        StateError: there is none of this name, or it is not ready.
        BrokerError: the broker does not answer.
    """
    found = await generation_log.read(settings)
    generation = found.find(name)
    if found.serving.name == name:
        return found.serving
    if not force and (why := await _unready(settings, generation)):
        raise StateError(f"{name} is not ready to answer: {why}; or give --force")
    serving = found.serving.swapped(name)
    await generation_log.write(settings, serving_record(serving))
    return serving


async def _unready(settings: Settings, generation: Generation) -> str:
    """Why a generation would answer worse than it will; empty: it would not."""
    again = f"`cartograph replay --generation {generation.name}"
    if generation.state != "built":
        return f"it was never read to its end: {again}` goes on"
    if generation.ends:
        return f"it ends where --to {generation.asked[1]} says, and would never learn more"
    inputs = stage_inputs(settings, generation)
    own = settings_of(settings, generation)
    if "shoppers" in inputs:
        said = await erasure_requests.all_of(own)
        if waiting := erasure_requests.unanswered(said, own.generation):
            return f"{waiting:,} erasures are not obeyed in it: {again} --follow` obeys them"
    behind = {each.topic: each.behind for each in await lag.lags(own, inputs)}
    if worst := {topic: count for topic, count in behind.items() if count > BEHIND}:
        words = ", ".join(f"{count:,} records of {topic}" for topic, count in worst.items())
        return f"it has not read {words}: {again} --follow` goes on"
    return ""


async def drop(
    settings: Settings,
    name: str,
    *,
    keep_checkpoints: bool | None = None,
    say: Say = lambda _: None,
) -> Dropped:
    """Remove a generation: its topics, groups, and what this machine keeps of it.

    Args:
        settings: of the first generation, with the address of Kafka.
        name: of the generation; "live" for the stages of the first, whose shared topics stay.
        keep_checkpoints: whether its checkpoints stay; None: as it was said before, and they go
            where nothing was. It can be said again later.
        say: told what is being done.

    Raises:
        StateError: it answers, or is needed, or there is none of this name.
        BrokerError, TopicError: Kafka does not let go of something; give the command again.
    """
    found = await generation_log.read(settings)
    generation = found.get(name) or found.find(name)
    # Also of a drop that was cut short: what was said then holds.
    before = generation.usable or bool(generation.let_go_ms)
    go = before if keep_checkpoints is None else not keep_checkpoints
    # Workers may write until it is dropped: only then the time of the first word holds.
    said_ms = generation.let_go_ms if generation.state == "dropped" else 0
    let_go_ms = (said_ms or time.time_ns() // 10**6) if go else 0
    if generation.state == "dropped":
        if let_go_ms != generation.let_go_ms:
            said = msgspec.structs.replace(generation, let_go_ms=let_go_ms)
            await generation_log.write(settings, generation_record(said))
        return Dropped(now=False, checkpoints_go=go)
    _check_unneeded(found, name)
    dropping = msgspec.structs.replace(generation, state="dropping", let_go_ms=let_go_ms)
    await generation_log.write(settings, generation_record(dropping))
    if name in found.serving.kept:
        await generation_log.write(settings, serving_record(found.serving.without(name)))
    own = settings_of(settings, generation)
    say(f"waiting for the workers of {name} to end")
    await _remove(own, generation)
    gone = msgspec.structs.replace(dropping, state="dropped")
    await generation_log.write(settings, generation_record(gone))
    return Dropped(now=True, checkpoints_go=go)


def _check_unneeded(found: Generations, name: str) -> None:
    if found.serving.name == name:
        raise StateError(
            f"{name} is the generation that answers: `cartograph graph swap` to another first"
        )
    needed_by = [each.name for each in found.all if each.usable and each.base == "totals"]
    if name == LIVE and needed_by:
        raise StateError(
            f"{', '.join(needed_by)} is built from the totals of {LIVE} and reads on in them: drop "
            "that first, or replay it with --base events"
        )


async def _remove(own: Settings, generation: Generation) -> None:
    options = connection.options(own)
    gone_s = _STOP_S + own.session_timeout_ms / 1000
    groups = [own.group(stage) for stage in generation.stages]
    await removal.delete_groups(own.kafka, groups, patience_s=gone_s, options=options)
    remain = REMAIN if generation.name == LIVE else frozenset()
    names = [own.topic(name) for name in own.names.owned() if name not in remain]
    async with _stopped(own, generation):
        await removal.delete_topics(own.kafka, names, options=options)
        for folder in folders_of(own, generation):
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


@contextlib.asynccontextmanager
async def _stopped(own: Settings, generation: Generation) -> AsyncIterator[None]:
    """Nobody on this machine runs its stages meanwhile."""
    late = asyncio.Event()
    timer = asyncio.get_running_loop().call_later(_STOP_S, late.set)
    async with held(None if generation.name == LIVE else lock_file(own), late) as has_it:
        timer.cancel()
        if not has_it:
            raise StateError(
                f"the stages of {generation.name} still run on this machine: stop the replay or "
                "worker that runs them, and give the command again"
            )
        yield
