"""One line of a CSV file as the value of a Kafka record; the columns are known to its reader."""

import csv
from collections.abc import Sequence

from streams.sources.said import Rejected, Unused


def split(value: bytes, columns: Sequence[str]) -> list[str] | Rejected | Unused:
    """The fields of the line, or why it has none; the file's header line is passed over."""
    try:
        line = value.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        return Rejected("bad_utf8", f"not UTF-8 at byte {error.start}")
    if '"' not in line:
        fields = line.split(",")
    else:
        try:
            rows = list(csv.reader([line], strict=True))
        except csv.Error:
            return Rejected("not_csv", "a quote is not closed, or stands in the wrong place")
        fields = rows[0] if len(rows) == 1 else []
    if len(fields) != len(columns):
        return Rejected("not_csv", f"{len(fields)} fields, expected {len(columns)}")
    return Unused("header") if fields[0] == columns[0] else fields


def number(text: str) -> float | None:
    """A number of the file, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if value - value == 0 else None  # neither infinite nor NaN
