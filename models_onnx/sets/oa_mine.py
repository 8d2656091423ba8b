"""OA-Mine as ExtractGPT has it: titles of ten product types with hand-marked attribute values.

Each line: {"input": "...", "category": "Shoes", "target_scores": {"Brand": {"Keds": 1}}}; a value
"n/a" says that the title has none. AE-110K of the same source has the same format.
"""

from collections.abc import Iterator
from pathlib import Path

from models_onnx.sets import lines
from models_onnx.sets.records import Gold

NOT_GIVEN = "n/a"


def read(path: Path) -> Iterator[Gold]:
    """The titles of a file, in order, each with its values and its category as type.

    Raises:
        DataError: a line is not of the format.
    """
    for row in lines.rows(path):
        values = []
        for label, scores in row.object("target_scores").items():
            if not isinstance(scores, dict):
                row.fail(f"needs an object of values under target_scores[{label!r}]")
            values += [(label, value) for value in scores if value != NOT_GIVEN]
        yield Gold(
            text=row.text("input"),
            kind="title",
            type=row.text("category"),
            values=tuple(values),
        )
