"""Produce what `play.py` reads from files to the shop's topics of a real broker."""

import asyncio
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams.broker import admin, handshake
from streams.errors import BrokerError, TopicError
from streams.kafka.connection import options
from streams.play import Played, TopicKind, pace
from streams.settings import Settings
from streams.topics import Topic, TopicSpec

SHOP = Topic("shop", "the shop's own records", None, "shopper or product")
_CHUNK = 5_000
_BATCH_BYTES = 512 * 1024
_REQUEST_BYTES = 11 * 1024 * 1024


async def stand(settings: Settings, topics: Iterable[str], *, partitions: int = 0) -> None:
    """Make sure that these topics are there: a producer would ask for a missing one for long.

    Args:
        settings: where Kafka is, and how many copies a new topic has.
        topics: full names.
        partitions: what a topic that is missing is created with; 0: none is created.

    Raises:
        BrokerError: no broker answers.
        TopicError: one is missing.
    """
    wanted = list(dict.fromkeys(topics))
    there = await admin.describe(settings.kafka, wanted, options=options(settings))
    missing = [name for name in wanted if name not in there]
    if missing and not partitions:
        raise TopicError(
            f"there is no topic {' and no topic '.join(missing)} at {settings.kafka}: check the "
            "name, create it as the shop does, or let it be created with --partitions 4"
        )
    specs = [TopicSpec(SHOP, name, partitions, settings.replication, {}) for name in missing]
    if specs:
        await admin.apply(settings.kafka, specs, options=options(settings))


class Producing:
    """A producer of the shop's own topics: whole batches, keys decide partitions.

    Args:
        topics: kind -> full name of the topic.
    """

    def __init__(self, settings: Settings, topics: Mapping[TopicKind, str]) -> None:
        self._topics = topics
        self._address, self._options = settings.kafka, options(settings)
        self._kafka = AIOKafkaProducer(
            bootstrap_servers=settings.kafka,
            enable_idempotence=True,
            compression_type="lz4",
            max_batch_size=_BATCH_BYTES,
            max_request_size=_REQUEST_BYTES,
            **self._options,
        )
        self._counts: dict[str, int] = {}
        self.sent: Counter[str] = Counter()

    async def __aenter__(self) -> "Producing":
        try:
            await self._kafka.start()
            for topic in self._topics.values():
                self._counts[topic] = len(await self._kafka.partitions_for(topic))
        except (KafkaError, OSError) as error:
            await self._kafka.stop()
            if refused := await handshake.probe(self._address, self._options):
                raise refused from error
            raise BrokerError(
                f"cannot play to {self._address} ({error}): is Kafka up, and do the topics "
                f"{', '.join(self._topics.values())} exist?"
            ) from error
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._kafka.stop()

    async def play(
        self,
        records: Iterator[Played],
        *,
        speed: float = 0.0,
        progress: Callable[[int], None] = lambda _: None,
    ) -> int:
        """Produce all records; how many.

        Args:
            records: as from `play.open_play`.
            speed: seconds of event time in one of ours; 0: as fast as can be.
            progress: is told the number so far, every few thousand records.

        Raises:
            TopicError: a record is of a kind that no topic was named for.
        """
        began, chunk, count = time.monotonic(), list[Played](), 0
        for due, record in pace(records, speed):
            wait = due - (time.monotonic() - began)
            if chunk and (len(chunk) >= _CHUNK or wait > 0):
                count += await self._send(chunk)
                chunk = []
                progress(count)
            if wait > 0:
                await asyncio.sleep(wait)
            chunk.append(record)
        count += await self._send(chunk)
        progress(count)
        return count

    async def _send(self, chunk: list[Played]) -> int:
        now_ms = int(time.time() * 1000)
        batches: dict[tuple[str, int], list[Played]] = {}
        for place, record in enumerate(chunk):
            topic = self._topics.get(record.kind)
            if topic is None:
                raise TopicError(f"no topic for {record.kind}: name one with --{record.kind}-topic")
            hashed = zlib.crc32(record.key) if record.key is not None else place
            batches.setdefault((topic, hashed % self._counts[topic]), []).append(record)
        waiting = []
        for (topic, partition), found in batches.items():
            batch = self._kafka.create_batch()
            for record in found:
                if batch.append(timestamp=now_ms, key=record.key, value=record.value) is None:
                    batch.close()
                    waiting.append(await self._kafka.send_batch(batch, topic, partition=partition))
                    batch = self._kafka.create_batch()
                    batch.append(timestamp=now_ms, key=record.key, value=record.value)
            batch.close()
            waiting.append(await self._kafka.send_batch(batch, topic, partition=partition))
            self.sent[topic] += len(found)
        try:
            await asyncio.gather(*waiting)
        except KafkaError as error:
            raise BrokerError(f"Kafka does not take what is played ({error})") from error
        return len(chunk)
