"""What differs between two graphs, fact by fact, in memory that does not grow with them. Pure.

A graph is given as its partitions, each the rows of its table of facts in key order
(`Graph.rows(FACTS)`): fact ids ascend, so both graphs are merged as they are read, and a row that
is the same in both is never decoded.
"""

import heapq
from collections.abc import Iterable, Iterator
from typing import Final, Literal, NamedTuple, TypeAlias

from topology.facts import Fact, decode_fact

Row: TypeAlias = tuple[bytes, bytes]
"""Fact id, 16 bytes; status byte and the fact as JSON."""

Kind = Literal["added", "removed", "status", "changed", "evidence"]
KINDS: Final[tuple[Kind, ...]] = ("added", "removed", "status", "changed", "evidence")


class Difference(NamedTuple):
    """A fact that is not the same in both graphs.

    Attributes:
        kind: added and removed: it is in one of them alone. status: it has another one. changed:
            another score, other counts or sources. evidence: only what is shown of it differs.
        before, after: the fact in either graph, None where it is not in it.
    """

    kind: Kind
    before: Fact | None
    after: Fact | None

    @property
    def fact(self) -> Fact:
        """The fact as the second graph has it, else as the first."""
        found = self.after or self.before
        if found is None:
            raise ValueError("a difference has at least one side")
        return found


def differences(
    before: Iterable[Iterable[Row]], after: Iterable[Iterable[Row]]
) -> Iterator[Difference]:
    """Every fact that differs, by id.

    Args:
        before: partitions of the one graph, each in ascending order of fact ids.
        after: those of the other; there may be more or fewer of them.

    Raises:
        BadFactError: a row is damaged.
    """
    ones, others = heapq.merge(*before), heapq.merge(*after)
    one, other = next(ones, None), next(others, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one[0] < other[0]):
            yield Difference("removed", _fact(one), None)
            one = next(ones, None)
        elif one is None or other[0] < one[0]:
            yield Difference("added", None, _fact(other))
            other = next(others, None)
        else:
            if one[1] != other[1]:
                yield _of_both(decode_fact(one[1][1:]), decode_fact(other[1][1:]))
            one, other = next(ones, None), next(others, None)


def _fact(row: Row | None) -> Fact | None:
    return None if row is None else decode_fact(row[1][1:])


def _of_both(before: Fact, after: Fact) -> Difference:
    kind: Kind = "evidence"
    if before.status != after.status:
        kind = "status"
    elif (before.score, before.counts, before.sources) != (
        after.score,
        after.counts,
        after.sources,
    ):
        kind = "changed"
    return Difference(kind, before, after)
