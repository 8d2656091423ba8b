"""What SHOPPERS tells is a function of the set of events that were not late."""

import os
import random
from collections import Counter
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.events import Event
from streams.outcomes import OUTCOMES
from streams.shoppers.windows import (
    WindowSettings,
    basket_of,
    in_order,
    sessions_of,
    standing,
    uncapped,
)
from tests.strategies_events import LOOSE, TIGHT, Partition, event_sets, moved, random_events


def expected(arrived: Iterable[Event], windows: WindowSettings) -> Counter[tuple[str, bytes]]:
    """The totals, by brute force, from the events in the order in which they arrived."""
    high, used = -(10**18), dict[str, Event]()
    for event in arrived:
        if event.at_ms >= high - windows.allowance_ms:
            used.setdefault(event.id, event)
        high = max(high, event.at_ms)
    totals: Counter[tuple[str, bytes]] = Counter()
    for own in by_shopper(used.values()):
        totals.update(standing(own, windows))
    return totals


def by_shopper(events: Iterable[Event]) -> list[list[Event]]:
    found: dict[str, list[Event]] = {}
    for event in events:
        found.setdefault(event.shopper, []).append(event)
    return list(found.values())


def pairs_capped(events: Iterable[Event], windows: WindowSettings) -> int:
    """How many products are left out of the baskets that they are in."""
    return sum(
        basket_of(session, windows)[1]
        for own in by_shopper(events)
        for session in sessions_of(uncapped(own, windows), windows)
    )


def play(
    arrived: Sequence[Event], windows: WindowSettings, rng: random.Random, *, restarts: float = 0.1
) -> Partition:
    """Feed the events in pieces, with commits and restarts in between."""
    partition, place = Partition(windows), 0
    while place < len(arrived):
        size = rng.choice((1, 1, 2, 3, 8))
        partition.take(arrived[place : place + size])
        place += size
        if rng.random() < 0.7:
            partition.owner.commit()
            if rng.random() < restarts:
                partition.open()
    partition.owner.commit()
    return partition


def shuffled(events: list[Event], windows: WindowSettings, rng: random.Random) -> list[Event]:
    """An order in which no event is late, with duplicates that may be."""
    again = [event for event in events if rng.random() < 0.1]
    jitter = rng.choice((0, windows.allowance_ms // 20, windows.allowance_ms))
    moved = [(event.at_ms + rng.randint(0, jitter), rng.random(), event) for event in events]
    moved += [(event.at_ms + jitter + rng.randint(0, jitter), 2.0, event) for event in again]
    return [event for _, _, event in sorted(moved, key=lambda each: each[:2])]


def check(windows: WindowSettings, found: list[Event], seed: int) -> None:
    """Any order within the allowance gives what the clear path says of the set."""
    rng = random.Random(seed)
    arrived = shuffled(found, windows, rng)
    want = Counter[tuple[str, bytes]]()
    for own in by_shopper(found):
        want.update(standing(own, windows))
    assert expected(arrived, windows) == want, "the test's order makes something late"
    partition = play(arrived, windows, rng)
    assert partition.totals() == want, f"seed {seed}"
    tally = partition.owner.tally
    assert tally["events.used"] == sum(len(uncapped(own, windows)) for own in by_shopper(found))
    assert tally["pairs.capped"] == pairs_capped(found, windows), f"seed {seed}"
    assert tally["events.late"] <= len(arrived) - len(found)


@pytest.mark.parametrize("windows", [TIGHT, LOOSE], ids=["tight", "loose"])
@settings(max_examples=60)
@given(
    found=event_sets(40, most=40) | event_sets(15, most=40, shoppers=1),
    seed=st.integers(0, 1 << 30),
)
def test_any_order_within_the_allowance_gives_what_the_clear_path_says(
    windows: WindowSettings, found: list[Event], seed: int
) -> None:
    check(windows, found, seed)


@pytest.mark.parametrize("windows", [TIGHT, LOOSE], ids=["tight", "loose"])
def test_so_do_many_dense_streams(windows: WindowSettings) -> None:
    for seed in range(int(os.environ.get("CARTOGRAPH_TEST_SEEDS", "150"))):
        rng = random.Random(f"dense {seed}")
        minutes, n, shoppers = rng.choice((15, 40, 120)), rng.randint(10, 60), rng.choice((1, 1, 3))
        check(windows, random_events(rng, minutes, n, shoppers), seed)


@pytest.mark.parametrize("seed", [953, 1260, 2361])
def test_what_a_basket_leaves_out_is_counted_once_though_its_row_is_settled_meanwhile(
    seed: int,
) -> None:
    check(TIGHT, random_events(random.Random(seed), 40, 40, 2), seed)


@pytest.mark.parametrize("windows", [TIGHT, LOOSE], ids=["tight", "loose"])
@settings(max_examples=60)
@given(
    visits=st.lists(
        st.tuples(event_sets(20, most=20), st.sampled_from((0, 1, 20, 60, 2000, 12000))),
        max_size=5,
    ),
    seed=st.integers(0, 1 << 30),
)
def test_whatever_arrives_when_the_totals_are_those_of_what_was_not_late(
    windows: WindowSettings, visits: list[tuple[list[Event], int]], seed: int
) -> None:
    rng = random.Random(seed)
    arrived: list[Event] = []
    shift = 0
    for number, (found, later_minutes) in enumerate(visits):
        shift += later_minutes * 60_000
        if rng.random() < 0.6:
            found = sorted(found, key=in_order)
        arrived += (moved(event, shift, f"{number}{event.id}") for event in found)
    partition = play(arrived, windows, rng)
    assert partition.totals() == expected(arrived, windows)
    outcomes = partition.owner.tally
    assert sum(outcomes[f"events.{each}"] for each in OUTCOMES) == len(arrived)
    assert min(outcomes.values(), default=0) >= 0
