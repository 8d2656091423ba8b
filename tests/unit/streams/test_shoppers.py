"""SHOPPERS: how records end, what is kept and for how long, and what bad input does."""

import pytest

from streams.dead_letters import DeadLetter, decode_dead_letter
from streams.events import Click, Event, Purchase, Return, Search
from streams.shoppers.rows import LEDGER, OPEN_DAYS, SHOPPERS
from streams.shoppers.windows import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    WindowSettings,
    basket_of,
    query_hash,
    standing,
    uncapped,
)
from streams.totals.owner import Start
from streams.weeks import week_end_ms, week_key, week_of
from tests.strategies_events import Partition

NOON = week_end_ms(2700) + 12 * HOUR_MS
WEEK = week_key(week_of(NOON))
RULES = WindowSettings()


@pytest.fixture
def partition() -> Partition:
    return Partition(RULES)


def click(ident: str, at: int, product: str = "p", shopper: str = "ann") -> Click:
    return Click(ident, at, shopper, product)


def search(ident: str, at: int, query: str = "shoes", shopper: str = "ann") -> Search:
    return Search(ident, at, shopper, query)


def buy(ident: str, at: int, product: str = "p", shopper: str = "ann", session: str = "") -> Event:
    return Purchase(ident, at, shopper, product, "", session)


def give_back(ident: str, at: int, product: str = "p", shopper: str = "ann") -> Return:
    return Return(ident, at, shopper, product)


def total(partition: Partition, *parts: bytes) -> int:
    topic = "searched" if parts[1] in b"ac" or (parts[1] == b"b" and len(parts) > 2) else "bought"
    return partition.totals().get((topic, b"\0".join((*parts, WEEK))), 0)


def dead_letters(partition: Partition) -> list[DeadLetter]:
    partition.owner.start(Start(claim=1, last_claim=None, ends={}))
    messages = partition.owner.take(10_000)
    return [decode_dead_letter(each.value) for each in messages if each.topic == "dead-letters"]


def test_an_event_as_old_as_the_allowance_is_used_and_an_older_one_is_late(
    partition: Partition,
) -> None:
    partition.take([click("a", NOON)])
    partition.take([buy("b", NOON - RULES.allowance_ms), buy("c", NOON - RULES.allowance_ms - 1)])
    assert total(partition, b"p", b"b") == 1
    assert partition.outcomes() == {"used": 2, "late": 1}


def test_lateness_is_judged_against_what_was_read_before_whenever_it_is_flushed() -> None:
    rows = [click("a", NOON), buy("b", NOON - HOUR_MS), click("c", NOON + 2 * HOUR_MS)]
    rows += [buy("d", NOON + HOUR_MS), buy("e", NOON + HOUR_MS + 55 * MINUTE_MS)]
    together, apart = Partition(RULES), Partition(RULES)
    together.take(rows)
    for row in rows:
        apart.take([row])
        apart.owner.commit()
    assert together.totals() == apart.totals()
    assert together.outcomes() == apart.outcomes() == {"used": 3, "late": 2}


def test_the_same_id_of_the_same_shopper_counts_once_across_flushes_and_restarts(
    partition: Partition,
) -> None:
    partition.take([buy("a", NOON), buy("a", NOON), buy("a", NOON, shopper="bob")])
    assert total(partition, b"p", b"b") == 2
    partition.open()
    partition.take([buy("a", NOON)])
    assert total(partition, b"p", b"b") == 2
    assert partition.outcomes() == {"used": 2, "duplicate": 2}


def test_an_event_over_an_hour_ahead_of_its_record_is_a_dead_letter_and_moves_nothing(
    partition: Partition,
) -> None:
    partition.take([buy("a", NOON + HOUR_MS)], stamp_ms=NOON)
    partition.take([buy("b", NOON + 10 * 365 * DAY_MS)], stamp_ms=NOON)
    partition.take([buy("c", NOON + HOUR_MS + 1)], stamp_ms=NOON)
    partition.take([buy("d", NOON + HOUR_MS, "o")], stamp_ms=NOON)
    assert (total(partition, b"p", b"b"), total(partition, b"o", b"b")) == (1, 1)
    assert partition.outcomes() == {"used": 2, "dead_letter": 2}
    assert {each.reason for each in dead_letters(partition)} == {"future"}


def test_the_past_is_never_too_old(partition: Partition) -> None:
    in_2010 = 1_270_000_000_000
    partition.take([buy("a", in_2010)], stamp_ms=NOON)
    assert partition.totals() == {("bought", b"p\0b\0" + week_key(week_of(in_2010))): 1}


BAD = {
    b"": "not_json",
    b"\x00\x01\x02": "not_json",
    b"{": "not_json",
    b"[]": "wrong_type",
    b"17": "wrong_type",
    b'{"kind":"click","at_ms":1,"shopper":"s","product":"p"}': "wrong_type",
    b'{"kind":"me@example.org","id":"a"}': "wrong_type",
    b'{"kind":"click","id":"a","at_ms":"1","shopper":"s","product":"p"}': "wrong_type",
    b'{"kind":"click","id":"a","at_ms":1.5,"shopper":"s","product":"p"}': "wrong_type",
    b'{"kind":"click","id":"a","at_ms":NaN,"shopper":"s","product":"p"}': "not_json",
    b'{"kind":"click","id":"a","at_ms":-1,"shopper":"s","product":"p"}': "bad_time",
    b'{"kind":"click","id":"a","at_ms":%s,"shopper":"s","product":"p"}' % (b"9" * 30): "future",
    b'{"kind":"click","id":"\xff","at_ms":1,"shopper":"s","product":"p"}': "bad_utf8",
    b'{"kind":"click","id":"\\ud800","at_ms":1,"shopper":"s","product":"p"}': "not_json",
    b'{"kind":"click","id":"","at_ms":1,"shopper":"s","product":"p"}': "missing_id",
    b'{"kind":"click","id":"a","at_ms":1,"shopper":"","product":"p"}': "missing_id",
    b'{"kind":"click","id":"a","at_ms":1,"shopper":"s","product":""}': "missing_id",
    b'{"kind":"click","id":"a","at_ms":1,"shopper":"s","product":"p\\u0000w"}': "bad_id",
    b'{"kind":"search","id":"a","at_ms":1,"shopper":"s","query":""}': "empty_query",
    b'{"x":' * 50_000: "too_deep",
    b'{"kind":"click","x":"' + b"x" * 10_000_000 + b'"}': "wrong_type",
}


def test_bad_values_are_dead_letters_with_a_reason_and_the_stream_goes_on(
    partition: Partition,
) -> None:
    partition.read([(NOON, value) for value in BAD])
    partition.read([(NOON, None)])
    partition.take([buy("fine", NOON)])
    assert partition.owner.tally["events.dead_letter"] == len(BAD) + 1
    assert total(partition, b"p", b"b") == 1
    found = {each.offset: each for each in dead_letters(partition)}
    reasons = [found[offset].reason for offset in range(len(BAD))]
    assert reasons == list(BAD.values())
    assert found[len(BAD)].reason == "wrong_type"
    assert not any("example.org" in each.detail for each in found.values())
    assert partition.outcomes() == {"used": 1, "dead_letter": len(BAD) + 1}


def test_a_query_is_described_by_its_normalised_text(partition: Partition) -> None:
    partition.take([search("a", NOON, "Red  SHOES"), search("b", NOON, "red shoes", "bob")])
    partition.owner.commit()
    key = query_hash("red shoes") + b"\0a\0" + WEEK
    assert partition.owner.outbox.get("searched", key) == (2, b"red shoes")


def test_a_session_of_100_000_clicks_stays_small() -> None:
    partition = Partition(RULES)
    clicks: list[Event] = [click(f"{n:06}", NOON + n * 60, f"p{n % 5000}") for n in range(100_000)]
    for start in range(0, len(clicks), 5_000):
        partition.take(clicks[start : start + 5_000])
        partition.owner.commit()
    assert len(partition.rows(SHOPPERS)[b"ann"]) < 200_000
    used = len(uncapped(clicks, RULES))
    assert partition.outcomes() == {"used": used, "capped": 100_000 - used}
    assert used == 100 * RULES.minute_events


def test_a_basket_of_5_000_items_is_used_whole_and_paired_in_part() -> None:
    partition = Partition(RULES)
    items: list[Event] = [buy(f"{n * 7919 % 5000:05}", NOON + n % 3, f"p{n}") for n in range(5_000)]
    for start in range(0, len(items), 1_000):
        partition.take(items[start : start + 1_000])
        partition.owner.commit()
    assert partition.outcomes() == {"used": 5_000}
    partition.totals()
    assert partition.owner.tally["pairs.capped"] == 4_970
    paired, _ = basket_of(items, RULES)
    pairs = [key.split(b"\0") for _, key in partition.totals() if b"\0w\0" in key]
    told = {parts[place] for parts in pairs for place in (0, 2)}
    assert told == {product.encode() for product in paired}
    assert len(partition.totals()) == 5_000 + 30 * 29 // 2


def test_a_return_weeks_later_takes_back_exactly_what_its_purchase_added(
    partition: Partition,
) -> None:
    events: list[Event] = [
        search("s", NOON),
        click("c", NOON + 1),
        buy("p", NOON + 2),
        buy("o", NOON + 3, "o"),
    ]
    partition.take(events)
    partition.take([click("x", NOON + 30 * DAY_MS, shopper="bob")])
    partition.owner.commit()
    partition.open()
    partition.take([give_back("r", NOON + 31 * DAY_MS)])
    want = standing([*events, give_back("r", NOON + 31 * DAY_MS)], RULES)
    assert partition.totals() == dict.fromkeys(want, 1)
    assert ("bought", b"o\0b\0" + WEEK) in want
    assert ("bought", b"p\0b\0" + WEEK) not in want


def test_a_return_that_arrives_before_its_purchase_takes_it_back(partition: Partition) -> None:
    partition.take([give_back("r", NOON + MINUTE_MS)])
    partition.owner.commit()
    partition.take([buy("p", NOON)])
    assert partition.totals() == {}


def test_whether_a_return_is_in_time_is_judged_by_event_time_not_by_what_is_deleted() -> None:
    last = week_end_ms(week_of(NOON)) + RULES.keep_ms
    for returned_at, left in ((last, 0), (last + 1, 1)):
        partition = Partition(RULES)
        partition.take([buy("p", NOON)])
        partition.take([click("x", last + RULES.allowance_ms, shopper="bob")])
        partition.owner.commit()
        partition.take([give_back("r", returned_at)])
        assert total(partition, b"p", b"b") == left


def test_a_week_of_the_ledger_goes_when_no_return_can_reach_it_and_totals_stay() -> None:
    partition = Partition(RULES)
    for number in range(50):
        shopper = f"s{number}"
        partition.take([search(f"a{number}", NOON + number, shopper=shopper)])
        partition.take([buy(f"b{number}", NOON + number, shopper=shopper)])
    partition.take([click("x", NOON + 2 * DAY_MS)])
    partition.owner.commit()
    assert len(partition.rows(LEDGER)) == 50
    over = week_end_ms(week_of(NOON)) + RULES.keep_ms + RULES.allowance_ms
    partition.take([click("y", over)])
    partition.owner.commit()
    assert len(partition.rows(LEDGER)) == 50
    partition.take([click("z", over + 1)])
    partition.owner.commit()
    assert partition.rows(LEDGER) == {}
    assert total(partition, b"p", b"b") == total(partition, query_hash("shoes"), b"a") == 50


def test_a_visit_that_ended_shrinks_to_what_returns_need_without_an_event_of_its_own() -> None:
    partition = Partition(RULES)
    partition.take([click("a", NOON), buy("b", NOON + 1)])
    partition.take([click("c", NOON, shopper="bob")])
    partition.owner.commit()
    assert set(partition.rows(SHOPPERS)) == {b"ann", b"bob"}
    partition.take([click("d", NOON + DAY_MS, shopper="cid")])
    partition.owner.commit()
    assert set(partition.rows(SHOPPERS)) == {b"cid"}
    assert set(partition.rows(LEDGER)) == {WEEK + b"\0ann"}
    assert len(partition.rows(OPEN_DAYS)) == 1
    partition.take([give_back("r", NOON + DAY_MS + 1)])
    assert total(partition, b"p", b"b") == 0


def test_endings_and_expiry_are_taken_in_bounded_steps_and_all_of_them_in_the_end() -> None:
    partition = Partition(RULES)
    partition.take([buy(f"{n}", NOON, shopper=f"s{n}") for n in range(5_000)])
    partition.owner.commit()
    partition.open()
    sizes = []
    for flush in range(12):
        partition.take([click(f"x{flush}", NOON + 2 * DAY_MS + flush)])
        partition.owner.commit()
        sizes.append(len(partition.rows(SHOPPERS)))
    assert sizes[0] > 2_000
    assert sizes[-1] == 1
    assert len(partition.rows(LEDGER)) == 5_000


def test_an_open_row_does_not_grow_with_the_visits_of_its_shopper(partition: Partition) -> None:
    sizes = []
    for day in range(40):
        at = NOON + day * DAY_MS
        partition.take([search(f"s{day}", at), click(f"c{day}", at + 1), buy(f"b{day}", at + 2)])
        partition.owner.commit()
        sizes.append(len(partition.rows(SHOPPERS)[b"ann"]))
    assert max(sizes) < 2 * sizes[0]
    assert len(partition.rows(LEDGER)) == 6


def test_a_long_session_settles_and_goes_on_as_if_it_had_not() -> None:
    events: list[Event] = [search("s", NOON, "tea")]
    for n in range(1, 400):
        kind = (click, click, search, click, buy)[n % 5]
        what = f"q{n % 7}" if kind is search else f"p{n % 11}"
        events.append(kind(f"{n:04}", NOON + n * 2 * MINUTE_MS, what))
    events.append(give_back("r", events[-1].at_ms + 1, "p4"))
    partition = Partition(RULES)
    for start in range(0, len(events), 7):
        partition.take(events[start : start + 7])
        partition.owner.commit()
    assert partition.totals() == dict.fromkeys(standing(events, RULES), 1)
    assert int.from_bytes(partition.rows(SHOPPERS)[b"ann"][4:8], "big") > 0, "nothing is settled"


def test_a_cache_of_one_row_changes_nothing() -> None:
    events = [
        each
        for n in range(60)
        for each in (
            search(f"s{n}", NOON + n * MINUTE_MS, f"q{n % 3}", f"s{n % 5}"),
            buy(f"b{n}", NOON + n * MINUTE_MS + 1, f"p{n % 4}", f"s{n % 5}"),
        )
    ]
    small, large = Partition(WindowSettings(cache_shoppers=1)), Partition(RULES)
    for partition in small, large:
        for start in range(0, len(events), 4):
            partition.take(events[start : start + 4])
            partition.owner.commit()
    assert small.totals() == large.totals()


def test_the_highest_time_survives_a_restart(partition: Partition) -> None:
    partition.take([click("a", NOON)])
    partition.owner.commit()
    partition.open()
    partition.take([click("b", NOON - HOUR_MS)])
    assert partition.outcomes() == {"used": 1, "late": 1}


def test_a_session_over_two_weeks_is_found_by_a_return_when_the_first_week_is_gone() -> None:
    midnight = week_end_ms(week_of(NOON))
    events = [buy("p", midnight - MINUTE_MS), buy("o", midnight + MINUTE_MS, "o")]
    back = give_back("r", midnight + RULES.keep_ms + DAY_MS, "o")
    partition = Partition(RULES)
    partition.take(events)
    partition.take([click("x", midnight + RULES.keep_ms + DAY_MS, shopper="bob")])
    partition.owner.commit()
    partition.take([back])
    assert partition.totals() == dict.fromkeys(standing([*events, back], RULES), 1)


def flushed(rules: WindowSettings, *batches: list[Event]) -> Partition:
    """A partition that has committed after each of the batches."""
    partition = Partition(rules)
    for batch in batches:
        partition.take(batch)
        partition.owner.commit()
    events = [event for batch in batches for event in batch]
    want: dict[tuple[str, bytes], int] = {}
    for shopper in {event.shopper for event in events}:
        for key in standing((e for e in events if e.shopper == shopper), rules):
            want[key] = want.get(key, 0) + 1
    assert partition.totals() == want
    assert partition.outcomes() == {"used": len(events)}
    return partition


def minute(n: float) -> int:
    return NOON + int(n * MINUTE_MS)


def test_a_click_that_comes_late_is_put_where_it_belongs_behind_what_is_settled() -> None:
    partition = flushed(
        WindowSettings(raw_events=2),
        [search("a", minute(0), "tea"), click("b", minute(1), "x")],
        [click("c", minute(20), "x")],
        [search("d", minute(20.5), "mug")],
        [click("e", minute(15))],
        [buy("f", minute(21))],
    )
    assert total(partition, query_hash("tea"), b"c", b"p") == 1
    assert total(partition, query_hash("mug"), b"b", b"p") == 1


def test_a_visit_is_not_left_while_a_late_event_can_still_join_it() -> None:
    rules = WindowSettings(gap_ms=5 * MINUTE_MS, span_ms=0, allowance_ms=20 * MINUTE_MS)
    first, next_visit, joins = (
        search("a", minute(0), "tea"),
        click("b", minute(10), "x"),
        buy("c", minute(4)),
    )
    for high in (10, 22):
        partition = flushed(
            rules, [first], [next_visit, click("h", minute(high), "x", "bob")], [joins]
        )
        assert total(partition, query_hash("tea"), b"b", b"p") == 1


def test_a_settled_search_is_still_found_by_its_query_id_within_the_span() -> None:
    with_id = Search("a", minute(0), "ann", "tea", "i1", "s1")
    uses_it = Purchase("d", minute(3), "ann", "p", "i1", "s2")
    clicked = Click("b", minute(0.5), "ann", "p", "i1", "s1")
    rules = WindowSettings(raw_events=2, allowance_ms=MINUTE_MS, gap_ms=MINUTE_MS)
    partition = flushed(rules, [with_id, clicked], [click("c", minute(2.5), "x")], [uses_it])
    assert partition.rows(SHOPPERS)[b"ann"][4:8] != bytes(4), "nothing was settled"
    assert total(partition, query_hash("tea"), b"c", b"p") == 1
