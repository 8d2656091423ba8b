"""The weeks of a shopper's ledger: read when they are needed, written when something settles."""

from typing import Final

from streams.ports import State
from streams.shoppers.erasures import without
from streams.shoppers.keys import Basket, mark
from streams.shoppers.rows import LEDGER, NO_WEEK, Row, Week, ledger_key, pack_week, unpack_week
from streams.shoppers.sessions import Open
from streams.state.counted import Counted
from streams.weeks import week_from_key, week_of

LEDGER_ROWS = "ledger_rows"
_WEEK_DIGITS: Final = 5


class Weeks:
    """Table `ledger` of one partition.

    Attributes:
        first: the earliest week that stands in it, or one before; None: nothing does.
    """

    def __init__(self, state: State, counted: Counted) -> None:
        self._state, self._counted = state, counted
        self.first: int | None = None

    def need(self, row: Row, first: int, last: int) -> None:
        """Have these weeks of the row's ledger at hand; before anything is told."""
        weeks = row.weeks
        for week in range(first, last + 1):
            if week not in weeks:
                data = self._state.get(LEDGER, ledger_key(week, row.shopper))
                if data is None:
                    weeks[week] = NO_WEEK
                else:
                    weeks[week], row.standing = unpack_week(week, data), None

    def enter(self, row: Row, now: Open, ended: list[Basket]) -> None:
        """Write what is settled into the ledger, and mark what was taken back."""
        dirty = set[int]()
        for key, since in now.asked:
            asked = self._changing(row, week_from_key(key[-_WEEK_DIGITS:]), dirty).asked
            asked[key] = max(since, asked.get(key, 0))
        for basket in ended:
            home = week_of(max(each.at for each in basket.bought))
            self._changing(row, home, dirty).baskets.append(basket)
        if now.taken:
            for basket in now.baskets():
                mark(basket, now.taken)
            for number, week_row in row.weeks.items():
                if any([mark(basket, now.taken) for basket in week_row.baskets]):
                    dirty.add(number)
        for number in sorted(dirty):
            self._state.put(LEDGER, ledger_key(number, row.shopper), pack_week(row.weeks[number]))
            self.first = number if self.first is None else min(number, self.first)

    def cut(self, row: Row, until: int) -> int:
        """Forget what of the weeks at hand is of visits that began by the minute; how many."""
        changed = 0
        for number, week in list(row.weeks.items()):
            left = without(week, until)
            if left == week:
                continue
            changed += 1
            key = ledger_key(number, row.shopper)
            if left == NO_WEEK:
                row.weeks[number] = NO_WEEK
                self._state.delete(LEDGER, key)
                self._counted.add(LEDGER_ROWS, -1)
            else:
                row.weeks[number] = left
                self._state.put(LEDGER, key, pack_week(left))
        return changed

    def _changing(self, row: Row, week: int, dirty: set[int]) -> Week:
        self.need(row, week, week)
        if row.weeks[week] is NO_WEEK:
            row.weeks[week] = Week()
            self._counted.add(LEDGER_ROWS, 1)
        dirty.add(week)
        return row.weeks[week]
