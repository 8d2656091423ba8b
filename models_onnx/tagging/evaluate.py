"""How good a tagger is: exact spans, seen and unseen values apart.

python -m models_onnx.tagging.evaluate --data DIR [--bundle DIR] [--json]

A span is right when start, end and label are. Recall is given apart for values that no training
text has under that label ("unseen"). Sets labelled from catalogs name only some values of a title,
so their precision is a lower bound: read their recall.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from models_onnx.spans import Tagged, Text
from models_onnx.tagging import data
from models_onnx.tagging.examples import Labelled, Piece
from models_onnx.tagging.splits import normal
from models_onnx.tagging.tagger import Tagger

Seen = set[tuple[str, str]]


class TagsTexts(Protocol):
    """What is measured."""

    def tag(self, texts: Sequence[Text]) -> list[Tagged]: ...


def seen_values(corpus: data.Corpus, *, epochs: int) -> Seen:
    """(label, value) of everything that `epochs` epochs of training show."""
    rows = (row for number in range(1, epochs + 1) for row in data.epoch(corpus, number))
    return {value for row in rows for value in row.values()}


def measure(tagger: TagsTexts, rows: Sequence[Labelled], seen: Seen) -> dict[str, Any]:
    """Figures of one set: micro P, R, F1, recall on seen and unseen values, F1 by label."""
    answers = tagger.tag([Text(row.text, row.kind, row.type) for row in rows])
    found = [{Piece(s.start, s.end, s.label) for s in answer.spans} for answer in answers]
    gold = [set(row.pieces) for row in rows]
    figures: dict[str, Any] = {"texts": len(rows), **score(gold, found)}
    for name, known in (("seen", True), ("unseen", False)):
        asked = [
            (piece in mine)
            for row, mine in zip(rows, found, strict=True)
            for piece in row.pieces
            if ((piece.label, normal(row.value(piece))) in seen) == known
        ]
        figures[f"recall_{name}"] = _ratio(sum(asked), len(asked))
        figures[f"spans_{name}"] = len(asked)
    figures["f1_by_label"] = by_label(gold, found)
    return figures


def score(gold: Sequence[set[Piece]], found: Sequence[set[Piece]]) -> dict[str, float]:
    """Micro precision, recall and F1 over exact spans, 0..1."""
    right = sum(len(a & b) for a, b in zip(gold, found, strict=True))
    precision = _ratio(right, sum(map(len, found)))
    recall = _ratio(right, sum(map(len, gold)))
    total = sum(map(len, found)) + sum(map(len, gold))
    return {"precision": precision, "recall": recall, "f1": _ratio(2 * right, total)}


def by_label(gold: Sequence[set[Piece]], found: Sequence[set[Piece]]) -> dict[str, float]:
    """F1 of each label that occurs in `gold`."""
    right, total = Counter[str](), Counter[str]()
    wanted: set[str] = set()
    for a, b in zip(gold, found, strict=True):
        right.update(piece.label for piece in a & b)
        total.update(piece.label for piece in [*a, *b])
        wanted |= {piece.label for piece in a}
    return {label: _ratio(2 * right[label], total[label]) for label in sorted(wanted)}


def speed(run: Callable[[], object], count: int, *, seconds: float = 3.0) -> dict[str, float]:
    """How fast `run` does `count` texts: by the clock, and by the processor time it really got.

    The second figure holds on a machine that others use too.
    """
    run()
    start, used, done = time.perf_counter(), time.process_time(), 0
    while (spent := time.perf_counter() - start) < seconds:
        run()
        done += count
    return {
        "texts_per_second": round(done / spent),
        "texts_per_core_second": round(done / max(1e-9, time.process_time() - used)),
    }


def report(figures: dict[str, Any]) -> Iterable[str]:
    """One line a set."""
    for name, f in figures.items():
        yield (
            f"{name:15} P {f['precision']:.3f} R {f['recall']:.3f} F1 {f['f1']:.3f}  recall "
            f"seen {f['recall_seen']:.3f} ({f['spans_seen']}) "
            f"unseen {f['recall_unseen']:.3f} ({f['spans_unseen']})"
        )


def _ratio(part: float, whole: float) -> float:
    return round(part / whole, 4) if whole else 0.0


def main() -> None:
    """Print figures for every validation set."""
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("--data", type=Path, required=True)
    args.add_argument("--bundle", type=Path)
    args.add_argument("--epochs", type=int, default=9, help="epochs that were trained")
    args.add_argument("--json", action="store_true")
    given = args.parse_args()
    corpus = data.read(given.data)
    seen = seen_values(corpus, epochs=given.epochs)
    tagger = Tagger.load(given.bundle, device="cpu", threads=2)
    figures = {name: measure(tagger, rows, seen) for name, rows in corpus.validation.items()}
    texts = [Text(row.text, row.kind, row.type) for row in corpus.validation["myntra"][:400]]
    rate = speed(lambda: tagger.tag(texts), len(texts))
    if given.json:
        json.dump({"sets": figures, "speed": rate}, sys.stdout, indent=1)
    else:
        sys.stdout.write("\n".join(report(figures)) + f"\n{rate}\n")


if __name__ == "__main__":
    main()
