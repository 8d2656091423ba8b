"""ROUTE on a real Kafka: reads the shop's topics, sends, and only then reports its offsets.

ROUTE keeps no state, so Kafka's committed offsets are its truth: after a crash some records are
read and sent again, which does no harm, since the same record gives the same messages. A backlog of
several topics is read in the order of event time.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from aiokafka.errors import ConsumerStoppedError, KafkaError
from faust.types import TP

from streams.errors import SettingsError
from streams.kafka import connection
from streams.kafka.alignment import Alignment
from streams.kafka.fetch import Reader
from streams.kafka.graph_topics import check_topics
from streams.kafka.lease import HeldTime, Lease
from streams.kafka.producer import Producer
from streams.kafka.topic_watch import watch_topics
from streams.kafka.transport import SpanApp
from streams.monitoring import metrics
from streams.ports import Record
from streams.process.probes import Reason
from streams.process.status import ModelStatus
from streams.route.checks import NAME, check_sources, source_topics
from streams.route.holdings import RouteHoldings
from streams.route.setup import clamped, route_settings
from streams.route.sharing import Sharing
from streams.route.stage import Route
from streams.settings import Settings
from streams.worker import agents
from streams.worker.limits import DeadLetterLimit
from streams.worker.runs import not_ready, report_lag, watch_app

log = logging.getLogger(__name__)

_PATIENCE_S, _IDLE_S = 60.0, 0.5  # longer than a leader is elected; what is behind does come
_REPORT_S = 1.0
_SHARE_S, _SHARE_WAITING_S = 0.02, 0.004
_TAKEN_OVER_S = 5.0
_DRAIN_S = 5.0


class RouteApp(SpanApp):
    """Reads its sources in the order of event time."""

    event_time: Callable[[str, Record], int | None]
    alignment: Alignment

    def new_reader(self, consumer: Any) -> Reader:
        return Reader(
            consumer,
            limit=self.fetch_records,
            alignment=self.alignment,
            event_time=self.event_time,
        )


class RouteRun:
    """A worker process of ROUTE.

    Args:
        settings: with sources and secret.
        slot: which of ROUTE's workers on this data folder, 0 or more.
    """

    models = ModelStatus()  # it asks none

    def __init__(self, settings: Settings, slot: int) -> None:
        self.settings, self.slot = settings, slot
        self.failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        self._lease = Lease(settings.session_timeout_ms / 1000, clock=time.monotonic)
        self._limit = DeadLetterLimit(
            NAME, ratio=settings.dead_letter_ratio, minimum=settings.dead_letter_min
        )
        self._report_tally = metrics.TallyReport(NAME)
        self._holdings: RouteHoldings | None = None
        self._app: Any = None  # a `RouteApp`, from `start` on
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def ready(self) -> bool:
        """All partitions that Kafka gave are being read."""
        return self._holdings is not None and self._holdings.ready

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why it is not ready."""
        if self.failed.done():
            return (Reason("stopping", "the worker has failed and is about to end: see its log"),)
        if self._holdings is None or self._app is None:
            return (Reason("starting", "it connects to its broker"),)
        return not_ready(
            self._lease,
            is_rebalancing=self._app.rebalancing,
            held=len(self._holdings.positions()),
            assigned=self._holdings.assigned,
        )

    @property
    def held(self) -> tuple[str, ...]:
        """Source partitions, "topic/number"."""
        found = self._holdings.positions() if self._holdings else {}
        return tuple(f"{tp.topic}/{tp.partition}" for tp in sorted(found))

    @property
    def rests(self) -> bool:
        """Always: what ROUTE has read is committed to Kafka once it is sent, and lag says so."""
        return True

    async def start(self) -> None:
        """Connect and begin to read.

        Raises:
            CartographError: it cannot run as it is set up; the message says why.
        """
        settings = self.settings
        if not settings.sources:
            raise SettingsError(
                "no sources: name the shop's topics and their formats, for example "
                "CARTOGRAPH_SOURCES=shop.events=native, or a table `sources` in cartograph.toml"
            )
        instance = agents.member_id(settings, f"{NAME}-{self.slot}")
        route = Route(route_settings(settings, instance))
        await check_topics(settings, ("events", "catalog", "dead-letters"), settings.group(NAME))
        sources = await source_topics(settings)
        partitions = [
            TP(name, n) for name, topic in sources.items() for n in range(topic.partitions)
        ]
        names = settings.names
        producer = Producer(settings.kafka, names, connection.options(settings))
        await producer.start()
        await check_sources(settings, producer, sources)
        # Half of what SHOPPERS allows: reading may then disorder the sources without making late.
        slack_ms = settings.allowance_ms // 2
        taken_over_s = settings.session_timeout_ms / 1000 + _TAKEN_OVER_S
        alignment = Alignment(
            slack_ms=slack_ms,
            patience_s=max(_PATIENCE_S, taken_over_s),
            idle_s=_IDLE_S,
            clock=HeldTime(self._lease, clock=time.monotonic),
            now_ms=lambda: int(time.time() * 1000),
        )
        self._sharing = Sharing(
            alignment,
            partitions,
            slack_ms=slack_ms,
            patience_s=taken_over_s,
            clock=HeldTime(self._lease, clock=time.monotonic),
        )
        self._holdings = RouteHoldings(
            route, producer.submit, self.fail, self._sharing, again=settings.allow_empty_store
        )
        self._app = agents.new_app(
            settings,
            NAME,
            instance,
            assignee=self._holdings,
            lease=self._lease,
            fail=self.fail,
            app_class=RouteApp,
        )
        self._app.event_time = clamped(route, settings.future_ms)
        self._app.alignment = alignment
        agents.add_agent(self._app, NAME, list(settings.sources), self._holdings.read)
        for work in (
            self._holdings.run(),
            self._report(),
            self._share(),
            watch_app(self._app),
            watch_topics(settings, {name: t.topic_id for name, t in sources.items() if t.topic_id}),
        ):
            task = asyncio.create_task(work)
            task.add_done_callback(self._watch)
            self._tasks.append(task)

    async def stop(self) -> None:
        """Wait for what is under way and report how far we got."""
        if self._holdings is not None:
            await self._holdings.drain(_DRAIN_S)
            positions = self._holdings.positions()
            notes = self._sharing.notes(positions, at_once=True)
            await self._app.consumer.report({tp: positions[tp] for tp in notes}, notes)
            self._holdings.fence()

    async def leave(self) -> None:
        await self._app.consumer.leave()

    def fail(self, error: BaseException) -> None:
        """End the worker for this reason; the first one counts."""
        if self._holdings is not None:
            self._holdings.fence()
        if not self.failed.done():
            self.failed.set_result(error)

    def _watch(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fail(error)

    async def _report(self) -> None:
        """Every second: counters, the limit, and lag."""
        while self._holdings is not None:
            await asyncio.sleep(_REPORT_S)
            self._limit.add(*self._report_tally.update(self._holdings.tally))
            await report_lag(
                self._app,
                NAME,
                self._holdings.positions(),
                self._holdings.lag_clock,
                settled=self._holdings.ready and not self._app.rebalancing,
            )
            if (newest_ms := self._holdings.newest_ms) >= 0:
                metrics.WATERMARK_DELAY.labels(NAME).set(time.time() - newest_ms / 1000)
            metrics.READY.labels(NAME).set(not self.reasons)
            metrics.PARTITIONS.labels(NAME).set(len(self._holdings.positions()))

    async def _share(self) -> None:
        """The offsets that a restart begins at, and what ROUTE processes tell each other."""
        while (holdings := self._holdings) is not None:
            await asyncio.sleep(_SHARE_WAITING_S if self._app.alignment.holds else _SHARE_S)
            if holdings.ready and not self._app.rebalancing:
                positions = holdings.positions()
                if notes := self._sharing.notes(positions):
                    told = {tp: positions[tp] for tp in notes}
                    await self._app.consumer.report(told, notes)
                try:
                    await self._sharing.hear(self._app.consumer, positions)
                except (KafkaError, ConsumerStoppedError) as error:
                    # What was heard last stands: it makes us wait, at most a moment too long.
                    log.info("what other processes have read is not known now: %s", error)
