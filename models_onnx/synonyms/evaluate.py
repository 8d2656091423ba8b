"""How good a matcher is, beside rapidfuzz alone and cosine alone, with 95 % intervals.

python -m models_onnx.synonyms.evaluate --data DIR [--bundle DIR] [--json]

impakt, impakt-atomic, shopify: validation pairs that share no text with training (`data`), four
near misses for each right pair of impakt. hard: pairs made by hand before any model was measured,
never trained on nor tuned on; dev: others, used to choose between models. Then offer titles.
"""

import argparse
import importlib.resources
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rapidfuzz import fuzz

from models_onnx import measure as measures
from models_onnx.measure import Flags as Truth
from models_onnx.measure import Floats as Scores
from models_onnx.spans import Judged, ValuePair
from models_onnx.synonyms import data, offers
from models_onnx.synonyms.data import Pair
from models_onnx.synonyms.matcher import Matcher
from models_onnx.synonyms.wording import plain, stems_of

RESAMPLES = 500
MOST = 4_000
"""Pairs of a set that are measured, in the order of `data`."""

Sets = dict[str, list[Pair]]
Figure = Callable[[Truth, Scores], float]


def average_precision(truth: Truth, scores: Scores) -> float:
    """Area under the precision-recall curve, 0..1."""
    return round(measures.value(measures.average_precision(truth, scores), len(truth)), 4)


def recall_at(truth: Truth, scores: Scores, precision: float) -> float:
    """The most that is found with at least this precision, 0..1."""
    measure_ = measures.recall_at_precision(truth, scores, precision)
    return round(measures.value(measure_, len(truth)), 4)


FIGURES: dict[str, Figure] = {
    "pr_auc": average_precision,
    "recall_at_p80": lambda y, s: recall_at(y, s, 0.8),
    "recall_at_p90": lambda y, s: recall_at(y, s, 0.9),
    "recall_at_p95": lambda y, s: recall_at(y, s, 0.95),
}


def hand_made() -> Sets:
    """The pairs written by hand: "hard" to measure, "dev" to develop with."""
    folder = Path(str(importlib.resources.files("models_onnx"))) / "synonyms"
    names = {"hard": "hard_pairs.tsv", "dev": "dev_pairs.tsv"}
    return {name: data.read_pairs(folder / file) for name, file in names.items()}


def validation(folder: Path) -> Sets:
    """All sets but offer titles, by name."""
    sets = {name: p[:MOST] for name, p in data.read(folder).validation.items()}
    return sets | undoubted(sets) | hand_made()


def undoubted(sets: Sets) -> Sets:
    """impakt's sets again, each pair once, without different pairs of one text inside the other.

    "high quality" and "high quality video" are near misses there, but half of people's summaries
    are just such a shortening, so which of the two is right cannot be told from the texts. Edited
    pairs ("not easy") stay.
    """
    return {
        f"{name}-undoubted": [p for p in dict.fromkeys(sets[name]) if not _is_doubtful(p)]
        for name in ("impakt", "impakt-atomic")
        if name in sets
    }


def _is_doubtful(pair: Pair) -> bool:
    a, b = (set(stems_of(plain(text))) for text in (pair.a, pair.b))
    return not pair.same and pair.kind != "edited" and (a <= b or b <= a)


def measure(matcher: Matcher, pairs: Sequence[Pair]) -> dict[str, Any]:
    """Ranking figures of one set, of the matcher and of what stands beside it, and verdicts."""
    truth = np.array([pair.same for pair in pairs])
    answers = ask(matcher, pairs)
    scores = np.array([answer.score for answer in answers])
    found: dict[str, Any] = {"pairs": len(pairs), "same": int(truth.sum())}
    for name, figure in FIGURES.items():
        found[name] = figure(truth, scores)
        found[name + "_interval"] = interval(figure, truth, scores)
    found["by_rapidfuzz"] = brief(truth, by_spelling(pairs))
    found["by_cosine"] = brief(truth, by_cosine(matcher, pairs))
    found["verdicts"] = verdicts(truth, answers)
    return found


def ask(matcher: Matcher, pairs: Sequence[Pair]) -> list[Judged]:
    """The matcher's answers to `pairs`."""
    return matcher.match([ValuePair(p.a, p.b, p.attribute) for p in pairs])


def brief(truth: Truth, scores: Scores) -> dict[str, float]:
    """PR-AUC and recall at 90 % precision."""
    return {name: FIGURES[name](truth, scores) for name in ("pr_auc", "recall_at_p90")}


def by_spelling(pairs: Sequence[Pair]) -> Scores:
    """rapidfuzz alone: the likeness of the two texts, 0..1."""
    return np.array([fuzz.ratio(plain(p.a), plain(p.b)) / 100 for p in pairs])


def by_cosine(matcher: Matcher, pairs: Sequence[Pair]) -> Scores:
    """The encoder alone: the cosine of the two vectors; 0 where one has none."""
    vectors = zip(*(matcher.vectors([getattr(p, x) for p in pairs]) for x in "ab"), strict=True)
    return np.array([0.0 if a is None or b is None else float(a @ b) for a, b in vectors])


def interval(figure: Figure, truth: Truth, scores: Scores) -> list[float]:
    """95 % interval of a figure, by drawing the pairs anew RESAMPLES times (seeded)."""
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(RESAMPLES):
        rows = rng.integers(0, len(truth), len(truth))
        if truth[rows].any():
            drawn.append(figure(truth[rows], scores[rows]))
    return [round(float(x), 4) for x in np.quantile(drawn, (0.025, 0.975))] if drawn else []


def verdicts(truth: Truth, answers: Sequence[Judged]) -> dict[str, float]:
    """How the verdicts fall: shares of the same and the different, and their precision."""
    accepted = np.array([a.verdict == "accepted" for a in answers])
    rejected = np.array([a.verdict == "rejected" for a in answers])
    return {
        "accepted_share_of_same": _mean(accepted[truth]),
        "accepted_precision": _mean(truth[accepted]),
        "rejected_share_of_different": _mean(rejected[~truth]),
        "rejected_precision": _mean(~truth[rejected]),
    }


def threshold_at(truth: Truth, scores: Scores, precision: float) -> float:
    """The lowest score above which at least this share is right; 1.0 if there is none."""
    found = measures.threshold_at_precision(truth, scores, precision)
    return 1.0 if found is None else found


def report(figures: dict[str, Any]) -> Iterable[str]:
    """One line a set."""
    for name, f in figures.items():
        low, high = f["pr_auc_interval"]
        yield (
            f"{name:27} {f['same']:5}/{f['pairs']:5} PR-AUC {f['pr_auc']:.3f} "
            f"({low:.3f}-{high:.3f}) R@P80 {f['recall_at_p80']:.3f} R@P90 "
            f"{f['recall_at_p90']:.3f} R@P95 {f['recall_at_p95']:.3f} | rapidfuzz "
            f"{f['by_rapidfuzz']['pr_auc']:.3f} cosine {f['by_cosine']['pr_auc']:.3f} | accepted "
            f"P {f['verdicts']['accepted_precision']:.3f} "
            f"R {f['verdicts']['accepted_share_of_same']:.3f}"
        )


def _mean(values: Truth) -> float:
    return round(float(values.mean()), 4) if len(values) else 0.0


def main() -> None:
    """Print figures for every set."""
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("--data", type=Path, required=True)
    args.add_argument("--bundle", type=Path)
    args.add_argument("--json", action="store_true")
    given = args.parse_args()
    matcher = Matcher.load(given.bundle, device="cpu", threads=2)
    sets = validation(given.data) | offers.read(given.data)
    figures = {name: measure(matcher, pairs) for name, pairs in sets.items()}
    matcher.close()
    if given.json:
        json.dump(figures, sys.stdout, indent=1)
    else:
        sys.stdout.write("\n".join(report(figures)) + "\n")


if __name__ == "__main__":
    main()
