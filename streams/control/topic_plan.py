"""Which topics a graph is to have, by what `graph.control` says of its generations."""

from streams.control import generation_log
from streams.control.generations import LIVE, settings_of
from streams.errors import TopicError
from streams.settings import Settings
from streams.topics import REMAIN, TopicSpec, plan


async def planned(settings: Settings) -> tuple[TopicSpec, ...]:
    """The topics of the first generation, or of the one that the settings name.

    Without those of stages that were dropped: nobody would read or write them.

    Raises:
        BrokerError: the broker does not answer.
        StateError: the settings name a generation that there is not.
    """
    base = generation_log.of_base(settings)
    every = plan(base.names, base.partitions, base.replication)
    try:
        found = await generation_log.read(base)
    except TopicError:
        if settings.generation:
            raise
        return every  # there is no control topic yet, or it is wrong: whoever compares says so
    if settings.generation and settings.generation != LIVE:
        own = settings_of(base, found.find(settings.generation))
        return plan(own.names, own.partitions, own.replication)
    return every if found.live.usable else tuple(s for s in every if s.topic.name in REMAIN)
