"""Products whose sales reached another step and whose partners are still to be told.

A product that is bought with a thousand others would tell all of them each time. So they are told
in slices, about so many rows a flush as totals came in: the cost of a total does not depend on how
many partners a product has. A product that goes on to the next step while it waits is told of
once. What waits is state: it outlives a crash.
"""

from collections.abc import Callable
from typing import Final

from streams.ports import State

TABLE: Final = "stepped"
SLICE: Final = 500
ROWS_A_TOTAL: Final = 0.1
CALM_SLICE: Final = 20_000
_LOOK_UP: Final = 3  # rows that could be told while a product is looked up

Retell = Callable[[bytes], int]
"""Tells a product's partners; how many rows that were."""


class Stepped:
    """The products of one partition that wait."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._waiting = dict.fromkeys(key for key, _ in state.scan(TABLE))
        self._kept = set(self._waiting)
        self._credit = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, product: bytes) -> None:
        """The product's sales reached another step."""
        self._waiting[product] = None

    def work(self, retell: Retell, rows: int) -> None:
        """Tell of those that wait longest, about so many rows; what was too many is owed."""
        self._credit = min(self._credit, 0) + rows
        done = []
        for product in self._waiting:
            if self._credit <= 0:
                break
            self._credit -= _LOOK_UP + retell(product)
            done.append(product)
        for product in done:
            del self._waiting[product]
        for product in self._waiting.keys() - self._kept:
            self._state.put(TABLE, product, b"")
        for product in self._kept - self._waiting.keys():
            self._state.delete(TABLE, product)
        self._kept = set(self._waiting)
