"""Ditto's serialisation of entity-matching pairs (Magellan sets, WDC).

Each line: two records and 0 or 1, tabs between; a record is "COL name VAL value COL ...". What is
compared is the title (column `title` or `name`) with what else tells products apart: maker and
number. Prices and descriptions are left out.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from models_onnx.errors import DataError
from models_onnx.sets import lines
from models_onnx.sets.records import Likeness

TITLES = ("title", "name")
BESIDE = ("brand", "manufacturer", "modelno")

_COLUMN = re.compile(r"COL (\S+) VAL ?")


def read_pairs(path: Path) -> Iterator[Likeness]:
    """The pairs of a file, in order; a pair's group is its first record's text.

    Raises:
        DataError: a line is not of the format.
    """
    for number, line in lines.read(path):
        parts = line.split("\t")
        if len(parts) != 3 or parts[2].strip() not in ("0", "1"):
            raise DataError(
                f"{path}, line {number}: needs two records and 0 or 1 with tabs between, "
                f"has {len(parts)} parts; mend it or name the set the file is of"
            )
        a, b = (_text(path, number, part) for part in parts[:2])
        yield Likeness(a, b, "", parts[2].strip() == "1", a)


def _text(path: Path, number: int, record: str) -> str:
    pieces = _COLUMN.split(record.strip())
    columns = {
        name: " ".join(value.split())
        for name, value in zip(pieces[1::2], pieces[2::2], strict=True)
    }
    title = next((columns[name] for name in TITLES if columns.get(name)), "")
    if pieces[0].strip() or not title:
        raise DataError(
            f"{path}, line {number}: a record needs `COL title VAL ...`, has {record[:60]!r}"
        )
    said = title.lower()
    return " ".join([title, *(v for c in BESIDE if (v := columns.get(c, "")) and v not in said)])
