"""An erasure leaves what the shopper's other visits say, whenever it is heard of."""

import os
import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.erasures import Erasure
from streams.events import Event
from streams.outcomes import OUTCOMES
from streams.shoppers.windows import (
    DAY_MS,
    MINUTE_MS,
    WindowSettings,
    in_order,
    remembered,
    standing,
    uncapped,
    visits_of,
)
from tests.strategies_events import (
    LOOSE,
    MONDAY_MS,
    SHOPPERS,
    TIGHT,
    Partition,
    event_sets,
    moved,
    random_events,
)

Untils = Mapping[str, int]
KEPT_MS = 60 * DAY_MS
"""Longer than any of these worlds: what has left the ledger cannot be taken back."""
WINDOWS = [replace(TIGHT, keep_ms=KEPT_MS), replace(LOOSE, keep_ms=KEPT_MS)]


def in_time(arrived: Iterable[Event], windows: WindowSettings) -> dict[str, dict[str, Event]]:
    """Shopper -> id -> event, of those that were not late; erased events move the highest time."""
    high, found = -(10**18), dict[str, dict[str, Event]]()
    for event in arrived:
        if event.at_ms >= high - windows.allowance_ms:
            found.setdefault(event.shopper, {}).setdefault(event.id, event)
        high = max(high, event.at_ms)
    return found


def expected(
    arrived: Iterable[Event], untils: Untils, windows: WindowSettings
) -> Counter[tuple[str, bytes]]:
    """The totals, by brute force, without what is forgotten."""
    totals: Counter[tuple[str, bytes]] = Counter()
    for shopper, own in in_time(arrived, windows).items():
        left = remembered(own.values(), untils.get(shopper), windows)
        totals.update(standing(left, windows))
    return totals


def visits(rng: random.Random, windows: WindowSettings) -> list[Event]:
    """Several days of several shoppers, in an order that makes some of them late."""
    found: list[Event] = []
    for number in range(rng.randint(1, 5)):
        shift = rng.choice((0, 3, 7, 20, 60, 1_440, 2_000, 9_000)) * number * MINUTE_MS
        events = random_events(rng, rng.choice((4, 20, 60)), rng.randint(1, 25), 2)
        found += (moved(event, shift, f"{number}{event.id}") for event in events)
    jitter = rng.choice((0, windows.allowance_ms // 2, windows.allowance_ms, 1_200_000))
    return sorted(found, key=lambda event: (event.at_ms + rng.randint(0, jitter), event.id))


def erasures(rng: random.Random, found: list[Event]) -> list[Erasure]:
    """At the times of events, near them, or of nobody; some twice, some less than before."""
    made = []
    for number in range(rng.randint(1, 4)):
        at = rng.choice(found).at_ms + rng.choice((-MINUTE_MS, 0, 0, 1, 90_000, 10**9))
        made.append(Erasure(rng.choice(SHOPPERS), at, f"t{number}", number))
    return made + [each for each in made if rng.random() < 0.3]


def play(
    arrived: list[Event], orders: list[Erasure], windows: WindowSettings, rng: random.Random
) -> Partition:
    """Events in pieces, erasures anywhere between them, and restarts, that hear all again."""
    partition, heard = Partition(windows), list[Erasure]()
    places = sorted((rng.randint(0, len(arrived)), n) for n in range(len(orders)))
    start = 0
    while start < len(arrived) or places:
        end = min(start + rng.choice((1, 2, 3, 8)), len(arrived))
        if places and places[0][0] <= end:
            place, number = places.pop(0)
            end = max(place, start)
        else:
            number = -1
        partition.take(arrived[start:end])
        start = end
        if rng.random() < 0.6:
            partition.owner.commit()
        if number >= 0:
            heard.append(orders[number])
            partition.forget(heard[-1:])
        if rng.random() < 0.1:
            partition.owner.commit()
            partition.open()
            partition.forget(rng.sample(heard, len(heard)))
    partition.owner.commit()
    return partition


def check(windows: WindowSettings, seed: str) -> int:
    """One random world; how many events were forgotten on arrival."""
    rng = random.Random(seed)
    arrived = visits(rng, windows)
    orders = erasures(rng, arrived)
    untils: dict[str, int] = {}
    for each in orders:
        untils[each.shopper] = max(each.until_ms, untils.get(each.shopper, 0))
    want = expected(arrived, untils, windows)
    for way in range(3):
        partition = play(arrived, orders, windows, random.Random(f"{seed}/{way}"))
        assert partition.totals() == want, f"seed {seed}, way {way}"
        tally = partition.owner.tally
        assert sum(tally[f"events.{each}"] for each in OUTCOMES) == len(arrived)
        texts = partition.owner.outbox.scan("searched", b"")
        assert all(text for key, _, text in texts if b"\0a\0" in key)
    return tally["events.erased"]


@pytest.mark.parametrize("windows", WINDOWS, ids=["tight", "loose"])
def test_any_mixture_of_erasures_and_events_leaves_what_the_other_visits_say(
    windows: WindowSettings,
) -> None:
    seeds = int(os.environ.get("CARTOGRAPH_TEST_SEEDS", "250"))
    assert sum(check(windows, f"erase {seed}") for seed in range(seeds))


@settings(max_examples=60)
@given(event_sets(40, most=30, shoppers=1), st.sampled_from((TIGHT, LOOSE)))
def test_nothing_of_one_visit_hangs_on_another_but_for_returns(
    found: list[Event], windows: WindowSettings
) -> None:
    found = [event for event in found if type(event).__name__ != "Return"]
    apart = set[tuple[str, bytes]]()
    for visit in visits_of(found, windows):
        apart |= standing(visit, windows)
    weaker = {key for key in apart if b"\0b\0" in key[1] and key[0] == "searched"}
    assert standing(found, windows) <= apart
    assert apart - standing(found, windows) <= weaker  # one with a click of the same week has it
    assert sorted(e.id for v in visits_of(found, windows) for e in v) == sorted(e.id for e in found)


@settings(max_examples=60)
@given(event_sets(40, most=30, shoppers=1), st.integers(-30, 30))
def test_what_is_left_begins_after_the_erasure_and_after_a_silence(
    found: list[Event], minute: int
) -> None:
    until = MONDAY_MS + minute * MINUTE_MS
    left = remembered(found, until, TIGHT)
    gone = sorted((e for e in found if e not in left), key=in_order)
    assert remembered(found, None, TIGHT) == sorted(found, key=in_order)
    assert all(event.at_ms // MINUTE_MS > until // MINUTE_MS for event in left)
    if left and gone:
        silence = min(e.at_ms for e in left) - max(e.at_ms for e in gone)
        assert silence > TIGHT.reach_ms
    for minutes in (uncapped(left, TIGHT), uncapped(found, TIGHT)):
        assert {e.id for e in uncapped(left, TIGHT)} - {e.id for e in minutes} == set()
