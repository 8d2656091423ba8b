"""How spans are read from what aiokafka has fetched."""

import asyncio
import gc
import weakref
from collections.abc import Callable, Coroutine
from functools import wraps
from itertools import pairwise
from types import SimpleNamespace

import aiokafka.consumer.fetcher as fetcher_module
import pytest
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords
from aiokafka.consumer.subscription_state import (
    SubscriptionState,
)
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import BrokerError
from streams.kafka.fetch import Reader, unpack
from streams.ports import Record
from tests.unit.streams.test_alignment import alignment

TP0 = TopicPartition("events", 0)


# --- unpacking ----------------------------------------------------------------------------------


def batch_bytes(
    base: int,
    values: list[bytes | None],
    *,
    drop: frozenset[int] = frozenset(),
    codec: int = 0,
    producer: int = -1,
    transactional: bool = False,
) -> bytes:
    """One record batch; records in `drop` were removed by compaction, their offsets stay."""
    builder = DefaultRecordBatchBuilder(
        2,
        codec,
        is_transactional=transactional,
        producer_id=producer,
        producer_epoch=0,
        base_sequence=0,
        batch_size=1 << 20,
    )
    last = len(values) - 1
    for delta, value in enumerate(values):
        if delta in drop and delta != last:
            continue
        builder.append(delta, 1_000 + base + delta, b"k%d" % delta, value, [])
    data = bytearray(builder.build())
    data[0:8] = base.to_bytes(8, "big")  # baseOffset is not covered by the checksum
    return bytes(data)


def fetched(data: bytes, at: int, aborted: list[tuple[int, int]] | None = None) -> PartitionRecords:
    return PartitionRecords(
        TP0, MemoryRecords(data), aborted, at, None, None, True, fetcher_module.READ_COMMITTED
    )


batches = st.lists(
    st.tuples(
        st.lists(st.one_of(st.none(), st.binary(max_size=5)), min_size=1, max_size=6),
        st.frozensets(st.integers(0, 5), max_size=4),
        st.integers(0, 3),  # offsets that are missing before the batch
        st.sampled_from((0, 3)),  # no compression, lz4
        st.sampled_from((-1, 7, 8)),  # no producer id, or a transaction of one of two
    ),
    min_size=1,
    max_size=6,
)


@given(batches, st.integers(0, 12), st.integers(1, 10), st.booleans())
def test_unpacking_gives_what_aiokafka_gives(told, skip: int, limit: int, aborts: bool):
    data, at = b"", 0
    end = sum(gap + len(values) for values, _, gap, _, _ in told)
    start = min(skip, end - 1)
    for values, drop, gap, codec, producer in told:
        at += gap + len(values)
        if at > start:  # a broker begins with the batch that holds the offset asked for
            data += batch_bytes(
                at - len(values),
                values,
                drop=drop,
                codec=codec,
                producer=producer,
                transactional=producer >= 0,
            )
    aborted = [(7, 0)] if aborts else []
    oracle = fetched(data, start, list(aborted))
    wanted = [Record(each.offset, each.timestamp, each.key, each.value) for each in oracle]
    ours, found = fetched(data, start, list(aborted)), []
    nexts = [start]
    while ours._records.has_next():
        part, _ = unpack(ours, limit)
        assert all(nexts[-1] <= each.offset < ours.next_fetch_offset for each in part)
        nexts.append(ours.next_fetch_offset)
        found += part
    assert found == wanted
    assert all(type(each) is Record for each in found)
    assert ours.next_fetch_offset == oracle.next_fetch_offset == at
    assert all(before < after for before, after in pairwise(nexts))


def test_a_batch_with_a_wrong_checksum_is_refused():
    data = bytearray(batch_bytes(0, [b"value"]))
    data[-1] ^= 1
    with pytest.raises(CorruptRecordException):
        unpack(fetched(bytes(data), 0), 10)


def test_what_was_unpacked_goes_without_the_garbage_collector():
    found = fetched(batch_bytes(0, [b"value"]), 0)
    gone = weakref.ref(found)
    gc.disable()
    try:
        unpack(found, 10)
        del found
        assert gone() is None
    finally:
        gc.enable()


def in_a_loop(test: Callable[[], Coroutine[None, None, None]]) -> Callable[[], None]:
    @wraps(test)
    def run() -> None:
        asyncio.run(test())

    return run


def reader_of(
    data: dict[TopicPartition, bytes], **kwargs: object
) -> tuple[Reader, SimpleNamespace]:
    """A reader over a fetcher that holds these bytes."""
    subscription = SubscriptionState(loop=asyncio.get_running_loop())
    subscription.assign_from_user(set(data))
    assignment = subscription.subscription.assignment
    for tp in data:
        assignment.state_value(tp).seek(0)
    fetcher = SimpleNamespace(
        _records={
            tp: FetchResult(
                tp,
                assignment=assignment,
                partition_records=PartitionRecords(
                    tp, MemoryRecords(told), [], 0, None, None, True, 1
                ),
                backoff=0,
            )
            for tp, told in data.items()
        },
        _subscriptions=subscription,
        _notify=lambda future: None,
        _wait_consume_future=None,
    )
    consumer = SimpleNamespace(
        _fetcher=fetcher,
        _subscription=subscription,
        _coordinator=SimpleNamespace(generation=3),
    )
    return Reader(consumer, limit=2, **kwargs), fetcher  # type: ignore[arg-type]


@in_a_loop
async def test_a_span_covers_offsets_without_records_and_moves_the_position():
    data = batch_bytes(5, [b"a", b"b", b"c"], drop=frozenset((0, 1))) + batch_bytes(9, [b"d"])
    reader, fetcher = reader_of({TP0: data})
    spans, held = reader.take([TP0])
    assert not held
    assert [(span.start, span.next, len(span.records)) for _, span in spans] == [(0, 10, 2)]
    assert fetcher._records == {}
    assert reader.take([TP0]) == ([], False)


@in_a_loop
async def test_what_is_not_active_stays_and_what_is_not_ours_goes():
    other = TopicPartition("events", 1)
    reader, fetcher = reader_of({TP0: batch_bytes(0, [b"a"]), other: batch_bytes(0, [b"b"])})
    spans, _ = reader.take([other])
    assert [tp for tp, _ in spans] == [other]
    assert list(fetcher._records) == [TP0]
    fetcher._subscriptions.assign_from_user({other})
    reader.take([other])
    assert list(fetcher._records) == []


@in_a_loop
async def test_after_a_seek_nothing_of_the_old_place_is_handed_out():
    aligned = alignment(0)
    late, early = TopicPartition("a", 0), TopicPartition("b", 0)
    reader, fetcher = reader_of(
        {late: batch_bytes(1000, [b"x"]), early: batch_bytes(0, [b"y"])},
        alignment=aligned,
        event_time=lambda topic, record: record.at_ms,
    )
    spans, held = reader.take([late, early])
    assert ([tp for tp, _ in spans], held) == ([early], True)
    other = fetched(batch_bytes(0, [b"other"]), 0)
    assignment = fetcher._subscriptions.subscription.assignment
    fetcher._records[late] = FetchResult(
        late, assignment=assignment, partition_records=other, backoff=0
    )  # what a seek to where we stood, and a new fetch, leave
    ((_, span),) = reader.take([late, early])[0]
    assert [record.value for record in span.records] == [b"other"]


@pytest.mark.parametrize(("wanted", "there"), [(2, 5), (5, 0)], ids=["gone", "went-back"])
def test_reading_never_jumps_to_an_offset_that_nobody_sought(wanted: int, there: int):
    asyncio.run(jump(wanted, there))


async def jump(wanted: int, there: int) -> None:
    reader, fetcher = reader_of({TP0: b""})
    assignment = fetcher._subscriptions.subscription.assignment

    def fetch() -> None:
        assignment.state_value(TP0).seek(there)
        found = fetched(batch_bytes(there, [b"a"]), there)
        fetcher._records[TP0] = FetchResult(
            TP0, assignment=assignment, partition_records=found, backoff=0
        )

    reader.begin_again({TP0: wanted})
    fetch()  # aiokafka went there by itself
    with pytest.raises(BrokerError, match=f"cannot be read on at {wanted}"):
        reader.take([TP0])
    reader.begin_again({TP0: there})
    fetch()
    assert reader.take([TP0])[0]


@pytest.mark.parametrize("aligned", [False, True])
def test_what_is_fetched_after_a_rebalance_before_it_is_sought_is_not_read(aligned: bool):
    asyncio.run(rebalanced(aligned=aligned))


async def rebalanced(*, aligned: bool) -> None:
    ways = {"alignment": alignment(0), "event_time": lambda topic, record: record.at_ms}
    reader, fetcher = reader_of({TP0: b""}, **(ways if aligned else {}))
    assignment = fetcher._subscriptions.subscription.assignment

    def fetch(at: int) -> None:
        assignment.state_value(TP0).seek(at)
        found = fetched(batch_bytes(at, [b"a"]), at)
        fetcher._records[TP0] = FetchResult(
            TP0, assignment=assignment, partition_records=found, backoff=0
        )

    reader.begin_again({TP0: 5})
    reader._coordinator.generation += 1
    fetch(2)  # from what the group had committed
    assert reader.take([TP0])[0] == []
    assert fetcher._records == {}
    reader.begin_again({TP0: 5})
    fetch(5)
    ((_, span),) = reader.take([TP0])[0]
    assert (span.start, span.generation) == (5, 4)


# --- alignment ----------------------------------------------------------------------------------


@given(st.lists(st.lists(st.integers(0, 1_000), max_size=25), min_size=1, max_size=4))
def test_aligned_reading_merges_backlogs_within_the_slack(sources: list[list[int]]):
    slack = 20

    async def read() -> list[int]:
        data = {
            TopicPartition("s", number): batch_bytes(0, [b"%d" % each for each in sorted(times)])
            for number, times in enumerate(sources)
            if times
        }
        if not data:
            return []
        clock = [0.0]
        reader, fetcher = reader_of(
            data,
            alignment=alignment(slack, clock),
            event_time=lambda topic, record: int(record.value or b""),
        )
        assignment = fetcher._subscriptions.subscription.assignment
        for number, times in enumerate(sources):
            if times:
                assignment.state_value(TopicPartition("s", number)).highwater = len(times)
        seen: list[int] = []
        at = dict.fromkeys(data, 0)
        while fetcher._records:
            spans, _ = reader.take(list(data))
            clock[0] += 0.0 if spans else 1.1  # a source that is used up is waited for
            for tp, span in spans:
                assert at[tp] == span.start == span.records[0].offset
                at[tp] = span.next
                seen += [int(record.value or b"") for record in span.records]
        return seen

    seen = asyncio.run(read())
    assert sorted(seen) == sorted(each for times in sources for each in times)
    highest = 0
    for each in seen:
        assert each >= highest - slack
        highest = max(highest, each)


@in_a_loop
async def test_a_late_record_does_not_let_those_before_it_run_ahead():
    first, second = TopicPartition("a", 0), TopicPartition("b", 0)
    data = {
        first: batch_bytes(0, [b"%d" % each for each in (0, 100, 110, 120, 5, 130, 6, 7)]),
        second: batch_bytes(0, [b"%d" % each for each in (0, 50, 200)]),
    }
    now = [0.0]
    reader, fetcher = reader_of(
        data,
        alignment=alignment(20, now),
        event_time=lambda topic, record: int(record.value or b""),
    )
    seen: list[bytes | None] = []
    while fetcher._records:
        spans, _ = reader.take([first, second])
        seen += [record.value for _, span in spans for record in span.records]
        now[0] += 0.0 if spans else 6.0
    assert seen.index(b"100") > seen.index(b"50")
    assert seen.index(b"200") > seen.index(b"130")
