"""New texts of labelled ones: values exchanged, left out, put in another order.

A teacher labels them (`teach`): what it makes of thousands of near-misses is worth more to a small
model than the few texts that people labelled. The pieces' labels are not used again: "red" may not
be a colour where it lands.
"""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence

from models_onnx.tagging.examples import Labelled, Piece
from models_onnx.tagging.noise import title_case

RECOMBINED = "recombined"
"""Source of the texts made here."""

_EXCHANGED = 0.45
_LEFT_OUT = 0.12
_MOVED = 0.15
_OTHER_BRAND = 0.4
"""Of exchanged brands those that no text of the same set and type has."""


class Recombiner:
    """Makes new texts of `rows`: of one kind, titles within one product type.

    `brands`: of all sets, to put in beside those of the rows.
    """

    def __init__(
        self, rows: Sequence[Labelled], rng: random.Random, brands: Sequence[str] = ()
    ) -> None:
        self._brands = list(brands)
        self._rows = [row for row in rows if row.pieces]
        self._rng = rng
        self._values: dict[tuple[str, str], list[str]] = defaultdict(list)
        for row in self._rows:
            for piece in row.pieces:
                self._values[self._shelf(row), piece.label].append(row.value(piece))

    def make(self, count: int) -> Iterator[Labelled]:
        """`count` texts without labels, each of a random row."""
        for _ in range(count):
            row = self._rng.choice(self._rows)
            text = self._rewritten(row)
            if text.strip():
                yield Labelled(
                    text=text, kind=row.kind, type=row.type, pieces=(), source=RECOMBINED
                )

    @staticmethod
    def _shelf(row: Labelled) -> str:
        return row.type if row.kind == "title" else ""

    def _rewritten(self, row: Labelled) -> str:
        rng = self._rng
        parts: list[str] = []
        at = 0
        for piece in row.pieces:
            parts += [row.text[at : piece.start], self._value(row, piece)]
            at = piece.end
        parts.append(row.text[at:])
        text = "".join(parts)
        if row.kind == "query" and rng.random() < _MOVED:
            words = text.split()
            cut = rng.randrange(len(words) + 1)
            text = " ".join(words[cut:] + words[:cut])
        return " ".join(text.split()) if row.kind == "query" else text

    def _value(self, row: Labelled, piece: Piece) -> str:
        chance = self._rng.random()
        if chance < _EXCHANGED:
            if piece.label == "brand" and self._brands and self._rng.random() < _OTHER_BRAND:
                return _cased(self._rng.choice(self._brands), row.value(piece))
            return self._rng.choice(self._values[self._shelf(row), piece.label])
        if chance < _EXCHANGED + _LEFT_OUT and piece.label not in ("product_type", "brand"):
            return ""
        return row.value(piece)


def _cased(brand: str, like: str) -> str:
    return title_case(brand) if like[:1].isupper() else brand
