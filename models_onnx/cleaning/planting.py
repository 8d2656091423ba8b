"""What a cleaner is measured on: catalogs with planted errors, judged claims with negatives.

    catalogs     PLANTED_SHARE of the claims made wrong, every kind of `corrupt.PLANTED_KINDS` as
                 often as it can be made; and beside it, for each kind alone, so many wrong claims
                 that they are PLANTED_SHARE of all, against all the right ones
    asked, ...   sets without a text: half of the claims made wrong
    judged       four wrong tails beside each judged claim, and the reversed of each implication

Seeded: the same data give the same claims.
"""

import random
from collections.abc import Sequence

import msgspec

from models_onnx.cleaning import data
from models_onnx.cleaning.corrupt import PLANTED_KINDS, Corruptor
from models_onnx.cleaning.data import Claims, Pair
from models_onnx.cleaning.judgements import NEGATIVES
from models_onnx.spans import Claim

PLANTED_SHARE = 0.1
PLANTED_SHARE_BARE = 0.5
FEWEST = 30
"""A kind that can be made fewer times in a set is not reported for it."""


class Planted(msgspec.Struct, frozen=True):
    """One set. `pairs[i]` was `right[i]` before an error was planted, if one was.

    `alone` is kind -> wrong claims of that kind only.
    """

    right: list[Claim]
    pairs: list[Pair]
    alone: dict[str, list[Pair]]


def plant(claims: Claims, *, seed: int = 1) -> dict[str, Planted]:
    """Every validation set with errors in it."""
    parts = {
        name: claims.train.get(name, []) + claims.validation.get(name, [])
        for name in {**claims.train, **claims.validation}
        if name not in data.CATALOG_OF
    }
    rng = random.Random(seed)  # noqa: S311 - validation data, not secrets
    makers = data.corruptors(parts, claims.lexicon, rng)
    return {
        name: planted(makers[data.CATALOG_OF.get(name, name)], right)
        for name, right in claims.validation.items()
    }


def planted(maker: Corruptor, right: Sequence[Claim]) -> Planted:
    """One set with errors in it."""
    with_text = bool(right) and bool(right[0].text)
    share = PLANTED_SHARE if with_text else PLANTED_SHARE_BARE
    pairs = [Pair(claim, right=not kind, kind=kind) for claim, kind in maker.plant(right, share)]
    wanted = round(len(right) * PLANTED_SHARE / (1 - PLANTED_SHARE))
    made = {kind: _alone(maker, right, kind, wanted) for kind in PLANTED_KINDS if with_text}
    alone = {kind: some for kind, some in made.items() if len(some) >= FEWEST}
    return Planted(list(right), pairs, alone)


def judged(claims: Claims, *, seed: int = 2) -> dict[str, list[Pair]]:
    """The validation part of the judged sets, with wrong claims beside."""
    rng = random.Random(seed)  # noqa: S311 - validation data, not secrets
    return {
        name: data.judged_pairs([j for j in rows if j.for_validation], rng, count=NEGATIVES)
        for name, rows in claims.judged.items()
    }


def _alone(maker: Corruptor, right: Sequence[Claim], kind: str, wanted: int) -> list[Pair]:
    found: list[Pair] = []
    # Every seventh first: neighbours in a set are of one product.
    for start in range(7):
        for claim in right[start::7]:
            if len(found) == wanted:
                return found
            made = maker.corrupt(claim, [kind])
            if made is not None:
                found.append(Pair(made.claim, right=False, kind=kind))
    return found
