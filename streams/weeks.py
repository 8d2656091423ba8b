"""Weeks of event time: Monday 00:00 UTC to the next, numbered since the week of 1970-01-01."""

DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS
_THURSDAY_TO_MONDAY_MS = 3 * DAY_MS  # 1970-01-01 was a Thursday


def week_of(at_ms: int) -> int:
    """Number of the week that holds `at_ms` (milliseconds since 1970, >= 0)."""
    return (at_ms + _THURSDAY_TO_MONDAY_MS) // WEEK_MS


def week_end_ms(week: int) -> int:
    """First millisecond after the week."""
    return (week + 1) * WEEK_MS - _THURSDAY_TO_MONDAY_MS


def week_key(week: int) -> bytes:
    """Five decimal digits, so that keys sort by week."""
    return b"%05d" % week


def week_from_key(key: bytes) -> int:
    """Inverse of `week_key`."""
    return int(key)
