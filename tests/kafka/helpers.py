"""Two small stages, workers as real processes, and what the tests ask of topics and stores."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import TopicPartition

from streams.broker import admin
from streams.outcomes import USED
from streams.ports import Answers, Questions, Record
from streams.process import status
from streams.process.status import stage_folder
from streams.settings import Settings
from streams.stages import Bundles, StageSpec
from streams.topics import Names, plan
from streams.totals import wire
from streams.totals.inbox import Inbox
from streams.totals.owner import Kept, Wiring
from streams.worker.app import StageRun
from topology.errors import StoreError
from topology.store.memory import MemoryStore
from topology.store.rocksdb import RocksStore

REPOSITORY = Path(__file__).resolve().parents[2]
POISON = b"\xff"


WEEK = b"\0a\x0002880"
"""Makes a value a key of `searched`: others are dead letters."""


class Quiet:
    """What a stage does that asks no models and keeps nothing in memory."""

    def wants(self) -> Questions:
        return Questions()

    def learn(self, answers: Answers) -> None:
        raise AssertionError("nothing was asked")

    def flush(self) -> None:
        pass

    is_idle = True

    def calm(self) -> None:
        pass


class Counting(Quiet):
    """`events` -> how often each value came, as totals of `searched`."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring

    def apply(self, topic: str, partition: int, records: Sequence[Record]) -> None:
        for record in records:
            if record.value is None or record.value.startswith(POISON):
                self._wiring.reject(topic, partition, record, "poison", "a test's own")
                continue
            self._wiring.outbox.add("searched", record.value + WEEK, 1)
            self._wiring.tally[f"{topic}.{USED}"] += 1


class Summing(Quiet):
    """`searched` -> sums over values with the same first letter, as totals of `asked`."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring

    def apply(self, topic: str, partition: int, records: Sequence[Record]) -> None:
        for change in self._wiring.read(topic, partition, records):
            self._wiring.outbox.add("asked", change.key[:1], change.after - change.before)


def build_counting(settings: Settings, bundles: Bundles) -> Callable[[Wiring], Counting]:
    return Counting


def build_summing(settings: Settings, bundles: Bundles) -> Callable[[Wiring], Summing]:
    return Summing


SPECS = {
    "counting": StageSpec("counting", ("events",), ("searched",), (), build_counting),
    "summing": StageSpec("summing", ("searched",), ("asked",), (), build_summing),
}


def new_run(settings: Settings, stage: str, slot: int) -> StageRun:
    return StageRun(settings, SPECS[stage], slot)


def test_settings(kafka: str, prefix: str, folder: Path, **changes: object) -> Settings:
    chosen = {
        "kafka": kafka,
        "prefix": prefix,
        "partitions": 4,
        "data_dir": folder,
        "session_timeout_ms": 4_000,
        "flush_ms": 50,
        "log_json": False,
        **changes,
    }
    return Settings().with_(**chosen)


test_settings.__test__ = False  # type: ignore[attr-defined]


def create_topics(settings: Settings) -> None:
    specs = plan(Names(settings.prefix), settings.partitions, settings.replication)
    asyncio.run(admin.apply(settings.kafka, specs))


def produce(settings: Settings, topic: str, rows: Iterable[tuple[int, bytes | None]]) -> None:
    """Write (partition, value) to one of the graph's topics."""

    async def work() -> None:
        async with AIOKafkaProducer(
            bootstrap_servers=settings.kafka,
            enable_idempotence=True,
            linger_ms=5,
            max_request_size=11 << 20,
        ) as producer:
            waiting = [
                await producer.send(settings.topic(topic), value, key=b"k", partition=partition)
                for partition, value in rows
            ]
            await asyncio.gather(*waiting)

    asyncio.run(work())


def read_all(settings: Settings, topic: str, count: int | None = None) -> list[tuple[int, Record]]:
    """Everything that is committed in a topic: (partition, record)."""

    async def work() -> list[tuple[int, Record]]:
        name = settings.topic(topic)
        found: list[tuple[int, Record]] = []
        async with AIOKafkaConsumer(
            bootstrap_servers=settings.kafka,
            isolation_level="read_committed",
            auto_offset_reset="earliest",  # or a slow seek finds the end first
        ) as consumer:
            partitions = range(settings.partitions) if count is None else range(count)
            tps = [TopicPartition(name, each) for each in partitions]
            ends = await consumer.end_offsets(tps)
            consumer.assign(tps)
            await consumer.seek_to_beginning(*tps)
            while any([await consumer.position(tp) < ends[tp] for tp in tps]):
                for records in (await consumer.getmany(timeout_ms=100)).values():
                    found += [
                        (each.partition, Record(each.offset, each.timestamp, each.key, each.value))
                        for each in records
                    ]
        return found

    return asyncio.run(work())


def totals(settings: Settings, topic: str) -> Counter[bytes]:
    """What a receiver makes of all totals of a topic."""
    inbox = Inbox(MemoryStore())
    seen: set[bytes] = set()
    for _, record in read_all(settings, topic):
        assert record.key is not None
        if record.value is None:
            continue
        told = wire.decode(topic, record.key, record.value)
        if isinstance(told, wire.Marker):
            for _ in inbox.end(topic, told):
                pass
        else:
            inbox.receive(topic, told)
            seen.add(told.key)
    return Counter({key.removesuffix(WEEK): n for key in seen if (n := inbox.total(topic, key))})


class Worker:
    """A worker process of one of the small stages."""

    def __init__(self, settings: Settings, stage: str = "counting", slot: int = 0) -> None:
        self.settings, self.stage, self.slot = settings, stage, slot
        self.log = settings.data_dir / f"{stage}-{slot}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Worker":
        self.log.parent.mkdir(parents=True, exist_ok=True)
        status.status_file(self.settings, self.stage, self.slot).unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.kafka.small_worker", self.stage, str(self.slot)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=REPOSITORY,
            )
        assert self.process.stdin is not None
        self.process.stdin.write(self.settings.to_json())
        self.process.stdin.close()
        return self

    @property
    def status(self) -> status.Status | None:
        return status.read(status.status_file(self.settings, self.stage, self.slot))

    @property
    def is_ready(self) -> bool:
        told = self.status
        return told is not None and told.ready

    def signal(self, number: int) -> None:
        assert self.process is not None
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.wait()

    def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return self.wait()

    def wait(self, timeout_s: float = 20.0) -> int:
        assert self.process is not None
        return self.process.wait(timeout_s)

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def __enter__(self) -> "Worker":
        return self.start()

    def __exit__(self, *error: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.signal(signal.SIGKILL)
            self.wait()


def wait_until(true: Callable[[], bool], what: str, timeout_s: float = 30.0) -> float:
    """Wait until something is so; how long it took, in seconds."""
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < timeout_s, f"not within {timeout_s} s: {what}"
        time.sleep(0.02)
    return time.monotonic() - begun


def kept(settings: Settings, stage: str, partition: int) -> Kept | None:
    """What the store of a partition says of itself, also while its worker runs."""
    folder = stage_folder(settings, stage) / str(partition)
    if not (folder / "CURRENT").exists():
        return None
    try:
        with RocksStore(folder, ("meta",), read_only=True) as store:
            row = store.get("meta", b"kept")
    except StoreError:
        if (folder / "CURRENT").exists():
            raise
        return None  # an empty one, which made way for the state that its worker looks for
    return None if row is None else Kept(**json.loads(row))


def tally(settings: Settings, stage: str) -> Counter[str]:
    """Outcomes over all partitions of a stage, as committed."""
    added: Counter[str] = Counter()
    for partition in range(settings.partitions):
        row = kept(settings, stage, partition)
        if row is not None:
            added.update(row.tally)
    return added
