"""How good a cleaner is: ranking of wrong values, by set and by kind of error, and its verdicts.

python -m models_onnx.cleaning.evaluate --data DIR [--bundle DIR] [--json]

Sets with texts have a tenth of their claims made wrong by `corrupt`, those without texts a half.
Kinds that were never trained on stand apart. Beside it stands what counting says: how often the
catalog gives the value for the attribute and type.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from models_onnx.cleaning import data
from models_onnx.cleaning.cleaner import Cleaner
from models_onnx.cleaning.corrupt import TRAINED_KINDS
from models_onnx.cleaning.data import Pair
from models_onnx.spans import Claim, Judged
from models_onnx.tagging import data as texts
from models_onnx.tagging.splits import normal

Scores = npt.NDArray[np.float64]
Truth = npt.NDArray[np.bool_]

PLANTED_SHARE = 0.1
ACCEPT_PRECISION, REJECT_PRECISION = 0.985, 0.9
"""Wanted where a tenth of the claims is wrong."""

BARE_PRECISION = 0.9
"""Wanted of both verdicts without a text, where half of the claims is wrong."""


class JudgesClaims(Protocol):
    """What is measured."""

    def judge(self, claims: Sequence[Claim]) -> list[Judged]: ...


def curve(found: Truth, scores: Scores) -> tuple[Scores, Scores, Scores]:
    """Precision and recall of "score >= threshold", and the thresholds, highest first."""
    order = np.argsort(-scores, kind="stable")
    right = np.cumsum(found[order])
    last = np.append(np.diff(scores[order]) != 0, True)  # ties are taken together
    precision = (right / np.arange(1, len(order) + 1))[last]
    recall = (right / max(1, int(found.sum())))[last]
    return precision, recall, scores[order][last]


def average_precision(found: Truth, scores: Scores) -> float:
    """Area under the precision-recall curve, 0..1."""
    precision, recall, _ = curve(found, scores)
    return round(float(np.sum(precision * np.diff(recall, prepend=0.0))), 4)


def recall_at(found: Truth, scores: Scores, precision: float) -> float:
    """The most that is found with at least this precision, 0..1."""
    p, r, _ = curve(found, scores)
    return round(float(r[p >= precision].max(initial=0.0)), 4)


def threshold_for(found: Truth, scores: Scores, precision: float) -> float:
    """The lowest score from which on at least this share is right; 1.0 if there is none."""
    p, _, thresholds = curve(found, scores)
    enough = thresholds[p >= precision]
    return float(enough.min()) if len(enough) else 1.0


def measure(pairs: Sequence[Pair], scores: Scores) -> dict[str, Any]:
    """Ranking figures of one set, and by kind of error against all right claims."""
    wrong = np.array([not pair.right for pair in pairs])
    figures: dict[str, Any] = {
        "claims": len(pairs),
        "wrong": int(wrong.sum()),
        "ap_right": average_precision(~wrong, scores),
        "ap_wrong": average_precision(wrong, -scores),
        "wrong_recall_at_p80": recall_at(wrong, -scores, 0.8),
        "wrong_recall_at_p90": recall_at(wrong, -scores, 0.9),
        "wrong_recall_at_p95": recall_at(wrong, -scores, 0.95),
    }
    for name in sorted({pair.kind for pair in pairs} - {""}):
        pick = np.array([pair.kind in ("", name) for pair in pairs])
        if (wrong & pick).sum() >= 15:
            trained = "" if name in TRAINED_KINDS or name == "unfit" else " (not trained on)"
            figures[f"auc_{name}{trained}"] = auc(wrong[pick], -scores[pick])
    return figures


def auc(found: Truth, scores: Scores) -> float:
    """Chance that one that is found scores above one that is not; ties count half."""
    values, place = np.unique(scores, return_inverse=True)
    counts = np.bincount(place, minlength=len(values))
    rank = np.cumsum(counts) - (counts - 1) / 2
    n, m = int(found.sum()), int((~found).sum())
    return round(float((rank[place][found].sum() - n * (n + 1) / 2) / max(1, n * m)), 4)


def choose_thresholds(sets: dict[str, tuple[list[Pair], Scores]]) -> dict[str, float]:
    """Thresholds for the wanted precisions, from the first half of every set."""
    found: dict[str, float] = {}
    for suffix, bare in (("", False), ("_without_text", True)):
        parts = [(p[::2], s[::2]) for p, s in sets.values() if (not p[0].claim.text) == bare]
        right = np.concatenate([[pair.right for pair in p] for p, _ in parts]).astype(bool)
        scores = np.concatenate([s for _, s in parts])
        wanted = (BARE_PRECISION, BARE_PRECISION) if bare else (ACCEPT_PRECISION, REJECT_PRECISION)
        # Above and below one half in any case: a verdict never goes against the score.
        accept = max(0.5, threshold_for(right, scores, wanted[0]))
        reject = min(0.5, -threshold_for(~right, -scores, wanted[1]) + 1e-4)
        found["accept" + suffix] = round(accept, 4)
        found["reject" + suffix] = round(max(0.0, reject), 4)
    return found


def verdicts(pairs: Sequence[Pair], answers: Sequence[Judged]) -> dict[str, float]:
    """How the verdicts fall on right and wrong claims of the second half of a set."""
    counts = Counter((p.right, a.verdict) for p, a in list(zip(pairs, answers, strict=True))[1::2])
    accepted = counts[True, "accepted"], counts[False, "accepted"]
    rejected = counts[True, "rejected"], counts[False, "rejected"]
    right = sum(n for (r, _), n in counts.items() if r)
    wrong = sum(n for (r, _), n in counts.items() if not r)
    return {
        "accepted_share_of_right": _ratio(accepted[0], right),
        "accepted_precision": _ratio(accepted[0], sum(accepted)),
        "rejected_share_of_wrong": _ratio(rejected[1], wrong),
        "rejected_precision": _ratio(rejected[1], sum(rejected)),
    }


def frequency_baseline(claims: data.Claims) -> Callable[[Iterable[Pair]], Scores]:
    """Scores claims by how often training has type, attribute and value together."""
    seen = Counter(
        (claim.type, claim.attribute, normal(claim.value))
        for part in claims.train.values()
        for claim in part
    )
    return lambda pairs: np.array(
        [
            float(np.log1p(seen[p.claim.type, p.claim.attribute, normal(p.claim.value)]))
            for p in pairs
        ]
    )


def report(figures: dict[str, Any]) -> Iterable[str]:
    """One line a set."""
    for name, f in figures.items():
        kinds = {k.removeprefix("auc_"): v for k, v in f.items() if k.startswith("auc_")}
        yield (
            f"{name:10} right AP {f['ap_right']:.3f}  wrong AP {f['ap_wrong']:.3f} "
            f"(by frequency {f['ap_wrong_by_frequency']:.3f}) R@P90 {f['wrong_recall_at_p90']:.3f}"
            f"  AUC {kinds}"
        )


def _ratio(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0


def measure_all(
    cleaner: JudgesClaims, claims: data.Claims
) -> tuple[dict[str, Any], dict[str, tuple[list[Pair], list[Judged]]]]:
    """Figures and answers of every validation set."""
    baseline = frequency_baseline(claims)
    figures: dict[str, Any] = {}
    answered = {}
    for name, pairs in data.validation(claims, share=PLANTED_SHARE).items():
        answers = cleaner.judge([pair.claim for pair in pairs])
        wrong = np.array([not pair.right for pair in pairs])
        figures[name] = measure(pairs, np.array([a.score for a in answers]))
        figures[name]["ap_wrong_by_frequency"] = average_precision(wrong, -baseline(pairs))
        figures[name]["verdicts"] = verdicts(pairs, answers)
        answered[name] = (pairs, answers)
    return figures, answered


def main() -> None:
    """Print figures for every validation set."""
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("--data", type=Path, required=True)
    args.add_argument("--bundle", type=Path)
    args.add_argument("--json", action="store_true")
    given = args.parse_args()
    cleaner = Cleaner.load(given.bundle, device="cpu", threads=2)
    figures, _ = measure_all(cleaner, data.read(given.data, texts.read(given.data)))
    if given.json:
        json.dump(figures, sys.stdout, indent=1)
    else:
        sys.stdout.write("\n".join(report(figures)) + "\n")


if __name__ == "__main__":
    main()
