"""The real stages as processes, for tests: started once, fed, asked how all of it ended."""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from aiokafka import AIOKafkaProducer

from streams.broker import admin
from streams.cli.state import folders, opened
from streams.settings import STAGES, Settings
from streams.topics import MAX_MESSAGE_BYTES, Names, Topic, TopicSpec, plan
from streams.totals import wire
from streams.totals.inbox import Inbox
from streams.worker.supervisor import Supervisor, slots
from tests.kafka.counts import Books, at_rest, keep_books
from tests.kafka.helpers import read_all, wait_until
from topology.check import check
from topology.facts import Fact, decode_fact
from topology.graph import TABLES as GRAPH_TABLES
from topology.graph import Graph
from topology.store.memory import MemoryStore

SHOP_CONFIG = {"max.message.bytes": str(MAX_MESSAGE_BYTES)}
_SHOP = Topic("shop", "a shop's own records", None, "any")


def shop_settings(kafka: str, prefix: str, folder: Path, **changes: object) -> Settings:
    """Settings of a graph of two partitions, with a shop's two topics of the native form."""
    chosen = {
        "kafka": kafka,
        "prefix": prefix,
        "partitions": 2,
        "data_dir": folder,
        "secret": "a secret for tests alone",
        "sources": {f"{prefix}.shop.events": "native", f"{prefix}.shop.catalog": "native-catalog"},
        "session_timeout_ms": 6_000,
        "flush_ms": 50,
        "log_level": "warning",
        "log_json": False,
        **changes,
    }
    return Settings().with_(**chosen)


def create_all_topics(settings: Settings, *, catalog: Mapping[str, str] | None = None) -> None:
    """The graph's topics, and the shop's with one partition each, so that order is certain.

    Args:
        settings: of the graph.
        catalog: how the shop's catalog topic is set up besides.
    """
    events, products = settings.sources
    own = {events: SHOP_CONFIG, products: {**SHOP_CONFIG, **(catalog or {})}}
    specs = [
        *plan(Names(settings.prefix), settings.partitions, settings.replication),
        *(TopicSpec(_SHOP, name, 1, 1, config) for name, config in own.items()),
    ]
    asyncio.run(admin.apply(settings.kafka, specs))


def write(
    settings: Settings,
    topic: str,
    rows: Iterable[tuple[bytes | None, bytes | None]],
    *,
    partition: int = 0,
) -> list[int]:
    """Produce (key, value) to a topic (full name), in order; their offsets."""

    async def work() -> list[int]:
        async with AIOKafkaProducer(
            bootstrap_servers=settings.kafka,
            enable_idempotence=True,
            linger_ms=5,
            max_request_size=MAX_MESSAGE_BYTES,
        ) as producer:
            sent = [
                await producer.send(topic, value, key=key, partition=partition)
                for key, value in rows
            ]
            return [(await each).offset for each in sent]

    return asyncio.run(work())


class Stages:
    """Workers of the real stages under one supervisor, which has a thread of its own."""

    def __init__(self, settings: Settings, stages: Sequence[str] = STAGES) -> None:
        self.settings = settings
        self.supervisor: Supervisor | None = None
        self.code: int | None = None
        self._stages = stages
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        async def work() -> int:
            self._loop = asyncio.get_running_loop()
            self.supervisor = Supervisor(self.settings, slots(self.settings, self._stages))
            return await self.supervisor.run()

        self.code = asyncio.run(work())

    def __enter__(self) -> "Stages":
        self._thread.start()
        wait_until(lambda: self._ended() or self._ready(), "the workers", 90)
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _ended(self) -> bool:
        return not self._thread.is_alive()

    def _ready(self) -> bool:
        supervisor = self.supervisor
        if supervisor is None:
            return False
        told = supervisor.status()
        return len(told) == len(slots(self.settings, self._stages)) and all(
            each.ready for each in told
        )

    def stop(self) -> int:
        """End all workers; the exit code of the whole."""
        if self._loop is not None and self.supervisor is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self.supervisor.stop)
        self._thread.join(40)
        assert self.code is not None, "the workers do not end"
        return self.code

    def refused(self, timeout_s: float = 60.0) -> list[str]:
        """The sentences with which workers gave up; they end by themselves."""
        self._thread.start()
        self._thread.join(timeout_s)
        assert not self._thread.is_alive(), "the workers run"
        assert self.supervisor is not None
        return [told.error for told in self.supervisor.status() if told.error]

    def rest(self) -> Books:
        """Wait until everything is read and told; what came to what."""
        assert self.supervisor is not None
        asyncio.run(at_rest(self.settings, self.supervisor))
        return asyncio.run(keep_books(self.settings, self.supervisor.status()))


def facts_of(settings: Settings) -> dict[tuple[str, str, str], Fact]:
    """All facts of the stores of GRAPH, which must be sound."""
    found: dict[tuple[str, str, str], Fact] = {}
    for folder in folders(settings, "graph"):
        with opened(folder, GRAPH_TABLES) as store:
            graph = Graph(store)
            assert not check(graph).sample
            for row in graph.facts():
                fact = decode_fact(row)
                found[fact.head, fact.relation, fact.tail] = fact
    return found


def heard(settings: Settings, topic: str) -> Counter[bytes]:
    """What a receiver makes of all totals of a topic, passing over what is none."""
    inbox, keys = Inbox(MemoryStore()), set[bytes]()
    for _, record in read_all(settings, topic):
        if record.key is None or record.value is None:
            continue
        try:
            told = wire.decode(topic, record.key, record.value)
        except wire.BadMessageError:
            continue
        if isinstance(told, wire.Marker):
            for _ in inbox.end(topic, told):
                pass
        else:
            inbox.receive(topic, told)
            keys.add(told.key)
    return Counter({key: n for key in keys if (n := inbox.total(topic, key))})
