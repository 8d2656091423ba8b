"""Myntra: fashion products, a title and the shop's fields beside it.

Each line: {"title": "...", "articleType": "Jeans", "baseColour": "Blue", "gender": "Men", ...}. A
value counts for a title when it stands there as whole words; an article type also in its other
number ("Jackets", "Jacket"). The brand has no field, so precision cannot be told.
"""

from collections.abc import Iterator
from pathlib import Path

from models_onnx.sets import lines
from models_onnx.sets.places import stands_in
from models_onnx.sets.records import Gold

FIELDS = ("articleType", "baseColour", "gender", "usage", "season")
NO_VALUE = ("", "NA")
TYPE = "articleType"


def values(row: lines.Row) -> list[tuple[str, str]]:
    """(field, value) of the fields that say something."""
    found = [(field, row.text(field, empty=True)) for field in FIELDS]
    return [(field, value) for field, value in found if value not in NO_VALUE]


def read(path: Path) -> Iterator[Gold]:
    """The titles of a file, in order, with their article type and the values that stand in them.

    Raises:
        DataError: a line is not of the format.
    """
    for row in lines.rows(path):
        title = row.text("title")
        standing = [
            (field, next(form for form in _forms(field, value) if stands_in(form, title)))
            for field, value in values(row)
            if any(stands_in(form, title) for form in _forms(field, value))
        ]
        yield Gold(text=title, kind="title", type=row.text(TYPE), values=tuple(standing))


def read_catalog(path: Path) -> Iterator[Gold]:
    """The products of a file, in order, with all their values, in the title or not.

    Raises:
        DataError: a line is not of the format.
    """
    for row in lines.rows(path):
        yield Gold(
            text=row.text("title"),
            kind="title",
            type=row.text(TYPE),
            values=tuple(values(row)),
        )


def _forms(field: str, value: str) -> tuple[str, ...]:
    if field != TYPE:
        return (value,)
    return (value, value.removesuffix("s"), value + "s")
