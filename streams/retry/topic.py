"""The topic of dead letters on a real Kafka, and source records read again by their coordinates."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from streams.broker import admin
from streams.dead_letters import TOPIC
from streams.errors import BrokerError, TopicError
from streams.kafka import connection
from streams.ports import Record
from streams.registry import SPECS
from streams.retry.book import Book, Standing, Where
from streams.route.checks import NAME as ROUTE
from streams.settings import Settings

_PAGE = 500
_NEAR = 2_000
"""Records that are read over rather than asking Kafka for another place."""
_POLL_MS, _PATIENCE = 1_000, 30
_REQUEST_BYTES = 11 * 1024 * 1024


class Place(NamedTuple):
    """Where a record stands; `topic` is the full name."""

    topic: str
    partition: int
    offset: int


class Produced(NamedTuple):
    """A record to write; `topic` is the full name."""

    topic: str
    partition: int
    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]] = ()


def stage_of(settings: Settings) -> Mapping[str, str]:
    """Full name of each of the graph's own topics -> the stage that reads it."""
    return {settings.topic(name): spec.name for spec in SPECS.values() for name in spec.inputs}


class DeadLetters:
    """Reads dead letters and source records, writes marks and what was retried.

    Use as an async context manager.

    Args:
        settings: with the address of Kafka.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._place = TopicPartition(settings.topic(TOPIC), 0)
        self._stages = stage_of(settings)
        self.unread = 0
        """Records of the topic that are not ours, as of the last `standing`."""

    async def __aenter__(self) -> "DeadLetters":
        found = await self._describe([self._place.topic])
        if not found:
            raise TopicError(
                f"{self._place.topic} does not exist: `cartograph topics apply`, or correct "
                "CARTOGRAPH_PREFIX"
            )
        kafka, options = self._settings.kafka, connection.options(self._settings)
        async with AsyncExitStack() as stack:
            # Two, as sources are read again between two pages of letters.
            self._letters, self._others = [
                AIOKafkaConsumer(
                    bootstrap_servers=kafka,
                    enable_auto_commit=False,
                    auto_offset_reset="earliest",
                    isolation_level="read_committed",
                    max_partition_fetch_bytes=_REQUEST_BYTES,
                    **options,
                )
                for _ in range(2)
            ]
            self._producer = AIOKafkaProducer(
                bootstrap_servers=kafka,
                enable_idempotence=True,
                acks="all",
                compression_type="lz4",
                max_request_size=_REQUEST_BYTES,
                **options,
            )
            try:
                for client in (self._letters, self._others, self._producer):
                    stack.push_async_callback(client.stop)
                    await client.start()
            except KafkaError as error:
                raise self._away(error) from error
            self._open = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def standing(self, where: Where) -> AsyncIterator[list[Standing]]:
        """The dead letters that are meant, in the order of the topic, by the page.

        What is written meanwhile is not seen.
        """
        book = Book(lambda topic: self._stages.get(topic, ROUTE))
        first, end = await self._bounds(self._place)
        async for page in self._pages(self._place, first, end):
            book.take(page)
        self.unread = book.unread
        async for page in self._pages(self._place, first, end):
            if found := list(book.standing(page, where)):
                yield found

    async def marks(self, names: Collection[str]) -> list[Record]:
        """All records about these letters, marks among them, in order."""
        wanted = {part + name.encode() for name in names for part in (b"", b"mark/")}
        first, end = await self._bounds(self._place)
        return [
            record
            async for page in self._pages(self._place, first, end)
            for record in page
            if record.key in wanted
        ]

    async def again(self, places: Iterable[Place]) -> dict[Place, Record]:
        """The records at these places; those that are not there any more are left out."""
        wanted: dict[TopicPartition, set[int]] = {}
        for place in places:
            wanted.setdefault(TopicPartition(place.topic, place.partition), set()).add(place.offset)
        known = await self._describe({each.topic for each in wanted})
        found: dict[Place, Record] = {}
        for at, offsets in sorted(wanted.items()):
            if at.topic not in known or at.partition >= known[at.topic].partitions:
                continue
            first, end = await self._bounds(at)
            for begin, last in _runs(each for each in offsets if first <= each < end):
                async for page in self._pages(at, begin, last + 1):
                    for record in page:
                        if record.offset in offsets:
                            found[Place(at.topic, at.partition, record.offset)] = record
        return found

    async def tail(self, topic: str, partition: int, count: int) -> list[Record]:
        """The last records of a partition, at most so many."""
        at = TopicPartition(topic, partition)
        first, end = await self._bounds(at)
        begin = max(first, end - count)
        return [record async for page in self._pages(at, begin, end) for record in page]

    async def produce(self, messages: Sequence[Produced]) -> None:
        """Write all, and wait until all are acknowledged.

        Raises:
            BrokerError: Kafka refuses one; some may have been written all the same.
        """
        if not messages:
            return
        try:
            waiting = [
                await self._producer.send(
                    each.topic,
                    each.value,
                    key=each.key,
                    partition=each.partition,
                    headers=list(each.headers),
                )
                for each in messages
            ]
            await asyncio.gather(*waiting)
        except KafkaError as error:
            raise BrokerError(
                f"Kafka does not take what is sent ({type(error).__name__}: {error}): check that "
                "it is up and that this user may write to the graph's topics"
            ) from error

    async def _describe(self, names: Iterable[str]) -> dict[str, Any]:
        options = connection.options(self._settings)
        found: dict[str, Any] = {}
        found.update(await admin.describe(self._settings.kafka, names, options=options))
        return found

    async def _bounds(self, at: TopicPartition) -> tuple[int, int]:
        """First offset and end of a partition now."""
        try:
            first = await self._others.beginning_offsets([at])
            end = await self._others.end_offsets([at])
        except KafkaError as error:
            raise self._away(error) from error
        return first[at], end[at]

    async def _pages(self, at: TopicPartition, begin: int, end: int) -> AsyncIterator[list[Record]]:
        """Records of a partition from `begin` to before `end`, at most 500 at a time."""
        if begin >= end:
            return
        consumer = self._letters if at == self._place else self._others
        try:
            if consumer.assignment() != {at}:
                consumer.assign([at])
            consumer.seek(at, begin)
            idle = 0
            while await consumer.position(at) < end:
                fetched = await consumer.getmany(timeout_ms=_POLL_MS, max_records=_PAGE)
                page = [
                    Record(each.offset, each.timestamp, each.key, each.value)
                    for each in fetched.get(at, ())
                    if begin <= each.offset < end
                ]
                idle = 0 if fetched else idle + 1
                if idle > _PATIENCE:
                    raise BrokerError(
                        f"{at.topic}/{at.partition} cannot be read on from "
                        f"{await consumer.position(at)}: look at the log of Kafka"
                    )
                if page:
                    yield page
        except KafkaError as error:
            raise self._away(error) from error

    def _away(self, error: KafkaError) -> BrokerError:
        return BrokerError(
            f"Kafka at {self._settings.kafka} cannot be read ({type(error).__name__}: {error}): "
            "check CARTOGRAPH_KAFKA and the rights of this user"
        )


def _runs(offsets: Iterable[int]) -> list[tuple[int, int]]:
    """Stretches that are read in one go: first and last offset wanted of each."""
    runs: list[tuple[int, int]] = []
    for offset in sorted(offsets):
        if runs and offset - runs[-1][1] <= _NEAR:
            runs[-1] = (runs[-1][0], offset)
        else:
            runs.append((offset, offset))
    return runs
