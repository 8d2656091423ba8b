"""What GRAPH still has to score: at once, when it gets to it, or when things calm down.

Three lists. `own`: rows whose own totals changed, scored in the same flush. Groups: all rows under
a prefix whose *marginal* moved a step; they are scored in slices, at most so many rows a flush, so
that the cost of a total does not depend on how many facts lean on a marginal (one that doubles
moves 32 steps, `scoring.step`; the first group to wait is the first to be done). Stale rows: status
and score are about as published, the counts are not; a `calm` releases those that wait by then, in
slices too. Groups and stale rows are state: they outlive a crash.
"""

from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from streams.ports import State

GROUPS: Final = "groups"
STALE: Final = "stale"
SLICE: Final = 500
ROWS_A_TOTAL: Final = 0.25
SCAN_COST: Final = 3  # rows that could be scored while a group is looked up
CALM_SLICE: Final = 20_000


class Marked(Protocol):
    """A row that a fact is made of."""

    mark: int
    stale: bool


class _Group(msgspec.Struct, array_like=True):
    """How far a group has been scored: round from `stop` to the end, then from the start to it.

    Attributes:
        after: the last key that was scored.
        stop: where the round began; keys up to it come last.
        wrapped: the end has been passed.
    """

    after: bytes = b""
    stop: bytes = b""
    wrapped: bool = False


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Group).decode

Keys = Callable[..., list[bytes]]
"""`Rows.keys`: keys under a prefix, after a key, at most so many."""
Score = Callable[[bytes, bool], None]
"""Score the row under a key; True: and make its fact again, whatever the score."""


class Agenda:
    """The lists of one partition.

    Args:
        state: the partition's state.
        touch: to be told the key of every row that is changed here.
    """

    def __init__(self, state: State, touch: Callable[[bytes], None]) -> None:
        self._state, self._touch = state, touch
        self.own: dict[bytes, list[bytes]] = {}
        self._groups = {key: _decode(row) for key, row in state.scan(GROUPS)}
        self._kept = set(self._groups)
        self._moved: set[bytes] = set()
        self._due_after: bytes | None = None
        self._is_due = False

    @property
    def is_idle(self) -> bool:
        """Nothing waits: every fact is as its totals say."""
        return not (self.own or self._groups or self._state.scan(STALE, limit=1))

    @property
    def groups(self) -> int:
        """How many groups wait."""
        return len(self._groups)

    def group(self, prefix: bytes) -> None:
        """All rows under the prefix are to be scored again."""
        group = self._groups.get(prefix)
        if group is None:
            group = self._groups[prefix] = _Group()
        elif not group.after and not group.stop:
            return  # it has not begun
        else:
            group.stop, group.wrapped = group.after, False
        self._moved.add(prefix)

    def is_news(self, key: bytes, row: Marked, mark: int, *, force: bool) -> bool:
        """Whether the row's fact is to be made now; else it waits until things are calm."""
        if mark == row.mark and not force:
            if not row.stale:
                row.stale = True
                self._touch(key)
                self._state.put(STALE, key, b"")
            return False
        self.settle(key, row, mark)
        return True

    def settle(self, key: bytes, row: Marked, mark: int) -> None:
        """The row's fact is made as its totals say, or (mark 0) gone."""
        row.mark = mark
        self._touch(key)
        if row.stale:
            row.stale = False
            self._state.delete(STALE, key)

    def release(self) -> None:
        """What is stale now is due."""
        self._is_due, self._due_after = True, None

    def work(self, keys: Keys, score: Score, limit: int) -> None:
        """Score up to about `limit` rows of groups, then of stale ones that are due."""
        self._work(keys, score, limit)
        for prefix in self._moved:
            group = self._groups.get(prefix)
            if group is not None:
                self._state.put(GROUPS, prefix, _encode(group))
                self._kept.add(prefix)
            elif prefix in self._kept:
                self._state.delete(GROUPS, prefix)
                self._kept.remove(prefix)
        self._moved.clear()

    def _work(self, keys: Keys, score: Score, limit: int) -> None:
        left = limit
        for prefix in list(self._groups):
            if left <= 0:
                return
            left -= SCAN_COST + self._slice(prefix, keys, score, left)
        if self._is_due and left > 0:
            found = self._state.scan(STALE, after=self._due_after, limit=left)
            for key, _ in found:
                self._state.delete(STALE, key)
                score(key, True)
            self._is_due = len(found) == left
            self._due_after = found[-1][0] if self._is_due else None

    def _slice(self, prefix: bytes, keys: Keys, score: Score, limit: int) -> int:
        group = self._groups[prefix]
        found = keys(prefix, after=group.after or None, limit=limit)
        at_end = len(found) < limit
        if group.wrapped:
            mine = [key for key in found if key <= group.stop]
            at_end = at_end or len(mine) < len(found)
            found = mine
        for key in found:
            score(key, False)
        if not at_end:
            group.after = found[-1]
        elif group.stop and not group.wrapped:
            group.after, group.wrapped = b"", True
        else:
            del self._groups[prefix]
        self._moved.add(prefix)
        return len(found)
