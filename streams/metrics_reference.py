"""The list of all metrics, from their declarations: `python -m streams.metrics_reference`.

`deploy/METRICS.md` is what this prints; a test compares the two.
"""

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import NamedTuple

from prometheus_client.metrics import MetricWrapperBase

from streams.checkpoint import metrics as metrics_checkpoints
from streams.monitoring import metrics
from streams.monitoring import quality as metrics_quality
from streams.monitoring import stores as metrics_stores
from streams.serve import metrics as metrics_serve

_HEAD = """# Metrics

Every metric that a process of Cartograph serves, from its declaration
(`python -m streams.metrics_reference > deploy/METRICS.md`; a test compares). A worker process
serves them on a port of its own, `cartograph serve` under `/metrics` of the API. Beside these stand
`process_*`, `python_info` and `python_gc_*` of prometheus-client. Counters are listed with their
`_total`; a histogram `x` has `x_bucket`, `x_sum` and `x_count`. Labels come from short fixed lists:
stages, topics, outcomes, reasons, relations, attributes and departments of the ontology, bundles.

| metric | kind | labels | of | what it says, and what to do |
|---|---|---|---|---|
"""
_PLACES: tuple[tuple[str, ModuleType], ...] = (
    ("worker", metrics),
    ("worker", metrics_stores),
    ("worker", metrics_quality),
    ("worker", metrics_checkpoints),
    ("serve", metrics_serve),
)
_BOTH = "cartograph_build_info"


class Declared(NamedTuple):
    """One metric as Prometheus knows it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    of: str
    words: str


def declared() -> list[Declared]:
    """All of them, in the order of their declaration."""
    found = [each for of, place in _PLACES for each in _of(of, place)]
    return list({each.name: each for each in reversed(found)}.values())[::-1]  # BUILD_INFO is twice


def _of(of: str, place: ModuleType) -> Iterator[Declared]:
    for thing in vars(place).values():
        if isinstance(thing, MetricWrapperBase):
            name = thing._name + ("_total" if thing._type == "counter" else "")
            process = "worker, serve" if name == _BOTH else of
            words = str(thing._documentation)
            yield Declared(name, str(thing._type), tuple(thing._labelnames), process, words)
        elif isinstance(thing, metrics_quality.ModelScores):
            yield Declared(thing.name, "histogram", thing.labels, of, thing.words)


def reference() -> str:
    """The page."""
    rows = [
        f"| `{each.name}` | {each.kind} | {', '.join(each.labels)} | {each.of} | {each.words} |"
        for each in declared()
    ]
    return _HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.stdout.write(reference())
