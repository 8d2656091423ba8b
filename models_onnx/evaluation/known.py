"""Which values a model has seen: those of training files, or those its bundle remembers."""

from collections.abc import Iterable
from typing import Protocol

from models_onnx import seen
from models_onnx.mapping import Mapping
from models_onnx.seen import TEXT as TEXT
from models_onnx.seen import Seen
from models_onnx.sets.records import Gold


class Known(Protocol):
    """Whether a value was seen under a label of the data set."""

    def has(self, label: str, value: str) -> bool: ...


class FromBundle:
    """What a bundle remembers, asked in a set's labels: under any of ours that may become it."""

    def __init__(self, remembered: Seen, mapping: Mapping) -> None:
        self._remembered = remembered
        self._sources = {label: mapping.sources(label) | {label} for label in mapping.labels}

    def has(self, label: str, value: str) -> bool:
        """Whether one of our labels that may become `label` had the value."""
        return any(self._remembered.has(ours, value) for ours in self._sources.get(label, {label}))


def from_texts(golds: Iterable[Gold]) -> Seen:
    """The values of training texts in the set's labels, and the texts themselves."""
    return seen.of(value for gold in golds for value in (*_values(gold), (TEXT, gold.text)))


def _values(gold: Gold) -> list[tuple[str, str]]:
    marked = [(one.label, gold.text[one.start : one.end]) for one in gold.marked]
    return [*marked, *gold.values]
