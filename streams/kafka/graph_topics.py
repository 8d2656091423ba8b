"""Whether the graph's own topics are as they must be."""

from collections.abc import Iterable

from streams.broker import admin
from streams.errors import TopicError
from streams.kafka import connection
from streams.settings import Settings
from streams.topics import ActualTopic, differences, plan


async def check_topics(
    settings: Settings, names: Iterable[str], group: str = ""
) -> dict[str, ActualTopic]:
    """The graph's own topics of these logical names, as they are.

    Args:
        settings: with the address of Kafka.
        names: logical ones.
        group: the consumer group that will read; empty: none.

    Raises:
        BrokerError: no broker answers.
        TopicError: one is missing, has another partition count, or is set up so that data is lost.
    """
    await connection.check_reachable(settings)
    wanted = set(names)
    planned = [
        spec
        for spec in plan(settings.names, settings.partitions, settings.replication)
        if spec.topic.name in wanted
    ]
    found = await admin.describe(
        settings.kafka,
        [spec.name for spec in planned],
        options=connection.options(settings),
    )
    blocking = [each for each in differences(planned, found) if each.blocking]
    if blocking:
        raise TopicError("; ".join(f"{each.topic} {each.words}" for each in blocking))
    if group:
        await admin.check_group(settings.kafka, group, options=connection.options(settings))
    return found
