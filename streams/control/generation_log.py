"""What `graph.control` says of generations, read from a real broker, and records put there."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.control.claims import TOPIC
from streams.control.generations import Generations, settings_of
from streams.errors import BrokerError
from streams.kafka.connection import options
from streams.kafka.graph_topics import check_topics
from streams.kafka.producer import Producer
from streams.settings import Settings

log = logging.getLogger(__name__)

_POLL_MS = 500
_TIMEOUT_S = 30.0
_AGAIN_S = 2.0


def of_base(settings: Settings) -> Settings:
    """Settings of the first generation, on whose control topic all of them stand."""
    return settings.with_(generation="", generation_base="events")


async def read(settings: Settings) -> Generations:
    """All that is known of generations now.

    Raises:
        BrokerError: the broker does not answer.
        TopicError: the graph has no control topic.
    """
    async with _reading(settings) as reader:
        return reader.found


async def as_run(settings: Settings) -> Settings:
    """What the stages of the generation run with that these settings name; of the first: the same.

    Raises:
        StateError: there is no such generation.
        BrokerError, TopicError: see `read`.
    """
    if not settings.generation:
        return settings
    return settings_of(of_base(settings), (await read(settings)).find(settings.generation))


async def as_serving(settings: Settings) -> Settings:
    """The same of the generation that answers, where the settings name none.

    Raises:
        StateError, BrokerError, TopicError: see `as_run`.
    """
    found = await read(settings)
    return settings_of(of_base(settings), found.find(settings.generation or found.serving.name))


async def write(settings: Settings, record: tuple[bytes, bytes]) -> None:
    """Put a record on the control topic; it is there for good when this returns.

    Raises:
        BrokerError: Kafka does not take it.
    """
    base = of_base(settings)
    producer = Producer(base.kafka, base.names, options(base))
    await producer.start()
    try:
        await producer.send_one(TOPIC, *record)
    finally:
        await producer.stop()


async def follow(settings: Settings) -> AsyncGenerator[Generations, None]:
    """All that is known now, and again whenever it changes, until cancelled.

    A broker that goes away is waited for; what was known stands meanwhile.

    Raises:
        BrokerError, TopicError: it cannot be read the first time.
    """
    is_first = True
    while True:
        try:
            async with _reading(settings) as reader:
                yield reader.found
                is_first = False
                while True:
                    if await reader.more():
                        yield reader.found
        except BrokerError as error:
            if is_first:
                raise
            log.warning("generations cannot be followed now: %s", error)
            await asyncio.sleep(_AGAIN_S)


class _Reader:
    """Reads the control topic of the first generation from its beginning."""

    def __init__(self, consumer: AIOKafkaConsumer, tp: TopicPartition) -> None:
        self._consumer, self._tp = consumer, tp
        self.found = Generations()

    async def begin(self) -> None:
        """Read all there is."""
        self._consumer.assign([self._tp])
        end = (await self._consumer.end_offsets([self._tp]))[self._tp]
        first = (await self._consumer.beginning_offsets([self._tp]))[self._tp]
        self._consumer.seek(self._tp, first)
        while await self._consumer.position(self._tp) < end:
            await self.more()

    async def more(self) -> bool:
        """Read what has come; whether any of it is about generations."""
        try:
            batches = await self._consumer.getmany(timeout_ms=_POLL_MS)
        except KafkaError as error:
            raise _unread(self._tp.topic, error) from error
        told = [
            self.found.take(record.key, record.value)
            for records in batches.values()
            for record in records
        ]
        return any(told)


@asynccontextmanager
async def _reading(settings: Settings) -> AsyncIterator[_Reader]:
    base = of_base(settings)
    await check_topics(base, [TOPIC])
    consumer = AIOKafkaConsumer(
        bootstrap_servers=base.kafka,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        **options(base),
    )
    tp = TopicPartition(base.topic(TOPIC), 0)
    try:
        try:
            await consumer.start()
            # Lets the consumer's own tasks begin: aiokafka's stop raises if they never did.
            await asyncio.sleep(0)
            reader = _Reader(consumer, tp)
            async with asyncio.timeout(_TIMEOUT_S):
                await reader.begin()
        except (KafkaError, OSError, TimeoutError) as error:
            raise _unread(tp.topic, error) from error
        yield reader
    finally:
        await consumer.stop()


def _unread(topic: str, error: BaseException) -> BrokerError:
    return BrokerError(
        f"{topic} cannot be read ({type(error).__name__} {error}): is Kafka up? Look at "
        "`cartograph topics show`"
    )
