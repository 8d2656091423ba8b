"""Tidies the topics of totals of a graph away: reads them, and writes the tombstones of `tidy`."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from streams import connection
from streams.errors import BrokerError
from streams.settings import Settings
from streams.tidy import Tidy
from streams.totals import CODES

TOPICS = tuple(CODES)
_TURN_MS = 500
_IN_FLIGHT = 10_000


class Tidied(NamedTuple):
    """One topic: records that were read, and tombstones that were written."""

    topic: str
    records: int
    tombstones: int


async def tidy_away(settings: Settings, topic: str) -> Tidied:
    """Give every record of a topic that no receiver would take a tombstone; workers may run.

    Args:
        settings: of the graph, with the address of Kafka.
        topic: logical name, one of `TOPICS`.

    Raises:
        BrokerError: Kafka does not answer.
    """
    name, options = settings.topic(topic), connection.options(settings)
    records = tombstones = 0
    try:
        for partition in range(settings.partitions):
            tp = TopicPartition(name, partition)
            tidy = Tidy(topic)
            records += await _read(settings.kafka, tp, tidy, options)
            tombstones += await _bury(settings.kafka, tp, tidy.dead(), options)
    except KafkaError as error:
        raise BrokerError(
            f"{name} cannot be tidied ({type(error).__name__} {error}): look at `cartograph topics "
            "show`; what was written does no harm, and the command can be run again"
        ) from error
    return Tidied(topic, records, tombstones)


async def _read(address: str, tp: TopicPartition, tidy: Tidy, options: Mapping[str, Any]) -> int:
    """Show a partition to `tidy`, as far as it goes now; how many records that were."""
    count = 0
    async with AIOKafkaConsumer(
        bootstrap_servers=address,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        **options,
    ) as consumer:
        consumer.assign([tp])
        end = (await consumer.end_offsets([tp]))[tp]
        begin = (await consumer.beginning_offsets([tp]))[tp]
        consumer.seek(tp, begin)
        while await consumer.position(tp) < end:
            for records in (await consumer.getmany(timeout_ms=_TURN_MS)).values():
                for record in records:
                    tidy.take(record.key, record.value)
                count += len(records)
    return count


async def _bury(
    address: str, tp: TopicPartition, keys: list[bytes], options: Mapping[str, Any]
) -> int:
    if not keys:
        return 0
    async with AIOKafkaProducer(
        bootstrap_servers=address, enable_idempotence=True, linger_ms=5, **options
    ) as producer:
        for place in range(0, len(keys), _IN_FLIGHT):
            for key in keys[place : place + _IN_FLIGHT]:
                await producer.send(tp.topic, None, key=key, partition=tp.partition)
            await producer.flush()
    return len(keys)
