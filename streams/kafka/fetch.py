"""Spans: what a fetch really covers, taken from aiokafka's fetcher in the consumer's thread.

aiokafka hands out one object a record and forgets how far it read where no record came back
(transaction markers, aborted transactions, compaction). Here one value covers a stretch of
offsets, records in it or not, and records are made in C from whole record batches.

Private names of aiokafka 0.14 that are used here are held by `test_private_names.py`.
"""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from itertools import chain, islice
from operator import attrgetter
from typing import Any, NamedTuple

from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult
from aiokafka.errors import CorruptRecordException
from faust.types import TP

from streams.errors import BrokerError
from streams.kafka.alignment import Alignment, Source
from streams.ports import Record
from streams.source_times import earlier, source_of

EventTime = Callable[[str, Record], int | None]
"""(topic, record) -> event time in ms, None if the record does not tell one."""


class Span(NamedTuple):
    """A stretch of one partition: `records` are all that there is in [`start`, `next`).

    Attributes:
        generation: of the consumer group, when it was taken.
        source_ms: the earliest time that its batches tell of the events behind them
            (`source_times`), None if none does.
    """

    start: int
    next: int
    records: list[Record]
    generation: int
    source_ms: int | None = None


Spans = list[tuple[TP, Span]]
"""Spans of any partitions, in the order to read them."""


class _Chunk(NamedTuple):
    """Records that were unpacked but not handed out: the position has not moved yet."""

    found: Any
    start: int
    next: int
    records: list[Record]
    at_ms: int | None
    source_ms: int | None = None


_fields = attrgetter("offset", "timestamp", "key", "value")
_new_record = partial(tuple.__new__, Record)


def unpack(found: Any, limit: int) -> tuple[list[Record], int | None]:
    """The next record batches, at least one, until there are `limit` records: these, and the
    earliest time that the batches tell of their sources (`source_times`).

    Does what aiokafka's `PartitionRecords._unpack_records` does, a batch at a time: checks CRCs,
    leaves out control batches, aborted transactions and what stands before the offset asked for,
    and moves `next_fetch_offset` to the end of the last batch, also over offsets that compaction
    removed.

    Args:
        found: aiokafka's `PartitionRecords` of a fetch.
        limit: records after which no further batch is begun.

    Raises:
        CorruptRecordException: a batch whose checksum is wrong.
    """
    records: list[Record] = []
    source_ms: int | None = None
    # aiokafka's generator and its owner hold each other, and with them all that was fetched: a
    # worker that hardly ever collects garbage would keep every byte it reads.
    found._records_iterator = None
    batches = found._records
    while len(records) < limit and batches.has_next():
        batch = batches.next_batch()
        if found._check_crcs and not batch.validate_crc():
            raise CorruptRecordException(f"Invalid CRC - {found._tp}")
        if not _is_aborted(found, batch) and not batch.is_control_batch:
            rows = islice(batch, None)  # aiokafka's batch may be asked for an iterator only once
            first = next(rows, None)
            part: list[Record] = []
            if first is not None:  # it alone may have headers
                source_ms = earlier(source_ms, source_of(first.headers or ()))
                part = list(map(_new_record, map(_fields, chain((first,), rows))))
            if part and part[0].offset < found.next_fetch_offset:
                part = [record for record in part if record.offset >= found.next_fetch_offset]
            records += part
        found.next_fetch_offset = max(found.next_fetch_offset, batch.next_offset)
    return records, source_ms


def _is_aborted(found: Any, batch: Any) -> bool:
    if found._isolation_level != READ_COMMITTED or batch.producer_id is None:
        return False
    found._consume_aborted_up_to(batch.base_offset)
    if batch.is_control_batch and found._contains_abort_marker(batch):
        found._aborted_producers.discard(batch.producer_id)
    return bool(batch.is_transactional) and batch.producer_id in found._aborted_producers


class Reader:
    """Takes spans out of an aiokafka fetcher; everything runs in the consumer's thread.

    Args:
        consumer: a started AIOKafkaConsumer.
        limit: records after which no further batch is taken; one record batch may exceed it.
        alignment, event_time: where given, partitions are read in the order of event time.
    """

    def __init__(
        self,
        consumer: Any,
        *,
        limit: int,
        alignment: Alignment | None = None,
        event_time: EventTime | None = None,
    ) -> None:
        self._fetcher = consumer._fetcher
        self._subscription = consumer._subscription
        self._coordinator = consumer._coordinator
        self._limit = limit
        self._alignment = alignment
        self._event_time = event_time
        self._opened: dict[TP, _Chunk] = {}
        self._next: dict[TP, tuple[int, int]] = {}

    def take(self, active: Collection[TP]) -> tuple[Spans, bool]:
        """Spans that can be had now, in the order to read them; whether something is held back.

        Raises:
            KafkaError: what the broker answered instead of records.
            BrokerError: the broker had no record at the offset where reading was to go on, and
                aiokafka went to the first one that there is.
        """
        generation = self._coordinator.generation
        spans: Spans = []
        records = 0
        if self._alignment is None or self._event_time is None:
            for tp in self._with_data(active):
                chunk = self._open(tp)
                span = self._deliver(tp, chunk, generation, is_all=True) if chunk else None
                if span is not None:
                    spans.append((TP(*tp), span))
                    records += len(span.records)
                    if records >= self._limit:
                        break
            return spans, False
        held = False
        while records < self._limit:
            chunks = {tp: chunk for tp in self._with_data(active) if (chunk := self._peek(tp))}
            chosen = self._alignment.choose(self._sources(active, chunks))
            held = len(chosen) < len(chunks)
            if not chosen:
                break
            for tp, until_ms in chosen.items():
                self._opened.pop(tp, None)
                chunk, rest = self._cut(tp, chunks[tp], until_ms)
                span = self._deliver(tp, chunk, generation, is_all=rest is None)
                if span is None:
                    continue
                spans.append((TP(*tp), span))
                records += len(span.records)
                if rest is not None:
                    self._opened[tp] = rest
                last = self._event_time(tp.topic, chunk.records[-1]) if chunk.records else None
                if last is not None:
                    self._alignment.handed_out(tp, chunk.at_ms, last, chunk.next)
        return spans, held

    def begin_again(self, offsets: Mapping[TP, int]) -> None:
        """Called in the moment in which the consumer goes to other offsets of partitions."""
        generation = self._coordinator.generation
        self._next.update({tp: (offset, generation) for tp, offset in offsets.items()})
        if self._alignment is not None:
            self._alignment.begin_again(offsets.keys())

    def _with_data(self, active: Collection[TP]) -> list[Any]:
        """Partitions with fetched records; what belongs to others is thrown away."""
        fetched = self._fetcher._records
        found = []
        for tp in list(fetched):
            if tp not in active:
                if not self._fetcher._subscriptions.is_assigned(tp):
                    self._forget(tp)
                continue
            if type(fetched[tp]) is not FetchResult:
                error = fetched[tp]
                self._forget(tp)
                error.check_raise()
            found.append(tp)
        return found

    def _open(self, tp: Any) -> _Chunk | None:
        """Unpack the next records of a partition without moving its position."""
        result = self._fetcher._records[tp]
        if not result.check_assignment(tp) or not result.has_more():
            self._forget(tp)
            return None
        found = result._partition_records
        start = found.next_fetch_offset
        try:
            records, source_ms = unpack(found, self._limit)
        except CorruptRecordException:
            self._forget(tp)
            raise
        if found.next_fetch_offset <= start:
            self._forget(tp)
            return None
        at_ms = self._event_time(tp.topic, records[0]) if self._event_time and records else None
        return _Chunk(result, start, found.next_fetch_offset, records, at_ms, source_ms)

    def _peek(self, tp: Any) -> _Chunk | None:
        """The chunk opened before, if it is still what stands next; a new one otherwise."""
        chunk = self._opened.get(tp)
        if chunk is not None:
            result = self._fetcher._records[tp]
            state = chunk.found._assignment.state_value(tp)
            if chunk.found is result and state is not None and state._position == chunk.start:
                return chunk
            del self._opened[tp]
        chunk = self._open(tp)
        if chunk is not None:
            self._opened[tp] = chunk
        return chunk

    def _cut(self, tp: Any, chunk: _Chunk, until_ms: int | None) -> tuple[_Chunk, _Chunk | None]:
        """A chunk up to its first record behind `until_ms` (but one at least), and the rest."""
        event_time = self._event_time
        if until_ms is None or event_time is None:
            return chunk, None

        # One by one: a late record in the middle would lead a binary search astray.
        for place in range(1, len(chunk.records)):
            record = chunk.records[place]
            at_ms = event_time(tp.topic, record)
            if at_ms is not None and at_ms > until_ms:
                first = chunk._replace(next=record.offset, records=chunk.records[:place])
                left = chunk.records[place:]
                return first, chunk._replace(start=record.offset, records=left, at_ms=at_ms)
        return chunk, None

    def _deliver(self, tp: Any, chunk: _Chunk, generation: int, *, is_all: bool) -> Span | None:
        """The span of a chunk; None: it is not to be read, since it was fetched too early.

        Right after a rebalance, before the partitions' own offsets are sought, aiokafka fetches
        from what the group has committed.
        """
        expected, since = self._next.get(tp, (chunk.start, generation))
        if chunk.start != expected:
            if since != generation:
                self._forget(tp)
                return None
            raise BrokerError(
                f"{tp.topic}/{tp.partition} cannot be read on at {expected}, it begins at "
                f"{chunk.start} now: records were deleted, or the topic was made again or lost its "
                "end. The worker starts again and looks which; lengthen the topic's retention"
            )
        self._next[tp] = chunk.next, generation
        chunk.found._assignment.state_value(tp).consumed_to(chunk.next)
        if is_all and not chunk.found._partition_records._records.has_next():
            self._forget(tp)
        return Span(chunk.start, chunk.next, chunk.records, generation, chunk.source_ms)

    def _forget(self, tp: Any) -> None:
        """Let go of a fetch, so that the fetcher asks for the next one."""
        self._opened.pop(tp, None)
        del self._fetcher._records[tp]
        self._fetcher._notify(self._fetcher._wait_consume_future)

    def _sources(self, active: Collection[TP], chunks: Mapping[TP, _Chunk]) -> dict[TP, Source]:
        sources: dict[TP, Source] = {}
        assignment = self._subscription.subscription.assignment
        for tp in active:
            chunk = chunks.get(tp)
            if chunk is not None:
                sources[tp] = Source(chunk.at_ms, fetched=True, behind=True)
            elif assignment is not None and assignment.active and tp in assignment.tps:
                state = assignment.state_value(tp)
                end = state.highwater if state.lso is None else state.lso
                behind = end is None or state._position is None or state._position < end
                sources[tp] = Source(None, fetched=False, behind=behind)
        return sources
