"""Erasures: their records, and what a shopper, a visit, a return and a ledger are left with."""

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from streams.erasures import (
    Done,
    Erasure,
    done_record,
    erasure_record,
    new_erasure,
    read_record,
)
from streams.events import Click, Event, Purchase, Return, Search, encode_event
from streams.kafka.erasure_requests import by_token, unanswered
from streams.kafka.fetch import Span
from streams.kafka.partition import Pace
from streams.kafka.partition import Partition as Runner
from streams.models.answers import no_models
from streams.ports import Record
from streams.shoppers.erasures import TABLE as ERASED
from streams.shoppers.rows import LEDGER, OPEN_DAYS, SHOPPERS
from streams.shoppers.stage import Shoppers, build_shoppers
from streams.shoppers.windows import DAY_MS, HOUR_MS, MINUTE_MS, WindowSettings
from streams.totals.owner import Owner, Start
from streams.weeks import week_end_ms, week_key, week_of
from tests.strategies_events import DESTINATIONS, Partition
from tests.unit.streams.test_partition_models import Calm, nothing
from topology.store.memory import MemoryStore

NOON = week_end_ms(2700) + 12 * HOUR_MS
WEEK = week_key(week_of(NOON))
RULES = WindowSettings()


def erasure(until: int, shopper: str = "ann", offset: int = 0) -> Erasure:
    return Erasure(shopper, until, f"t{offset}", offset)


def buy(ident: str, at: int, product: str = "p", shopper: str = "ann") -> Event:
    return Purchase(ident, at, shopper, product)


def visit(at: int, name: str, shopper: str = "ann") -> list[Event]:
    return [
        Search(f"{name}s", at, shopper, "red shoes"),
        Click(f"{name}c", at + MINUTE_MS, shopper, "p"),
        Purchase(f"{name}p", at + 2 * MINUTE_MS, shopper, "p"),
    ]


def bought(partition: Partition, product: bytes = b"p") -> int:
    return sum(
        n
        for (topic, key), n in partition.totals().items()
        if topic == "bought" and key.startswith(product + b"\0b\0")
    )


def answers(partition: Partition) -> list[Done]:
    """What is told to those who asked, all that was not acknowledged yet."""
    partition.owner.commit()
    partition.owner.outbox.sweep(1)
    found: Sequence[object] = [
        read_record(0, each.key, each.value)
        for each in partition.owner.take(10_000)
        if each.topic == "erasures"
    ]
    return [each for each in found if isinstance(each, Done)]


@pytest.fixture
def partition() -> Partition:
    found = Partition(RULES)
    found.owner.start(Start(claim=1, last_claim=None, ends={}))
    return found


def test_a_record_comes_back_as_it_was_written():
    asked = new_erasure("A" * 22, NOON)
    key, value = erasure_record(asked)
    assert read_record(7, key, value) == Erasure("A" * 22, NOON, asked.token, 7)
    done = Done(asked.token, 7, 3, 1, 2, 4)
    assert read_record(9, *done_record(done)) == done
    assert read_record(9, key, None) is None
    assert new_erasure("A" * 22, NOON).token != asked.token


def test_the_answers_of_two_graphs_do_not_push_each_other_out_of_the_topic():
    """One that has obeyed, or has nothing of the shopper, says nothing of the other."""
    first, beside = Done("t", 7, 3, 1, 2, 4), Done("t", 7, 3, 0, 0, 0, "g1")
    assert done_record(first)[0] != done_record(beside)[0]
    assert read_record(9, *done_record(beside)) == beside
    found = by_token([first, new_erasure("ann", NOON), beside])
    assert found == {"t": {"": first, "g1": beside}}


def test_what_a_graph_has_not_obeyed_is_counted_for_itself():
    said = [erasure(NOON, offset=1), Done("t1", 1, 3, 1, 2, 4), erasure(NOON, "bob", 2)]
    said += [Done("t2", 2, 3, 0, 0, 0, "g1")]
    assert [unanswered(said, name) for name in ("", "g1", "g2")] == [1, 1, 2]
    assert unanswered([Done("t9", 9, 3, 1, 2, 4)], "g1") == 0, "its erasure was compacted away"


def test_a_graph_beside_the_first_answers_in_its_own_name():
    owner = Owner(
        "shoppers", 0, MemoryStore(), build_shoppers(RULES, "g1"), DESTINATIONS, graph="g"
    )
    owner.start(Start(1, None, {}))
    owner.forget([erasure(NOON)])
    owner.commit()
    owner.outbox.sweep(1)
    (told,) = [each for each in owner.take(100) if each.topic == "erasures"]
    assert read_record(0, told.key, told.value) == Done("t0", 0, 0, 0, 0, 0, "g1")


def test_an_answer_names_nobody():
    asked = new_erasure("A" * 22, NOON)
    key, value = done_record(Done(asked.token, 7, 3, 1, 2, 4))
    assert b"A" * 22 not in key + value


def test_two_erasures_of_a_shopper_do_not_push_each_other_out_of_the_topic():
    assert erasure_record(erasure(NOON))[0] != erasure_record(erasure(NOON + 1))[0]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"ann/5", b"{"),
        (b"ann/5", b'{"shopper":"bob","until_ms":5,"token":"t"}'),
        (b"/5", b'{"shopper":"","until_ms":5,"token":"t"}'),
        (b"done/t", b"[]"),
        (b"x", b"\xff"),
    ],
)
def test_what_is_no_erasure_is_told_from_one(key: bytes, value: bytes):
    with pytest.raises(ValueError, match="offset 3"):
        read_record(3, key, value)


def test_all_that_a_shopper_stands_for_is_taken_back_and_no_row_is_left(partition: Partition):
    partition.take([*visit(NOON, "a"), *visit(NOON + 2 * DAY_MS, "b"), buy("x", NOON, "q", "bob")])
    partition.take([buy("high", NOON + 3 * DAY_MS, "q", "bob")])
    partition.owner.commit()
    assert any(b"ann" in key for key in partition.rows(LEDGER))
    partition.forget([erasure(NOON + 3 * DAY_MS)])
    assert partition.totals() == {("bought", b"q\0b\0" + WEEK): 1}
    for table in (SHOPPERS, LEDGER, OPEN_DAYS):
        assert not any(key.endswith(b"ann") for key in partition.rows(table)), table
    assert list(partition.rows(ERASED)) == [b"ann"]
    assert answers(partition) == [Done("t0", 0, 0, 2, 1, 3)]


def test_what_comes_of_it_later_is_erased_and_what_comes_after_it_counts(partition: Partition):
    partition.forget([erasure(NOON)])
    partition.take([buy("a", NOON), buy("b", NOON - 5 * MINUTE_MS)])
    partition.take([buy("c", NOON + 31 * MINUTE_MS)])
    assert bought(partition) == 1
    assert partition.outcomes() == {"used": 1, "erased": 2}


def test_a_visit_that_spans_the_time_is_forgotten_whole(partition: Partition):
    partition.take([buy("a", NOON), buy("b", NOON + 20 * MINUTE_MS, "q")])
    partition.forget([erasure(NOON + 10 * MINUTE_MS)])
    partition.take([buy("c", NOON + 45 * MINUTE_MS, "r"), buy("d", NOON + 80 * MINUTE_MS, "s")])
    assert [bought(partition, each) for each in (b"p", b"q", b"r", b"s")] == [0, 0, 0, 1]


def test_an_event_out_of_order_leads_from_what_is_forgotten_to_what_counted(partition: Partition):
    rules = WindowSettings(allowance_ms=HOUR_MS)
    partition = Partition(rules)
    partition.forget([erasure(NOON)])
    partition.take([buy("a", NOON), buy("c", NOON + 50 * MINUTE_MS)])
    assert bought(partition) == 1
    partition.take([Click("b", NOON + 25 * MINUTE_MS, "ann", "p")])
    assert bought(partition) == 0


def test_a_return_of_what_is_forgotten_takes_nothing_back(partition: Partition):
    partition.take([buy("a", NOON), buy("x", NOON, "p", "bob")])
    partition.forget([erasure(NOON)])
    partition.take([Return("r", NOON + DAY_MS, "ann", "p"), buy("b", NOON + 2 * DAY_MS)])
    assert bought(partition) == 2  # bob's, and hers of after it
    partition.take([Return("s", NOON + 3 * DAY_MS, "ann", "p")])
    assert bought(partition) == 1


def test_the_events_of_the_forgotten_still_make_others_late(partition: Partition):
    partition.forget([erasure(NOON)])
    partition.take([buy("a", NOON), buy("x", NOON - HOUR_MS, "p", "bob")])
    partition.owner.commit()
    assert partition.outcomes() == {"erased": 1, "late": 1}


def test_the_same_again_changes_nothing_and_is_answered_once(partition: Partition):
    partition.take(visit(NOON, "a"))
    partition.owner.commit()
    for _ in range(2):
        partition.forget([erasure(NOON + HOUR_MS)])
    partition.owner.commit()
    partition.open()
    partition.forget([erasure(NOON + HOUR_MS)])
    partition.owner.start(Start(claim=2, last_claim=1, ends={}))
    assert answers(partition) == [Done("t0", 0, 0, 1, 0, 3)]
    partition.forget([erasure(NOON + 2 * HOUR_MS, offset=4)])
    assert answers(partition)[-1] == Done("t4", 4, 0, 0, 0, 0)


def test_one_up_to_an_earlier_time_does_not_bring_back_what_a_later_one_took(partition: Partition):
    partition.forget([erasure(NOON, offset=0), erasure(NOON - DAY_MS, offset=1)])
    partition.take([buy("a", NOON)])
    assert bought(partition) == 0
    assert [each.token for each in answers(partition)] == ["t0", "t1"]


def test_somebody_unknown_is_answered_with_nothing(partition: Partition):
    partition.take([buy("a", NOON)])
    partition.forget([erasure(NOON, "nobody")])
    assert bought(partition) == 1
    assert answers(partition) == [Done("t0", 0, 0, 0, 0, 0)]


def test_what_has_left_the_ledger_stays_as_a_count_of_nobody():
    rules = WindowSettings(keep_ms=DAY_MS)
    partition = Partition(rules)
    partition.take([buy("a", NOON)])
    partition.take([buy("x", NOON + 30 * DAY_MS, "q", "bob")])
    partition.owner.commit()
    assert not any(key.endswith(b"ann") for key in partition.rows(LEDGER))
    partition.forget([erasure(NOON + 30 * DAY_MS)])
    assert bought(partition) == 1


@pytest.mark.parametrize("restarts", [False, True])
def test_so_it_does_where_the_week_was_at_hand_when_it_left(restarts: bool):
    partition = Partition(WindowSettings(keep_ms=DAY_MS))
    partition.take([buy("a", NOON), buy("b", NOON, "q")])
    partition.owner.commit()
    over = week_end_ms(week_of(NOON)) + DAY_MS
    visits = [Click(f"c{n}", over - n * 20 * MINUTE_MS, "ann", "p") for n in range(30, -2, -1)]
    partition.take([Return("r", visits[0].at_ms, "ann", "q"), *visits[:-1]])
    partition.owner.commit()
    assert any(key.endswith(b"ann") for key in partition.rows(LEDGER))
    partition.take(visits[-1:])
    partition.owner.commit()
    assert not any(key.endswith(b"ann") for key in partition.rows(LEDGER))
    if restarts:
        partition.open()
    partition.forget([erasure(over + DAY_MS)])
    assert (bought(partition), bought(partition, b"q")) == (1, 0)
    stage = partition.owner.stage
    assert isinstance(stage, Shoppers)
    assert stage.gauges() == {"open_visits": 0, "ledger_rows": 0}


def test_words_that_nobody_else_used_go_with_the_total(partition: Partition):
    partition.take([Search("s", NOON, "ann", "a ring for bob smith")])
    partition.owner.commit()
    partition.forget([erasure(NOON)])
    partition.owner.commit()
    assert b"smith" not in repr(partition.store.durable).encode()
    (message,) = [each for each in partition.owner.take(100) if each.value[9:17] == bytes(8)]
    assert b"smith" not in message.value


def test_a_partition_obeys_before_it_reads_and_commits_without_any_event():
    async def main() -> None:
        store = MemoryStore()
        owner = Owner("shoppers", 0, store, build_shoppers(RULES), DESTINATIONS, graph="g")
        owner.start(Start(1, None, {}))
        made = Runner(
            owner,
            store,
            topics={"x.events": "events"},
            lease=Calm(),  # type: ignore[arg-type]
            send=nothing,
            answer=no_models,
            pace=Pace(flush_s=60, flush_records=10**9, send_records=100, unsent_limit=10**9),
        )
        made.forget([erasure(NOON)])
        assert not made.rests
        record = Record(0, NOON, None, encode_event(buy("a", NOON)))
        await made.read("x.events", Span(0, 1, [record], 1))
        task = asyncio.create_task(made.run())
        made.forget([erasure(NOON, "bob", 1)])
        while not made.rests:
            made.tick(float("inf"))
            await asyncio.sleep(0.01)
        assert set(store.durable[ERASED]) == {b"ann", b"bob"}
        assert owner.tally["events.erased"] == 1
        made.close()
        await task

    asyncio.run(asyncio.wait_for(main(), 20))


def test_a_store_of_an_older_version_forgets_all_of_the_shopper(partition: Partition):
    partition.take([*visit(NOON, "a"), *visit(NOON + 2 * DAY_MS, "b")])
    partition.take([buy("high", NOON + 3 * DAY_MS, "q", "bob")])
    partition.owner.commit()
    for key in list(partition.rows(LEDGER)):
        asked, baskets, _ = msgspec.msgpack.decode(partition.rows(LEDGER)[key])
        row = msgspec.msgpack.encode((asked, baskets))
        partition.store.durable[LEDGER][key] = row
    partition.open()
    partition.forget([erasure(NOON - DAY_MS)])
    assert partition.totals() == {("bought", b"q\0b\0" + WEEK): 1}
