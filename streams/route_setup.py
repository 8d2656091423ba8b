"""What ROUTE is made of: settings, the partitions of its sources, the times it aligns them by."""

from collections.abc import Callable

from faust.types import TP

from streams import connection
from streams.broker import admin
from streams.errors import TopicError
from streams.ports import Record
from streams.route import Route, RouteSettings
from streams.settings import Settings


def route_settings(settings: Settings, process: str) -> RouteSettings:
    """What ROUTE must know of the settings.

    Args:
        settings: of the worker.
        process: name of this ROUTE process for as long as it may be restarted.

    Raises:
        SettingsError: there is no secret.
    """
    return RouteSettings(
        sources=settings.sources,
        secret=settings.key(),
        partitions=settings.partitions,
        process=process,
        purchase_actions=settings.purchase_actions,
        future_ms=settings.future_ms,
    )


async def check_sources(settings: Settings) -> list[TP]:
    """All partitions of all sources.

    Raises:
        TopicError: a source topic does not exist.
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
    return [TP(name, number) for name, topic in found.items() for number in range(topic.partitions)]


def clamped(route: Route, future_ms: int) -> Callable[[str, Record], int | None]:
    """Event time for alignment; one that is impossibly far ahead must not hold its source back."""

    def event_time(topic: str, record: Record) -> int | None:
        at_ms = route.event_time(topic, record)
        return None if at_ms is None else min(at_ms, record.at_ms + future_ms)

    return event_time
