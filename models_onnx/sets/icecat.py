"""Icecat: electronics products, a title and the shop's own attribute fields beside it.

Each line: {"title": "...", "supplier": "Xerox", "attr_t_product_colour": "Black", ...}. A value
counts for a title when it stands there as whole words. The fields name only some values of a
title: the maker aside, precision cannot be told.
"""

from collections.abc import Iterator
from pathlib import Path

from models_onnx.sets import lines
from models_onnx.sets.places import stands_in
from models_onnx.sets.records import Gold

FIELDS = {
    "supplier": "brand",
    "attr_t_product_colour": "colour",
    "attr_t_cable_colour": "colour",
    "attr_t_printing_colours": "colour",
    "attr_t_material": "material",
    "attr_t_product_type": "product_type",
    "attr_t_compatibility": "compatibility",
    "attr_t_internal_memory_type": "memory_type",
    "attr_t_display_resolution": "resolution",
    "attr_t_finish_type": "finish",
}
"""Field -> label: those of any product or of the commonest kinds, with 100 or more in titles."""

WHOLE = frozenset({"brand"})
"""Labels of which a title has no other value than the fields give, so that precision counts."""

_LEAST = 2
"""Characters of a value ("HP"): "1" and "-" are slips of the form."""


def values(row: lines.Row) -> list[tuple[str, str]]:
    """(label, value) of the fields, as the shop wrote them, each once."""
    found = [(label, row.fields.get(field)) for field, label in FIELDS.items()]
    said = [(label, v) for label, v in found if isinstance(v, str) and len(v) >= _LEAST]
    return list(dict.fromkeys(said))


def read(path: Path) -> Iterator[Gold]:
    """The titles of a file, in order, with the values that stand in them.

    Raises:
        DataError: a line is not of the format.
    """
    for row in lines.rows(path):
        title = row.text("title")
        standing = [(label, v) for label, v in values(row) if stands_in(v, title)]
        yield Gold(text=title, kind="title", values=tuple(standing))


def read_catalog(path: Path) -> Iterator[Gold]:
    """The products of a file, in order, with all their values, in the title or not.

    Colours that the shop wrote in one field ("Black,Cyan") are values of their own.

    Raises:
        DataError: a line is not of the format.
    """
    for row in lines.rows(path):
        said = [
            (label, one.strip())
            for label, value in values(row)
            for one in (value.split(",") if label == "colour" else [value])
        ]
        kind = next((v for label, v in said if label == "product_type"), "")
        yield Gold(text=row.text("title"), kind="title", type=kind, values=tuple(said))
