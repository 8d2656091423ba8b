"""A broker, a graph with all its workers, and records that are being played: what faults are for.

Each scene has a graph of its own. The digest, the number of facts and how SHOPPERS' records ended
must be those of a clean run of the same records, and all other stages' books must add up.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from urllib.error import URLError

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from streams import demo
from streams.broker import process
from streams.cli.state import digested
from streams.errors import CartographError
from streams.play import CATALOG, EVENTS, Played
from streams.playing import Producing
from streams.process.status import Status, stage_folder
from streams.settings import STAGES, Settings
from streams.totals.owner import kept_of
from streams.worker.supervisor import Command, Supervisor, command_of, slots
from tests.kafka.counts import ROUTE, Books, at_rest, keep_books
from topology.errors import StoreError, TopologyError
from topology.store.layout import OLDEST_LAYOUT
from topology.store.rocksdb import RocksStore

_BACK_S = 120.0
_POLL_S = 0.05
_CHUNK = 100
_TRIES = 5


@dataclass
class Place:
    """A broker of one's own, which may be killed: several scenes, one after the other, use it."""

    folder: Path
    broker: process.Broker

    @property
    def address(self) -> str:
        """The same after every start."""
        return self.broker.address

    def kill(self) -> None:
        """SIGKILL: what it had written stays in the system's page cache, so nothing is lost."""
        os.kill(self.broker.pid, signal.SIGKILL)
        while process.status(self.folder).running:
            time.sleep(_POLL_S)

    def start(self) -> None:
        """On the same data and the same port; fails where another program took the port."""
        before = self.broker.address
        self.broker = process.start(self.folder, detach=False)
        assert self.broker.address == before, "the port was taken while the broker was away"


@contextlib.contextmanager
def place(folder: Path) -> Iterator[Place]:
    """A broker for scenes, stopped at the end."""
    with process.running(folder) as broker:
        yield Place(broker.folder, broker)


@dataclass
class Ended:
    """What a scene ended with.

    Attributes:
        outcomes: of the shop's events in SHOPPERS, by outcome.
        letters: dead letters on the topic, by reason.
        wrong: sentences for what does not add up.
        told: what the fault itself measured.
    """

    digest: str
    facts: int
    outcomes: dict[str, int]
    letters: dict[str, int]
    wrong: list[str]
    seconds: float
    told: dict[str, float] = field(default_factory=dict)


PATIENT = {"allowance_ms": 3 * 86_400_000}
"""Settings for scenes in which the broker dies. Samples are days in seconds: what one partition
got a moment before the broker died, and another after it was back, are hours apart there. In a
shop's own time they are as far apart as the broker was away."""


class Scene:
    """All stages of one graph at work.

    Args:
        place: the broker.
        settings: of the graph.
        rng: chooses victims and moments.
        command: how a worker is started.
    """

    def __init__(
        self, place: Place, settings: Settings, rng: Random, command: Command = command_of
    ) -> None:
        self.place, self.settings, self.rng = place, settings, rng
        self.command = command
        self.supervisor = Supervisor(settings, slots(settings, STAGES), command=command)
        self.playing = asyncio.Lock()
        self.told: dict[str, float] = {}
        self._running: asyncio.Task[int] | None = None
        self._ahead = asyncio.Event()
        self._allowed = 0.0

    def start_workers(self, settings: Settings | None = None) -> None:
        """Start all workers; with other settings, if some are given."""
        self.settings = settings or self.settings
        self.supervisor = Supervisor(
            self.settings, slots(self.settings, STAGES), command=self.command
        )
        self._running = asyncio.create_task(self.supervisor.run())

    async def workers_ended(self, timeout_s: float = _BACK_S) -> int:
        """Wait until the workers have given up; the exit code."""
        assert self._running is not None
        return await asyncio.wait_for(asyncio.shield(self._running), timeout_s)

    async def stop_workers(self) -> int:
        """End all workers; the exit code."""
        self.supervisor.stop()
        return await self.workers_ended()

    def feed(self, share: float) -> None:
        """Let the player go on until this share of all records, so that faults meet a stream."""
        self._allowed = max(self._allowed, share)
        self._ahead.set()

    async def play(self, records: Iterable[Played]) -> None:
        """Produce, some at a time; who holds `playing` stops it between two of them."""
        events, catalog = self.settings.sources
        rows = list(records)
        async with Producing(self.settings, {EVENTS: events, CATALOG: catalog}) as producing:
            for begin in range(0, len(rows), _CHUNK):
                while begin >= self._allowed * len(rows):
                    self._ahead.clear()
                    await self._ahead.wait()
                async with self.playing:
                    await producing.play(iter(rows[begin : begin + _CHUNK]))

    def worker(self, stage: str, slot: int = 0) -> Status | None:
        """What a worker says of itself now."""
        found = [e for e in self.supervisor.status() if (e.stage, e.slot) == (stage, slot)]
        return found[0] if found else None

    @property
    def ready(self) -> bool:
        """All workers are ready, and none is one that died."""
        told = self.supervisor.status()
        alive = all(each.ready and Path(f"/proc/{each.pid}").exists() for each in told)
        return alive and len(told) == len(slots(self.settings, STAGES))

    async def until_ready(self) -> float:
        """Wait until all workers are; how long it took, in seconds."""
        return await until(lambda: self.ready, "all workers ready", _BACK_S)

    async def some_read(self) -> None:
        """Wait until stores hold something: GRAPH has facts of what was fed so far."""
        await until(lambda: self._facts_told() > 0, "something in GRAPH", _BACK_S)

    def _facts_told(self) -> int:
        folders = stage_folder(self.settings, "graph").glob("[0-9]*")
        return sum(tally_of(folder).get("claims.used", 0) for folder in folders)

    async def sources_answer(self) -> None:
        """Wait until every source partition has its leader back.

        The stream is days in seconds: a partition that comes a second late would be late for good.
        """
        consumer = AIOKafkaConsumer(bootstrap_servers=self.settings.kafka)
        await consumer.start()
        try:
            for name in self.settings.sources:
                await consumer.end_offsets(
                    [TopicPartition(name, n) for n in range(demo.PARTITIONS)]
                )
        finally:
            await consumer.stop()

    def kill_worker(self) -> Status:
        """SIGKILL one of those that are ready."""
        told = self.rng.choice([each for each in self.supervisor.status() if each.ready])
        os.kill(told.pid, signal.SIGKILL)
        return told

    async def until_back(self, killed: Status) -> float:
        """Wait for a killed worker's successor to be ready; how long it took, in seconds."""

        def back() -> bool:
            now = self.worker(killed.stage, killed.slot)
            return now is not None and now.pid != killed.pid and now.ready

        return await until(back, f"{killed.stage}-{killed.slot} back", _BACK_S)

    async def rest(self) -> Books:
        """Wait until all is read and told; what came to what."""
        deadline = time.monotonic() + 2 * _BACK_S
        while True:
            await self.until_ready()
            try:
                await at_rest(self.settings, self.supervisor)
                return await keep_books(self.settings, self.supervisor.status())
            except (CartographError, TopologyError, URLError):
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(1.0)


Fault = Callable[[Scene], Awaitable[None]]


async def nothing(scene: Scene) -> None:
    """No fault: the clean run."""


async def run(
    place: Place,
    settings: Settings,
    records: Iterable[Played],
    fault: Fault = nothing,
    *,
    rng: Random,
    command: Command = command_of,
) -> Ended:
    """Play records while a fault happens, then wait for rest and keep the books."""
    began = time.monotonic()
    await demo.make_topics(settings)
    scene = Scene(place, settings, rng, command)
    scene.start_workers()
    try:
        await scene.until_ready()
        playing = asyncio.create_task(scene.play(records))
        await fault(scene)
        scene.feed(1.0)
        await playing
        books = await scene.rest()
    finally:
        code = await scene.stop_workers()
    assert code == 0, f"the workers ended with {code}"
    return await _ended(scene, books, time.monotonic() - began)


async def _ended(scene: Scene, books: Books, seconds: float) -> Ended:
    found = await asyncio.to_thread(digested, scene.settings)
    events = [each for each in books.books if each.stage == "shoppers"]
    # ROUTE counts in memory alone: what it says after a kill is not all that there was.
    others = books._replace(books=[b for b in books.books if b.stage != ROUTE], dead={}, letters={})
    return Ended(
        found.digest,
        found.facts,
        {name: n for each in events for name, n in each.ended.items()},
        books.letters,
        others.wrong,
        seconds,
        scene.told,
    )


def tally_of(folder: Path) -> dict[str, int]:
    """How the records of a partition ended, also while its worker runs; empty: not known yet.

    One that is compacted while it is opened is opened again; an empty one may make way for the
    state that its worker looks for.
    """
    for _ in range(_TRIES - 1):
        if not (folder / "CURRENT").exists():
            return {}
        with contextlib.suppress(StoreError):
            return _tally_now(folder)
        time.sleep(_POLL_S)
    return _tally_now(folder)


def _tally_now(folder: Path) -> dict[str, int]:
    with RocksStore(folder, ("meta",), read_only=True, oldest=OLDEST_LAYOUT) as store:
        kept = kept_of(store)
    return {} if kept is None else kept.tally


async def until(true: Callable[[], bool], what: str, timeout_s: float) -> float:
    """Wait until something is so; how long it took, in seconds."""
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < timeout_s, f"not within {timeout_s} s: {what}"
        await asyncio.sleep(_POLL_S)
    return time.monotonic() - begun
