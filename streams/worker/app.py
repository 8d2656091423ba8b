"""One worker process of one stage: everything is made, started and wired here.

`StageRun` is a stage that keeps state; `route_agent.RouteRun` is ROUTE, which keeps none.
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec

from streams.checkpoint.keeper import Keeper
from streams.checkpoint.metrics import RECOVERING
from streams.checkpoint.wiring import new_keeper, new_recovery
from streams.control.claims import Control
from streams.erasures import Erasure
from streams.errors import StateError
from streams.kafka import connection
from streams.kafka.erasure_feed import ErasureFeed
from streams.kafka.graph_topics import check_topics
from streams.kafka.lease import Lease
from streams.kafka.partition import Pace, Partition
from streams.kafka.producer import Producer
from streams.kafka.topic_watch import watch_topics
from streams.kafka.transport import SpanApp
from streams.layout.migration import open_store
from streams.models.answers import no_models
from streams.models.models import Bundles, Models
from streams.models.score_watch import ScoreWatch
from streams.monitoring import metrics
from streams.process import machine
from streams.process.probes import Reason
from streams.process.status import (
    CheckpointStatus,
    ModelStatus,
    Recovering,
    stage_folder,
    status_file,
)
from streams.settings import Settings
from streams.stages import StageSpec
from streams.topics import ActualTopic
from streams.worker import agents
from streams.worker.backfill import Backfill
from streams.worker.bounds import Stretch
from streams.worker.exchange import Exchange
from streams.worker.holdings import Holdings, StagePlan
from streams.worker.limits import DeadLetterLimit
from streams.worker.opening import Opening
from streams.worker.runs import not_ready, report_lag, watch_app
from streams.worker.stage_report import StageReport
from topology.store.rocksdb import StoreMemory

log = logging.getLogger(__name__)

_REPORT_S = 1.0
_FETCH_RECORDS, _MODEL_FETCH_RECORDS = 4_000, 500
_SIZE_EVERY = 30
_DRAIN_S = 5.0
_MIB = 1 << 20


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
        self._names = settings.names
        self._lease = Lease(settings.session_timeout_ms / 1000, clock=time.monotonic)
        self._limit = DeadLetterLimit(
            spec.name, ratio=settings.dead_letter_ratio, minimum=settings.dead_letter_min
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._models: Models | None = None
        self._exchange: Exchange | None = None
        self._holdings: Holdings | None = None
        self._erasures: ErasureFeed | None = None
        self._app: SpanApp | None = None
        self._backfill = Backfill(self._open_partitions)
        self._recovery = new_recovery(settings, spec.name, rebuilds=spec.rebuilds)
        self._keeper: Keeper | None = None

    @property
    def ready(self) -> bool:
        """All partitions that Kafka gave are open."""
        return self._holdings is not None and self._holdings.ready

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why it is not ready."""
        if self.failed.done():
            return (Reason("stopping", "the worker has failed and is about to end: see its log"),)
        if self.spec.models and self._models is None:
            return (Reason("models", "its models are being loaded and checked"),)
        if self._holdings is None or self._app is None:
            return (Reason("starting", "it connects to its broker"),)
        return not_ready(
            self._lease,
            is_rebalancing=self._app.rebalancing,
            held=len(self._holdings.partitions),
            assigned=self._holdings.assigned,
            recovering=self.recovering,
        )

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

    @property
    def recovering(self) -> tuple[Recovering, ...]:
        """Partitions that came without their state."""
        return self._recovery.under_way

    @property
    def checkpoint(self) -> CheckpointStatus:
        """The last checkpoint."""
        return self._keeper.status if self._keeper else CheckpointStatus()

    async def start(self) -> None:
        """Connect, claim, and begin to read.

        Raises:
            CartographError, ModelError: it cannot run as it is set up; the message says why.
        """
        settings, spec = self.settings, self.spec
        own = {"control", "dead-letters", *(("erasures",) if spec.forgets else ())}
        topics = await check_topics(
            settings, {*spec.inputs, *spec.outputs, *own}, settings.group(spec.name)
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
        if self._models is not None:
            file = status_file(settings, spec.name, self.slot).with_suffix(".scores")
            self._models.scores = ScoreWatch(file)
        await asyncio.gather(self._producer.start(), self._control.start())
        if spec.forgets:
            self._erasures = ErasureFeed(
                settings.kafka,
                self._names,
                partitions=settings.partitions,
                hand_over=self._on_erasures,
                fail=self.fail,
                options=options,
            )
            await self._erasures.start()
        self._holdings = self._new_holdings(topics)
        self._keeper = new_keeper(
            settings,
            spec.name,
            partitions=lambda: self._holdings.partitions if self._holdings else {},
            bundles=lambda: self._models.bundles.ids if self._models else (),
            may_write=lambda: self._lease.is_good,
        )
        if self._keeper is not None:
            self._control.on_checkpoint = self._keeper.order
        if self._models is not None:
            self._exchange = Exchange(
                self._models, lambda bundles: spec.build(settings, bundles), self._holdings.rebuild
            )
            self._control.on_reload = self._exchange.ask
        instance = agents.member_id(settings, worker)
        self._app = app = agents.new_app(
            settings,
            spec.name,
            instance,
            assignee=self._holdings,
            lease=self._lease,
            fail=self.fail,
            # Taggers take seconds for what other stages do in milliseconds; commit in between.
            fetch_records=_MODEL_FETCH_RECORDS if "tagging" in spec.models else _FETCH_RECORDS,
        )
        agents.add_agent(app, spec.name, list(self._holdings.plan.inputs), self._holdings.read)
        self._tasks = [
            asyncio.create_task(work, name=name)
            for name, work in (
                ("flush", self._holdings.run()),
                ("report", self._report(app)),
                ("faust", watch_app(app)),
                ("topics", watch_topics(settings, self._holdings.plan.topic_ids)),
                *([("models", self._exchange.run())] if self._exchange else []),
                *([("backfill", self._backfill.run())] if self._exchange else []),
                *([("checkpoints", self._keeper.run())] if self._keeper else []),
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

    async def leave(self) -> None:
        """After `stop`: others get our partitions now, not after the session timeout."""
        if self._app is not None:
            await self._app.consumer.leave()

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
        self._memory = memory = StoreMemory(
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
                stretch=self._stretch(),
            ),
            opening=Opening(
                spec.name,
                inputs,
                folder=stage_folder(settings, spec.name),
                open_store=partial(open_store, tables=spec.all_tables, memory=memory),
                control=self._control,
                allow_empty=settings.allow_empty_store,
                recovery=self._recovery,
            ),
            control=self._control,
            boot=machine.boot_id(),
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
            erasures=self._erasures,
        )

    def _stretch(self) -> Stretch:
        """What of the inputs is read: all, but of a generation as its record says."""
        name = self.settings.generation
        if not name:
            return Stretch()
        found = self._control.generations.get(name)
        if found is None:
            raise StateError(
                f"{self._names.of('control')} does not say what generation {name!r} reads: run the "
                "same `cartograph replay` again"
            )
        return Stretch(found.starts, found.ends)

    def _open_partitions(self) -> list[Partition]:
        return list(self._holdings.partitions.values()) if self._holdings else []

    def _on_foreign(self, stage: str, number: int, offset: int, worker: str) -> None:
        if self._holdings is not None:
            self._holdings.on_foreign_claim(stage, number, offset, worker)

    def _on_erasures(self, number: int, erasures: Sequence[Erasure]) -> None:
        partition = self._holdings.partitions.get(number) if self._holdings else None
        if partition is not None:  # else its worker hears of it too
            partition.forget(erasures)

    def _watch(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fail(error)

    async def _report(self, app: SpanApp) -> None:
        """Every second: counters, gauges, lag, and offsets for Kafka's own tools."""
        holdings, name, turn = self._holdings, self.spec.name, 0
        if holdings is None:
            return
        report = StageReport(name, self._memory)
        while True:
            await asyncio.sleep(_REPORT_S)
            partitions = list(holdings.partitions.values())
            for each in partitions:
                self._limit.add(*each.report.update(each.owner.tally))
            report.tell(partitions, turn=turn)
            if self.spec.models:
                metrics.MODEL_OUTDATED.labels(name).set(self._backfill.outdated)
            if self._models is not None:
                self._models.scores.report()
            if self._keeper is not None:
                self._keeper.tell_age(time.time())
            RECOVERING.labels(name).set(len(self._recovery.under_way))
            await report_lag(
                app,
                name,
                holdings.positions(),
                holdings.lag_clock,
                settled=holdings.ready and not app.rebalancing,
            )
            if turn % _SIZE_EVERY == 0:
                size = await asyncio.to_thread(folder_bytes, stage_folder(self.settings, name))
                metrics.STORE_BYTES.labels(name).set(size)
            metrics.READY.labels(name).set(not self.reasons)
            if holdings.ready and not app.rebalancing:
                await app.consumer.report(holdings.positions())
            turn += 1


def folder_bytes(folder: Path) -> int:
    """Size of all files below a folder; files that vanish meanwhile do not count."""
    total = 0
    for file in folder.rglob("*"):
        try:
            total += file.stat().st_size
        except OSError:
            continue
    return total
