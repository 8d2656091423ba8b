"""Where a bench runs: a real Kafka of its own, topics, settings, and what stands in topics."""

import argparse
import asyncio
import contextlib
import itertools
import secrets
import shutil
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.structs import TopicPartition

from streams.broker import admin, process
from streams.settings import Settings
from streams.topics import Names, partition_of, plan
from streams.totals import wire
from tests.bench.generate import Feed
from tests.bench.report import FOLDER

PARTITIONS = 4
_BATCH_BYTES = 256 * 1024
_CHUNK = 20_000


def options(parser: argparse.ArgumentParser, *, runs: int | None = 3) -> None:
    """Arguments that all benches on a broker share; `runs` None: there is one run alone."""
    if runs is not None:
        parser.add_argument("--runs", type=int, default=runs, help="the median of them counts")
    parser.add_argument("--kafka", default="", metavar="HOST:PORT", help="default: one of its own")
    parser.add_argument("--heap-mb", type=int, default=1024, help="of the bench's own broker")


class Place:
    """A broker and a folder; every `settings` is another graph on them.

    Attributes:
        address: of the broker.
        folder: removed at the end.
    """

    def __init__(self, address: str, folder: Path) -> None:
        self.address, self.folder = address, folder
        self._count = itertools.count()
        self._token = secrets.token_hex(3)

    def settings(self, **changes: object) -> Settings:
        """Settings of a new graph, whose topics exist."""
        prefix = f"bench{self._token}x{next(self._count)}"
        found = Settings().with_(
            kafka=self.address,
            prefix=prefix,
            partitions=PARTITIONS,
            data_dir=self.folder / prefix,
            secret="no secret at all, only a bench",
            log_json=False,
            log_level="warning",
        )
        found = found.with_(**changes)
        asyncio.run(admin.apply(self.address, plan(Names(prefix), found.partitions, 1)))
        return found

    def topic(self, name: str, partitions: int = PARTITIONS) -> str:
        """A plain topic with a new name; the name."""
        full = f"bench{self._token}.{name}-{next(self._count)}"

        async def create() -> None:
            client = AIOKafkaAdminClient(bootstrap_servers=self.address)
            await client.start()
            try:
                await client.create_topics([NewTopic(full, partitions, 1)])
            finally:
                await client.close()

        asyncio.run(create())
        return full

    def delete(self, names: Iterable[str]) -> None:
        """Free the disk of topics that nobody reads any more."""

        async def work() -> None:
            client = AIOKafkaAdminClient(bootstrap_servers=self.address)
            await client.start()
            try:
                await client.delete_topics(list(names))
            finally:
                await client.close()

        asyncio.run(work())

    def forget(self, settings: Settings) -> None:
        """Free what a graph took, topics and stores."""
        self.delete(spec.name for spec in plan(Names(settings.prefix), 1, 1))
        shutil.rmtree(settings.data_dir, ignore_errors=True)

    def fill(self, topic: str, feed: Iterable[Feed], partitions: int = PARTITIONS) -> int:
        """Produce all, lz4 as ROUTE does; how many."""
        return asyncio.run(produce(self.address, topic, feed, partitions))


@contextlib.contextmanager
def place(arguments: argparse.Namespace) -> Iterator[Place]:
    """The broker that the arguments name, or one of its own in a folder of its own."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="run-", dir=FOLDER) as name,
        contextlib.ExitStack() as stack,
    ):
        address, folder = arguments.kafka, Path(name)
        if not address:
            broker = process.running(folder / "kafka", heap_mb=arguments.heap_mb)
            address = stack.enter_context(broker).address
        yield Place(address, folder)


@contextlib.asynccontextmanager
async def producer(address: str) -> AsyncIterator[AIOKafkaProducer]:
    """A producer of whole batches."""
    async with AIOKafkaProducer(
        bootstrap_servers=address,
        enable_idempotence=True,
        compression_type="lz4",
        max_batch_size=_BATCH_BYTES,
        max_request_size=8 * 1024 * 1024,
    ) as kafka:
        yield kafka


async def produce(address: str, topic: str, feed: Iterable[Feed], partitions: int) -> int:
    """Produce all of it, in the order of each partition; how many."""
    rows, count = iter(feed), 0
    async with producer(address) as kafka:
        while chunk := list(itertools.islice(rows, _CHUNK)):
            await send(kafka, topic, chunk, partitions)
            count += len(chunk)
    return count


async def send(kafka: AIOKafkaProducer, topic: str, chunk: Sequence[Feed], partitions: int) -> None:
    """Produce a chunk and wait for its acknowledgements."""
    by_partition: dict[int, list[Feed]] = defaultdict(list)
    for row in chunk:
        by_partition[partition_of(row.key, partitions)].append(row)
    waiting = []
    for partition, rows in by_partition.items():
        batch = kafka.create_batch()
        for row in rows:
            if batch.append(timestamp=None, key=row.key, value=row.value) is None:
                batch.close()
                waiting.append(await kafka.send_batch(batch, topic, partition=partition))
                batch = kafka.create_batch()
                batch.append(timestamp=None, key=row.key, value=row.value)
        batch.close()
        waiting.append(await kafka.send_batch(batch, topic, partition=partition))
    await asyncio.gather(*waiting)


async def ends(consumer: AIOKafkaConsumer, topics: Iterable[str]) -> dict[str, int]:
    """Records that each topic ever had, over its partitions."""
    found: dict[str, int] = {}
    for topic in topics:
        numbers = consumer.partitions_for_topic(topic)
        if not numbers:
            known = await consumer._client.fetch_all_metadata()
            numbers = known.partitions_for_topic(topic) or set()
        offsets = await consumer.end_offsets([TopicPartition(topic, n) for n in numbers])
        found[topic] = sum(offsets.values())
    return found


def totals(settings: Settings, topic: str) -> dict[bytes, int]:
    """What a receiver makes of all totals of a topic: key -> n over all senders."""
    newest: dict[tuple[int, bytes], tuple[int, int, int]] = {}

    async def read() -> None:
        name = settings.topic(topic)
        # By `auto_offset_reset`: a seek right after `assign` is at times overtaken by the default.
        async with AIOKafkaConsumer(
            bootstrap_servers=settings.kafka, auto_offset_reset="earliest"
        ) as consumer:
            tps = [TopicPartition(name, number) for number in range(settings.partitions)]
            consumer.assign(tps)
            last = await consumer.end_offsets(tps)
            while any([await consumer.position(tp) < last[tp] for tp in tps]):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    for record in records:
                        _take(newest, topic, record.key, record.value)

    asyncio.run(read())
    added: dict[bytes, int] = defaultdict(int)
    for (_, key), (_, _, n) in newest.items():
        added[key] += n
    return added


def _take(
    newest: dict[tuple[int, bytes], tuple[int, int, int]],
    topic: str,
    key: bytes | None,
    value: bytes | None,
) -> None:
    if key is None or value is None:
        return
    told = wire.decode(topic, key, value)
    if isinstance(told, wire.Sent):
        place_of = told.sender, told.key
        stamp = told.incarnation, told.version, told.n
        newest[place_of] = max(newest.get(place_of, stamp), stamp)
