"""The outcome of an evaluation, for people and for other programs."""

import math
from collections.abc import Iterator, Mapping

import msgspec

from models_onnx.measure import Figure


class Part(msgspec.Struct, frozen=True):
    """Figures of one label, or of all: how many of what, and what was measured."""

    counts: Mapping[str, int]
    figures: Mapping[str, Figure]


class Report(msgspec.Struct, frozen=True):
    """One model on one data set.

    Attributes:
        task, set, bundle: what was measured, on what, and the model's id.
        files: as they were named.
        whole: all labels together.
        labels: label, kind of error or product type -> its part.
        notes: what a reader must know about the figures.
    """

    task: str
    set: str
    bundle: str
    files: tuple[str, ...]
    whole: Part
    labels: Mapping[str, Part]
    notes: tuple[str, ...] = ()


def plain(report: Report) -> dict[str, object]:
    """The report as JSON has it: a figure is [value, low, high], null where it has none."""
    return {
        "task": report.task,
        "set": report.set,
        "bundle": report.bundle,
        "files": report.files,
        **_plain(report.whole),
        "labels": {name: _plain(part) for name, part in report.labels.items()},
        "notes": report.notes,
        "interval": "95 % bootstrap",
    }


def columns(report: Report) -> list[str]:
    """The columns of `rows`, the first one's name aside."""
    parts = [report.whole, *report.labels.values()]
    counts = dict.fromkeys(name for part in parts for name in part.counts)
    figures = dict.fromkeys(name for part in parts for name in part.figures)
    return [*counts, *figures]


def rows(report: Report) -> Iterator[list[str]]:
    """One line for all, then one a label: counts, and figures as "0.812 (0.790-0.833)"."""
    names = columns(report)
    for label, part in {"all": report.whole, **report.labels}.items():
        yield [label, *(_cell(part, name) for name in names)]


def _plain(part: Part) -> dict[str, object]:
    figures = {
        name: None if math.isnan(f.value) else [round(v, 4) for v in (f.value, f.low, f.high)]
        for name, f in part.figures.items()
    }
    return {"counts": dict(part.counts), "figures": figures}


def _cell(part: Part, name: str) -> str:
    if name in part.counts:
        return str(part.counts[name])
    figure = part.figures.get(name)
    if figure is None or math.isnan(figure.value):
        return "-"
    return f"{figure.value:.3f} ({figure.low:.3f}-{figure.high:.3f})"
