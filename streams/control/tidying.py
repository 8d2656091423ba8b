"""Tidies the topics of totals of a graph away: reads them, and writes the tombstones of `tidy`."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError
from aiokafka.structs import TopicPartition

from streams.control import generation_log
from streams.control.generations import Generations, settings_of
from streams.errors import BrokerError
from streams.kafka import connection
from streams.settings import Settings
from streams.totals.tables import CODES
from streams.totals.tidy import Tidy

TOPICS = tuple(CODES)
_TURN_MS = 500
_IN_FLIGHT = 10_000


class Tidied(NamedTuple):
    """One topic of a generation: records that were read, and tombstones that were written."""

    generation: str
    topic: str
    records: int
    tombstones: int


async def tidy_all(
    settings: Settings, topics: Iterable[str], *, say: Callable[[str], None] = lambda line: None
) -> list[Tidied]:
    """Tidy these topics of every generation that stands, or of the one that the settings name.

    One that cannot be tidied does not keep the others from it; of one that was dropped meanwhile,
    or whose topics are not made yet, there is nothing to tidy.

    Args:
        settings: of the graph, with the address of Kafka.
        topics: logical names, of `TOPICS`.
        say: told what is wrong with a topic as soon as it is known.

    Raises:
        BrokerError: Kafka does not answer, or let some of the topics be tidied.
        StateError: the settings name a generation that there is not.
        TopicError: the graph has no control topic.
    """
    base, wanted = generation_log.of_base(settings), list(topics)
    rows: list[Tidied] = []
    failed: dict[str, str] = {}
    for name, own, topic in owners(settings, await generation_log.read(base), wanted):
        try:
            rows.append(Tidied(name, topic, *await tidy_away(own, topic)))
        except BrokerError as error:
            missing = isinstance(error.__cause__, UnknownTopicOrPartitionError)
            if stands(name, await generation_log.read(base), with_topics=missing):
                failed[own.topic(topic)] = name
                say(str(error))
    if failed:
        raise BrokerError(
            f"{', '.join(failed)} could not be tidied, {len(rows)} other topics were: give the "
            "command again when what is wrong there is mended; what was written does no harm"
        )
    return rows


def owners(
    settings: Settings, found: Generations, topics: Iterable[str]
) -> list[tuple[str, Settings, str]]:
    """Generation, its settings and logical topic of all that is to be tidied, each topic once.

    A generation built from totals has the first one's `searched` and `bought`: where it is named
    alone, so that its user may have the rights of it alone, they are left to the first.

    Raises:
        StateError: the settings name a generation that there is not.
    """
    base, wanted = generation_log.of_base(settings), list(topics)
    named = settings.generation
    chosen = [found.find(named)] if named else [g for g in (found.live, *found.all) if g.usable]
    by_name: dict[str, tuple[str, Settings, str]] = {}
    for generation in chosen:
        own = settings_of(base, generation)
        for topic in (each for each in wanted if not named or each in own.names.owned()):
            by_name.setdefault(own.topic(topic), (generation.name, own, topic))
    return list(by_name.values())


def stands(name: str, found: Generations, *, with_topics: bool) -> bool:
    """Whether a generation is there, and nobody is dropping it or still making its topics."""
    generation = found.get(name)
    if generation is None or not generation.usable:
        return False
    return not with_topics or generation.state == "built"


async def tidy_away(settings: Settings, topic: str) -> tuple[int, int]:
    """Give every record of a topic that no receiver would take a tombstone; workers may run.

    Args:
        settings: of the generation, with the address of Kafka.
        topic: logical name, one of `TOPICS`.

    Returns:
        records that were read, and tombstones that were written.

    Raises:
        BrokerError: Kafka does not answer, or not for this topic.
    """
    name, options = settings.topic(topic), connection.options(settings)
    records = tombstones = 0
    try:
        for partition in range(settings.partitions):
            tp = TopicPartition(name, partition)
            tidy = Tidy(topic)
            records += await _read(settings.kafka, tp, tidy, options)
            tombstones += await _bury(settings.kafka, tp, tidy.dead(), options)
    except (KafkaError, OSError) as error:
        raise BrokerError(
            f"{name} cannot be tidied ({type(error).__name__} {error}): look at `cartograph topics "
            "show`, and at this user's rights (`cartograph topics rights`); what was written does "
            "no harm, and the command can be run again"
        ) from error
    return records, tombstones


async def _read(address: str, tp: TopicPartition, tidy: Tidy, options: Mapping[str, Any]) -> int:
    """Show a partition to `tidy`, as far as it goes now; how many records that were."""
    count = 0
    async with AIOKafkaConsumer(
        bootstrap_servers=address,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        **options,
    ) as consumer:
        # A topic that is not there would be asked for until a timeout of its own, 40 s.
        if tp.topic not in await consumer.topics():
            raise UnknownTopicOrPartitionError(tp.topic)
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
