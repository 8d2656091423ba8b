"""Counts of what a stage's state holds, kept in that state; pure.

A view that would take a scan, as a number that moves with what it counts: it is committed with it,
so it is exact after a crash, and a start reads as many rows as there are names. Names come from
short fixed lists, since metrics are made of them. A store from before a count existed is counted
once, by a scan, when it is opened.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from streams.ports import State

TABLE: Final = "meta"
_PREFIX: Final = b"count\0"
_PAGE: Final = 5_000


class Counted:
    """Names and numbers of one partition, written at `flush`; what is 0 is not there.

    Args:
        state: the partition's state.
        group: of names, one word.
        of_old: what an older store holds: name -> number, each name once or more.
    """

    def __init__(
        self, state: State, group: str, of_old: Callable[[], Iterable[tuple[str, int]]]
    ) -> None:
        self._state = state
        self._group = _PREFIX + group.encode() + b"\0"
        self._counts = Counter[str]()
        self._dirty: set[str] = set()
        rows = state.scan(TABLE, self._group)
        for key, value in rows:
            self._counts[key[len(self._group) :].decode()] = int(value)
        if rows:
            self._counts.pop("", None)
            return
        self._dirty.add("")  # says that it was counted
        for name, n in of_old():
            self.add(name, n)

    def add(self, name: str, delta: int) -> None:
        """Move a count."""
        self._counts[name] += delta
        self._dirty.add(name)

    @property
    def counts(self) -> Mapping[str, int]:
        """Name -> number."""
        return self._counts

    def flush(self) -> None:
        """Write what changed."""
        for name in self._dirty:
            key, n = self._group + name.encode(), self._counts.get(name, 0)
            if n or not name:
                self._state.put(TABLE, key, b"%d" % n)
            else:
                self._counts.pop(name, None)
                self._state.delete(TABLE, key)
        self._dirty.clear()


def rows(state: State, table: str) -> Iterator[tuple[bytes, bytes]]:
    """Every row of a table in key order, a page at a time."""
    after: bytes | None = None
    while page := state.scan(table, after=after, limit=_PAGE):
        yield from page
        after = page[-1][0]
