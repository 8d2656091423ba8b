"""How well a tagger finds what a data set marks, in the set's own labels.

Sets that mark places are scored by exact spans (label, start, end), as conlleval and seqeval do.
Sets that list values are scored by (label, value) of each text, values compared without regard to
case and blanks, as ExtractGPT does; "n/a" is no value. Where a set's fields name only some values
of a text, precision cannot be told: `precision` and `f1` are then of the labels that it names
wholly, while `recall` is of all. Intervals are over texts.
"""

from collections.abc import Mapping as Table
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from models_onnx import measure
from models_onnx.evaluation.known import Known
from models_onnx.evaluation.report import Part
from models_onnx.mapping import Mapping
from models_onnx.measure import Counts, Measure
from models_onnx.sets.places import same
from models_onnx.sets.records import Gold, Marked
from models_onnx.spans import Span, Tagged, Text

Item = tuple[str, int | str, int]
"""(label, start, end), or (label, value, 0) in sets that list values."""


class TagsTexts(Protocol):
    """What is measured."""

    def tag(self, texts: Sequence[Text]) -> list[Tagged]: ...


def questions(golds: Sequence[Gold], *, typed: bool) -> list[Text]:
    """What the tagger is asked; the set's product type is told only where `typed`."""
    return [Text(gold.text, gold.kind, gold.type.lower() if typed else "") for gold in golds]


def answered(
    golds: Sequence[Gold], tagged: Sequence[Tagged], mapping: Mapping, *, by_place: bool
) -> list[set[Item]]:
    """The answers as items in the set's labels, without labels that a text is not asked of.

    Which labels a product type has is part of the question, as in ExtractGPT: the mapping is told
    the set's type whether or not the tagger was.
    """
    found = []
    for gold, answer in zip(golds, tagged, strict=True):
        spans = mapping.apply(answer.spans, text=gold.text, kind=gold.kind, product_type=gold.type)
        found.append(
            {
                _placed(span) if by_place else (span.label, same(span.text), 0)
                for span in spans
                if gold.asked is None or span.label in gold.asked
            }
        )
    return found


def _placed(one: Span | Marked) -> Item:
    return one.label, one.start, one.end


def wanted(gold: Gold) -> set[Item]:
    """The items that are right."""
    return {
        *map(_placed, gold.marked),
        *((label, same(value), 0) for label, value in gold.values),
    }


def evaluate(
    golds: Sequence[Gold],
    found: Sequence[set[Item]],
    *,
    named_wholly: frozenset[str] | None = None,
    known: Known | None = None,
) -> tuple[Part, dict[str, Part]]:
    """Figures of all labels, and of each label that occurs.

    Args:
        golds: the texts.
        found: their answers; see `answered`.
        named_wholly: labels whose precision counts; None: all.
        known: splits recall into seen and unseen values; None: no split.
    """
    right = [wanted(gold) for gold in golds]
    if named_wholly is not None:
        found = [
            {item for item in mine if item[0] in named_wholly or item in gold}
            for gold, mine in zip(right, found, strict=True)
        ]
    counts = measure.count(right, found, lambda item: item[0])
    whole = [one for one in counts.labels if named_wholly is None or one in named_wholly]
    split = _split(golds, right, found, known)
    overall = _measures(counts, counts.of(whole), split, "")
    overall["macro_f1"] = measure.macro_f1(counts.of(whole))
    labels = {
        label: _measures(
            counts.only(label), counts.of([label] if label in whole else []), split, label
        )
        for label in counts.labels
    }
    figures = measure.figures(
        {**{f"\0{n}": m for n, m in overall.items()}, **_flat(labels)}, len(golds)
    )
    parts = {
        label: Part(_counts(counts.only(label)), {n: figures[f"{label}\0{n}"] for n in measures})
        for label, measures in labels.items()
    }
    total = Part({"texts": len(golds), **_counts(counts)}, {n: figures[f"\0{n}"] for n in overall})
    return total, parts


def _flat(labels: Table[str, Table[str, Measure]]) -> dict[str, Measure]:
    return {f"{label}\0{name}": m for label, ms in labels.items() for name, m in ms.items()}


def _counts(counts: Counts) -> dict[str, int]:
    return {"gold": int(counts.gold.sum()), "found": int(counts.found.sum())}


_Split = dict[str, dict[str, tuple[measure.Ids, measure.Ids]]]
""""seen" or "unseen" -> label, "" for all -> right and wanted of each text."""


def _measures(counts: Counts, whole: Counts, split: _Split, label: str) -> dict[str, Measure]:
    measures = {
        "precision": measure.precision(whole),
        "recall": measure.recall(counts),
        "f1": measure.f1(whole),
    }
    for name, by_label in split.items():
        if label in by_label:
            measures[f"recall_{name}"] = measure.share(*by_label[label])
    return measures


def _split(
    golds: Sequence[Gold],
    right: Sequence[set[Item]],
    found: Sequence[set[Item]],
    known: Known | None,
) -> _Split:
    if known is None:
        return {}
    none = np.zeros(len(golds), np.int64)
    split: _Split = {name: {"": (none.copy(), none.copy())} for name in ("seen", "unseen")}
    for row, (gold, items, mine) in enumerate(zip(golds, right, found, strict=True)):
        for item in items:
            label, start, end = item
            value = start if isinstance(start, str) else gold.text[start:end]
            name = "seen" if known.has(label, value) else "unseen"
            for key in (label, ""):
                hit, all_ = split[name].setdefault(key, (none.copy(), none.copy()))
                all_[row] += 1
                hit[row] += item in mine
    return split
