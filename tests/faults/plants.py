"""A stream with everything that may be wrong with one, and how each record of it must end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import msgspec

from streams.play import EVENTS, Played

_DAY_MS = 86_400_000
_LATE_MS = 3 * _DAY_MS
_SETTLED = 0.4
"""Share of the stream after which every partition has seen a time `_LATE_MS` above the first."""


@dataclass(frozen=True)
class Shares:
    """How much is wrong, each as a share of the events.

    Attributes:
        shuffled_ms: events are out of order by up to this much, less than what is allowed.
    """

    poison: float = 0.01
    duplicates: float = 0.1
    late: float = 0.05
    shuffled_ms: int = 4 * 60_000


@dataclass(frozen=True)
class Planted:
    """The stream and its sums.

    Attributes:
        records: in the order to play them.
        events: that count; those twice in it; those that come late; those nobody can read.
    """

    records: list[Played]
    events: int
    duplicates: int
    late: int
    poison: int

    @property
    def outcomes(self) -> dict[str, int]:
        """How the events end in SHOPPERS when no worker of ROUTE dies."""
        return {"used": self.events, "duplicate": self.duplicates, "late": self.late}


def plant(clean: Sequence[Played], shares: Shares, rng: Random) -> Planted:
    """Put duplicates, late events, poison and disorder into a clean stream.

    Late events are of another name and three days older than what stands beside them, so they are
    late whatever the order; only the later part of the stream has some.
    """
    events = [each for each in clean if each.kind == EVENTS]
    first = min(each.at_ms for each in events)
    span = max(each.at_ms for each in events) - first
    stream: list[tuple[float, Played]] = []
    counts = dict.fromkeys(("duplicates", "late", "poison"), 0)
    seen: set[bytes] = set()
    for event in events:
        at = event.at_ms + rng.uniform(0, shares.shuffled_ms)
        counts["duplicates"] += event.value in seen
        seen.add(event.value)
        stream.append((at, event))
        if rng.random() < shares.duplicates:
            stream.append((event.at_ms + rng.uniform(0, shares.shuffled_ms), event))
            counts["duplicates"] += 1
        if rng.random() < shares.late and event.at_ms > first + _SETTLED * span:
            stream.append((at, _late(event)))
            counts["late"] += 1
        if rng.random() < shares.poison:
            stream.append((at, Played(EVENTS, event.key, b"{poison", event.at_ms)))
            counts["poison"] += 1
    stream.sort(key=lambda each: each[0])
    catalog = [each for each in clean if each.kind != EVENTS]
    return Planted([*catalog, *(each for _, each in stream)], len(seen), **counts)


def _late(event: Played) -> Played:
    told = msgspec.json.decode(event.value)
    told["event_id"] = f"late-{told['event_id']}"
    told["timestamp"] -= _LATE_MS
    return Played(EVENTS, event.key, msgspec.json.encode(told), told["timestamp"])
