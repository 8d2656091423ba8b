"""What ROUTE is made of: settings, and the times by which it aligns its sources."""

from collections.abc import Callable

from streams.ports import Record
from streams.route.stage import Route, RouteSettings
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


def clamped(route: Route, future_ms: int) -> Callable[[str, Record], int | None]:
    """Event time for alignment; one that is impossibly far ahead must not hold its source back."""

    def event_time(topic: str, record: Record) -> int | None:
        at_ms = route.event_time(topic, record)
        return None if at_ms is None else min(at_ms, record.at_ms + future_ms)

    return event_time
