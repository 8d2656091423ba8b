"""WDC-PAVE: offers with human attribute values, and slots that are said to be empty.

Each line: {"input_title": "...", "category": "Jewelry", "target_scores": {"Brand": {"Tacori":
{"pid": [0], "score": 1}}, "Gender": {"n/a": 1}}}. `pid` 0 is the title, 1 the description. Titles
are what is measured: a value counts when it stands in the title, and any answer in a slot whose
value stands in the description alone is wrong.
"""

from collections.abc import Iterator
from pathlib import Path

from models_onnx.sets import lines
from models_onnx.sets.oa_mine import NOT_GIVEN
from models_onnx.sets.records import Gold

_TITLE = 0


def read(path: Path) -> Iterator[Gold]:
    """The titles of a file, in order; only labels that the line lists are asked.

    Raises:
        DataError: a line is not of the format.
    """
    for row in lines.rows(path):
        slots = row.object("target_scores")
        values = []
        for label, scores in slots.items():
            if not isinstance(scores, dict):
                row.fail(f"needs an object of values under target_scores[{label!r}]")
            for value, where in scores.items():
                if value == NOT_GIVEN:
                    continue
                if not isinstance(where, dict) or not isinstance(where.get("pid"), list):
                    row.fail(f"needs a list in `pid` of {label!r}, value {value!r}")
                if _TITLE in where["pid"]:
                    values.append((label, value))
        yield Gold(
            text=row.text("input_title"),
            kind="title",
            type=row.text("category"),
            values=tuple(values),
            asked=frozenset(slots),
        )
