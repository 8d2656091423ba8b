"""Keep a replica up to date from a real broker."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from streams.broker import handshake
from streams.control.generations import LIVE
from streams.errors import BrokerError, TopicError
from streams.kafka.connection import options
from streams.kafka.graph_topics import check_topics
from streams.layout.migration import open_store
from streams.ports import Record
from streams.serve.reader import AsOf
from streams.serve.replica import TABLES, Counts, Replica
from streams.settings import Settings
from streams.source_times import stretches
from streams.topics import DAY_MS, TOMBSTONE_DAYS
from streams.totals.wire import FACTS
from topology.graph import Graph, Tables
from topology.store.removal import remove
from topology.store.rocksdb import StoreMemory

log = logging.getLogger(__name__)

_POLL_MS = 200
_FETCHED = 5_000
_AT_ONCE = 500
"""Records between two chances of the HTTP side to answer: some 10 ms of work."""
_SEEN_EVERY_MS = 60_000
_MIB = 1 << 20


def replica_folder(settings: Settings) -> Path:
    """Where this machine keeps its replica of the graph."""
    return settings.data_dir / settings.names.own / "replica"


def _now_ms() -> int:
    return int(time.time() * 1000)


class Follower:
    """Reads every partition of `graph.facts`, without a consumer group: each replica reads all.

    Everything happens in one event loop, and what a batch changes is committed before others get
    a turn, so that whoever reads `graph` between two awaits sees whole batches.

    Args:
        settings: with the address of Kafka.
        on_batch: is told what became of each batch, for metrics.
        on_served: is told of each commit, once the replica has caught up: how many facts changed,
            and the source time behind them (`source_times`).
        now_ms: wall time.

    Attributes:
        caught_up: set once the ends that the partitions had at the start of `run` are reached.

    Raises:
        topology.errors.StoreLockedError: another process has the replica open.
        StoreOwnerError: the folder holds the replica of another graph.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        on_batch: Callable[[Counts], None] = lambda _: None,
        on_served: Callable[[int, int | None], None] = lambda _, __: None,
        now_ms: Callable[[], int] = _now_ms,
    ) -> None:
        self._settings, self._now_ms = settings, now_ms
        self._on_batch, self._on_served = on_batch, on_served
        self._source_ms: dict[int, int | None] = {}
        self._name = settings.topic(FACTS)
        self._consumer: AIOKafkaConsumer | None = None
        self.caught_up = asyncio.Event()
        self._open()

    def _open(self) -> None:
        settings = self._settings
        memory = StoreMemory(
            cache_bytes=settings.state_cache_mb * _MIB,
            write_buffer_bytes=settings.write_buffer_mb * _MIB,
        )
        self.store = open_store(replica_folder(settings), TABLES, memory=memory)
        try:
            self.replica = Replica(self.store, graph=settings.graph)
        except BaseException:
            self.store.close()
            raise

    @property
    def graph(self) -> Graph:
        """The graph as it was read so far."""
        return self.replica.graph

    @property
    def tables(self) -> Tables:
        """The store that the graph stands on."""
        return self.store

    @property
    def generation(self) -> str:
        """Which graph of the shop this is."""
        return self._settings.generation or LIVE

    def as_of(self) -> AsOf:
        """How far the replica is."""
        lag, heard_ms = self._lag()
        kept = self.replica.kept
        read = sum(kept.offsets.values())
        return AsOf(read, lag, kept.newest_ms, heard_ms, self.generation)

    async def run(self, *, until_caught_up: bool = False) -> None:
        """Follow until cancelled, or until the ends of the partitions at the start are reached.

        Raises:
            BrokerError: the broker does not answer, or refuses.
            TopicError: there is no topic of facts, or it is not the one that was read so far.
        """
        topic_id = (await check_topics(self._settings, [FACTS]))[self._name].topic_id or ""
        async with _connected(self._settings) as consumer:
            try:
                ends = await self._seek(consumer, topic_id)
                await self._read(consumer, ends, until_caught_up=until_caught_up)
            except OffsetOutOfRangeError as error:
                raise TopicError(self._not_the_same("was cut off")) from error
            except KafkaError as error:
                raise BrokerError(
                    f"{self._name} cannot be read ({type(error).__name__} {error}): look at the "
                    "broker's log and at the rights of this user"
                ) from error
            finally:
                self._consumer = None

    def close(self) -> None:
        """Release the replica's store."""
        self.store.close()

    async def _seek(self, consumer: AIOKafkaConsumer, topic_id: str) -> dict[TopicPartition, int]:
        """Stand where the replica ended; how far every partition goes now."""
        kept = self.replica.kept
        if kept.topic_id and topic_id and kept.topic_id != topic_id:
            raise TopicError(self._not_the_same("was deleted and made again"))
        assigned = [
            TopicPartition(self._name, number) for number in range(self._settings.partitions)
        ]
        consumer.assign(assigned)
        first = await consumer.beginning_offsets(assigned)
        ends: dict[TopicPartition, int] = await consumer.end_offsets(assigned)
        if any(kept.offsets.get(each.partition, 0) > ends[each] for each in assigned):
            raise TopicError(self._not_the_same("is shorter than it was"))
        if why := self._outdated(first):
            log.warning("the replica is built again from %s: %s", self._name, why)
            self._rebuild()
            kept = self.replica.kept
        kept.topic_id = topic_id or kept.topic_id
        for each in assigned:
            offset = max(kept.offsets.get(each.partition, 0), first[each])
            consumer.seek(each, offset)
            self.replica.read(each.partition, (), offset)
        self._consumer = consumer
        self._source_ms.clear()
        return {each: end for each, end in ends.items() if end > first[each]}

    def _outdated(self, first: Mapping[TopicPartition, int]) -> str:
        """Why the replica may have missed something that the topic does not tell any more."""
        kept = self.replica.kept
        for each, offset in first.items():
            if 0 < kept.offsets.get(each.partition, 0) < offset:
                return f"partition {each.partition} begins only at offset {offset} by now"
        away_ms = self._now_ms() - kept.seen_ms
        if kept.seen_ms and away_ms > TOMBSTONE_DAYS * DAY_MS:
            return (
                f"it was away for {away_ms // DAY_MS} days, the topic keeps tombstones for "
                f"{TOMBSTONE_DAYS}"
            )
        return ""

    def _rebuild(self) -> None:
        self.store.close()
        remove(replica_folder(self._settings))
        self._open()

    async def _read(
        self,
        consumer: AIOKafkaConsumer,
        ends: dict[TopicPartition, int],
        *,
        until_caught_up: bool,
    ) -> None:
        while True:
            ends = {each: end for each, end in ends.items() if await consumer.position(each) < end}
            if not ends:
                self.caught_up.set()
                self._seen()
                if until_caught_up:
                    return
            batches = await consumer.getmany(timeout_ms=_POLL_MS)
            for each, found in batches.items():
                await self._take(each.partition, found, await consumer.position(each))
            for each in consumer.assignment():
                # Transaction markers and what compaction left out move the position alone.
                self.replica.read(each.partition, (), await consumer.position(each))

    async def _take(self, partition: int, found: list[Any], position: int) -> None:
        """Read and commit a partition's batch, giving way to others now and then."""
        for place in range(0, len(found), _AT_ONCE):
            part = found[place : place + _AT_ONCE]
            last = place + len(part) >= len(found)
            served = []
            for source_ms, some in stretches(part, self._source_ms.get(partition)):
                self._source_ms[partition] = source_ms
                records = [Record(r.offset, r.timestamp, r.key, r.value) for r in some]
                counts = self.replica.read(partition, records, records[-1].offset + 1)
                served.append((counts, source_ms))
            if last:
                self.replica.read(partition, (), position)
            self.replica.commit()
            for counts, source_ms in served:
                self._on_batch(counts)
                if counts.changed and self.caught_up.is_set():
                    self._on_served(counts.changed, source_ms)
            await asyncio.sleep(0)

    def _seen(self) -> None:
        """Everything is read: note when, now and then, for a start in some weeks."""
        lag, heard_ms = self._lag()
        if lag == 0 and heard_ms - self.replica.kept.seen_ms >= _SEEN_EVERY_MS:
            self.replica.kept.seen_ms = heard_ms
            self.replica.commit()

    def _lag(self) -> tuple[int | None, int]:
        """Records that were not read yet, and when the broker told so; (None, 0): never."""
        consumer = self._consumer
        if consumer is None:
            return None, 0
        lag, heard = 0, []
        for each in consumer.assignment():
            end, told_ms = consumer.highwater(each), consumer.last_poll_timestamp(each)
            if end is None or told_ms is None:
                return None, 0
            lag += max(end - self.replica.offsets.get(each.partition, 0), 0)
            heard.append(told_ms)
        return lag, min(heard, default=0)

    def _not_the_same(self, what: str) -> str:
        return (
            f"the topic {self._name} {what}: it does not go on where this replica stopped. If that "
            f"was meant, remove {replica_folder(self._settings)} and the replica is built again"
        )


async def topic_ends(settings: Settings) -> dict[int, int]:
    """Partition of the topic of facts -> its end now; 0 for one that holds nothing.

    Raises:
        BrokerError, TopicError: as `Follower.run`.
    """
    await check_topics(settings, [FACTS])
    async with _connected(settings) as consumer:
        every = [
            TopicPartition(settings.topic(FACTS), number) for number in range(settings.partitions)
        ]
        first, ends = await consumer.beginning_offsets(every), await consumer.end_offsets(every)
    return {each.partition: end if end > first[each] else 0 for each, end in ends.items()}


@contextlib.asynccontextmanager
async def _connected(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer without a group, and without topics yet."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka,
        enable_auto_commit=False,
        auto_offset_reset="none",
        max_poll_records=_FETCHED,
        **options(settings),
    )
    try:
        await consumer.start()
    except (KafkaError, OSError) as error:
        await consumer.stop()
        raise await handshake.why(settings.kafka, options(settings), error) from error
    try:
        # Lets the consumer's own tasks begin: aiokafka's stop raises if they never did.
        await asyncio.sleep(0)
        yield consumer
    finally:
        await consumer.stop()
