"""Titles with attribute values beside them, labelled by finding the values.

Distant supervision as in AutoKnow: what a catalog says and the title repeats is a label. What it
does not say is unknown rather than "O", so rows carry a `doubt` (see `examples.Labelled`).
"""

import gzip
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from models_onnx.tagging.examples import Piece
from models_onnx.tagging.lexicon import Lexicon, Matcher

WORD = re.compile(r"[^\W_]+(?:['’.][^\W_]+)*|[^\w\s]")
"""Words for matching phrases; training labels are put on the tokeniser's words later."""


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a gzipped JSON-lines file."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def find_values(text: str, values: Iterable[tuple[str, str]]) -> tuple[Piece, ...]:
    """(label, value) pairs as pieces: the longest values first, each at its first free place."""
    pieces: tuple[Piece, ...] = ()
    for label, value in sorted(values, key=lambda v: -len(v[1])):
        found = whole_word(text, value, label)
        free = (piece for piece in found if all(_apart(piece, other) for other in pieces))
        pieces = add(pieces, [piece for piece in [next(free, None)] if piece])
    return pieces


def whole_word(text: str, value: str, label: str) -> list[Piece]:
    """Every place where the value stands as whole words, letter case aside."""
    if not value.strip():
        return []
    found = re.finditer(rf"(?<!\w){re.escape(value.strip())}(?!\w)", text, re.IGNORECASE)
    return [Piece(m.start(), m.end(), label) for m in found]


def by_pattern(pattern: re.Pattern[str], text: str, label: str) -> list[Piece]:
    """Every place where the pattern matches."""
    return [Piece(m.start(), m.end(), label) for m in pattern.finditer(text)]


def add(pieces: tuple[Piece, ...], more: Iterable[Piece]) -> tuple[Piece, ...]:
    """`pieces` and those of `more` that overlap none of them, in text order."""
    kept = list(pieces)
    for piece in more:
        if all(_apart(piece, other) for other in kept):
            kept.append(piece)
    return tuple(sorted(kept))


def match_rest(text: str, pieces: tuple[Piece, ...], matcher: Matcher) -> tuple[Piece, ...]:
    """`pieces` and what the matcher finds in the words between them."""
    words = [m.span() for m in WORD.finditer(text)]
    taken = {
        i
        for i, (start, end) in enumerate(words)
        if any(p.start < end and p.end > start for p in pieces)
    }
    return add(pieces, matcher.find(words, text, taken))


def phrases(lexicon: Lexicon, labels: tuple[str, ...]) -> list[tuple[str, str]]:
    """(label, phrase) of the lexicon's general lists, and every product type it knows."""
    found = [(k, v) for k in labels for v in lexicon.general.get(k, ())]
    for department in lexicon.departments:
        found += [("product_type", t) for t in department.types]
        found += [("product_type", t + "s") for t in department.types if not t.endswith("s")]
    return found


def _apart(one: Piece, other: Piece) -> bool:
    return one.end <= other.start or one.start >= other.end
