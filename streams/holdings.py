"""The partitions that a worker holds: opened, claimed and closed as Kafka moves them."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

from faust.types import TP

from streams import metrics
from streams.answers import Answer
from streams.bounds import Begin, Stretch, check_offset, check_topics
from streams.control import Claim, Control
from streams.errors import DeposedError, TopicError
from streams.fetch import Span
from streams.lease import Lease
from streams.owner import Owner, Start, Wiring
from streams.partition import Pace, Partition, Send, Store
from streams.ports import Stage
from streams.transport import Log
from topology.errors import StoreLockedError

log = logging.getLogger(__name__)

_AT_ONCE = 8
_LOCK_TRIES_S = 30.0
_LOCK_POLL_S = 0.05
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
        folder: one folder for each partition stands in it.
        open_store: opens the store in a folder; raises StoreLockedError while another has it.
        control: to claim partitions.
        boot: identity of this run of the machine.
        allow_empty: an empty store may take over a partition that ran before.
        crash: told what ends the worker.
        lease, send, answer, pace: see `Partition`.
    """

    def __init__(
        self,
        plan: StagePlan,
        *,
        folder: Path,
        open_store: Callable[[Path], Store],
        control: Control,
        boot: str,
        allow_empty: bool,
        crash: Callable[[BaseException], None],
        lease: Lease,
        send: Send,
        answer: Answer,
        pace: Pace,
    ) -> None:
        self.plan = plan
        self._folder = folder
        self._open_store = open_store
        self._control = control
        self._boot = boot
        self._allow_empty = allow_empty
        self._crash = crash
        self._lease, self._send, self._answer, self._pace = lease, send, answer, pace
        self._assigned: tuple[int, ...] | None = None
        self._epoch = 0
        self._partitions: dict[int, Partition] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._last_read = self._last_calm = time.monotonic()
        self._is_calm = False
        self._reading = 0
        self._batch_seconds = metrics.BATCH_SECONDS.labels(plan.name)

    @property
    def ready(self) -> bool:
        """All that was assigned is open."""
        return self._assigned is not None and len(self._partitions) == len(self._assigned)

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
        epoch, numbers = self._epoch, self._assigned or ()
        for place in range(0, len(numbers), _AT_ONCE):
            some = numbers[place : place + _AT_ONCE]
            opened = await asyncio.gather(*(self._open(number, epoch) for number in some))
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
            await partition.read(topic, wanted)
        finally:
            self._reading -= 1
        self._last_read = time.monotonic()
        self._batch_seconds.observe(self._last_read - begun)

    async def run(self) -> None:
        """Commit by time, and let the stages release what may wait; until cancelled."""
        while True:
            await asyncio.sleep(self._pace.flush_s / 4)
            now = time.monotonic()
            for partition in list(self._partitions.values()):
                partition.tick(now)
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

    async def _open(self, number: int, epoch: int) -> Store | None:
        """Open a store; waits while its last process is dying. None: it was taken away again."""
        folder = self._folder / str(number)
        deadline = time.monotonic() + _LOCK_TRIES_S
        while self._epoch == epoch:
            try:
                return await asyncio.to_thread(self._open_store, folder)
            except StoreLockedError:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(_LOCK_POLL_S)
        return None

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
        check_topics(store, plan.topic_ids, f"{plan.name}/{number}")
        may_begin = self._allow_empty or self._control.last_claim(plan.name, number) is None
        if is_empty and may_begin:
            # Written before the claim: if we die between the two, the next start must not take
            # this store for one that somebody emptied.
            owner.commit()
        return owner

    def _start(self, owner: Owner, store: Store, begin: Begin) -> None:
        plan, number = self.plan, owner.partition
        for logical, bounds in begin.bounds.items():
            check_offset(owner, logical, bounds, plan.stretch.start(logical, number))
        start = Start(
            begin.claim.offset,
            begin.claim.last,
            {logical: end for logical, (_, end) in begin.bounds.items()},
            boot=self._boot,
            allow_empty=self._allow_empty,
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
        self._partitions[number] = partition
        self._tasks[number] = asyncio.create_task(partition.run(), name=f"{plan.name}-{number}")
        self._tasks[number].add_done_callback(self._watch)

    def _watch(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._crash(error)


def _close(stores: Collection[Store]) -> None:
    for store in stores:
        store.close()
