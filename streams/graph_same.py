"""Pairs of values that may be two names of one thing, proposed for the synonym model to decide.

Owner `attr:A`, from what its products use (u totals). Values stand in blocks (`likeness.py`); in a
block that is too full the `block` lowest ranks are compared. Which pairs there are depends on the
set of values in use alone, not on the order in which they came. Table `blocks`:
`attr:A, block, rank, value`; rows of `sums`: `attr:A, s, value, value`, the lesser value first.
"""

from collections.abc import Iterable
from functools import lru_cache
from itertools import product
from typing import Final

from streams.graph_facts import Facts, Made
from streams.graph_rows import Likely, Rows
from streams.ports import State
from topology.facts import HELD, SAME_AS, TEXT
from topology.likeness import likeness, spelling_of
from topology.scoring import ScoringSettings

TABLE: Final = "blocks"
REASON: Final = "synonym model decides"

Pair = tuple[str, str]


class Same:
    """The view of one partition over the values of attributes."""

    def __init__(self, state: State, rows: Rows, facts: Facts, settings: ScoringSettings) -> None:
        self._state, self._rows, self._facts, self._settings = state, rows, facts, settings
        self._used: dict[tuple[bytes, str], bool] = {}

    def used(self, key: bytes, parts: list[bytes], n: int) -> None:
        """attr:A, u, value."""
        self._used[parts[0], parts[2].decode()] = n > 0

    def settle(self) -> None:
        """Propose and withdraw the pairs that follow from the values that came and went."""
        blocks: dict[tuple[bytes, str], dict[str, bool]] = {}
        for (owner, value), there in self._used.items():
            spelling = spelling_of(value)
            for block in spelling.blocks if spelling else ():
                blocks.setdefault((owner, block), {})[value] = there
        self._used.clear()
        suspects: dict[tuple[bytes, Pair], None] = {}
        for (owner, block), values in sorted(blocks.items()):
            for pair in self._changed(owner, block, values):
                suspects[owner, pair] = None
        for owner, pair in suspects:
            self._decide(owner, pair)

    def score(self, key: bytes, parts: list[bytes], force: bool) -> None:
        """A pair whose fact is to be made again."""
        row = self._rows.get(key, Likely)
        if row is not None:
            self._make((parts[2].decode(), parts[3].decode()), row.score)

    def _changed(self, owner: bytes, block: str, values: dict[str, bool]) -> Iterable[Pair]:
        """Change one block; pairs whose members came into it or left it."""
        before = self._members(owner, block)
        for value, there in values.items():
            spelling = spelling_of(value)
            if spelling is None:
                continue
            key = b"\0".join((owner, block.encode(), spelling.rank, value.encode()))
            if there:
                self._state.put(TABLE, key, b"")
            else:
                self._state.delete(TABLE, key)
        after = self._members(owner, block)
        came = [value for value in after if value not in before]
        left = [value for value in before if value not in after]
        pairs = {
            _pair(one, other)
            for moved, among in ((came, after), (left, before))
            for one, other in product(moved, among)
            if one != other and self._likeness(one, other)
        }
        return sorted(pairs)

    def _decide(self, owner: bytes, pair: Pair) -> None:
        """The pair is proposed while one block has both."""
        key = b"\0".join((owner, b"s", pair[0].encode(), pair[1].encode()))
        row = self._rows.get(key, Likely)
        if self._stand_together(owner, pair):
            if row is None:
                score = self._likeness(*pair)
                self._rows.make(key, Likely).score = score
                self._make(pair, score)
        elif row is not None:
            self._rows.drop(key)
            self._facts.withdraw(pair[0], SAME_AS, pair[1])

    def _stand_together(self, owner: bytes, pair: Pair) -> bool:
        left, right = spelling_of(pair[0]), spelling_of(pair[1])
        if left is None or right is None:
            return False
        return any(
            set(pair) <= self._members(owner, block).keys()
            for block in left.blocks
            if block in right.blocks
        )

    def _members(self, owner: bytes, block: str) -> dict[str, None]:
        """Values that are compared in a block, the lowest rank first."""
        prefix = b"%s\0%s\0" % (owner, block.encode())
        rows = self._state.scan(TABLE, prefix, limit=self._settings.block)
        return {key.rpartition(b"\0")[2].decode(): None for key, _ in rows}

    def _likeness(self, one: str, other: str) -> float:
        return _likeness(*_pair(one, other), self._settings.alike)

    def _make(self, pair: Pair, score: float) -> None:
        self._facts.make(Made(pair[0], SAME_AS, pair[1], HELD, score, REASON, {}, (TEXT,), ()))


@lru_cache(maxsize=1 << 16)
def _likeness(one: str, other: str, at_least: float) -> float:
    left, right = spelling_of(one), spelling_of(other)
    return likeness(left, right, at_least) if left and right else 0.0


def _pair(one: str, other: str) -> Pair:
    return (one, other) if one < other else (other, one)
