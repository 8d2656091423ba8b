"""How near phrases are to each other, by a larger encoder: what a claim without a text rests on.

A few thousand judged claims cannot teach three layers what goes with what; all six layers of
MiniLM know much of it. So the cleaner also learns to say, of two phrases fed as type and value, the
cosine that all-MiniLM-L6-v2 gives them: half of the pairs are near ones, the rest at random.
"""

import random
from collections.abc import Sequence

import msgspec
import numpy as np

from models_onnx.cleaning.baselines import Cosine
from models_onnx.cleaning.data import Claims
from models_onnx.cleaning.judgements import IMPLIES
from models_onnx.spans import Claim

NEAREST = 20
SHARE = 0.5
"""Pairs of phrases for each claim of an epoch."""

MOST = 4000
"""Phrases of one sort."""

RELATIONS = (
    IMPLIES,
    IMPLIES,
    IMPLIES,
    "related to",
    "used for",
    "capable of",
    "is a",
    "property of",
)
_CHUNK = 512


class Near(msgspec.Struct, frozen=True):
    """Two phrases as a claim, and their cosine, -1..1."""

    claim: Claim
    cosine: float


class Relatedness:
    """Draws pairs of phrases."""

    def __init__(self, phrases: Sequence[str], cosine: Cosine) -> None:
        self._phrases = list(phrases)
        self._vectors = cosine.vectors(self._phrases).astype(np.float32)
        near = []
        for start in range(0, len(self._phrases), _CHUNK):
            likeness = self._vectors[start : start + _CHUNK] @ self._vectors.T
            count = min(NEAREST + 1, likeness.shape[1])
            near.append(np.argpartition(-likeness, count - 1, axis=1)[:, :count])
        self._near = np.concatenate(near)

    def draw(self, count: int, rng: random.Random) -> list[Near]:
        """`count` pairs, none of a phrase with itself."""
        drawn: list[Near] = []
        while len(drawn) < count:
            a = rng.randrange(len(self._phrases))
            near = rng.random() < 0.5
            b = int(rng.choice(self._near[a])) if near else rng.randrange(len(self._phrases))
            if a != b:
                cosine = float(self._vectors[a] @ self._vectors[b])
                claim = Claim("", self._phrases[a], rng.choice(RELATIONS), self._phrases[b])
                drawn.append(Near(claim, cosine))
        return drawn


def phrases(claims: Claims) -> list[str]:
    """What may be related: heads and tails that are trained on, types and values without a text.

    Up to MOST of each sort, in a fixed order.
    """
    found: dict[str, None] = {}
    for rows in claims.judged.values():
        shown = [j for j in rows if not j.for_validation]
        said = [t for j in shown for t in (*j.head.split(" + "), j.tail)]
        found.update(dict.fromkeys(_some(said)))
    for name in ("taxonomy", "asked", "fitting"):
        part = claims.train.get(name, [])
        found.update(dict.fromkeys(_some([c.type for c in part])))
        found.update(dict.fromkeys(_some([c.value for c in part])))
    return [text for text in found if text.strip()]


def _some(texts: Sequence[str]) -> list[str]:
    distinct = sorted(set(texts))
    rng = random.Random(8)  # noqa: S311 - training data, not secrets
    return rng.sample(distinct, min(MOST, len(distinct)))
