"""How sure a bundle is of what it answers, and whether that has moved; pure.

Against what it moves is the bundle's own beginning here: the first `WINDOW` scores that it gave in
this worker. `bundle.toml` carries measured quality and no distribution of scores, and a shop's own
first days say better than any test set what is usual there. The measure is the population
stability index, sum of (p - q) ln(p / q) over ten bins of equal width, smoothed by half a score a
bin. Two windows of one source differ by (bins - 1) (1/n + 1/m), here 0.007 to 0.009; from 0.1 on a
change is usually called moderate, from 0.25 on large (Siddiqi 2006, Credit Risk Scorecards).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import log
from typing import Final

import msgspec

BINS: Final = 20
_PSI_BINS: Final = 10
WINDOW: Final = 2_000
"""Scores after which the reference stands, and of half of what it is compared with at most."""
_HALF: Final = 0.5


class Tally(msgspec.Struct):
    """Counted scores, 0..1.

    Attributes:
        bins: how many fell in each twentieth; 1 belongs to the last.
        total: their sum.
    """

    bins: list[int] = msgspec.field(default_factory=lambda: [0] * BINS)
    total: float = 0.0

    @property
    def n(self) -> int:
        """How many."""
        return sum(self.bins)

    def add(self, scores: Sequence[float]) -> None:
        """Count scores; what is below 0 or above 1 counts as that."""
        for place, n in Counter(map(int, [score * BINS for score in scores])).items():
            self.bins[min(max(place, 0), BINS - 1)] += n
        self.total += sum(scores)

    def merge(self, other: "Tally") -> None:
        """Count all that another has counted."""
        self.bins = [a + b for a, b in zip(self.bins, other.bins, strict=True)]
        self.total += other.total


def psi(one: Sequence[int], other: Sequence[int]) -> float:
    """Population stability index of two tallies' bins, 0 or more; 0: the same shares."""
    left, right = _shares(one), _shares(other)
    return sum((p - q) * log(p / q) for p, q in zip(left, right, strict=True))


def _shares(bins: Sequence[int]) -> list[float]:
    step = len(bins) // _PSI_BINS
    counts = [sum(bins[at : at + step]) + _HALF for at in range(0, len(bins), step)]
    whole = sum(counts)
    return [each / whole for each in counts]


class Scores:
    """All scores of one bundle in this worker.

    Args:
        reference: its first scores, as an earlier process of this worker kept them.
    """

    def __init__(self, reference: Tally | None = None) -> None:
        self.all, self.reference = Tally(), reference or Tally()
        self._before, self._now = Tally(), Tally()

    @property
    def stands(self) -> bool:
        """The reference is complete."""
        return self.reference.n >= WINDOW

    def add(self, scores: Sequence[float]) -> None:
        """Take scores in their order; into what calls they are cut makes no difference."""
        while scores:
            window = self._now if self.stands else self.reference
            room = WINDOW - window.n
            part = Tally()
            part.add(scores[:room])
            scores = scores[room:]
            self.all.merge(part)
            window.merge(part)
            if self._now.n >= WINDOW:
                self._before, self._now = self._now, Tally()

    @property
    def drift(self) -> float | None:
        """PSI of the newest scores against the first; None while too few are there to tell."""
        recent = [a + b for a, b in zip(self._before.bins, self._now.bins, strict=True)]
        if not self.stands or sum(recent) < WINDOW:
            return None
        return psi(recent, self.reference.bins)


Key = tuple[str, str]
"""(task, bundle id)."""
encode_references = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Tally]).decode


def references_of(data: bytes) -> Mapping[Key, Tally]:
    """What `told_of` wrote; nothing if it is not that."""
    try:
        told = _decode(data)
    except msgspec.MsgspecError:
        return {}
    found = {tuple(name.split(" ", 1)): tally for name, tally in told.items()}
    return {
        (key[0], key[1]): tally
        for key, tally in found.items()
        if len(key) == 2 and len(tally.bins) == BINS
    }


def told_of(scores: Mapping[Key, Scores]) -> bytes:
    """The references that stand, to be kept."""
    return encode_references(
        {
            f"{task} {bundle}": each.reference
            for (task, bundle), each in scores.items()
            if each.stands
        }
    )
