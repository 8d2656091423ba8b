"""SHOPPERS counted anew: what all shoppers stand for, against the totals that are told.

Weeks that no return can reach any more have lost rows of the ledger and keep their totals: those
are passed over.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import Final

import msgspec

from streams.checks.protocol import shown
from streams.ports import State
from streams.shoppers.deferred import TABLE as UNTOLD
from streams.shoppers.keys import standing_of, topic_of
from streams.shoppers.rows import (
    LEDGER,
    OPEN_DAYS,
    SHOPPERS,
    Row,
    Week,
    day_key,
    ledger_key,
    thaw,
    time_of_key,
    unpack_steps,
    unpack_week,
)
from streams.shoppers.sessions import Sessions, Step
from streams.shoppers.store import PIECES, has_pieces, piece_key, read_row, shopper_of
from streams.shoppers.windows import WindowSettings
from streams.state.scanning import each
from streams.totals.tables import CODES
from streams.weeks import week_from_key, week_of
from topology.check import Problem

_WEEK_DIGITS: Final = 5
_N_BYTES: Final = 8
_BROKEN = (msgspec.MsgspecError, ValueError, IndexError, KeyError, TypeError)


def check_shoppers(state: State, settings: WindowSettings) -> Iterator[Problem]:
    """Rows, their index by day, and the totals that follow from them.

    Keeps about 150 bytes in memory for every total.
    """
    recount = _Recount(state, settings)
    yield from recount.all()
    if recount.is_broken:
        return  # what cannot be read would be missing from every total
    oldest = recount.oldest_whole_week()
    counts = recount.counts
    for topic in ("searched", "bought"):
        for name, row in each(state, "totals", CODES[topic]):
            n, found = int.from_bytes(row[:_N_BYTES], "big", signed=True), counts.pop(name, 0)
            if n != found and week_from_key(name[-_WEEK_DIGITS:]) >= oldest:
                yield Problem("totals", shown(name), f"is {n}, the ledger comes to {found}")
    for name, n in counts.items():
        if week_from_key(name[-_WEEK_DIGITS:]) >= oldest:
            yield Problem("totals", shown(name), f"is missing, the ledger comes to {n}")


class _Recount:
    """All shoppers of a partition, one after the other."""

    def __init__(self, state: State, settings: WindowSettings) -> None:
        self._state, self._settings = state, settings
        self._weeks = list(_weeks_of(state))
        self.counts: Counter[bytes] = Counter()
        self.is_broken = False

    def oldest_whole_week(self) -> int:
        """From which week on all rows of the ledger are still there."""
        high = int(self._state.get("meta", b"shoppers") or 0)
        kept = max(0, high - self._settings.keep_ms - self._settings.allowance_ms)
        return max(week_of(kept), self._weeks[0] if self._weeks else 0)

    def all(self) -> Iterator[Problem]:
        """Count every shopper; what cannot be read is told."""
        for key, _ in each(self._state, SHOPPERS):
            yield from self._shopper(key.decode(errors="replace"), is_open=True)
        for key, _ in each(self._state, UNTOLD):
            if self._state.get(SHOPPERS, key) is None:
                yield Problem(UNTOLD, shown(key), "is of a shopper that has no row")
        names = (key for key, _ in each(self._state, PIECES))
        for owner, keys in groupby(names, key=shopper_of):
            row = self._state.get(SHOPPERS, owner)
            for number, key in enumerate(keys):
                if row is None:
                    yield Problem(PIECES, shown(key), "is of a shopper that has no row")
                elif not has_pieces(row):
                    yield Problem(PIECES, shown(key), "is of a row that stands whole")
                elif key != piece_key(owner, number):
                    yield Problem(PIECES, shown(key), f"follows where piece {number} should be")
        for key, _ in each(self._state, LEDGER):
            week, shopper = time_of_key(key)
            if self._state.get(SHOPPERS, shopper.encode()) is None and not any(
                self._state.get(LEDGER, ledger_key(earlier, shopper)) is not None
                for earlier in self._weeks
                if earlier < week
            ):
                yield from self._shopper(shopper, is_open=False)

    def _shopper(self, name: str, *, is_open: bool) -> Iterator[Problem]:
        try:
            weeks = {
                week: unpack_week(week, row)
                for week in self._weeks
                if (row := self._state.get(LEDGER, ledger_key(week, name))) is not None
            }
            kept = read_row(self._state, name, 0) if is_open else None
            standing = self._standing(kept, weeks)
            if kept is not None and self._state.get(OPEN_DAYS, day_key(kept.day, name)) is None:
                yield Problem(OPEN_DAYS, name, f"has no entry of day {kept.day}")
        except _BROKEN as error:
            self.is_broken = True
            yield Problem(SHOPPERS, name, f"cannot be read: {type(error).__name__} {error}")
            return
        for key in standing:
            self.counts[CODES[topic_of(key)] + key] += 1

    def _standing(self, row: Row | None, weeks: dict[int, Week]) -> set[bytes]:
        """Keys of all totals that the shopper adds 1 to."""
        now = thaw(row.settled if row is not None else b"")
        settled = [basket for week in weeks.values() for basket in week.baskets]
        steps: list[Step] = []
        if row is not None:
            told = self._state.get(UNTOLD, row.key)
            known = unpack_steps(row.packed, row.count)
            if told is not None and int(told) > row.count:
                raise ValueError(f"{int(told)} of its {row.count} events are told")
            steps = sorted(known if told is None else known[: int(told)])
        Sessions(self._settings).replay(now, steps, lambda: settled)
        asked = {key for key, _ in now.asked}.union(*(week.asked for week in weeks.values()))
        baskets = [*now.baskets(), *settled]
        return standing_of(asked, baskets, now.taken, self._settings.basket)


def _weeks_of(state: State) -> Iterator[int]:
    """Weeks that have rows in the ledger, found without reading them all."""
    after: bytes | None = None
    while rows := state.scan(LEDGER, after=after, limit=1):
        week, _ = time_of_key(rows[0][0])
        yield week
        after = rows[0][0].partition(b"\0")[0] + b"\1"
