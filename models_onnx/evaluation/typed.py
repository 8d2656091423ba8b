"""How well titles are typed, in a data set's own names of product types.

An answer is a node of the ontology. It stands for the set's name whose node it is, or, where it is
narrower, for the one nearest above it. Where two of the set's names have one node, the answer
cannot tell them apart, so it stands for neither and both are wrong. `coverage` is the share of
titles with any answer. `macro_f1` counts a title without an answer as missed; `macro_f1_answered`
is of the titles with one alone, and is to be read beside the coverage. Intervals are over titles.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from models_onnx import measure
from models_onnx.errors import DataError
from models_onnx.evaluation.known import TEXT, Known
from models_onnx.evaluation.report import Part
from models_onnx.measure import Measure
from models_onnx.sets.records import Gold
from models_onnx.spans import TypeAnswer

Above = Callable[[str], Sequence[str]]
"""The slugs above a slug, nearest first."""


def names(
    answers: Sequence[TypeAnswer | None], types: Mapping[str, str], above: Above
) -> list[str | None]:
    """The set's name for each answer: "" for a node outside the set, None for no answer."""
    shared = Counter(types.values())
    name_of = {slug: name if shared[slug] == 1 else "" for name, slug in types.items()}

    def name(answer: TypeAnswer) -> str:
        slug = answer.id.rpartition(":")[2]
        return next((name_of[up] for up in (slug, *above(slug)) if up in name_of), "")

    return [name(answer) if answer is not None else None for answer in answers]


def evaluate(
    golds: Sequence[Gold],
    answers: Sequence[TypeAnswer | None],
    types: Mapping[str, str],
    above: Above,
    *,
    known: Known | None = None,
) -> tuple[Part, dict[str, Part]]:
    """Figures of all titles, and of each of the set's product types.

    Args:
        golds: titles with the set's type.
        answers: one each.
        types: the set's name of a type -> its slug in the ontology.
        above: see `Above`.
        known: splits titles into seen and unseen ones; None: no split.

    Raises:
        DataError: the mapping lacks one of the set's types.
    """
    if lacking := sorted({gold.type for gold in golds} - set(types)):
        raise DataError(f"the mapping has no [types] entry for {', '.join(lacking)}: add it")
    found = names(answers, types, above)
    counts = measure.count(
        [{gold.type} for gold in golds],
        [{name} if name is not None else set() for name in found],
        lambda name: name,
    )
    answered = np.array([name is not None for name in found])
    correct = np.array([g.type == name for g, name in zip(golds, found, strict=True)])
    rows = {"": np.ones(len(golds), bool), "_answered": answered}
    if known is not None:
        seen = np.array([known.has(TEXT, gold.text) for gold in golds], bool)
        rows |= {"_seen": seen, "_unseen": ~seen}
    measures: dict[str, Measure] = {"coverage": measure.share(answered, np.ones(len(golds)))}
    for name, pick in rows.items():
        measures[f"macro_f1{name}"] = _only(measure.macro_f1(counts), pick)
        measures[f"accuracy{name}"] = measure.share(correct & pick, pick)
    labels = sorted({gold.type for gold in golds})
    for label in labels:
        one = counts.only(label)
        measures[f"{label}\0precision"] = measure.precision(one)
        measures[f"{label}\0recall"] = measure.recall(one)
        measures[f"{label}\0f1"] = measure.f1(one)
    figures = measure.figures(measures, len(golds))
    parts = {
        label: Part(
            {"titles": int(counts.only(label).gold.sum())},
            {name: figures[f"{label}\0{name}"] for name in ("precision", "recall", "f1")},
        )
        for label in labels
    }
    whole = {name: figure for name, figure in figures.items() if "\0" not in name}
    return Part({"titles": len(golds), "answered": int(answered.sum())}, whole), parts


def _only(of: Measure, pick: measure.Flags) -> Measure:
    keep = pick.astype(float)
    return lambda weights: of(weights * keep)
