"""Accepted pairs to clusters of values that mean the same.

The clusters are a function of the links that stand, in whatever order they came: to undo a merge,
leave its link out and ask again. A person's "not the same" is stronger: the two values are kept
apart also where other links lead from one to the other.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

import msgspec

SIZE_LIMIT = 12
"""Most values in a cluster. Chains of near synonyms grow without end; the largest group of
spellings and synonyms among our hand-made pairs has five members."""

Couple = tuple[str, str]
"""Two values, the lesser first."""


class Link(msgspec.Struct, frozen=True):
    """Two values that were judged to mean the same, and how sure that is, 0..1."""

    a: str
    b: str
    score: float


class Cluster(msgspec.Struct, frozen=True):
    """Values that mean the same, sorted, and the one that stands for all."""

    canonical: str
    members: tuple[str, ...]


def couple(a: str, b: str) -> Couple:
    """The pair of `a` and `b`, the same either way round."""
    return (a, b) if a <= b else (b, a)


def cluster(
    links: Iterable[Link],
    *,
    counts: Mapping[str, int] | None = None,
    apart: Iterable[Couple] = (),
    limit: int = SIZE_LIMIT,
) -> list[Cluster]:
    """Clusters of at least two values, sorted by their canonical value.

    The surest link joins first (ties by text); a link that would make a cluster larger than
    `limit`, or bring together two values that a person set `apart`, is passed over.

    Args:
        links: in any order, either way round; of several for one pair the surest counts.
        counts: how often each value occurs; the most frequent stands for its cluster, among equals
            the shortest, then the first in the alphabet.
        apart: pairs that a person called not the same.
        limit: most values in a cluster, at least 1.
    """
    surest: dict[Couple, float] = {}
    for link in links:
        pair = couple(link.a, link.b)
        surest[pair] = max(link.score, surest.get(pair, link.score))
    groups = _Groups(apart, limit)
    for a, b in sorted(surest, key=lambda pair: (-surest[pair], pair)):
        groups.join(a, b)
    how_often = counts or {}
    found = [
        Cluster(
            min(members, key=lambda value: (-how_often.get(value, 0), len(value), value)),
            tuple(sorted(members)),
        )
        for members in groups.of_two_or_more()
    ]
    return sorted(found, key=lambda one: (one.canonical, one.members))


class _Groups:
    """Disjoint sets; the smaller joins the larger, so that a value moves log2(limit) times."""

    def __init__(self, apart: Iterable[Couple], limit: int) -> None:
        self._limit = limit
        self._members: dict[str, set[str]] = {}
        self._apart: dict[str, set[str]] = defaultdict(set)
        for a, b in apart:
            self._apart[a].add(b)
            self._apart[b].add(a)

    def join(self, a: str, b: str) -> None:
        small, large = sorted((self._of(a), self._of(b)), key=len)
        if small is large or len(small) + len(large) > self._limit:
            return
        if any(self._apart[value] & large for value in small if value in self._apart):
            return
        large |= small
        for value in small:
            self._members[value] = large

    def of_two_or_more(self) -> list[set[str]]:
        distinct = {id(members): members for members in self._members.values()}
        return [members for members in distinct.values() if len(members) > 1]

    def _of(self, value: str) -> set[str]:
        return self._members.setdefault(value, {value})
