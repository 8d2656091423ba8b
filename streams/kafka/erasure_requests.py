"""Asks for shoppers to be forgotten, and hears what became of it."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager

import msgspec
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from streams.erasures import TOPIC, Done, Erasure, erasure_record, read_record
from streams.errors import BrokerError
from streams.kafka import connection
from streams.kafka.producer import Producer
from streams.settings import Settings

_TURN_MS = 500


async def ask(settings: Settings, erasures: Sequence[Erasure]) -> list[Erasure]:
    """Write erasures; the same with their offsets.

    Raises:
        BrokerError: Kafka does not take them.
    """
    producer = Producer(settings.kafka, settings.names, connection.options(settings))
    try:
        await producer.start()
        offsets = [await producer.send_one(TOPIC, *erasure_record(each)) for each in erasures]
    finally:
        await producer.stop()
    return [
        msgspec.structs.replace(each, offset=offset)
        for each, offset in zip(erasures, offsets, strict=True)
    ]


Answers = Mapping[str, Mapping[str, Done]]
"""Token -> generation ("": the first) -> what became of the erasure in that graph."""


def by_token(said: Iterable[Erasure | Done]) -> Answers:
    """The answers among what the topic says."""
    found: dict[str, dict[str, Done]] = {}
    for each in said:
        if isinstance(each, Done):
            found.setdefault(each.token, {})[each.generation] = each
    return found


def unanswered(said: Iterable[Erasure | Done], generation: str) -> int:
    """How many of the erasures that stand a graph ("": the first) has not obeyed."""
    told = list(said)
    done = by_token(told)
    asked = (each for each in told if isinstance(each, Erasure))
    return sum(generation not in done.get(each.token, {}) for each in asked)


async def answers(
    settings: Settings, erasures: Sequence[Erasure], generations: Iterable[str], wait_s: float
) -> Answers:
    """What is answered until all these graphs have answered all, or the time is over.

    Args:
        settings: of the graph, with the address of Kafka.
        erasures: with their offsets, at least one.
        generations: that are to answer; "": the first.
        wait_s: at most, in seconds of wall time.

    Raises:
        BrokerError: the topic cannot be read.
    """
    waiting = {(each.token, name) for each in erasures for name in generations}
    found: list[Done] = []
    async with _reading(settings) as (consumer, tp):
        consumer.seek(tp, min(each.offset for each in erasures))
        try:
            async with asyncio.timeout(wait_s):
                while waiting:
                    told = [each for each in await _turn(consumer) if isinstance(each, Done)]
                    waiting -= {(each.token, each.generation) for each in told}
                    found += told
        except TimeoutError:
            pass  # what was not answered is missing in `found`
    return by_token(found)


async def all_of(settings: Settings) -> list[Erasure | Done]:
    """All that the topic says now, in its order.

    Raises:
        BrokerError: the topic cannot be read.
    """
    found: list[Erasure | Done] = []
    async with _reading(settings) as (consumer, tp):
        end = (await consumer.end_offsets([tp]))[tp]
        begin = (await consumer.beginning_offsets([tp]))[tp]
        consumer.seek(tp, begin)
        while await consumer.position(tp) < end:
            found += await _turn(consumer)
    return found


@asynccontextmanager
async def _reading(settings: Settings) -> AsyncIterator[tuple[AIOKafkaConsumer, TopicPartition]]:
    name = settings.topic(TOPIC)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        **connection.options(settings),
    )
    try:
        await consumer.start()
        tp = TopicPartition(name, 0)
        consumer.assign([tp])
        yield consumer, tp
    except KafkaError as error:
        raise BrokerError(
            f"{name} cannot be read ({type(error).__name__} {error}): look at `cartograph topics "
            "show`"
        ) from error
    finally:
        await consumer.stop()


async def _turn(consumer: AIOKafkaConsumer) -> list[Erasure | Done]:
    """What the next records say; what is none of ours says nothing."""
    found: list[Erasure | Done] = []
    for records in (await consumer.getmany(timeout_ms=_TURN_MS)).values():
        for record in records:
            try:
                said = read_record(record.offset, record.key, record.value)
            except ValueError:
                continue
            if said is not None:
                found.append(said)
    return found
