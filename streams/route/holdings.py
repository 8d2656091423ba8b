"""The source partitions of a ROUTE process: routed, sent, acknowledged, and only then reported."""

import asyncio
import contextlib
import logging
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from typing import Any, NamedTuple

from faust.types import TP

from streams.kafka.fetch import Span
from streams.kafka.transport import Log
from streams.monitoring import metrics
from streams.monitoring.lag_clock import LagClock
from streams.monitoring.step_times import StepTimes
from streams.ports import Message
from streams.route.checks import NAME, begins
from streams.route.sharing import Sharing
from streams.route.stage import Route
from streams.source_times import earlier
from streams.telling import during

log = logging.getLogger(__name__)

_UNDER_WAY = 4
_COLLECTED = 20_000


class _Routed(NamedTuple):
    """Spans that were routed and not sent yet: their messages, and where each partition goes on."""

    messages: list[Message]
    positions: dict[TP, int]
    oldest_ms: int | None


class RouteHoldings:
    """The source partitions that Kafka gave this process, and how far each was sent.

    Spans of an aligned backlog are small; what they become is collected while earlier messages are
    on their way, and sent together.

    Args:
        route: the pure stage.
        submit: queues messages and returns what waits for their acknowledgement.
        fail: told what ends the worker.
        sharing: hears of the partitions that others read before any of ours is read.
        again: the operator says that what was read before may be read from the beginning.
    """

    def __init__(
        self,
        route: Route,
        submit: Callable[[list[Message], int | None], Awaitable[Awaitable[Any]]],
        fail: Callable[[BaseException], None],
        sharing: Sharing,
        *,
        again: bool = False,
    ) -> None:
        self._route = route
        self._submit = submit
        self._fail = fail
        self._sharing = sharing
        self._again = again
        self._epoch = 0
        self._assigned: frozenset[TP] | None = None
        self._next: dict[TP, int] = {}
        self._collected = _Routed([], {}, None)
        self._filled, self._emptied = asyncio.Event(), asyncio.Event()
        self._under_way: deque[asyncio.Task[None]] = deque()
        self.tally: Counter[str] = Counter()
        self.lag_clock = LagClock[TP]()
        self._times = StepTimes(NAME)
        self._batch_seconds = metrics.BATCH_SECONDS.labels(NAME)
        self._publish_seconds = metrics.PUBLISH_SECONDS.labels(NAME)
        self._messages = metrics.MESSAGES.labels(NAME)

    @property
    def ready(self) -> bool:
        """All that was assigned is being read."""
        return self._assigned is not None and self._next.keys() >= self._assigned

    @property
    def newest_ms(self) -> int:
        """Highest event time that was sent on, ms since 1970; -1 before there is one."""
        return self._route.newest_ms

    @property
    def assigned(self) -> int | None:
        """How many partitions Kafka gave; None before it has given any."""
        return None if self._assigned is None else len(self._assigned)

    def fence(self) -> None:
        self._epoch += 1
        self._collected = _Routed([], {}, None)
        self._emptied.set()

    async def close(self) -> None:
        self._next.clear()
        self._assigned = None

    def assign(self, tps: Collection[TP]) -> None:
        metrics.REBALANCES.labels(NAME).inc()
        self._assigned = frozenset(tps)
        log.info("assigned %d source partitions", len(self._assigned))

    async def bring_up(self, broker: Log) -> AsyncIterator[Mapping[TP, int]]:
        """Where the group stopped reading; partitions that nobody read start at their beginning."""
        epoch, tps = self._epoch, self._assigned or frozenset()
        first, done, _ = await asyncio.gather(
            broker.beginnings(tps),
            broker.committed(tps),
            self._sharing.hear(broker, tps, at_once=True),
        )
        end = await broker.ends(tps)  # after what was committed, never before
        if epoch != self._epoch:
            return
        self._next = begins(tps, (first, end), done, again=self._again)
        yield dict(self._next)

    def positions(self) -> Mapping[TP, int]:
        return dict(self._next)

    async def read(self, topic: str, number: int, span: Span) -> None:
        """Route a span; waits while too much is collected."""
        epoch, begun = self._epoch, time.monotonic()
        while len(self._collected.messages) > _COLLECTED:
            self._emptied.clear()
            await self._emptied.wait()
        if epoch != self._epoch:
            return
        applying = self._times.waited(begun)
        try:
            routed = self._route.route(topic, number, span.records)
        except Exception as error:
            during(error, topic=topic, partition=number, offset=span.start)
            raise
        self.tally.update(routed.tally)
        messages, positions, oldest_ms = self._collected
        messages += routed.messages
        positions[TP(topic, number)] = span.next
        if span.records:
            oldest_ms = earlier(oldest_ms, span.records[0].at_ms)
            self.lag_clock.applied(TP(topic, number), span.records[-1].at_ms)
        self._collected = _Routed(messages, positions, oldest_ms)
        self._filled.set()
        self._times.applied(applying, len(span.records))
        self._batch_seconds.observe(time.monotonic() - begun)

    async def run(self) -> None:
        """Send what is collected; until cancelled."""
        while True:
            await self._filled.wait()
            self._filled.clear()
            epoch, routed = self._epoch, self._collected
            self._collected = _Routed([], {}, None)
            self._emptied.set()
            begun = time.monotonic()
            acknowledged = await self._submit(routed.messages, routed.oldest_ms)
            before = self._under_way[-1] if self._under_way else None
            self._under_way.append(
                asyncio.create_task(self._settle(epoch, routed, acknowledged, before, begun))
            )
            while len(self._under_way) > _UNDER_WAY or self._under_way[0].done():
                await asyncio.wait([self._under_way[0]])
                self._under_way.popleft()
                if not self._under_way:
                    break

    async def drain(self, timeout_s: float) -> None:
        """Wait until what is collected and under way is acknowledged."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self._collected.positions:
                    await asyncio.sleep(0.01)
                if self._under_way:
                    await asyncio.wait(list(self._under_way))

    async def _settle(
        self,
        epoch: int,
        routed: _Routed,
        acknowledged: Awaitable[Any],
        before: "asyncio.Task[None] | None",
        begun: float,
    ) -> None:
        """Move the positions once these messages and all before them are acknowledged."""
        try:
            await acknowledged
            self._times.sent(begun)
            if before is not None and not before.done():
                await asyncio.wait([before])
        except Exception as error:  # noqa: BLE001 - a background task: nobody else would see it
            self._fail(error)
            return
        if epoch == self._epoch:
            self._next.update(routed.positions)
        self._messages.inc(len(routed.messages))
        if routed.oldest_ms is not None:
            self._publish_seconds.observe(max(0.0, time.time() - routed.oldest_ms / 1000))
