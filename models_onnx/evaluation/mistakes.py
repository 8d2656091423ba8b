"""What a tagger gets wrong, mistake by mistake: gold and answers that overlap are one.

Kinds, told by comparing alone (whether the gold itself is right, only a reader can tell):

- label: the right place under another label;
- boundary: the right label, and a place that overlaps;
- boundary and label: they overlap, and both differ;
- split or joined: several of one side overlap several or one of the other;
- missed, seen and missed, unseen: nothing answered overlaps; whether the value was trained on;
- spurious: no gold overlaps.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from models_onnx.evaluation.known import Known
from models_onnx.evaluation.tagging import Item, wanted
from models_onnx.sets.places import same
from models_onnx.sets.records import Gold

LABEL = "label"
BOUNDARY = "boundary"
BOTH = "boundary and label"
SPLIT = "split or joined"
MISSED_SEEN = "missed, seen"
MISSED_UNSEEN = "missed, unseen"
SPURIOUS = "spurious"
KINDS = (LABEL, BOUNDARY, BOTH, SPLIT, MISSED_SEEN, MISSED_UNSEEN, SPURIOUS)


class Piece(msgspec.Struct, frozen=True, order=True):
    """Characters of a text under a label of the set; end exclusive, both -1 if not in the text."""

    start: int
    end: int
    label: str
    text: str


class Mistake(msgspec.Struct, frozen=True):
    """Gold that was not answered, and answers that are not gold, where they overlap."""

    text: str
    type: str
    kind: str
    gold: tuple[Piece, ...]
    found: tuple[Piece, ...]


def mistakes(
    golds: Sequence[Gold], found: Sequence[set[Item]], known: Known | None = None
) -> Iterator[Mistake]:
    """All mistakes in the order of the texts; `found` as from `tagging.answered`."""
    for gold, mine in zip(golds, found, strict=True):
        right = wanted(gold)
        missed = sorted(_piece(gold.text, item) for item in right - mine)
        wrong = sorted(_piece(gold.text, item) for item in mine - right)
        for of_gold, of_found in _overlapping(missed, wrong):
            kind = _kind(of_gold, of_found, known)
            yield Mistake(gold.text, gold.type, kind, tuple(of_gold), tuple(of_found))


def _piece(text: str, item: Item) -> Piece:
    label, start, end = item
    if isinstance(start, int):
        return Piece(start, end, label, text[start:end])
    place = same(text).find(start)  # as the values are compared: blanks and letter case aside
    return Piece(place, place + len(start) if place >= 0 else -1, label, start)


def _overlapping(
    missed: Iterable[Piece], wrong: Iterable[Piece]
) -> Iterator[tuple[list[Piece], list[Piece]]]:
    """The pieces in groups: those of one side that a chain of overlaps joins to the other's."""
    groups: list[tuple[list[Piece], list[Piece]]] = [([one], []) for one in missed]
    for one in wrong:
        touched = [g for g in groups if any(_overlap(one, other) for other in g[0])]
        groups = [g for g in groups if g not in touched]
        gold = [piece for g in touched for piece in g[0]]
        groups.append((gold, [*(piece for g in touched for piece in g[1]), one]))
    yield from sorted(groups, key=lambda g: min((*g[0], *g[1])))


def _overlap(one: Piece, other: Piece) -> bool:
    return one.start < other.end and other.start < one.end


def _kind(gold: Sequence[Piece], found: Sequence[Piece], known: Known | None) -> str:
    if not gold:
        return SPURIOUS
    if not found:
        seen = known is not None and known.has(gold[0].label, gold[0].text)
        return MISSED_SEEN if seen else MISSED_UNSEEN
    if len(gold) > 1 or len(found) > 1:
        return SPLIT
    same_place = gold[0].start == found[0].start and gold[0].end == found[0].end
    if same_place:
        return LABEL
    return BOUNDARY if gold[0].label == found[0].label else BOTH
