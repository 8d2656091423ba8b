"""Which topics a graph is to have, by what `graph.control` says of its generations."""

from streams.control import generation_log
from streams.control.generations import LIVE, settings_of
from streams.errors import BrokerError, StateError, TopicError
from streams.settings import Settings
from streams.topics import REMAIN, TopicSpec, plan


async def planned(settings: Settings) -> tuple[TopicSpec, ...]:
    """The topics of the first generation, or of the one that the settings name.

    Without those of stages that were dropped: nobody would read or write them.

    Raises:
        BrokerError: the broker does not answer.
        StateError: the settings name a generation that there is not, or the prefix is the name of
            one of another graph.
    """
    base = generation_log.of_base(settings)
    await _check_prefix(base)
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


async def _check_prefix(base: Settings) -> None:
    """Refuse `graph.eu` where `graph` has, or had, a generation `eu`: both own the same names.

    When that one is dropped, its topics, folders and checkpoints go: those of this graph.
    """
    head, _, tail = base.prefix.rpartition(".")
    if not head or tail == LIVE:
        return
    try:
        found = await generation_log.read(base.with_(prefix=head))
    except (BrokerError, TopicError):
        return  # there is no such graph, or none that this user may look at
    if found.get(tail) is not None:
        raise StateError(
            f"{base.prefix} is the name of generation {tail!r} of the graph {head!r}, there now or "
            "dropped: choose another CARTOGRAPH_PREFIX"
        )
