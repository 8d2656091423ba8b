"""Reading several partitions in the order of event time while they catch up on a backlog.

A backlog may stand in Kafka, or be written while it is read (a file that is played): what is told
is that event times are old. Where they are recent, nobody waits for anybody.

Partitions that other processes read count as if they were read here: `told` says what to tell them,
`others` is what they told (`route_sharing`).
"""

import heapq
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

K = TypeVar("K", bound=Hashable)
_NOTHING_SEEN = -(1 << 62)
_LONG_S = 1e9


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

    Attributes:
        others: partitions that are read elsewhere: before which event time nothing more of them
            is expected to be sent; None: it does not matter. Replaced whole, by any thread.
        holds: something that is fetched had to wait when it was last chosen.

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
        self._begun = 0.0
        self._empty_since: float | None = -_LONG_S
        self._bounds: Mapping[Any, int | None] = {}
        self._unsent: dict[Hashable, deque[tuple[int, int]]] = {}
        self.others: Mapping[Hashable, int | None] = {}
        self.holds = False

    def handed_out(self, key: Hashable, first_ms: int | None, last_ms: int, until: int) -> None:
        """Note what was read of a partition.

        Args:
            key: the partition.
            first_ms: event time of the first record, None if it tells none.
            last_ms: event time of the last record.
            until: the offset after them.
        """
        self._seen_ms[key] = max(last_ms, self._seen_ms.get(key, last_ms))
        oldest = last_ms if first_ms is None else min(first_ms, last_ms)
        self._unsent.setdefault(key, deque()).append((until, oldest))

    def begin_again(self, keys: Iterable[Hashable]) -> None:
        """Forget what was read of partitions that are read again from an earlier place."""
        gone = set(keys)
        self._bounds = {key: at for key, at in self._bounds.items() if key not in gone}
        for key in gone:
            self._seen_ms.pop(key, None)
            self._unsent.pop(key, None)

    def told(self, sent: Mapping[K, int]) -> dict[K, int | None]:
        """Before which event time nothing more of a partition is to be sent; None: no matter.

        Args:
            sent: how far each partition was read, and sent. Partitions that were never chosen
                from are left out.
        """
        found: dict[K, int | None] = {}
        for key, position in sent.items():
            bounds = self._bounds  # once, and first: another thread may be reading on
            if key not in bounds:
                continue
            bound = bounds[key]
            unsent = self._unsent.get(key, deque())
            while unsent and unsent[0][0] <= position:
                unsent.popleft()
            told = [oldest for _, oldest in tuple(unsent)]
            found[key] = min(told if bound is None else [*told, bound], default=None)
        return found

    def choose(self, sources: Mapping[K, Source]) -> dict[K, int | None]:
        """Partitions that may be read now, and up to which event time; None: without end.

        They are those whose next record is the oldest, or less than `slack_ms` newer; each may go
        on until it is `slack_ms` ahead of all others. A record that tells no time goes at once: it
        neither waits nor holds others back.
        """
        now, others = self._clock(), self.others
        if not any(source.fetched for source in sources.values()):
            self._empty_since = now if self._empty_since is None else self._empty_since
        elif self._empty_since is not None:
            if now - self._empty_since > self._idle_s:  # a pause, and no gap between two fetches
                self._begun = now
            self._empty_since = None
        self.begin_again([key for key in self._bounds if key not in sources])
        told = [each.at_ms for each in sources.values() if each.at_ms is not None]
        told += [bound for bound in others.values() if bound is not None]
        is_live = bool(told) and min(told) >= self._now_ms() - self._slack_ms
        bounds = {
            key: self._bound(key, source, now, is_live=is_live) for key, source in sources.items()
        }
        self._bounds = bounds
        elsewhere: Iterable[int | None] = others.values()
        if not is_live and not self._waited(now, 0.0, self._idle_s):
            # Those who had nothing when they spoke may by now have what comes before ours.
            elsewhere = [_NOTHING_SEEN if bound is None else bound for bound in elsewhere]
        lowest, second = self._two_lowest([*bounds.values(), *elsewhere])
        chosen: dict[K, int | None] = {}
        for key, source in sources.items():
            if not source.fetched:
                continue
            if source.at_ms is None or lowest is None or source.at_ms <= lowest + self._slack_ms:
                rest = second if bounds[key] == lowest else lowest
                chosen[key] = None if rest is None else rest + self._slack_ms
        self.holds = len(chosen) < sum(source.fetched for source in sources.values())
        return chosen

    @staticmethod
    def _two_lowest(bounds: Iterable[int | None]) -> tuple[int | None, int | None]:
        told = heapq.nsmallest(2, (bound for bound in bounds if bound is not None))
        return (told[0] if told else None), (told[1] if len(told) > 1 else None)

    def _bound(self, key: Hashable, source: Source, now: float, *, is_live: bool) -> int | None:
        """Before which event time nothing of this source is expected; None: it does not matter."""
        if source.fetched:
            self._waiting_since.pop(key, None)
            return source.at_ms
        since = self._waiting_since.setdefault(key, now)
        if not source.behind and is_live:
            return None
        if self._waited(now, since, self._patience_s if source.behind else self._idle_s):
            return None
        return self._seen_ms.get(key, _NOTHING_SEEN)

    def _waited(self, now: float, since: float, limit_s: float) -> bool:
        """Whether the time is over; it runs while somebody has something that could wait."""
        return now - max(since, self._begun) > limit_s
