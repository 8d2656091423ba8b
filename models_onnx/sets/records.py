"""What a data set says, in its own labels: the gold of every task."""

import msgspec

from models_onnx.spans import Claim, Kind


class Marked(msgspec.Struct, frozen=True, order=True):
    """A labelled piece of a text: character offsets, end exclusive."""

    start: int
    end: int
    label: str


class Gold(msgspec.Struct, frozen=True, kw_only=True):
    """A text with what is right about it.

    Attributes:
        text: a title or a query, never empty.
        kind: which of the two.
        type: the set's own name of the product type, "" where it has none.
        marked: spans, in sets that mark places, in text order.
        values: (label, value), in sets that list values; no place, no order.
        asked: labels that the set asks of this text, whether or not it has a value; None: all of
            the set's. Answers under other labels are left out.
    """

    text: str
    kind: Kind
    type: str = ""
    marked: tuple[Marked, ...] = ()
    values: tuple[tuple[str, str], ...] = ()
    asked: frozenset[str] | None = None


class Likeness(msgspec.Struct, frozen=True):
    """Two texts, and whether they mean the same (`same`); `group` names what belongs together.

    Pairs of one group are drawn together for intervals, and are never negatives of each other.
    """

    a: str
    b: str
    attribute: str
    same: bool
    group: str


class Judgement(msgspec.Struct, frozen=True):
    """A claim without a text that people called right, within a category, general names first."""

    claim: Claim
    category: tuple[str, ...]
