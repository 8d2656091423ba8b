"""Times as shops write them -> milliseconds since 1970, UTC."""

import math
from datetime import UTC, datetime, tzinfo
from typing import Final, Literal, TypeAlias

Unit: TypeAlias = Literal["auto", "iso", "s", "ms", "us", "ns"]
UNITS: Final[tuple[Unit, ...]] = ("auto", "iso", "s", "ms", "us", "ns")
_PER_MS: Final[dict[str, float]] = {"s": 1e-3, "ms": 1.0, "us": 1e3, "ns": 1e6}

_SECONDS_BELOW: Final = 10**11  # 5138 in seconds, March 1973 in milliseconds
_MS_BELOW: Final = 10**14
_US_BELOW: Final = 10**17
_ABSURD: Final = 10**21  # year 33,658 in nanoseconds


def to_ms(value: object, unit: Unit = "auto", zone: tzinfo = UTC) -> int | None:
    """Milliseconds since 1970 UTC, or None when the value cannot be read as a time.

    Args:
        value: a number, digits, or ISO 8601 text ("2024-12-10T00:01:29.378Z", "2024-12-10 00:01").
        unit: "auto" takes text with other than digits as ISO 8601 and numbers by their size:
            below 10^11 seconds, below 10^14 milliseconds, below 10^17 microseconds, else
            nanoseconds.
        zone: of ISO text that names none.
    """
    if type(value) is int:
        if unit == "auto" and _SECONDS_BELOW <= value < _MS_BELOW:
            return value
        return _from_number(value, unit)
    if type(value) is float:
        return _from_number(value, unit) if math.isfinite(value) else None
    if type(value) is str:
        return _from_text(value.strip(), unit, zone)
    return None


def _from_number(number: float, unit: Unit) -> int | None:
    if unit == "iso" or not -_ABSURD < number < _ABSURD:
        return None
    if unit == "auto":
        size = abs(number)
        if size < _SECONDS_BELOW:
            unit = "s"
        elif size < _MS_BELOW:
            unit = "ms"
        else:
            unit = "us" if size < _US_BELOW else "ns"
    if unit == "ms":
        return int(number)
    if type(number) is int:  # exact, whatever the size
        if unit == "s":
            return number * 1000
        return number // int(_PER_MS[unit])
    return round(number / _PER_MS[unit])


def _from_text(text: str, unit: Unit, zone: tzinfo) -> int | None:
    if unit != "iso" and (number := _number(text)) is not None:
        return _from_number(number, unit)
    if unit not in ("iso", "auto"):
        return None
    try:
        at = datetime.fromisoformat(text.removesuffix(" UTC"))
        if at.tzinfo is None:
            at = at.replace(tzinfo=zone)
        return round(at.timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def _number(text: str) -> float | None:
    """Digits, perhaps with a sign or a decimal point; None for anything else."""
    if not text or len(text) > 30 or not (text[0].isdigit() or text[0] == "-"):
        return None
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
