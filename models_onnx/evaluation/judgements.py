"""How well a cleaner tells what people called right from what nobody said; see `negatives`."""

from collections.abc import Sequence

import numpy as np

from models_onnx import measure
from models_onnx.evaluation.cleaning import Planted, among
from models_onnx.evaluation.report import Part
from models_onnx.measure import Measure
from models_onnx.spans import Judged


def evaluate(rows: Sequence[Planted], answers: Sequence[Judged]) -> tuple[Part, dict[str, Part]]:
    """Figures of the right claims among all, and against each kind of wrong ones.

    Args:
        rows: see `negatives.against`.
        answers: one each.
    """
    right = np.array([not row.kind for row in rows], bool)
    scores = np.array([answer.score for answer in answers], float)
    measures: dict[str, Measure] = dict(measure.ranking(right, scores))
    kinds = sorted({row.kind for row in rows} - {""})
    for kind in kinds:
        own = np.array([row.kind == kind for row in rows], bool)
        measures[f"{kind}\0pr_auc"] = among(measures["pr_auc"], own | right)
    figures = measure.figures(measures, measure.numbered(row.group for row in rows))
    parts = {
        kind: Part(
            {"wrong": sum(row.kind == kind for row in rows)},
            {"pr_auc": figures[f"{kind}\0pr_auc"]},
        )
        for kind in kinds
    }
    whole = {name: figure for name, figure in figures.items() if "\0" not in name}
    return Part({"claims": len(rows), "right": int(right.sum())}, whole), parts
