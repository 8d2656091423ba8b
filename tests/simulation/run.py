"""Run schedules, tell which are wrong, and make the wrong ones small."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import replace
from random import Random

from streams.checks.partition import check_partition
from streams.registry import SPECS
from streams.shoppers.windows import WindowSettings
from streams.state.derived import TABLE as DERIVED
from tests.simulation.cases import (
    NEXT,
    PARTITIONS,
    Case,
    expected,
    facts_of,
    left_of,
    make_case,
    world_of,
)
from tests.simulation.traces import no_trace, tidy
from tests.simulation.world import World, WrongError

NEXT_IDS = {each.bundle_id for each in NEXT}
SENDERS, RECEIVERS = ("shoppers", "queries", "products"), ("queries", "products", "graph")


def wrong(case: Case, *, want: dict[str, bytes] | None = None, aloud: bool = False) -> str:
    """What is wrong after this schedule, or nothing; `want` is what the oracle says."""
    want = expected(case) if want is None else want
    world = world_of(case, aloud=aloud)
    try:
        for name, place, n, zombie in case.steps:
            key = world.keys[place % len(world.keys)]
            world.tell(f"-- {name} {key} {n} {zombie}")
            world.do(name, key, n, zombie)
        world.tell("-- everything settles")
        _end(world, case, want)
    except WrongError as error:
        return str(error)
    except Exception:  # noqa: BLE001 - any crash of a stage is a fault of the schedule
        return traceback.format_exc()
    return ""


def _end(world: World, case: Case, want: dict[str, bytes]) -> None:
    for topic, queues in world.waiting.items():
        for partition in range(len(queues)):
            world.arrive(topic, partition)
    for zombies in world.zombies.values():
        world.adrift += zombies
        zombies.clear()
    world.erasures += world.asked
    world.asked.clear()
    for key in world.keys:
        world.owners_of[key].hear()
        world.owners_of[key].exchange()
    world.settle()
    _compare(world, want, "at rest")
    _sound(world, case.windows, "at rest")
    late, world.adrift = world.adrift, []
    for process in late:
        for log in sorted(process.under_way):
            process.land(log)
    world.settle(_still(world, want, "after the last late sends"), count=3)
    _compare(world, want, "after the last late sends")
    _rebuild(world, ("graph",))
    _compare(world, want, "after the late sends, GRAPH rebuilt from compacted claims")
    for stage in SENDERS:  # one after the other, partition 1 from its last checkpoint
        is_mixed = False
        for partition in range(PARTITIONS):
            durable = world.saved[stage, partition][-1] if partition else {}
            is_mixed |= _is_of_older_bundles(durable)
            world.replace((stage, partition), durable, boot="another")
        # What older bundles said is sent again until it was read again.
        still = None if is_mixed else _still(world, want, f"while {stage} is restored")
        world.settle(still, count=5)
        _compare(world, want, f"after {stage} was restored")
    tidy(world)
    world.settle()
    no_trace(world, left_of(case), case.erasures)
    _rebuild(world, RECEIVERS)
    _compare(world, want, "rebuilt from the compacted topics")
    _sound(world, case.windows, "rebuilt from the compacted topics")
    no_trace(world, left_of(case), case.erasures)


def _is_of_older_bundles(durable: dict[str, dict[bytes, bytes]]) -> bool:
    own = {" ".join(sorted({NEXT.tagger.bundle_id, each})) for each in NEXT_IDS} | NEXT_IDS
    counts = [key[1:].decode() for key in durable.get(DERIVED, {}) if key[:1] == b"c"]
    return any(bundles not in own for bundles in counts)


def _rebuild(world: World, stages: tuple[str, ...]) -> None:
    for log in sorted(world.logs):
        if log[0] != "events":
            world.compact(log)
    for stage in stages:
        for partition in range(PARTITIONS):
            world.replace((stage, partition), {})
    world.settle()


def _still(world: World, want: dict[str, bytes], when: str) -> Callable[[], None]:
    def check() -> None:
        if (found := facts_of(world)) != want:
            raise WrongError(f"{when} the graph moves: {_difference(found, want)}")

    return check


def _compare(world: World, want: dict[str, bytes], when: str) -> None:
    found = facts_of(world)
    if found != want:
        raise WrongError(f"{when} the graph is wrong: {_difference(found, want)}")


def _sound(world: World, windows: WindowSettings, when: str) -> None:
    """What `state check` says of all stores."""
    for (stage, partition), process in world.owners_of.items():
        spec, graph = SPECS[stage], f"sim/{PARTITIONS}"
        checked = check_partition(process.store, spec, partition, graph=graph, windows=windows)
        if checked.problems:
            raise WrongError(f"{when} the store of {stage}/{partition} is wrong: {checked}")


def _difference(found: dict[str, bytes], want: dict[str, bytes]) -> str:
    lines = []
    for fact in sorted(found.keys() | want.keys()):
        if found.get(fact) != want.get(fact):
            lines.append(f"\n  found {found.get(fact)!r}\n  want  {want.get(fact)!r}")
    return f"{len(lines)} facts differ{''.join(lines[:3])}"


def smaller(case: Case) -> Case:
    """The same kind of fault with fewer events, records and steps."""
    before = None
    while before != case:
        before = case
        for part in "steps", "events", "catalog", "erasures":
            for size in 16, 8, 4, 2, 1:
                place = 0
                while place < len(getattr(case, part)):
                    rows = getattr(case, part)
                    less = replace(case, **{part: rows[:place] + rows[place + size :]})
                    if wrong(less):
                        case = less
                    else:
                        place += size
    return case


def search(seeds: range, base: str) -> tuple[int, str, Case] | None:
    """The first seed whose schedule is wrong, why, and the schedule."""
    for seed in seeds:
        case = make_case(Random(f"{base}/{seed}"))
        if why := wrong(case):
            return seed, why, case
    return None
