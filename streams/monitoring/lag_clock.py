"""How far behind a process is, in records and in seconds; pure.

The oldest record that was not applied yet came after the last one that was, and after the moment
at which there was none. So it waits at most since the later of the two; the first bound is close
while a backlog is read, the second when a topic was quiet for long.
"""

from collections.abc import Collection, Hashable, Mapping
from typing import Generic, NamedTuple, TypeVar

P = TypeVar("P", bound=Hashable)


class Behind(NamedTuple):
    """How far behind one partition, or the worst of several, is.

    Attributes:
        records: not applied yet.
        seconds: at most so long the oldest of them waits; None: nothing was applied yet.
    """

    records: int
    seconds: float | None


class LagClock(Generic[P]):
    """Knows of each partition when it was read last, and when there was nothing to read."""

    def __init__(self) -> None:
        self._since_ms: dict[P, int] = {}
        self._told: set[P] = set()

    def applied(self, partition: P, at_ms: int) -> None:
        """A batch was applied whose last record has this Kafka timestamp, ms since 1970."""
        self._since_ms[partition] = max(at_ms, self._since_ms.get(partition, at_ms))

    def behind(
        self, ends: Mapping[P, int], positions: Mapping[P, int], now_ms: int
    ) -> dict[P, Behind]:
        """How far behind each partition is whose end and position are both known.

        Args:
            ends: offset after the last record that Kafka has told of.
            positions: where reading goes on once all that was applied is through.
            now_ms: wall time.
        """
        found: dict[P, Behind] = {}
        for partition, position in positions.items():
            if partition not in ends:
                continue
            self._told.add(partition)
            records = max(ends[partition] - position, 0)
            if not records:
                self._since_ms[partition] = max(now_ms, self._since_ms.get(partition, now_ms))
                found[partition] = Behind(0, 0.0)
                continue
            since_ms = self._since_ms.get(partition)
            waits = None if since_ms is None else max(now_ms - since_ms, 0) / 1000
            found[partition] = Behind(records, waits)
        return found

    def let_go(self, held: Collection[P]) -> set[P]:
        """Partitions that `behind` told of and that are held no more; forgets them."""
        gone = self._told.difference(held)
        self._told -= gone
        for partition in gone:
            self._since_ms.pop(partition, None)
        return gone
