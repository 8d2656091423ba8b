"""Follows `graph.erasures` for a worker of SHOPPERS: who is to be forgotten, by partition.

A worker reads the whole topic, which is compacted and has one partition, and goes on reading. What
it has read is handed to a partition before its first event, after any start, and after a claim the
topic is read to where it ended then (DESIGN, rule 10); what comes later is handed on as it comes.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from streams.erasures import TOPIC, Erasure, read_record
from streams.errors import BrokerError
from streams.topics import Names, partition_of

_TIMEOUT_S = 60.0
log = logging.getLogger(__name__)


class ErasureFeed:
    """The erasures that there are, by partition of SHOPPERS.

    Args:
        partitions: of the graph.
        hand_over: told (partition, erasures) of what arrives; called inside the event loop.
        fail: told when the topic cannot be followed any more.
    """

    def __init__(
        self,
        address: str,
        names: Names,
        *,
        partitions: int,
        hand_over: Callable[[int, Sequence[Erasure]], None],
        fail: Callable[[BaseException], None],
        options: Mapping[str, Any],
    ) -> None:
        self._tp = TopicPartition(names.of(TOPIC), 0)
        self._count, self._hand_over, self._fail = partitions, hand_over, fail
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=address,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=250,
            **options,
        )
        self._known: dict[int, list[Erasure]] = {}
        self._position = 0
        self._moved = asyncio.Condition()
        self._following: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect, and begin to follow.

        Raises:
            BrokerError: the topic cannot be read.
        """
        try:
            await self._consumer.start()
            self._consumer.assign([self._tp])
            begins = await self._consumer.beginning_offsets([self._tp])
            self._consumer.seek(self._tp, begins[self._tp])
        except KafkaError as error:
            raise self._unreadable(error) from error
        self._following = asyncio.create_task(self._follow(), name="erasures")

    def known(self, partition: int) -> Sequence[Erasure]:
        """What was read so far for a partition."""
        return tuple(self._known.get(partition, ()))

    async def catch_up(self) -> None:
        """Wait until all is read that was in the topic when this was called.

        Raises:
            BrokerError: that takes too long.
        """
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                end = (await self._consumer.end_offsets([self._tp]))[self._tp]
                async with self._moved:
                    await self._moved.wait_for(lambda: self._position >= end)
        except (KafkaError, TimeoutError) as error:
            raise self._unreadable(error) from error

    async def _follow(self) -> None:
        try:
            while True:
                fetched = await self._consumer.getmany(timeout_ms=1_000)
                for record in fetched.get(self._tp, ()):
                    self._take(record.offset, record.key, record.value)
                position = await self._consumer.position(self._tp)
                async with self._moved:
                    self._position = position
                    self._moved.notify_all()
        except KafkaError as error:
            self._fail(self._unreadable(error))
        except Exception as error:  # noqa: BLE001 - who hears of no later erasure may not go on
            self._fail(error)

    def _take(self, offset: int, key: bytes | None, value: bytes | None) -> None:
        try:
            said = read_record(offset, key, value)
        except ValueError as error:
            # Not the record: it may hold what somebody took for a pseudonym.
            log.error("%s: a record that `cartograph forget` did not write; passed over", error)  # noqa: TRY400
            return
        if not isinstance(said, Erasure):
            return
        partition = partition_of(said.shopper.encode(), self._count)
        self._known.setdefault(partition, []).append(said)
        self._hand_over(partition, (said,))

    def _unreadable(self, error: BaseException) -> BrokerError:
        return BrokerError(
            f"{self._tp.topic} cannot be read ({type(error).__name__} {error}), and who asked to "
            "be forgotten must be known before any event: look at `cartograph topics show`"
        )
