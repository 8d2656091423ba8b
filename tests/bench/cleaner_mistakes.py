"""Mistakes of the cleaner drawn at random, to be read, and how many there are.

    python -m tests.bench.cleaner_mistakes --data DIR [--drawn 7] [--seed 1] [--bundle DIR]

JSON lines: the set, the claim as asked and as it was before, how it was made wrong ("" if it was
not), the score. Errors are planted as for the bundle's card (`models_onnx/cleaning/planting.py`).
"""

import argparse
import sys
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import msgspec
import numpy as np

from models_onnx.cleaning import data, planting
from models_onnx.cleaning.cleaner import Cleaner
from models_onnx.cleaning.planting import Planted
from models_onnx.measure import threshold_at_precision
from models_onnx.spans import Claim
from models_onnx.tagging import data as texts

SETS = ("icecat-main", "icecat-catalog", "wdc-pave", "oa-mine")
PRECISION = 0.9
"""Of the values called wrong; recall there is the cleaner's target."""


class Mistake(msgspec.Struct, frozen=True):
    """A claim on the wrong side: `before` is `claim` where `kind` is "". `score` is 0..1."""

    set: str
    claim: Claim
    before: Claim
    kind: str
    score: float


def mistakes(name: str, planted: Planted, scores: Sequence[float]) -> list[Mistake]:
    """What is on the wrong side where a share of PRECISION of what is called wrong is wrong.

    `scores[i]`, 0..1, is of `planted.pairs[i]`. Where no threshold is so precise nothing is called
    wrong, and every wrong claim is missed.
    """
    wrong = np.array([not pair.right for pair in planted.pairs], bool)
    doubts = 1 - np.array(scores, np.float64)
    found = threshold_at_precision(wrong, doubts, PRECISION)
    called = doubts >= (np.inf if found is None else found)
    return [
        Mistake(name, planted.pairs[i].claim, planted.right[i], planted.pairs[i].kind, scores[i])
        for i in np.flatnonzero(called != wrong)
    ]


def drawn(found: Sequence[Mistake], count: int, seed: int) -> list[Mistake]:
    """`count` of them by the lowest hash: what another bundle gets wrong too is drawn again."""

    def place(one: Mistake) -> bytes:
        told = f"{seed} {one.claim.text} {one.claim.attribute} {one.claim.value}"
        return blake2b(told.encode(), digest_size=8).digest()

    return sorted(found, key=place)[:count]


def main() -> int:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--drawn", type=int, default=7, help="of each set, right and wrong alike")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    sets = planting.plant(data.read(args.data, texts.read(args.data)))
    cleaner = Cleaner.load(args.bundle, device="cpu", threads=1)
    for name in SETS:
        answers = cleaner.judge([pair.claim for pair in sets[name].pairs])
        found = mistakes(name, sets[name], [answer.score for answer in answers])
        wrong, right = ([m for m in found if bool(m.kind) == made] for made in (True, False))
        for one in (*drawn(wrong, args.drawn, args.seed), *drawn(right, args.drawn, args.seed)):
            print(msgspec.json.encode(one).decode())
        told = f"{name}: {len(wrong)} wrong values missed, {len(right)} right ones called wrong"
        print(told, file=sys.stderr)
    cleaner.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
