"""Shoppers whose fresh events are kept but not told yet, so that a large row stalls no other.

What a large row stands for is worked out from all that it holds: a till of 10,000 purchases costs
as much as thousands of other shoppers. So its events are kept as they come, and told together once
the partition has read enough events to pay for the work, first come first served: a flush does at
most `PER_EVENT` steps of it for every event it takes in, whatever the rows hold. A calm tells all.
One shopper adds at most 1 to a total, so what waits is little.

Table `untold`: shopper -> how many of the row's packed events the totals know of. The others are
in the row, committed with the offsets, so that a crash loses nothing.
"""

from collections.abc import Callable, Iterator
from typing import Final

from streams.ports import State
from streams.shoppers.rows import Row

TABLE: Final = "untold"
PER_EVENT: Final = 2
"""Steps of deferred work that an event pays for; each costs about what an event costs."""


class Deferred:
    """The shoppers of one partition that wait."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._told = {key.decode(): int(value) for key, value in state.scan(TABLE)}
        self._credit = 0

    def __len__(self) -> int:
        return len(self._told)

    def told(self, shopper: str) -> int:
        """How many packed events of the shopper are told; -1: all of them."""
        return self._told.get(shopper, -1)

    def note(self, row: Row) -> None:
        """A row waits, or does not any more."""
        if row.told >= 0:
            if row.shopper not in self._told:
                self._told[row.shopper] = row.told
                self._state.put(TABLE, row.key, b"%d" % row.told)
        elif self._told.pop(row.shopper, None) is not None:
            self._state.delete(TABLE, row.key)

    def due(self, events: int, weight: Callable[[str], int]) -> Iterator[str]:
        """The shoppers whose turn it is after so many more events; `weight`: steps of their work.

        Each is to be told, and noted, before the next is asked for.
        """
        self._credit += PER_EVENT * events
        while self._told:
            shopper = next(iter(self._told))
            self._credit -= (steps := weight(shopper))
            if self._credit < 0:
                self._credit += steps
                return
            yield shopper
        self._credit = 0

    def all(self) -> Iterator[str]:
        """Every shopper that waits; the same holds."""
        while self._told:
            yield next(iter(self._told))
        self._credit = 0
