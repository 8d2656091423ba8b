"""How well a cleaner tells wrong claims from right ones.

Catalogs hold right claims; PLANTED of them are made wrong by the seeded corruptor, in all its
kinds, and the wrong ones are to be found (`pr_auc`, `r_at_p80` ... are of these, by 1 - score).
`stated` and `unstated` tell claims apart by whether the title named the value before. Under each
kind, `pr_auc` is of its wrong claims among all right ones, which then are far more than nine to
one; in `pr_auc_at_share` the right ones weigh so that the kind makes up PLANTED of the whole.

Sets of judgements hold what people called right, without a text; wrong ones are made by
`negatives`, and the *right* ones are to be found. Intervals are over texts, or over judgements.
"""

import random
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from models_onnx import measure
from models_onnx.cleaning.corrupt import Corruptor
from models_onnx.evaluation.known import Known
from models_onnx.evaluation.report import Part
from models_onnx.mapping import Mapping
from models_onnx.measure import Flags, Floats, Measure
from models_onnx.sets.places import stands_in
from models_onnx.sets.records import Gold
from models_onnx.spans import Claim, Judged
from models_onnx.tagging import lexicon
from models_onnx.tagging.lexicon import singular

PLANTED = 0.1
SEED = 11


class JudgesClaims(Protocol):
    """What is measured."""

    def judge(self, claims: Sequence[Claim]) -> list[Judged]: ...


class Planted(NamedTuple):
    """A claim as it is asked, what it was before, and how it was made wrong ("" if it was not)."""

    claim: Claim
    before: Claim
    kind: str
    group: str


def claims(golds: Sequence[Gold], mapping: Mapping) -> list[Claim]:
    """What the set says of its texts, under our attributes; labels without one are left out.

    The type is the set's, else the first product type among the text's values.
    """
    found = []
    for gold in golds:
        marked = [(one.label, gold.text[one.start : one.end]) for one in gold.marked]
        said = [
            (attribute, mapping.bare(label, value))
            for label, value in (*marked, *gold.values)
            if (attribute := mapping.attributes.get(label, ""))
        ]
        named = next((value for attribute, value in said if attribute == "product_type"), "")
        kind = singular((gold.type or named).lower())
        found += [Claim(gold.text, kind, attribute, value) for attribute, value in said]
    return found


def plant(right: Sequence[Claim]) -> list[Planted]:
    """The claims, PLANTED of them made wrong; the same claims, the same errors."""
    rng = random.Random(SEED)  # noqa: S311 - data to measure on
    corruptor = Corruptor(right, lexicon.load(), rng)
    return [
        Planted(claim, before, kind, before.text)
        for (claim, kind), before in zip(corruptor.plant(right, PLANTED), right, strict=True)
    ]


def evaluate(
    rows: Sequence[Planted], answers: Sequence[Judged], *, known: Known | None = None
) -> tuple[Part, dict[str, Part]]:
    """Figures of all claims, and of each kind of error.

    Args:
        rows: see `plant`.
        answers: one each.
        known: splits claims by whether the right value was seen under its attribute (ours).
    """
    wrong = np.array([bool(row.kind) for row in rows], bool)
    scores = np.array([1 - answer.score for answer in answers], float)
    measures: dict[str, Measure] = dict(measure.ranking(wrong, scores))
    picks = {"stated": np.array([stands_in(r.before.value, r.before.text) for r in rows], bool)}
    picks["unstated"] = ~picks["stated"]
    if known is not None:
        seen = [known.has(r.before.attribute, r.before.value) for r in rows]
        picks |= {"seen": np.array(seen, bool), "unseen": ~np.array(seen, bool)}
    for name, pick in picks.items():
        for figure in ("pr_auc", "r_at_p90"):
            measures[f"{figure}_{name}"] = among(measures[figure], pick)
    measures |= _verdicts(wrong, answers)
    kinds = sorted({row.kind for row in rows} - {""})
    for kind in kinds:
        own = np.array([row.kind == kind for row in rows], bool)
        measures[f"{kind}\0pr_auc"] = among(measures["pr_auc"], own | ~wrong)
        measures[f"{kind}\0pr_auc_at_share"] = _at_share(wrong, scores, own)
        measures[f"{kind}\0r_at_p90_at_share"] = _at_share(wrong, scores, own, least=0.9)
    figures = measure.figures(measures, measure.numbered(row.group for row in rows))
    parts = {
        kind: Part(
            {"wrong": sum(row.kind == kind for row in rows)},
            {n.partition("\0")[2]: f for n, f in figures.items() if n.startswith(f"{kind}\0")},
        )
        for kind in kinds
    }
    whole = {name: figure for name, figure in figures.items() if "\0" not in name}
    return Part({"claims": len(rows), "wrong": int(wrong.sum())}, whole), parts


def among(of: Measure, pick: Flags) -> Measure:
    """The measure over the rows of `pick` alone."""
    keep = pick.astype(float)
    return lambda weights: of(weights * keep)


def _at_share(wrong: Flags, scores: Floats, own: Flags, least: float | None = None) -> Measure:
    """A ranking figure of one kind with the right rows weighed down to PLANTED's odds."""
    right = float((~wrong).sum())
    odds = own.sum() * (1 - PLANTED) / PLANTED / right if right else 0.0
    keep = np.where(own, 1.0, np.where(wrong, 0.0, odds))
    of = (
        measure.average_precision(wrong, scores)
        if least is None
        else measure.recall_at_precision(wrong, scores, least)
    )
    return lambda weights: of(weights * keep)


def _verdicts(wrong: Flags, answers: Sequence[Judged]) -> dict[str, Measure]:
    """Precision and recall of the verdicts: rejected of wrong claims, accepted of right ones."""
    measures: dict[str, Measure] = {}
    for verdict, true in (("rejected", wrong), ("accepted", ~wrong)):
        said = np.array([answer.verdict == verdict for answer in answers], bool)
        measures[f"{verdict}_precision"] = measure.share(said & true, said)
        measures[f"{verdict}_recall"] = measure.share(said & true, true)
    return measures
