"""Rows of SHOPPERS: what is packed comes back, and admitting is a function of the set."""

import random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.events import Event
from streams.shoppers.keys import Basket, Bought, asked_key, standing_of, topic_of
from streams.shoppers.rows import (
    Row,
    Week,
    day_key,
    freeze,
    ledger_key,
    pack_steps,
    pack_week,
    thaw,
    time_of_key,
    unpack,
    unpack_steps,
    unpack_week,
)
from streams.shoppers.sessions import Sessions, Step, step_of
from streams.shoppers.windows import PURCHASE, RETURN, in_order, query_hash, standing, uncapped
from streams.weeks import week_end_ms, week_of
from tests.strategies_events import MONDAY_MS, TIGHT, event_sets

one_shopper = event_sets(20, most=40, shoppers=1)
texts = st.text(max_size=12)
bought = st.builds(
    Bought,
    st.integers(week_end_ms(99), week_end_ms(100) - 1),
    texts,
    texts,
    texts,
    st.lists(st.tuples(st.binary(min_size=16, max_size=16), st.booleans()), max_size=3).map(tuple),
    st.booleans(),
)


def row_of(steps: list[Step]) -> Row:
    row = Row("ann", b"ann", 64)
    row.keep(steps)
    return row


@given(one_shopper)
def test_steps_compare_in_the_order_of_their_events(found: list[Event]) -> None:
    assert sorted(map(step_of, found)) == [step_of(each) for each in sorted(found, key=in_order)]


@given(one_shopper, st.binary(max_size=40), st.integers(0, 1 << 20))
def test_a_row_comes_back_as_it_was_packed(found: list[Event], settled: bytes, day: int) -> None:
    row = row_of([step_of(event) for event in found])
    row.day, row.settled = day, b""
    back = unpack("ann", row.pack(), 64)
    assert (back.steps(), back.ids, back.count) == (row.steps(), row.ids, row.count)
    assert (back.day, back.bought, back.shopper) == (day, row.bought, "ann")
    row.settled = settled
    assert row.pack()[-len(row.packed) :] == row.packed or not row.packed


@given(one_shopper)
def test_steps_come_back_as_they_were_packed(found: list[Event]) -> None:
    steps = [step_of(event) for event in found]
    assert unpack_steps(pack_steps(steps), len(steps)) == steps


@given(one_shopper)
def test_what_is_open_comes_back_as_it_was_frozen(found: list[Event]) -> None:
    now, sessions = thaw(b""), Sessions(TIGHT)
    for step in sorted(map(step_of, found)):
        if step.kind == RETURN:
            sessions.give_back(now, step, ())
        else:
            (sessions.search, sessions.click, sessions.purchase)[step.kind](now, step)
    assert thaw(freeze(now)) == now


minutes = st.integers(0, 1 << 31)


@given(
    st.lists(st.tuples(st.lists(bought, min_size=1, max_size=4), minutes), max_size=4),
    st.dictionaries(texts, minutes, max_size=5),
)
def test_a_week_of_the_ledger_comes_back_as_it_was_packed(
    baskets: list[tuple[list[Bought], int]], queries: dict[str, int]
) -> None:
    within = week_end_ms(100) - 1
    asked = {asked_key(query_hash(query), within): since for query, since in queries.items()}
    full = [Basket(b, dict.fromkeys(e.product for e in b), since=since) for b, since in baskets]
    assert unpack_week(100, pack_week(Week(asked, full))) == Week(asked, full)


def test_a_week_that_an_older_version_wrote_counts_as_of_the_oldest_visits() -> None:
    one = Bought(week_end_ms(99), "a", "p", "", ())
    query = query_hash("red shoes")
    data = msgspec.msgpack.encode(([query], [[one]]))
    asked = {asked_key(query, week_end_ms(99)): 0}
    assert unpack_week(100, data) == Week(asked, [Basket([one], {"p": None}, since=0)])


@given(st.integers(0, 99_999), st.text())
def test_keys_by_time_say_their_time_and_shopper_and_sort_by_time(time: int, who: str) -> None:
    for key_of in (ledger_key, day_key):
        assert time_of_key(key_of(time, who)) == (time, who)
        assert key_of(time, "~") < key_of(time + 1, "") or time == 99_999


@settings(max_examples=60)
@given(one_shopper, st.randoms(use_true_random=False))
def test_which_events_a_minute_admits_does_not_hang_on_their_order(
    found: list[Event], rng: random.Random
) -> None:
    row = Row("ann", b"ann", 64)
    arrived = found + found[:4]
    rng.shuffle(arrived)
    place = used = again = over = 0
    while place < len(arrived):
        some = [step_of(event) for event in arrived[place : place + rng.randint(1, 6)]]
        place += len(some)
        fresh, duplicates, capped = row.admit(some, TIGHT.minute_events)
        used += len(some) - duplicates - capped
        again, over = again + duplicates, over + capped
        kept = [step for step in row.steps() if step.id not in (row.dropped or ())] + fresh
        row.packed, row.count, row.dropped = pack_steps(kept), len(kept), None
    want = [step_of(event) for event in uncapped(found, TIGHT)]
    assert row.steps() == want
    assert set(row.ids) == {step.id for step in want}
    assert (used, used + again + over) == (len(want), len(arrived))


@given(one_shopper)
def test_the_topic_of_a_key_is_seen_from_the_key(found: list[Event]) -> None:
    assert all(topic_of(key) == topic for topic, key in standing(found, TIGHT))


def test_pairs_are_chosen_before_returns_and_keys_of_two_baskets_are_one_set() -> None:
    week = week_of(MONDAY_MS)
    one = [Bought(MONDAY_MS, f"{n}", f"p{n}", "", ()) for n in range(4)]
    baskets = [Basket(one, dict.fromkeys(each.product for each in one)) for _ in range(2)]
    all_of_it = standing_of((), baskets, (), 2)
    assert len([key for key in all_of_it if b"\0w\0" in key]) == 1
    taken = {"0", "1", "2", "3"}
    assert standing_of((), baskets, taken, 2) == set()
    assert week == 2701
    assert PURCHASE < RETURN
