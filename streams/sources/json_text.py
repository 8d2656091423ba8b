"""JSON values of Kafka records: decoded, or a reason why not; the same on every machine."""

import re
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

from streams.sources.said import Rejected

MAX_DEPTH: Final = 64
"""Deepest nesting that is read. Python's own limit depends on the caller's stack: the same record
would be read in one process and not in another (DESIGN, rule 6)."""

_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
_FRAMED = (0, 1)  # first byte of a schema registry's framing

T = TypeVar("T")
decode_any: Callable[[bytes], object] = msgspec.json.Decoder().decode
decode_raw_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


def decode(decoder: Callable[[bytes], T], value: bytes) -> T | Rejected:
    """What the decoder makes of the value, or why it makes nothing of it."""
    if value.count(b"{") + value.count(b"[") > MAX_DEPTH and too_deep(value):
        return Rejected("too_deep", f"JSON is nested deeper than {MAX_DEPTH} levels")
    try:
        return decoder(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return _why(value, error)


def parts(value: bytes) -> list[bytes] | Rejected:
    """Elements of a value that is a JSON array; the value itself where it is not."""
    if value[:1] != b"[" and value.lstrip()[:1] != b"[":
        return [value]
    elements = decode(decode_raw_list, value)
    return elements if isinstance(elements, Rejected) else [bytes(each) for each in elements]


def too_deep(value: bytes) -> bool:
    """Whether brackets outside of strings are nested deeper than `MAX_DEPTH`; linear."""
    level = 0
    for token in _TOKENS.finditer(value):
        first = value[token.start()]
        if first in b"[{":
            level += 1
            if level > MAX_DEPTH:
                return True
        elif first in b"]}":
            level -= 1
    return False


def _why(value: bytes, error: Exception) -> Rejected:
    """The reason; msgspec's messages name places and types, never values."""
    try:
        value.decode()
    except UnicodeDecodeError as bad:
        if value[:1] and value[0] in _FRAMED:
            return Rejected(
                "not_json", "binary: looks like a schema registry's framing; JSON is read here"
            )
        return Rejected("bad_utf8", f"not UTF-8 at byte {bad.start}")
    if isinstance(error, msgspec.ValidationError):
        return Rejected("wrong_type", str(error))
    return Rejected("not_json", str(error))
