"""Wrong claims beside those that people called right: sets of judgements hold no others.

Beside every judgement stand NEGATIVES with the tail of another, of the same relation and the
narrowest category that has so many, those first that are about as frequent; and one with head and
tail exchanged. What anybody said of the head is never among them. Seeded by the judgement, so that
the same file gives the same claims, whatever stands around it in other files.
"""

import random
import zlib
from collections import Counter, defaultdict
from collections.abc import Sequence

import msgspec

from models_onnx.evaluation.cleaning import Planted
from models_onnx.sets.places import same
from models_onnx.sets.records import Judgement

NEGATIVES = 4
OTHER, REVERSED = "other tail", "reversed"

_Place = tuple[str, ...]


def against(judgements: Sequence[Judgement]) -> list[Planted]:
    """The judgements, each followed by its wrong claims, all of one group."""
    right = {(same(j.claim.type), same(j.claim.value)) for j in judgements}
    frequency = Counter(same(j.claim.value) for j in judgements)
    pools: dict[_Place, dict[str, str]] = defaultdict(dict)
    for j in judgements:
        for place in _places(j):
            pools[place].setdefault(same(j.claim.value), j.claim.value)
    rows = []
    for j in judgements:
        claim = j.claim
        head, tail = same(claim.type), same(claim.value)
        group = f"{head}\0{claim.attribute}\0{tail}"
        rows.append(Planted(claim, claim, "", group))
        for other in _others(j, pools, right, frequency, group):
            rows.append(Planted(msgspec.structs.replace(claim, value=other), claim, OTHER, group))
        if claim.attribute == "implies" and (tail, head) not in right:
            turned = msgspec.structs.replace(claim, type=claim.value, value=claim.type)
            rows.append(Planted(turned, claim, REVERSED, group))
    return rows


def _others(
    j: Judgement,
    pools: dict[_Place, dict[str, str]],
    right: set[tuple[str, str]],
    frequency: Counter[str],
    group: str,
) -> list[str]:
    head, own = same(j.claim.type), same(j.claim.value)
    for place in _places(j):
        fit = [
            (key, tail)
            for key, tail in pools[place].items()
            if key not in (own, head) and (head, key) not in right
        ]
        if len(fit) >= NEGATIVES:
            random.Random(zlib.crc32(group.encode())).shuffle(fit)  # noqa: S311 - to measure on
            fit.sort(key=lambda one: abs(frequency[one[0]] - frequency[own]))
            return [tail for _, tail in fit[:NEGATIVES]]
    return []


def _places(j: Judgement) -> list[_Place]:
    """Where its tail may be exchanged, narrowest first."""
    depths = range(len(j.category), -1, -1)
    return [(j.claim.attribute, *j.category[:depth]) for depth in depths]
