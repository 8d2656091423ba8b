"""Faust on spans: one Faust message for each fetch, whatever it holds.

Stock Faust costs 75 µs a record; here an agent gets `fetch.Spans`, some thousand records, for the
same price. Also in here: who may write (fence, lease), where reading starts (offsets that the
partitions themselves keep), and what a rebalance does. What was measured and why it is so:
"On Faust" in the design notes. Every private name of Faust and aiokafka that is used is held by
`tests/unit/streams/test_private_names.py`: another version fails there and not in the stream.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterable, Mapping
from typing import Any, Protocol, TypeVar

import faust
from aiokafka.consumer.fetcher import READ_COMMITTED
from aiokafka.errors import ConsumerStoppedError, KafkaError
from aiokafka.protocol.group import LeaveGroupRequest
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.tables import TableManager
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from streams.kafka.fetch import Reader, Spans
from streams.kafka.lease import Lease

_FETCH_WAIT_MS = 250
"""A fetch in flight that finds nothing must not keep new partitions waiting for long."""
_HELD_S, _IDLE_S = 0.004, 0.2
_LAG_S = 1.0
_logger = logging.getLogger("faust.spans")
T = TypeVar("T")


class Log(Protocol):
    """What a broker knows of partitions."""

    async def beginnings(self, tps: Collection[TP]) -> dict[TP, int]: ...

    async def ends(self, tps: Collection[TP]) -> dict[TP, int]: ...

    async def committed(self, tps: Collection[TP]) -> dict[TP, int]: ...

    async def notes(self, tps: Collection[TP]) -> dict[TP, str]: ...


class Assignee(Protocol):
    """Who keeps what belongs to the partitions that this worker is given."""

    def fence(self) -> None:
        """From here on nothing may be written. Never raises."""
        ...

    async def close(self) -> None:
        """Let go of everything."""
        ...

    def assign(self, tps: Collection[TP]) -> None:
        """Check a new assignment; whatever is raised ends the worker."""
        ...

    def bring_up(self, log: Log) -> AsyncIterator[Mapping[TP, int]]:
        """Open what was assigned, in groups: partition -> offset where reading starts."""
        ...

    def positions(self) -> Mapping[TP, int]:
        """Partitions that are open, and where reading goes on."""
        ...


class FetchThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """The thread of the aiokafka consumer: fetches spans, sends heartbeats."""

    logger = _logger
    reader: Reader

    async def on_start(self) -> None:
        await super().on_start()
        consumer = self._ensure_consumer()
        consumer._fetcher._isolation_level = READ_COMMITTED
        consumer._fetcher._fetch_max_wait_ms = _FETCH_WAIT_MS
        self.reader = self.app.new_reader(consumer)
        self._watch_heartbeats(consumer._coordinator, self.app.lease)

    def _watch_heartbeats(self, coordinator: Any, lease: Lease) -> None:
        beat = coordinator._do_heartbeat

        async def timed() -> bool:
            sent_at = time.monotonic()
            was_good = bool(await beat())
            # An answer that asks us to rejoin is "good" too, but our partitions are being moved.
            if was_good and not coordinator._rejoin_needed_fut.done():
                lease.renew(sent_at)
            return was_good

        coordinator._do_heartbeat = timed

    async def _fetch_records(
        self,
        consumer: Any,
        active_partitions: Collection[TP],
        timeout: float | None = None,
        max_records: int | None = None,
    ) -> Spans:
        del max_records  # the reader has a limit of its own
        fetcher, subscription = consumer._fetcher, consumer._subscription
        if consumer._closed or fetcher._closed:
            raise ConsumerStoppedError
        deadline = time.monotonic() + (timeout or 0.0)
        with subscription.fetch_context():
            while self.consumer.flow_active:
                held = True
                if not subscription.reassignment_in_progress:
                    spans, held = self.reader.take(active_partitions)
                    if spans:
                        return spans
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                waiter = fetcher._create_fetch_waiter()
                done, _ = await asyncio.wait(
                    [waiter], timeout=min(left, _HELD_S if held else _IDLE_S)
                )
                if done:
                    waiter.result()
                else:
                    waiter.cancel()
        return []

    async def seek_all(self, offsets: Mapping[TP, int]) -> None:
        """Read on from these offsets; what was fetched from elsewhere is thrown away."""
        for tp, offset in offsets.items():
            self._ensure_consumer().seek(TopicPartition(*tp), offset)
        self.reader.begin_again(offsets)

    async def on_loop(self, work: Coroutine[Any, Any, T]) -> T:
        """Run on the consumer's own loop, past its queue, where a long poll may stand first."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self.thread_loop))


class SpanConsumer(driver.Consumer):  # type: ignore[misc]
    """Delivers spans; opens and closes the assignee's partitions as the group moves them."""

    logger = _logger
    _epoch = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._something_active = asyncio.Event()

    def _new_consumer_thread(self) -> FetchThread:
        return FetchThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
        active = self._get_active_partitions()
        if not active:
            self._something_active.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._something_active.wait(), timeout)
            return
        spans = await self._getmany(set(active), timeout)
        if self.should_stop or not self.flow_active:
            return
        active, generation = self._get_active_partitions(), self.app.consumer_generation_id
        ours = [(tp, span) for tp, span in spans if span.generation == generation and tp in active]
        if ours:
            yield ours[0][0], _message(ours)

    def resume_partitions(self, tps: Iterable[TP]) -> None:
        super().resume_partitions(tps)
        self._something_active.set()

    def on_buffer_full(self, tp: TP) -> None:
        """Nothing: a full queue makes the one reading task wait, and keeps spans in order."""

    def on_buffer_drop(self, tp: TP) -> None:
        """Nothing, as above."""

    async def verify_all_partitions_active(self) -> None:
        """Nothing: offsets live in the stores, so Faust's own idea of progress says nothing."""

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        try:
            self._epoch += 1
            self.app.assignee.fence()  # first and at once: from here on nobody writes
            await super().on_partitions_revoked(revoked)
            await self.app.assignee.close()
        except Exception as error:  # noqa: BLE001 - aiokafka only logs what a listener raises
            self.app.fail(error)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        try:
            self.app.assignee.assign(assigned)
            thread = self._thread
            # Now, or the lease would start with the first regular one, an interval later.
            await thread.on_loop(thread._ensure_consumer()._coordinator._do_heartbeat())
            await super().on_partitions_assigned(assigned, generation_id)
            # Never inside the hook: the group's heartbeats stand still until it returns.
            self.add_future(self._bring_up(assigned, self._epoch))
        except Exception as error:  # noqa: BLE001 - aiokafka only logs what a listener raises
            self.app.fail(error)

    async def _bring_up(self, assigned: set[TP], epoch: int) -> None:
        try:
            async for ready in self.app.assignee.bring_up(self):
                if epoch != self._epoch:
                    return
                await self._seek_all(ready)
                self.resume_partitions(ready.keys() & assigned)
        except Exception as error:  # noqa: BLE001 - a background task: nobody else would see it
            self.app.fail(error)

    async def perform_seek(self) -> None:
        """Called when a rebalance ends, after Faust resumed everything: pause what is not open."""
        ready = self.app.assignee.positions()
        self.pause_partitions(self.assignment() - ready.keys())
        await self._seek_all(ready)

    async def _seek_all(self, offsets: Mapping[TP, int]) -> None:
        self._read_offset.update(dict.fromkeys(offsets))
        await self._thread.on_loop(self._thread.seek_all(offsets))

    async def beginnings(self, tps: Collection[TP]) -> dict[TP, int]:
        """First offset of each partition."""
        return await self._bounds(self._thread._ensure_consumer().beginning_offsets, tps)

    async def ends(self, tps: Collection[TP]) -> dict[TP, int]:
        """Offset after the last committed record of each partition."""
        return await self._bounds(self._thread._ensure_consumer().end_offsets, tps)

    async def committed(self, tps: Collection[TP]) -> dict[TP, int]:
        """The group's committed offsets; partitions without one are left out."""
        found = await self._committed(tps)
        return {TP(*tp): told.offset for tp, told in found.items() if told.offset >= 0}

    async def notes(self, tps: Collection[TP]) -> dict[TP, str]:
        """What the group committed beside its offsets, also of partitions that others read."""
        found = await self._committed(tps)
        return {TP(*tp): told.metadata for tp, told in found.items() if told.offset >= 0}

    async def _committed(self, tps: Collection[TP]) -> dict[TopicPartition, Any]:
        fetch = self._thread._ensure_consumer()._coordinator.fetch_committed_offsets
        found: dict[TopicPartition, Any] = await self._thread.on_loop(
            fetch([TopicPartition(*tp) for tp in tps])
        )
        return found

    async def _bounds(self, ask: Any, tps: Collection[TP]) -> dict[TP, int]:
        if not tps:
            return {}
        found = await self._thread.on_loop(ask([TopicPartition(*tp) for tp in tps]))
        return {TP(*tp): offset for tp, offset in found.items()}

    async def report(
        self, offsets: Mapping[TP, int], notes: Mapping[TP, str] | None = None
    ) -> bool:
        """Tell Kafka how far we are; False if it would not hear it (we are being rebalanced).

        Args:
            offsets: where reading goes on.
            notes: what to keep beside them (`notes`).
        """
        consumer = self._thread._ensure_consumer()
        ours = self.assignment()
        told = {
            TopicPartition(*tp): OffsetAndMetadata(offset, notes.get(tp, "") if notes else "")
            for tp, offset in offsets.items()
            if tp in ours
        }
        if not told:
            return False
        try:
            await self._thread.on_loop(consumer.commit(told))
        except (KafkaError, ConsumerStoppedError) as error:
            self.log.info("Offsets were not reported: %s", error)
            return False
        return True

    async def leave(self) -> None:
        """Leave the group for good, which a static member does not do by itself.

        aiokafka asks no static member to leave; the broker takes a request that names one by its
        member id alone.
        """
        coordinator = self._thread._ensure_consumer()._coordinator
        request = LeaveGroupRequest(coordinator.group_id, coordinator.member_id)
        try:
            await self._thread.on_loop(coordinator._send_req(request))
        except (KafkaError, ConsumerStoppedError) as error:
            self.log.warning("The group was not left (%s): it waits for the session timeout", error)

    async def ends_now(self, tps: Collection[TP]) -> dict[TP, int]:
        """Offset after the last record of each partition; empty: Kafka does not say.

        What aiokafka last heard of the ends would be no answer: of a partition whose records are
        not taken, because its stage is slow, it fetches no more and hears nothing.
        """
        try:
            async with asyncio.timeout(_LAG_S):
                return await self.ends(tps)
        except (KafkaError, ConsumerStoppedError, TimeoutError):
            return {}


def _message(spans: Spans) -> ConsumerMessage:
    """One Faust message of all spans of a fetch, under the name of the first one's partition.

    Faust finds the channel by the partition, and there is one channel for all.
    """
    tp, first = spans[0]
    at_s = first.records[-1].at_ms / 1000 if first.records else 0.0
    return ConsumerMessage(
        tp.topic,
        tp.partition,
        first.next - 1,
        at_s,
        0,
        (),
        None,
        spans,
        None,
        0,
        0,
        tp,
        generation_id=first.generation,
    )


class SpanTransport(driver.Transport):  # type: ignore[misc]
    """Faust's aiokafka transport with our consumer."""

    Consumer = SpanConsumer


class SpanSchema(faust.Schema):  # type: ignore[misc]
    """Hands spans through: there is nothing to decode."""

    def loads_key(self, app: Any, message: Any, **kwargs: Any) -> None:
        del app, message, kwargs

    def loads_value(self, app: Any, message: Any, **kwargs: Any) -> Spans:
        del app, kwargs
        spans: Spans = message.value
        return spans


class PromptTables(TableManager):  # type: ignore[misc]
    """There are no tables; Faust would sleep a second before it finds out."""

    logger = _logger

    async def on_start(self) -> None:
        if not self.should_stop:
            await self._update_channels()
            await self.recovery.start()


class SpanApp(faust.App):  # type: ignore[misc]
    """A Faust app whose agents get spans."""

    logger = _logger
    assignee: Assignee
    lease: Lease
    fail: Callable[[BaseException], None]
    """Told what ends the worker."""
    fetch_records: int
    """Records after which a fetch takes no further batch."""

    def new_reader(self, consumer: Any) -> Reader:
        """How spans are taken from the consumer; a stage that aligns its sources overrides it."""
        return Reader(consumer, limit=self.fetch_records)

    def _new_transport(self) -> SpanTransport:
        return SpanTransport(self.conf.broker_consumer, self)
