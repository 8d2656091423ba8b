"""What ROUTE asks of its source topics before it reads: do its offsets still mean their records?"""

import logging
from collections.abc import Iterable, Mapping

from faust.types import TP

from streams.broker import admin
from streams.control.claims import TOPIC, Control
from streams.control.secret import refuse_other, value_of
from streams.errors import TopicError
from streams.kafka import connection
from streams.kafka.producer import Producer
from streams.monitoring import metrics
from streams.settings import Settings
from streams.topics import ActualTopic, recreated

log = logging.getLogger(__name__)

NAME = "route"
_ONCE = (
    "to read it from its beginning all the same, start once with CARTOGRAPH_ALLOW_EMPTY_STORE=1: "
    "records that carry no id of their own are then taken for those that stood at their place "
    "before; or use a new prefix"
)


async def source_topics(settings: Settings) -> dict[str, ActualTopic]:
    """The source topics as they are.

    Raises:
        TopicError: one does not exist.
    """
    found = await admin.describe(
        settings.kafka, settings.sources, options=connection.options(settings)
    )
    missing = sorted(set(settings.sources) - set(found))
    if missing:
        raise TopicError(
            f"source topics do not exist: {', '.join(missing)}; correct CARTOGRAPH_SOURCES, or "
            "create them"
        )
    return found


async def check_sources(
    settings: Settings, producer: Producer, found: Mapping[str, ActualTopic]
) -> None:
    """Note the ids of the sources and a check of the secret; refuse others than were noted.

    Kafka forgets a group's offsets with the topic, and event ids and catalog positions are made of
    offsets: the new records would be taken for the old ones, without a word. As silently another
    secret would make every shopper a new one.

    Args:
        settings: of the worker.
        producer: started.
        found: the sources as they are.

    Raises:
        TopicError: a source was deleted and made again, and `allow_empty_store` is not set.
        SettingsError: the secret is another one, and `allow_empty_store` is not set.
        BrokerError: the control topic cannot be read or written.
    """
    control = Control(
        settings.kafka,
        settings.names,
        producer,
        worker=NAME,
        on_foreign=lambda *_: None,
        options=connection.options(settings),
    )
    try:
        await control.start()
        await _check_secret(settings, control)
        known = dict(control.source_ids)
        changed = [each.topic for each in recreated(known, found)]
        if changed and not settings.allow_empty_store:
            raise TopicError(
                f"{', '.join(changed)} was deleted and made again since ROUTE read it first: what "
                f"stands there now would pass for what was read before; {_ONCE}"
            )
        for name, topic in found.items():
            if topic.topic_id is not None and known.get(name) != topic.topic_id:
                await control.note_source(name, topic.topic_id)
    finally:
        await control.stop()


async def _check_secret(settings: Settings, control: Control) -> None:
    secret = settings.key()
    noted = control.generations.secret or await control.note_secret(secret)
    if noted == value_of(secret):
        return
    if not settings.allow_empty_store:
        refuse_other(noted, secret, settings.topic(TOPIC))
    log.warning(
        "CARTOGRAPH_SECRET is another one than before, and CARTOGRAPH_ALLOW_EMPTY_STORE lets it "
        "hold from now on: all shoppers are new ones. If that is not meant, stop ROUTE, set the "
        "graph's secret and start it so once, then take CARTOGRAPH_ALLOW_EMPTY_STORE away"
    )
    await control.replace_secret(secret)


def begins(
    tps: Iterable[TP],
    bounds: tuple[Mapping[TP, int], Mapping[TP, int]],
    done: Mapping[TP, int],
    *,
    again: bool,
) -> dict[TP, int]:
    """Where to read on in each partition.

    Args:
        tps: source partitions.
        bounds: first offset of each, and the one after its last record.
        done: the group's committed offsets, of those that have one.
        again: what was read before may be read from the beginning.

    Raises:
        TopicError: the group has read more than there is.
    """
    first, end = bounds
    found: dict[TP, int] = {}
    for tp in tps:
        at = done.get(tp, first[tp])
        if at > end[tp]:
            if not again:
                raise TopicError(
                    f"ROUTE has read {tp.topic}/{tp.partition} up to {at}, but it ends at "
                    f"{end[tp]}: it was made again, or lost its end; {_ONCE}"
                )
            at = first[tp]
        if at < first[tp]:
            metrics.LOST.labels(NAME, tp.topic).inc(first[tp] - at)
            log.error(
                "%s/%d: %d records were deleted before they were read",
                tp.topic,
                tp.partition,
                first[tp] - at,
            )
        found[tp] = max(at, first[tp])
    return found
