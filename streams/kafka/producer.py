"""The one producer of a worker process: whole record batches, in order, to named partitions."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams.broker import handshake
from streams.errors import BrokerError
from streams.ports import Message
from streams.source_times import header_of
from streams.topics import Names, partition_of

_BATCH_BYTES = 256 * 1024
_REQUEST_BYTES = 11 * 1024 * 1024
_TIMEOUT_MS = 30_000


class Producer:
    """Sends messages of the pure stages; idempotent, so order and number hold per partition.

    Args:
        address: `host:port`, several separated by commas.
        names: full names of logical topics.
        options: further arguments of the aiokafka client.
    """

    def __init__(self, address: str, names: Names, options: Mapping[str, Any]) -> None:
        self._names, self._address, self._options = names, address, options
        self._kafka = AIOKafkaProducer(
            bootstrap_servers=address,
            enable_idempotence=True,
            acks="all",
            compression_type="lz4",
            max_batch_size=_BATCH_BYTES,
            max_request_size=_REQUEST_BYTES,
            request_timeout_ms=_TIMEOUT_MS,
            **options,
        )
        self._partitions: dict[str, int] = {}
        self._turns: defaultdict[tuple[str, int], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def start(self) -> None:
        """Connect.

        Raises:
            BrokerError: nobody answers.
            SettingsError: Kafka refuses us.
        """
        try:
            await self._kafka.start()
        except KafkaError as error:
            raise await handshake.why(self._address, self._options, error) from error

    async def stop(self) -> None:
        """Wait for what is under way and disconnect."""
        await self._kafka.stop()

    async def send(self, messages: Sequence[Message], source_ms: int | None = None) -> None:
        """Produce all, and wait until all are acknowledged; `source_ms` as for `submit`.

        Raises:
            BrokerError: Kafka refused one; some may have been written all the same.
        """
        await (await self.submit(messages, source_ms))

    async def submit(
        self, messages: Sequence[Message], source_ms: int | None = None
    ) -> Awaitable[None]:
        """Queue all in order; await what comes back to know that all are acknowledged.

        A batch is filled by hand: 1 µs a message, where aiokafka's own `send` costs 10.

        Args:
            messages: in the order in which they are sent to each partition.
            source_ms: when the earliest event behind them was, None if that is not known; told by
                the first record of each batch (`source_times`).

        Raises:
            BrokerError: Kafka does not take them, here or when the acknowledgement is awaited.
        """
        now_ms = int(time.time() * 1000)
        told = header_of(source_ms)
        filling: dict[tuple[str, int], Any] = {}
        waiting: list[asyncio.Future[Any]] = []
        try:
            for topic, partition, key, value in messages:
                if partition is None:
                    partition = partition_of(key, await self._count(topic))
                place = (topic, partition)
                batch = filling.get(place)
                if batch is None:
                    batch = filling[place] = self._kafka.create_batch()
                    batch.append(timestamp=now_ms, key=key, value=value, headers=told)
                elif batch.append(timestamp=now_ms, key=key, value=value) is None:
                    waiting.append(await self._queue(batch, place))
                    batch = filling[place] = self._kafka.create_batch()
                    batch.append(timestamp=now_ms, key=key, value=value, headers=told)
            for place, batch in filling.items():
                waiting.append(await self._queue(batch, place))
        except KafkaError as error:
            raise _refused(error) from error
        return asyncio.ensure_future(_acknowledged(waiting))

    async def send_one(self, topic: str, key: bytes, value: bytes | None) -> int:
        """Produce one record to a topic of one partition; its offset."""
        try:
            told = await self._kafka.send_and_wait(
                self._names.of(topic), value=value, key=key, partition=0
            )
        except KafkaError as error:
            raise BrokerError(f"Kafka does not take a record of {topic} ({error})") from error
        return int(told.offset)

    async def _queue(self, batch: Any, place: tuple[str, int]) -> "asyncio.Future[Any]":
        batch.close()  # or it would linger
        topic, partition = place
        # One at a time for each place: aiokafka's `add_batch` counts the time that it waits for
        # its turn several times over, and gives up after a second where many wait (0.14).
        async with self._turns[place]:
            future: asyncio.Future[Any] = await self._kafka.send_batch(
                batch, self._names.of(topic), partition=partition
            )
        return future

    async def _count(self, topic: str) -> int:
        if topic not in self._partitions:
            found = await self._kafka.partitions_for(self._names.of(topic))
            self._partitions[topic] = len(found)
        return self._partitions[topic]


async def _acknowledged(waiting: Sequence["asyncio.Future[Any]"]) -> None:
    try:
        await asyncio.gather(*waiting)
    except KafkaError as error:
        raise _refused(error) from error


def _refused(error: KafkaError) -> BrokerError:
    return BrokerError(
        f"Kafka does not take what is sent ({type(error).__name__}: {error}): check that it is up "
        "and that this user may write to the graph's topics"
    )
