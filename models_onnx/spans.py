"""What goes into the models and what comes out: plain frozen values, and their bytes for a cache.

Offsets are Python character offsets into the text as it was handed in, end exclusive.
Scores are 0..1. The bytes start with a version, so that an old cache is refused, not misread.
"""

from typing import Literal, TypeVar

import msgspec

from models_onnx.errors import CodecError

Kind = Literal["title", "query"]
Verdict = Literal["accepted", "held", "rejected"]

_VERSION = b"\x01"
_Answer = TypeVar("_Answer", "Tagged", "Judged", "Senses")


class Text(msgspec.Struct, frozen=True):
    """One text to tag: a product title or a shopper's query, with its product type if known."""

    text: str
    kind: Kind
    type: str = ""


class Span(msgspec.Struct, frozen=True, array_like=True):
    """A labelled piece of a text: `text == whole[start:end]`."""

    start: int
    end: int
    label: str
    text: str
    score: float


class Tagged(msgspec.Struct, frozen=True, array_like=True):
    """What a tagger says of one text.

    Attributes:
        spans: in text order, never overlapping; empty when nothing was found.
        type: slug of the product type the text as a whole is about, "" for none or unsure.
        type_score: how sure of it, 0..1; 0 with "".
    """

    spans: tuple[Span, ...] = ()
    type: str = ""
    type_score: float = 0.0


class Claim(msgspec.Struct, frozen=True):
    """Somebody says that `attribute` of a product of `type` is `value`.

    `text` is the product's title, or "" to ask only whether the claim is plausible for the type.
    """

    text: str
    type: str
    attribute: str
    value: str


class ValuePair(msgspec.Struct, frozen=True):
    """Do `a` and `b` mean the same? As values of `attribute`, or, where that is "", at all."""

    a: str
    b: str
    attribute: str = ""


class Term(msgspec.Struct, frozen=True):
    """A value on its own: what may it stand for?"""

    text: str


class Senses(msgspec.Struct, frozen=True, array_like=True):
    """Names of what a value may stand for: two values that share one may mean the same.

    None for a value that the model cannot tell; names hold no NUL and mean nothing by themselves.
    """

    names: tuple[str, ...] = ()


class TypeAnswer(msgspec.Struct, frozen=True):
    """What kind of thing a text is about: a node of the ontology, its name, and how sure, 0..1."""

    id: str
    name: str
    score: float


class Judged(msgspec.Struct, frozen=True, array_like=True):
    """How likely a claim, or that two values mean the same, is right, 0..1, and what follows."""

    score: float
    verdict: Verdict


HELD = Judged(score=0.5, verdict="held")
"""The answer to what cannot be read at all."""


def encode_tagged(tagged: Tagged) -> bytes:
    """Bytes of `tagged` for a cache."""
    return _VERSION + msgspec.msgpack.encode(tagged)


def decode_tagged(data: bytes) -> Tagged:
    """The `Tagged` that `encode_tagged` wrote.

    Raises:
        CodecError: other bytes, or bytes of another version.
    """
    return _decode(data, Tagged)


def encode_judged(judged: Judged) -> bytes:
    """Bytes of `judged` for a cache."""
    return _VERSION + msgspec.msgpack.encode(judged)


def decode_judged(data: bytes) -> Judged:
    """The `Judged` that `encode_judged` wrote.

    Raises:
        CodecError: other bytes, or bytes of another version.
    """
    return _decode(data, Judged)


def encode_senses(senses: Senses) -> bytes:
    """Bytes of `senses` for a cache."""
    return _VERSION + msgspec.msgpack.encode(senses)


def decode_senses(data: bytes) -> Senses:
    """The `Senses` that `encode_senses` wrote.

    Raises:
        CodecError: other bytes, or bytes of another version.
    """
    return _decode(data, Senses)


def _decode(data: bytes, answer: type[_Answer]) -> _Answer:
    if data[:1] != _VERSION:
        raise CodecError("cached answer is of another version: drop the answer cache")
    try:
        return msgspec.msgpack.decode(data[1:], type=answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CodecError(f"cached answer is damaged: drop the answer cache ({error})") from error
