"""One side of `tests.bench.metrics`: a stage that is fed and told off, with its metrics or without.

Both sides stand in one process: the same machine code, hash seed and moment. *Without metrics*
means built while every metric is one that does nothing and the clocks of `StepTimes` are not read;
*without quality*, while the stages keep no counts of the graph's quality in their state and watch
no scores. What both have: the integers that stages count of what they read (`Owner.tally`, which
the state keeps, and `CacheCount`).
"""

import asyncio
import math
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol
from unittest.mock import patch

from faust.types import TP
from prometheus_client.metrics import MetricWrapperBase

from streams.graph import facts as graph_facts
from streams.graph.quality import FactQuality
from streams.kafka import partition
from streams.kafka.fetch import Span
from streams.kafka.partition import Pace, Partition
from streams.models import models
from streams.models.answers import ANSWERS
from streams.models.models import Models
from streams.models.score_watch import ScoreWatch
from streams.monitoring import metrics
from streams.ports import Message, Record
from streams.products import stage as products
from streams.products.quality import ProductQuality
from streams.route import holdings as route_holdings
from streams.route.holdings import RouteHoldings
from streams.route.stage import Route
from streams.totals.owner import Owner, Start
from streams.totals.tables import TABLES as TOTALS_TABLES
from streams.worker.stage_report import StageReport
from topology.store.rocksdb import RocksStore, StoreMemory

_LIST_RECORDS = 2_000
_SEND_RECORDS = 5_000
_MIB = 1 << 20


class Nothing:
    """A metric that does nothing."""

    def labels(self, *_: Any) -> "Nothing":
        return self

    def inc(self, amount: float = 1) -> None:
        pass

    dec = set = observe = inc


class NoTimes:
    """`StepTimes` without a clock."""

    def __init__(self, stage: str) -> None:
        pass

    def waited(self, arrived: float) -> float:
        return arrived

    def ended(self, *_: float) -> None:
        pass

    answered = applied = committed = sent = ended


class NoFactQuality(FactQuality):
    """`FactQuality` that counts nothing."""

    def ended(self, *_: Any) -> None:
        pass

    moved = read = flush = ended


class NoProductQuality(ProductQuality):
    """`ProductQuality` that counts nothing."""

    def ended(self, *_: Any) -> None:
        pass

    move = flush = ended


class NoScoreWatch(ScoreWatch):
    """`ScoreWatch` that counts nothing."""

    def __init__(self) -> None:
        pass

    def answered(self, *_: Any) -> None:
        pass


_TIMES = ((partition, "StepTimes", NoTimes), (route_holdings, "StepTimes", NoTimes))
_QUALITY = (
    (graph_facts, "FactQuality", NoFactQuality),
    (products, "ProductQuality", NoProductQuality),
    (models, "ScoreWatch", NoScoreWatch),
)
PARTS: Final = ("metrics", "quality")


@contextmanager
def without(parts: Container[str]) -> Iterator[None]:
    """What is built meanwhile has none of these `PARTS`."""
    with ExitStack() as stack:
        if "metrics" in parts:
            for name, thing in list(vars(metrics).items()):
                if isinstance(thing, MetricWrapperBase):
                    stack.enter_context(patch.object(metrics, name, Nothing()))
            for place, name, other in _TIMES:
                stack.enter_context(patch.object(place, name, other))
        if "quality" in parts:
            for place, name, other in _QUALITY:
                stack.enter_context(patch.object(place, name, other))
        yield


class Side(Protocol):
    """A stage of its own."""

    async def take(self, records: Sequence[Record]) -> None:
        """Read these, commit once, and send all that follows."""

    def report(self, turn: int) -> None:
        """What its worker says of it once a second."""

    async def close(self) -> None:
        """Let go of all."""


class Work(NamedTuple):
    """What a stage is given.

    Attributes:
        topic: logical name of its input.
        tables: of its store, besides those of totals and answers.
        build: makes the stage.
        outputs: topic -> partitions.
    """

    topic: str
    tables: tuple[str, ...]
    build: Callable[..., Any]
    outputs: dict[str, int]


class Open:
    """A lease that never ends."""

    async def wait(self, wanted: Callable[[], bool]) -> bool:
        return wanted()


class PartitionSide:
    """One partition on RocksDB, run as a worker runs it; Kafka costs nothing.

    Args:
        stage: its name.
        work: what it is given.
        asked: what answers its questions; closed with it.
        folder: of its store.
        flush_records: records of a commit.
    """

    def __init__(
        self, stage: str, work: Work, asked: Models, folder: Path, flush_records: int
    ) -> None:
        memory = StoreMemory(cache_bytes=256 * _MIB, write_buffer_bytes=128 * _MIB)
        store = RocksStore(folder, (*TOTALS_TABLES, *work.tables, ANSWERS), memory=memory)
        owner = Owner(stage, 0, store, work.build, work.outputs, graph="bench/1")
        owner.start(Start(0, None, {}))
        self._topic, self._asked = work.topic, asked
        self._partition = Partition(
            owner,
            store,
            topics={work.topic: work.topic},
            lease=Open(),  # type: ignore[arg-type]
            send=_send,
            answer=asked.answer,
            pace=Pace(math.inf, flush_records, _SEND_RECORDS, 10**9),
        )
        self._running = asyncio.create_task(self._partition.run())
        self._report = StageReport(stage, memory)

    async def take(self, records: Sequence[Record]) -> None:
        for part in _lists(records):
            span = Span(part[0].offset, part[-1].offset + 1, part, 1)
            await self._partition.read(self._topic, span)
        while not self._partition.owner.outbox.idle:
            await asyncio.sleep(0)

    def report(self, turn: int) -> None:
        self._partition.report.update(self._partition.owner.tally)
        self._report.tell([self._partition], turn=turn)
        self._asked.scores.report()

    async def close(self) -> None:
        self._partition.close()
        await self._running
        self._asked.close()


class RouteSide:
    """ROUTE's source partitions, of which one is read."""

    def __init__(self, topic: str, route: Route) -> None:
        self._topic = topic
        self._holdings = RouteHoldings(route, _submit, _fail, None)  # type: ignore[arg-type]
        self._running = asyncio.create_task(self._holdings.run())
        self._tally = metrics.TallyReport("route")

    async def take(self, records: Sequence[Record]) -> None:
        for part in _lists(records):
            span = Span(part[0].offset, part[-1].offset + 1, part, 1)
            await self._holdings.read(self._topic, 0, span)
        while self._holdings.positions().get(TP(self._topic, 0)) != records[-1].offset + 1:
            await asyncio.sleep(0)

    def report(self, turn: int) -> None:
        del turn
        self._tally.update(self._holdings.tally)

    async def close(self) -> None:
        self._running.cancel()
        await asyncio.wait([self._running])


def _lists(records: Sequence[Record]) -> Iterator[list[Record]]:
    for place in range(0, len(records), _LIST_RECORDS):
        yield list(records[place : place + _LIST_RECORDS])


async def _send(messages: Sequence[Message], source_ms: int | None) -> None:
    del messages, source_ms


async def _submit(messages: list[Message], source_ms: int | None) -> "asyncio.Future[None]":
    del messages, source_ms
    done = asyncio.get_running_loop().create_future()
    done.set_result(None)
    return done


def _fail(error: BaseException) -> None:
    raise error
