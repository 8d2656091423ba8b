"""The partitions that a worker holds: opened, claimed and closed as Kafka moves them."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AsyncExitStack
from typing import NamedTuple

from faust.types import TP

from streams.control.claims import Claim, Control
from streams.errors import DeposedError, TopicError
from streams.kafka.fetch import Span
from streams.kafka.lease import Lease
from streams.kafka.partition import Pace, Partition, Send, Store
from streams.kafka.transport import Log
from streams.models.answers import Answer
from streams.monitoring import metrics
from streams.monitoring.lag_clock import LagClock
from streams.ports import Erasures, Stage
from streams.process import logs
from streams.telling import during
from streams.totals.owner import Owner, Start, Wiring
from streams.worker.bounds import Begin, Stretch
from streams.worker.holding_checks import begin_within_log, check_topic_ids
from streams.worker.opening import Opening

log = logging.getLogger(__name__)

_AT_ONCE = 8
_CALM_S, _CALM_EVERY_S = 1.0, 60.0


Build = Callable[[Wiring], Stage]
"""Makes the stage of one partition."""


class StagePlan(NamedTuple):
    """What a worker must know of its stage.

    Attributes:
        name: the stage.
        inputs: full name of each input topic -> its logical name.
        destinations: logical output topic -> partitions.
        partitions: of every input.
        graph: identity of the graph.
        topic_ids: full name of an input topic -> its id, as far as the broker tells.
        build: makes the stage of one partition.
        cache_rows: totals that a partition keeps decoded, each way.
        stretch: what of the inputs is read.
    """

    name: str
    inputs: Mapping[str, str]
    destinations: Mapping[str, int]
    partitions: int
    graph: str
    topic_ids: Mapping[str, str]
    build: Build
    cache_rows: int = 200_000
    stretch: Stretch = Stretch()


class Holdings:
    """Keeps one `Partition` for each partition number that Kafka gives this worker.

    Args:
        plan: of the stage.
        opening: opens their stores.
        control: to claim partitions.
        boot: identity of this run of the machine.
        crash: told what ends the worker.
        lease, send, answer, pace: see `Partition`.
        erasures: of a stage that keeps shoppers.
    """

    def __init__(
        self,
        plan: StagePlan,
        *,
        opening: Opening,
        control: Control,
        boot: str,
        crash: Callable[[BaseException], None],
        lease: Lease,
        send: Send,
        answer: Answer,
        pace: Pace,
        erasures: Erasures | None = None,
    ) -> None:
        self.plan = plan
        self._opening = opening
        self._erasures = erasures
        self._control = control
        self._boot = boot
        self._crash = crash
        self._lease, self._send, self._answer, self._pace = lease, send, answer, pace
        self._assigned: tuple[int, ...] | None = None
        self._epoch = 0
        self._partitions: dict[int, Partition] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._last_read = self._last_calm = time.monotonic()
        self._is_calm = False
        self._reading = 0
        self.lag_clock = LagClock[TP]()
        self._batch_seconds = metrics.BATCH_SECONDS.labels(plan.name)

    @property
    def ready(self) -> bool:
        """All that was assigned is open."""
        return self._assigned is not None and len(self._partitions) == len(self._assigned)

    @property
    def assigned(self) -> int | None:
        """How many partitions Kafka gave; None before it has given any."""
        return None if self._assigned is None else len(self._assigned)

    @property
    def rests(self) -> bool:
        """Everything that was read has come to its end."""
        return all(partition.rests for partition in self._partitions.values())

    @property
    def partitions(self) -> Mapping[int, Partition]:
        """What is open, by partition number."""
        return self._partitions

    def fence(self) -> None:
        self._epoch += 1
        for partition in self._partitions.values():
            partition.alive = False

    async def close(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()
        partitions, self._partitions = self._partitions, {}
        self._assigned = None
        self._opening.recovery.forget()
        for partition in partitions.values():
            partition.close()

    def assign(self, tps: Collection[TP]) -> None:
        """Take note of an assignment.

        Raises:
            TopicError: the inputs were not given in equal partition numbers.
        """
        metrics.REBALANCES.labels(self.plan.name).inc()
        numbers: dict[str, set[int]] = {topic: set() for topic in self.plan.inputs}
        for tp in tps:
            numbers[tp.topic].add(tp.partition)
        different = {frozenset(each) for each in numbers.values()}
        if len(different) > 1:
            raise TopicError(
                f"{self.plan.name}: Kafka gave other partition numbers of one input than of "
                f"another ({ {topic: sorted(each) for topic, each in numbers.items()} }): all "
                "workers of a stage must run the same version, and all its topics have the same "
                "partition count"
            )
        self._assigned = tuple(sorted(next(iter(different))))
        log.info("assigned %s", list(self._assigned))

    async def bring_up(self, broker: Log) -> AsyncIterator[Mapping[TP, int]]:
        """Open, claim and start the assigned partitions, some at once."""
        epoch = self._epoch
        for some in self._groups():
            opened = await asyncio.gather(
                *(self._opening.open(each, lambda: self._epoch == epoch, broker) for each in some)
            )
            stores = {number: store for number, store in zip(some, opened, strict=True) if store}
            try:
                owners = {number: self._owner(number, store) for number, store in stores.items()}
                begins = await self._claims(stores, broker) if self._epoch == epoch else {}
                if self._epoch != epoch or len(stores) < len(some):
                    _close(stores.values())
                    return
                for number, store in stores.items():
                    self._start(owners[number], store, begins[number])
            except BaseException:
                _close(stores.values())
                raise
            yield {tp: at for tp, at in self.positions().items() if tp.partition in stores}

    def _groups(self) -> list[list[int]]:
        """The assigned partitions as they are opened; none waits for one whose state is away."""
        return [
            numbers[place : place + _AT_ONCE]
            for numbers in self._opening.in_order(self._assigned or ())
            for place in range(0, len(numbers), _AT_ONCE)
        ]

    def positions(self) -> Mapping[TP, int]:
        return {
            TP(topic, number): partition.owner.next_offset(logical) or 0
            for number, partition in self._partitions.items()
            for topic, logical in self.plan.inputs.items()
        }

    async def read(self, topic: str, number: int, span: Span) -> None:
        """Give a fetched span to its partition; a span of a partition that is gone is dropped."""
        partition = self._partitions.get(number)
        if partition is None or not partition.alive:
            return
        wanted = self.plan.stretch.clip(self.plan.inputs[topic], number, span)
        if wanted is None:
            return
        begun = time.monotonic()
        self._reading += 1
        try:
            with logs.bound(topic=topic, partition=number, offset=span.start):
                await partition.read(topic, wanted)
        except Exception as error:
            during(error, topic=topic, partition=number, offset=span.start)
            raise
        finally:
            self._reading -= 1
        self._last_read = time.monotonic()
        if span.records:
            self.lag_clock.applied(TP(topic, number), span.records[-1].at_ms)
        self._batch_seconds.observe(self._last_read - begun)

    async def run(self) -> None:
        """Commit by time, and let the stages release what may wait; until cancelled."""
        while True:
            await asyncio.sleep(self._pace.flush_s / 4)
            now = time.monotonic()
            for partition in list(self._partitions.values()):
                partition.tick(now)
            self._follow_recovery()
            is_calm = not self._reading and now - self._last_read >= _CALM_S
            was_calm, self._is_calm = self._is_calm, is_calm
            due = self._is_calm > was_calm or now - self._last_calm >= _CALM_EVERY_S
            if due:
                self._last_calm = now
            for partition in list(self._partitions.values()):
                if due or (
                    self._is_calm and not partition.owner.stage.is_idle
                ):  # a calm is done in slices
                    await partition.calm()

    def _follow_recovery(self) -> None:
        recovery = self._opening.recovery
        for each in recovery.under_way:
            partition = self._partitions.get(each.partition)
            if partition is not None:
                recovery.behind(each.partition, partition.owner.behind)

    async def rebuild(self, change: Callable[[], Build]) -> None:
        """Between two batches of all partitions, change something and make the stages anew.

        No question is with a model when `change` runs, and all that was answered is committed.

        Args:
            change: gives how stages are built from here on.
        """
        async with AsyncExitStack() as stack:
            partitions = list(self._partitions.values())
            saved = [await stack.enter_async_context(each.held()) for each in partitions]
            build = change()
            self.plan = self.plan._replace(build=build)
            for partition, is_saved in zip(partitions, saved, strict=True):
                if is_saved and partition.alive:
                    partition.owner.restage(build)

    async def drain(self, timeout_s: float) -> None:
        """Commit and send what is in memory, as far as it goes in this time."""
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.gather(*(each.drain() for each in self._partitions.values()))
        except TimeoutError:
            log.info("not everything could be sent in %s s; it will be after the start", timeout_s)

    def on_foreign_claim(self, stage: str, number: int, offset: int, worker: str) -> None:
        """Another process claims a partition: if we hold it, we are deposed."""
        partition = self._partitions.get(number)
        if stage != self.plan.name or partition is None or not partition.alive:
            return
        if offset > partition.owner.kept.incarnation:
            self.fence()
            self._crash(
                DeposedError(
                    f"{stage}/{number} was claimed by another process ({worker}): stopping here. "
                    "If both run on purpose, they need different prefixes"
                )
            )

    async def _claims(self, stores: Mapping[int, Store], broker: Log) -> dict[int, Begin]:
        tps = [TP(topic, number) for number in stores for topic in self.plan.inputs]
        claims: dict[int, Claim]
        claims, first = await asyncio.gather(
            self._control.claim(self.plan.name, stores), broker.beginnings(tps)
        )
        last = await broker.ends(tps)  # after the claim, never before (DESIGN)
        found: dict[int, Begin] = {}
        for number in stores:
            bounds = {
                logical: (
                    first[TP(topic, number)],
                    self.plan.stretch.within(logical, number, last[TP(topic, number)]),
                )
                for topic, logical in self.plan.inputs.items()
            }
            found[number] = Begin(claims[number], bounds)
        if self._erasures is not None:
            await self._erasures.catch_up()  # after the claim, and before the first event
        return found

    def _owner(self, number: int, store: Store) -> Owner:
        """The owner on an open store, not started yet."""
        plan = self.plan
        is_empty = store.get("meta", b"kept") is None
        owner = Owner(
            plan.name,
            number,
            store,
            plan.build,
            plan.destinations,
            graph=plan.graph,
            topics={logical: full for full, logical in plan.inputs.items()},
            cache_rows=plan.cache_rows,
        )
        check_topic_ids(store, plan.topic_ids, f"{plan.name}/{number}")
        may_begin = self._opening.allow_empty or self._control.last_claim(plan.name, number) is None
        if is_empty and may_begin:
            # Before the claim: if we die between, this must not pass for a store that was emptied.
            owner.commit()
        return owner

    def _start(self, owner: Owner, store: Store, begin: Begin) -> None:
        plan, number = self.plan, owner.partition
        for logical, bounds in begin.bounds.items():
            begin_within_log(owner, logical, bounds, plan.stretch.start(logical, number))
        start = Start(
            begin.claim.offset,
            begin.claim.last,
            {logical: end for logical, (_, end) in begin.bounds.items()},
            boot=self._boot,
            allow_empty=self._opening.allow_empty,
        )
        if owner.build is not plan.build:  # the models were exchanged since it was opened
            owner.restage(plan.build)
        again = owner.start(start)
        if again and begin.claim.last is not None:
            metrics.RESENDS.labels(plan.name).inc()
            log.info("%s/%d sends everything again", plan.name, number)
        metrics.INCARNATION.labels(plan.name).set(begin.claim.offset)
        partition = Partition(
            owner,
            store,
            topics=plan.inputs,
            lease=self._lease,
            send=self._send,
            answer=self._answer,
            pace=self._pace,
        )
        if self._erasures is not None:
            partition.forget(self._erasures.known(number))
        self._partitions[number] = partition
        self._tasks[number] = asyncio.create_task(partition.run(), name=f"{plan.name}-{number}")
        self._tasks[number].add_done_callback(self._watch)

    def _watch(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._crash(error)


def _close(stores: Collection[Store]) -> None:
    for store in stores:
        store.close()
