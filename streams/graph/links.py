"""Which pairs of values that were judged the same stand: clusters of a limited size.

Owner `attr:A`. Every candidate stands on both sides in the table `links`: `attr:A, value, other`
-> "1" where the synonym model, or a person, calls the two the same, else nothing. What such links
tie together is clustered (`models_onnx/synonyms/clusters.py`): the surest joins first, a cluster
has at most SIZE_LIMIT values, and two values that a person called different are kept apart also
where other links lead from one to the other. So which links stand is a function of the links and
the verdicts alone. It is worked out again for the values that a changed link reaches.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from models_onnx.synonyms.clusters import Couple, Link, cluster, couple
from streams.ports import State

TABLE: Final = "links"
_LINKED: Final = b"1"

Score = Callable[[bytes, Couple], float]
IsApart = Callable[[Couple], bool]


class Links:
    """The links of one partition.

    Args:
        state: the partition's state.
        score: (owner, pair) -> how sure a link is.
        is_apart: whether a person called a pair different.
    """

    def __init__(self, state: State, score: Score, is_apart: IsApart) -> None:
        self._state, self._score, self._is_apart = state, score, is_apart

    def put(self, owner: bytes, pair: Couple, *, linked: bool) -> None:
        """Note a candidate, and whether its values are called the same."""
        for key in keys_of(owner, pair):
            self._state.put(TABLE, key, _LINKED if linked else b"")

    def drop(self, owner: bytes, pair: Couple) -> None:
        """The pair is no candidate any more."""
        for key in keys_of(owner, pair):
            self._state.delete(TABLE, key)

    def standing(self, owner: bytes, values: Iterable[str]) -> Iterator[tuple[Couple, bool]]:
        """Every link that can be reached from the values, and whether it stands."""
        seen: set[str] = set()
        for value in sorted(values):
            if value not in seen:
                links, apart = self._component(owner, value, seen)
                yield from self._clustered(owner, links, apart)

    def _clustered(
        self, owner: bytes, links: set[Couple], apart: set[Couple]
    ) -> Iterator[tuple[Couple, bool]]:
        told = [Link(*pair, self._score(owner, pair)) for pair in sorted(links)]
        place = {
            value: number
            for number, one in enumerate(cluster(told, apart=apart))
            for value in one.members
        }
        for one, other in sorted(links):
            yield (one, other), one in place and place[one] == place.get(other)

    def _component(
        self, owner: bytes, start: str, seen: set[str]
    ) -> tuple[set[Couple], set[Couple]]:
        """Links reached from a value, and pairs among the candidates passed that are apart."""
        links: set[Couple] = set()
        others: set[Couple] = set()
        edge = [start]
        seen.add(start)
        while edge:
            value = edge.pop()
            prefix = b"%s\0%s\0" % (owner, value.encode())
            for key, linked in self._state.scan(TABLE, prefix):
                other = key[len(prefix) :].decode()
                if linked != _LINKED:
                    others.add(couple(value, other))
                    continue
                links.add(couple(value, other))
                if other not in seen:
                    seen.add(other)
                    edge.append(other)
        return links, {pair for pair in others if self._is_apart(pair)}


def keys_of(owner: bytes, pair: Couple) -> tuple[bytes, bytes]:
    """Keys of a candidate, from either side."""
    one, other = pair[0].encode(), pair[1].encode()
    return b"\0".join((owner, one, other)), b"\0".join((owner, other, one))
