"""Reading several partitions in the order of event time while they catch up on a backlog.

A backlog may stand in Kafka, or be written while it is read (a file that is played): what is told
is that event times are old. Where they are recent, nobody waits for anybody.
"""

import heapq
from collections.abc import Callable, Hashable, Mapping
from typing import NamedTuple, TypeVar

K = TypeVar("K", bound=Hashable)


class Source(NamedTuple):
    """One partition as its reader sees it.

    Attributes:
        at_ms: event time of its next record; None if nothing is fetched, or it tells none.
        fetched: records are there to be handed out.
        behind: it has more records than were handed out, fetched or not.
    """

    at_ms: int | None
    fetched: bool
    behind: bool


class Alignment:
    """Chooses which partitions may be read now.

    Args:
        slack_ms: how far one partition may run ahead of another, in event time.
        patience_s: how long a partition that is behind, but has nothing fetched, is waited for.
        idle_s: the same for one that is at its end, while the others are old.
        clock: seconds, only rising.
        now_ms: time of day, ms since 1970.
    """

    def __init__(
        self,
        *,
        slack_ms: int,
        patience_s: float,
        idle_s: float,
        clock: Callable[[], float],
        now_ms: Callable[[], int],
    ) -> None:
        self._slack_ms = slack_ms
        self._patience_s = patience_s
        self._idle_s = idle_s
        self._clock = clock
        self._now_ms = now_ms
        self._seen_ms: dict[Hashable, int] = {}
        self._waiting_since: dict[Hashable, float] = {}

    def handed_out(self, key: Hashable, at_ms: int) -> None:
        """Note the event time of the last record that was read of a partition."""
        self._seen_ms[key] = max(at_ms, self._seen_ms.get(key, at_ms))

    def choose(self, sources: Mapping[K, Source]) -> dict[K, int | None]:
        """Partitions that may be read now, and up to which event time; None: without end.

        They are those whose next record is the oldest, or less than `slack_ms` newer; each may go
        on until it is `slack_ms` ahead of all others. A record that tells no time goes at once: it
        neither waits nor holds others back.
        """
        now = self._clock()
        for gone in [key for key in self._seen_ms if key not in sources]:
            del self._seen_ms[gone]
        told = [each.at_ms for each in sources.values() if each.at_ms is not None]
        is_live = bool(told) and min(told) >= self._now_ms() - self._slack_ms
        bounds = {
            key: self._bound(key, source, now, is_live=is_live) for key, source in sources.items()
        }
        lowest, second = self._two_lowest(bounds)
        chosen: dict[K, int | None] = {}
        for key, source in sources.items():
            if not source.fetched:
                continue
            if source.at_ms is None or lowest is None or source.at_ms <= lowest + self._slack_ms:
                others = second if bounds[key] == lowest else lowest
                chosen[key] = None if others is None else others + self._slack_ms
        return chosen

    @staticmethod
    def _two_lowest(bounds: Mapping[K, int | None]) -> tuple[int | None, int | None]:
        told = heapq.nsmallest(2, (bound for bound in bounds.values() if bound is not None))
        return (told[0] if told else None), (told[1] if len(told) > 1 else None)

    def _bound(self, key: Hashable, source: Source, now: float, *, is_live: bool) -> int | None:
        """Before which event time nothing of this source is expected; None: it does not matter."""
        if source.fetched:
            self._waiting_since.pop(key, None)
            return source.at_ms
        since = self._waiting_since.setdefault(key, now)
        if not source.behind and is_live:
            return None
        if now - since > (self._patience_s if source.behind else self._idle_s):
            return None
        return self._seen_ms.get(key, _NOTHING_SEEN)


_NOTHING_SEEN = -(1 << 62)
