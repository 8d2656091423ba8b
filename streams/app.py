"""One worker process of one stage: everything is made, started and wired here.

`StageRun` is a stage that keeps state; `route_agent.RouteRun` is ROUTE, which keeps none.
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Protocol

import msgspec

from streams import agents, connection, machine, metrics
from streams.answers import no_models
from streams.backfill import Backfill
from streams.broker import admin
from streams.control import Control
from streams.errors import CartographError, TopicError
from streams.holdings import Holdings, StagePlan
from streams.lease import Lease
from streams.limits import DeadLetterLimit
from streams.model_exchange import Exchange
from streams.models import Bundles, Models
from streams.partition import Pace, Partition
from streams.producer import Producer
from streams.settings import Settings
from streams.stages import StageSpec
from streams.status import ModelStatus, stage_folder
from streams.topics import ActualTopic, Names, differences, plan
from streams.transport import SpanApp
from topology.store.rocksdb import RocksStore, StoreMemory

log = logging.getLogger(__name__)

_REPORT_S = 1.0
_FETCH_RECORDS, _MODEL_FETCH_RECORDS = 4_000, 500
_SIZE_EVERY = 30
_DRAIN_S = 5.0
_MIB = 1 << 20


class Run(Protocol):
    """A worker process from start to stop."""

    failed: "asyncio.Future[BaseException]"

    @property
    def ready(self) -> bool: ...

    @property
    def held(self) -> tuple[str, ...]: ...

    @property
    def rests(self) -> bool: ...

    @property
    def models(self) -> ModelStatus: ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


async def check_topics(
    settings: Settings, names: Iterable[str], group: str = ""
) -> dict[str, ActualTopic]:
    """The graph's own topics of these logical names, as they are.

    Args:
        settings: with the address of Kafka.
        names: logical ones.
        group: the consumer group that will read; empty: none.

    Raises:
        BrokerError: no broker answers.
        TopicError: one is missing, has another partition count, or is set up so that data is lost.
    """
    await connection.check_reachable(settings)
    wanted = set(names)
    planned = [
        spec
        for spec in plan(Names(settings.prefix), settings.partitions, settings.replication)
        if spec.topic.name in wanted
    ]
    found = await admin.describe(
        settings.kafka,
        [spec.name for spec in planned],
        options=connection.options(settings),
    )
    blocking = [each for each in differences(planned, found) if each.blocking]
    if blocking:
        raise TopicError("; ".join(f"{each.topic} {each.words}" for each in blocking))
    if group:
        await admin.check_group(settings.kafka, group, options=connection.options(settings))
    return found


class StageRun:
    """A worker process of a stage that keeps state.

    Args:
        settings: with the address of Kafka.
        spec: the stage.
        slot: which of the stage's workers on this data folder, 0 or more.
    """

    def __init__(self, settings: Settings, spec: StageSpec, slot: int) -> None:
        self.settings, self.spec, self.slot = settings, spec, slot
        self.failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        self._names = Names(settings.prefix)
        self._lease = Lease(settings.session_timeout_ms / 1000, clock=time.monotonic)
        self._limit = DeadLetterLimit(
            spec.name, ratio=settings.dead_letter_ratio, minimum=settings.dead_letter_min
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._models: Models | None = None
        self._exchange: Exchange | None = None
        self._holdings: Holdings | None = None
        self._backfill = Backfill(self._open_partitions)

    @property
    def ready(self) -> bool:
        """All partitions that Kafka gave are open."""
        return self._holdings is not None and self._holdings.ready

    @property
    def held(self) -> tuple[str, ...]:
        """Partition numbers that are open."""
        found = self._holdings.partitions if self._holdings else ()
        return tuple(str(number) for number in sorted(found))

    @property
    def rests(self) -> bool:
        """All that was read is committed, told and scored."""
        return self._holdings is not None and self._holdings.rests

    @property
    def models(self) -> ModelStatus:
        """Bundles in use, what became of the last request for another one, what is outdated."""
        if self._exchange is None:
            return ModelStatus()
        left, rate = self._backfill.outdated, self._backfill.rate
        return msgspec.structs.replace(self._exchange.status, outdated=left, backfill=rate)

    async def start(self) -> None:
        """Connect, claim, and begin to read.

        Raises:
            CartographError, ModelError: it cannot run as it is set up; the message says why.
        """
        settings, spec = self.settings, self.spec
        topics = await check_topics(
            settings,
            {*spec.inputs, *spec.outputs, "control", "dead-letters"},
            settings.group(spec.name),
        )
        options = connection.options(settings)
        worker = f"{spec.name}-{self.slot}"
        self._producer = Producer(settings.kafka, self._names, options)
        self._control = Control(
            settings.kafka,
            self._names,
            self._producer,
            worker=worker,
            on_foreign=self._on_foreign,
            options=options,
        )
        self._control.on_failure = self.fail
        self._control.on_backfill = self._backfill.order
        self._models = (
            await asyncio.to_thread(Models.load, settings, spec.models) if spec.models else None
        )
        await asyncio.gather(self._producer.start(), self._control.start())
        self._holdings = self._new_holdings(topics)
        if self._models is not None:
            self._exchange = Exchange(
                self._models, lambda bundles: spec.build(settings, bundles), self._holdings.rebuild
            )
            self._control.on_reload = self._exchange.ask
        instance = agents.member_id(settings, worker)
        self._app = agents.new_app(
            settings,
            spec.name,
            instance,
            assignee=self._holdings,
            lease=self._lease,
            fail=self.fail,
            # Taggers take seconds for what other stages do in milliseconds; commit in between.
            fetch_records=_MODEL_FETCH_RECORDS if "tagging" in spec.models else _FETCH_RECORDS,
        )
        agents.add_agent(
            self._app, spec.name, list(self._holdings.plan.inputs), self._holdings.read
        )
        self._tasks = [
            asyncio.create_task(work, name=name)
            for name, work in (
                ("flush", self._holdings.run()),
                ("report", self._report()),
                ("faust", watch_app(self._app)),
                *([("models", self._exchange.run())] if self._exchange else []),
                *([("backfill", self._backfill.run())] if self._exchange else []),
            )
        ]
        for task in self._tasks:
            task.add_done_callback(self._watch)

    async def stop(self) -> None:
        """Commit and send what is in memory, then let go of the stores.

        Faust is not stopped in its own way: that takes seconds, leaves nothing behind that
        matters, and a static member does not leave its group.
        """
        if self._holdings is not None:
            await self._holdings.drain(_DRAIN_S)
            self._holdings.fence()
            await self._holdings.close()
        if self._models is not None:
            self._models.close()

    def fail(self, error: BaseException) -> None:
        """End the worker for this reason; the first one counts."""
        if self._holdings is not None:
            self._holdings.fence()
        if not self.failed.done():
            self.failed.set_result(error)

    def _new_holdings(self, topics: Mapping[str, ActualTopic]) -> Holdings:
        settings, spec = self.settings, self.spec
        inputs = {self._names.of(name): name for name in spec.inputs}
        bundles = self._models.bundles if self._models else Bundles()
        memory = StoreMemory(
            cache_bytes=settings.state_cache_mb * _MIB,
            write_buffer_bytes=settings.write_buffer_mb * _MIB,
        )
        ids = {full: topics[full].topic_id for full in inputs}
        return Holdings(
            StagePlan(
                name=spec.name,
                inputs=inputs,
                destinations=dict.fromkeys(spec.outputs, settings.partitions),
                partitions=settings.partitions,
                graph=settings.graph,
                topic_ids={full: told for full, told in ids.items() if told},
                build=spec.build(settings, bundles),
                cache_rows=settings.cache_rows_of(spec.name),
            ),
            folder=stage_folder(settings, spec.name),
            open_store=partial(RocksStore, tables=spec.all_tables, memory=memory),
            control=self._control,
            boot=machine.boot_id(),
            allow_empty=settings.allow_empty_store,
            crash=self.fail,
            lease=self._lease,
            send=self._producer.send,
            answer=self._models.answer if self._models else no_models,
            pace=Pace(
                flush_s=settings.flush_ms / 1000,
                flush_records=settings.flush_records,
                send_records=settings.send_records,
                unsent_limit=settings.unsent_limit,
            ),
        )

    def _open_partitions(self) -> list[Partition]:
        return list(self._holdings.partitions.values()) if self._holdings else []

    def _on_foreign(self, stage: str, number: int, offset: int, worker: str) -> None:
        if self._holdings is not None:
            self._holdings.on_foreign_claim(stage, number, offset, worker)

    def _watch(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fail(error)

    async def _report(self) -> None:
        """Every second: counters, gauges, lag, and offsets for Kafka's own tools."""
        holdings, name, turn = self._holdings, self.spec.name, 0
        if holdings is None:
            return
        while True:
            await asyncio.sleep(_REPORT_S)
            turn += 1
            partitions = list(holdings.partitions.values())
            for each in partitions:
                self._limit.add(*each.report.update(each.owner.tally))
            stages = [getattr(each.owner.stage, "gauges", None) for each in partitions]
            metrics.report_gauges(name, [gauges() for gauges in stages if gauges is not None])
            if self.spec.models:
                metrics.MODEL_OUTDATED.labels(name).set(self._backfill.outdated)
            metrics.UNSENT.labels(name).set(sum(each.owner.outbox.waiting for each in partitions))
            metrics.PARTITIONS.labels(name).set(len(partitions))
            report_lag(self._app, name)
            if turn % _SIZE_EVERY == 1:
                size = await asyncio.to_thread(folder_bytes, stage_folder(self.settings, name))
                metrics.STORE_BYTES.labels(name).set(size)
            if holdings.ready and not self._app.rebalancing:
                await self._app.consumer.report(holdings.positions())


async def watch_app(app: SpanApp) -> None:
    """Run a Faust app; raises what it crashed with."""
    await app.start()
    await app.wait_until_stopped()
    raise app.crash_reason or CartographError("Faust stopped by itself")


def report_lag(app: SpanApp, stage: str) -> None:
    """Set the lag of each input topic."""
    lags: dict[str, int] = {}
    for tp, lag in app.consumer.lags().items():
        lags[tp.topic] = lags.get(tp.topic, 0) + lag
    for topic, lag in lags.items():
        metrics.LAG.labels(stage, topic).set(lag)


def folder_bytes(folder: Path) -> int:
    """Size of all files below a folder; files that vanish meanwhile do not count."""
    total = 0
    for file in folder.rglob("*"):
        try:
            total += file.stat().st_size
        except OSError:
            continue
    return total


__all__ = ["Run", "StageRun", "check_topics", "report_lag", "stage_folder", "watch_app"]
