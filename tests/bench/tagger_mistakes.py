"""Mistakes of the tagger drawn at random, to be read, and how many there are of each kind.

    python -m tests.bench.tagger_mistakes --set query-ner dev.jsonl --train train.jsonl [--drawn 25]
        [--bundle DIR] [--untyped]

JSON lines: the text, what is gold and what was answered where they differ, in the set's own labels.
How the kinds are told: `models_onnx/evaluation/mistakes.py`.
"""

import argparse
import contextlib
import sys
from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import msgspec

from models_onnx import mapping as mappings
from models_onnx.evaluation import mistakes, tagging
from models_onnx.evaluation.known import from_texts
from models_onnx.evaluation.mistakes import Mistake
from models_onnx.evaluation.run import TAGGING, ask
from streams.cli import model_load


def drawn(found: Sequence[Mistake], count: int, seed: int) -> list[Mistake]:
    """`count` of them by the lowest hash: what another bundle gets wrong too is drawn again."""
    return sorted(found, key=lambda one: _place(one, seed))[:count]


def _place(one: Mistake, seed: int) -> bytes:
    first = min((*one.gold, *one.found))
    return blake2b(f"{seed} {one.text} {first.start}".encode(), digest_size=8).digest()


def main() -> int:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--set", required=True, choices=list(TAGGING))
    parser.add_argument("--train", type=Path, nargs="*", default=[])
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--drawn", type=int, default=25)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--untyped", action="store_true")
    args = parser.parse_args()
    marks, mapping = TAGGING[args.set], mappings.load(args.set)
    golds = [gold for path in args.files for gold in marks.read(path)]
    known = from_texts(gold for path in args.train for gold in marks.read(path))
    with contextlib.closing(model_load.tagger(args.bundle, "cpu", 1)) as tagger:
        typed = marks.told and not args.untyped
        tagged = ask(tagger.tag, tagging.questions(golds, typed=typed))
    found = tagging.answered(golds, tagged, mapping, by_place=marks.by_place)
    wrong = list(mistakes.mistakes(golds, found, known))
    for one in drawn(wrong, args.drawn, args.seed):
        print(msgspec.json.encode(one).decode())
    kinds = Counter(one.kind for one in wrong)
    told = ", ".join(f"{kind} {kinds[kind]} ({kinds[kind] / len(wrong):.0%})" for kind in kinds)
    print(f"{len(wrong)} mistakes in {len(golds)} texts: {told}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
