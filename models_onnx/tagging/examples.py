"""A text with its labels, as every reader of training data gives it."""

import msgspec

from models_onnx.spans import Kind
from models_onnx.tagging.splits import normal
from models_onnx.tokens import Encoded
from models_onnx.training import IGNORED as IGNORED


class Piece(msgspec.Struct, frozen=True, order=True):
    """A labelled piece of a text: character offsets, end exclusive."""

    start: int
    end: int
    label: str


class Labelled(msgspec.Struct, frozen=True, kw_only=True):
    """One labelled text.

    `doubt` is the chance that a word without a label is ignored instead of taken for "O":
    0 where people marked everything, more where a catalog only happened to name some values.
    `node` is the product type's slug in the ontology: "" for a text that names no type, None where
    nobody knows. A text without pieces teaches its type alone, unless it is `complete`.
    """

    text: str
    kind: Kind
    type: str = ""
    pieces: tuple[Piece, ...]
    source: str
    doubt: float = 0.0
    node: str | None = None
    complete: bool = True

    def value(self, piece: Piece) -> str:
        return self.text[piece.start : piece.end]

    def values(self) -> set[tuple[str, str]]:
        """(label, value without case and punctuation) of every piece."""
        return {(piece.label, normal(self.value(piece))) for piece in self.pieces}


def distinct(rows: list[Labelled]) -> list[Labelled]:
    """The rows without those whose text came before, however written."""
    seen: set[str] = set()
    kept = []
    for row in rows:
        if (key := normal(row.text)) and key not in seen:
            seen.add(key)
            kept.append(row)
    return kept


def word_labels(row: Labelled, encoded: Encoded, column: dict[str, int]) -> list[int]:
    """Column of each word of the text; a word belongs to the piece that covers its start."""
    labels = []
    for _, start, _end in encoded.words:
        piece = next((p for p in row.pieces if p.start <= start < p.end), None)
        if piece is None:
            labels.append(0)
            continue
        first = min(s for _, s, _ in encoded.words if s >= piece.start)
        labels.append(column[("B-" if start == first else "I-") + piece.label])
    return labels
