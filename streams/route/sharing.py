"""What ROUTE processes tell each other, so that a backlog comes in order through all of them.

Beside every offset that a ROUTE process commits stands, as the commit's metadata, before which
event time nothing more of that partition is to be sent. The others read it there: also when its
process is dead or has yet to start, since Kafka keeps it, and always a moment late, which only
makes them wait longer.
"""

import time
from collections.abc import Callable, Collection, Mapping

from faust.types import TP

from streams.kafka.alignment import Alignment
from streams.kafka.transport import Log

_EVERY_S = 0.25
_SHARE = 8
_NEVER = -(1 << 62)


class Others:
    """What is known of partitions that other processes read.

    Args:
        patience_s: how long a partition is waited for of which nothing new is told: until Kafka
            has given it to somebody who lives.
        clock: seconds, only rising.
    """

    def __init__(self, *, patience_s: float, clock: Callable[[], float]) -> None:
        self._patience_s = patience_s
        self._clock = clock
        self._last: dict[TP, tuple[str | None, float]] = {}

    def hear(self, tps: Collection[TP], notes: Mapping[TP, str]) -> dict[TP, int | None]:
        """Take what was told last; the bounds to reckon with (`Alignment.others`).

        Args:
            tps: the partitions that others should be reading, now.
            notes: what was told of them; a partition of which nothing was ever told is left out.
        """
        now = self._clock()
        for gone in self._last.keys() - set(tps):
            del self._last[gone]
        found: dict[TP, int | None] = {}
        for tp in tps:
            note = notes.get(tp)
            before = self._last.get(tp)
            if before is None or before[0] != note:
                before = self._last[tp] = (note, now)
            is_waited_for = now - before[1] <= self._patience_s
            found[tp] = bound_of(note) if is_waited_for else None
        return found


def note_of(bound: int | None, second: int) -> str:
    """The metadata of a commit: a bound, and the second it was told in, which shows life."""
    return f"{'' if bound is None else bound}@{second}"


def bound_of(note: str | None) -> int | None:
    """The bound of a note; -2^62 if nothing was ever told, None if it says no time."""
    if note is None:
        return _NEVER
    told = note.partition("@")[0]
    return int(told) if told.lstrip("-").isdecimal() else None


class Sharing:
    """Tells the others and hears of them.

    Args:
        alignment: of this process.
        partitions: all partitions of all sources.
        slack_ms: how far one may run ahead of another, in event time.
        patience_s: see `Others`.
    """

    def __init__(
        self,
        alignment: Alignment,
        partitions: Collection[TP],
        *,
        slack_ms: int,
        patience_s: float,
        clock: Callable[[], float] = time.monotonic,
        seconds: Callable[[], float] = time.time,
    ) -> None:
        self._alignment = alignment
        self._partitions = frozenset(partitions)
        self._step_ms = slack_ms // _SHARE
        self._others = Others(patience_s=patience_s, clock=clock)
        self._clock, self._seconds = clock, seconds
        self._told: dict[TP, int | None] = {}
        self._told_at = self._heard_at = -_EVERY_S

    def notes(self, sent: Mapping[TP, int], *, at_once: bool = False) -> dict[TP, str]:
        """What to commit beside these offsets now; empty: nothing that matters is new.

        Four times a second, and whenever somebody may be waiting for it. Offsets of partitions
        that were not read from yet are not committed: what was told of them before stands.
        """
        now = self._clock()
        is_due = at_once or now - self._told_at >= _EVERY_S
        if not is_due and self._partitions <= sent.keys():
            return {}
        bounds = self._alignment.told(sent)
        if not is_due and not any(map(self._has_moved, bounds, bounds.values())):
            return {}
        self._told, self._told_at = bounds, now
        second = int(self._seconds())
        return {tp: note_of(bound, second) for tp, bound in bounds.items()}

    def _has_moved(self, tp: TP, bound: int | None) -> bool:
        before = self._told.get(tp, _NEVER)
        if bound is None or before is None:
            return bound is not before
        return bound - before >= self._step_ms

    async def hear(self, log: Log, ours: Collection[TP], *, at_once: bool = False) -> None:
        """Ask Kafka what the others told: now and then, and all the time while we wait."""
        others = self._partitions.difference(ours)
        if not others:
            self._alignment.others = {}
            return
        is_due = self._clock() - self._heard_at >= _EVERY_S
        if at_once or is_due or self._alignment.holds:
            notes = await log.notes(others)
            self._alignment.others = self._others.hear(others, notes)
            self._heard_at = self._clock()
