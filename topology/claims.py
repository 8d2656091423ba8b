"""What catalog and text say of one product, weighed against each other. Pure.

Both sources agree: stronger. Two values of an attribute that has only one: both are held and each
names the other, unless the cleaner rejects one or one of them has both sources; a disagreement is
seen, not overwritten.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from topology.facts import ACCEPTED, HELD, REJECTED, Status


class Told(NamedTuple):
    """One source says that the product has this tail; score and verdict are the cleaner's."""

    tail: str
    source: str
    score: float
    verdict: str


class Weighed(NamedTuple):
    """What follows for one tail."""

    status: Status
    score: float
    reason: str


def weigh(
    told: Sequence[Told], *, clash: Callable[[str, str], bool], agree_accept: float
) -> dict[str, Weighed]:
    """Status of every tail that one product is said to have by one relation.

    Args:
        told: at most one per tail and source, in any order.
        clash: whether a product cannot have both tails.
        agree_accept: combined score from which two sources that agree are accepted although
            neither was alone.
    """
    by_tail: dict[str, list[Told]] = {}
    for one in sorted(told):
        by_tail.setdefault(one.tail, []).append(one)
    weighed = {tail: _alone(sides, agree_accept) for tail, sides in by_tail.items()}
    standing = [tail for tail in by_tail if weighed[tail].status != REJECTED]
    for tail in standing:
        others = [
            other
            for other in standing
            if other != tail and clash(tail, other) and len(by_tail[other]) >= len(by_tail[tail])
        ]
        if others:
            before = weighed[tail]
            weighed[tail] = Weighed(HELD, before.score, f"conflict: {', '.join(others)}")
    return weighed


def _alone(sides: list[Told], agree_accept: float) -> Weighed:
    """Status of a tail without looking at other tails."""
    doubt = 1.0
    for side in sides:
        doubt *= 1 - min(max(side.score, 0.0), 1.0)
    score = round(1 - doubt, 4)
    names = " and ".join(side.source for side in sides)
    verdicts = {side.verdict for side in sides}
    if verdicts == {REJECTED}:
        return Weighed(REJECTED, round(max(side.score for side in sides), 4), f"cleaner: {names}")
    if REJECTED in verdicts:
        return Weighed(HELD, score, "the cleaner rejects it from one source, not from the other")
    if ACCEPTED in verdicts or (len(sides) > 1 and score >= agree_accept):
        return Weighed(ACCEPTED, score, f"{names} agree" if len(sides) > 1 else f"cleaner: {names}")
    return Weighed(HELD, score, f"the cleaner is unsure: {names}")
