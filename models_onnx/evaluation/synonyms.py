"""How well a matcher tells texts that mean the same from those that do not.

`pr_auc` and `r_at_p80` ... are of pairs that mean the same, by score; `precision`, `recall` and
`f1` of those it accepted. Beside it stands what rapidfuzz says without a model. A pair counts as
seen when training had either of its texts. Intervals are over groups of pairs.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from rapidfuzz import fuzz

from models_onnx import measure
from models_onnx.evaluation.cleaning import among
from models_onnx.evaluation.known import TEXT, Known
from models_onnx.evaluation.report import Part
from models_onnx.measure import Measure
from models_onnx.sets.records import Likeness
from models_onnx.spans import Judged, ValuePair

LEAST = 30
"""Pairs of an attribute for figures of its own."""


class MatchesPairs(Protocol):
    """What is measured."""

    def match(self, pairs: Sequence[ValuePair]) -> list[Judged]: ...


def questions(rows: Sequence[Likeness]) -> list[ValuePair]:
    """What the matcher is asked."""
    return [ValuePair(row.a, row.b, row.attribute) for row in rows]


def evaluate(
    rows: Sequence[Likeness], answers: Sequence[Judged], *, known: Known | None = None
) -> tuple[Part, dict[str, Part]]:
    """Figures of all pairs, and of each attribute with LEAST pairs, some of them the same.

    Args:
        rows: the pairs.
        answers: one each.
        known: splits pairs into seen and unseen ones; None: no split.
    """
    same = np.array([row.same for row in rows], bool)
    scores = np.array([answer.score for answer in answers], float)
    alone = np.array([fuzz.token_sort_ratio(r.a.lower(), r.b.lower()) for r in rows], float)
    said = np.array([answer.verdict == "accepted" for answer in answers], bool)
    measures: dict[str, Measure] = {
        **measure.ranking(same, scores),
        "precision": measure.share(said & same, said),
        "recall": measure.share(said & same, same),
        "f1": measure.share(2 * (said & same), said.astype(int) + same),
        "pr_auc_rapidfuzz": measure.average_precision(same, alone),
    }
    if known is not None:
        seen = np.array([known.has(TEXT, r.a) or known.has(TEXT, r.b) for r in rows], bool)
        for name, pick in (("seen", seen), ("unseen", ~seen)):
            measures[f"pr_auc_{name}"] = among(measures["pr_auc"], pick)
    counts = Counter(row.attribute for row in rows)
    named = sorted(a for a, n in counts.items() if a and n >= LEAST)
    for attribute in named:
        own = np.array([row.attribute == attribute for row in rows], bool)
        measures[f"{attribute}\0pr_auc"] = among(measures["pr_auc"], own)
    figures = measure.figures(measures, measure.numbered(row.group for row in rows))
    parts = {
        attribute: Part({"pairs": counts[attribute]}, {"pr_auc": figures[f"{attribute}\0pr_auc"]})
        for attribute in named
    }
    whole = {name: figure for name, figure in figures.items() if "\0" not in name}
    return Part({"pairs": len(rows), "same": int(same.sum())}, whole), parts
