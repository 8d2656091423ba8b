"""Bytes of the totals topics, and the keys of totals.

Key of a record: ">HQ" sending partition, incarnation; then the total's key (empty: a marker).
Value of a total: ">BQq" 1, version, n; then a payload. Of a marker: ">BQQ" 2, version, floor.
`facts` is read by people and other tools, so its value is JSON:
`{"version":..,"n":0|1,"fact":{..}|null}`, a marker's `{"version":..,"floor":..}`.

A total's key is its parts joined by NUL, the owner first: the owner decides the partition.
"""

import struct
from typing import Final, NamedTuple

import msgspec

from streams.errors import BadMessageError
from streams.topics import partition_of
from streams.weeks import week_from_key, week_key

__all__ = [
    "BadMessageError",
    "Marker",
    "Sent",
    "decode",
    "encode_marker",
    "encode_total",
    "join",
    "owner",
    "partition_of",
    "split",
    "total_key",
    "week_from_key",
    "week_key",
]

_KEY = struct.Struct(">HQ")
_TOTAL = struct.Struct(">BQq")
_MARKER = struct.Struct(">BQQ")
TOTAL, MARKER = 1, 2
FACTS = "facts"


class Sent(NamedTuple):
    """A total as one sender stamped it."""

    sender: int
    incarnation: int
    version: int
    key: bytes
    n: int
    payload: bytes


class Marker(NamedTuple):
    """What older incarnations than `floor` of this sender left does not count any more."""

    sender: int
    incarnation: int
    version: int
    floor: int


class _FactValue(msgspec.Struct):
    version: int
    n: int | None = None
    fact: msgspec.Raw = msgspec.Raw(b"null")
    floor: int | None = None


_decode_fact = msgspec.json.Decoder(_FactValue).decode


MAX_TOTAL: Final = 1 << 32
"""No partition knows as many shoppers. 65,536 senders of so many still add up within 63 bits, which
is what stages keep: one record with a larger number would end them at every start."""


def join(*parts: bytes) -> bytes:
    """Key of a total: its parts, owner first; no part may hold a NUL byte."""
    return b"\0".join(parts)


def split(key: bytes) -> list[bytes]:
    """Inverse of `join`."""
    return key.split(b"\0")


def owner(key: bytes) -> bytes:
    """The first part of a total's key."""
    return key.partition(b"\0")[0]


def total_key(sender: int, incarnation: int, key: bytes) -> bytes:
    """Record key of a total."""
    return _KEY.pack(sender, incarnation) + key


def encode_total(topic: str, sent: Sent) -> tuple[bytes, bytes]:
    """Key and value of the record that tells a total."""
    key = total_key(sent.sender, sent.incarnation, sent.key)
    if topic == FACTS:
        fact = sent.payload if sent.n and sent.payload else b"null"
        return key, b'{"version":%d,"n":%d,"fact":%s}' % (sent.version, sent.n, fact)
    return key, _TOTAL.pack(TOTAL, sent.version, sent.n) + sent.payload


def encode_marker(topic: str, marker: Marker) -> tuple[bytes, bytes]:
    """Key and value of the record that ends all older incarnations of a sender."""
    key = _KEY.pack(marker.sender, marker.incarnation)
    if topic == FACTS:
        return key, b'{"version":%d,"floor":%d}' % (marker.version, marker.floor)
    return key, _MARKER.pack(MARKER, marker.version, marker.floor)


def decode(topic: str, key: bytes, value: bytes) -> Sent | Marker:
    """The total or marker of a record.

    Raises:
        BadMessageError: the bytes are not of this layout.
    """
    try:
        sender, incarnation = _KEY.unpack_from(key)
        total = key[_KEY.size :]
        if topic == FACTS:
            return _from_json(sender, incarnation, total, value)
        if total:
            kind, version, n = _TOTAL.unpack_from(value)
            if kind == TOTAL and 0 <= n <= MAX_TOTAL:
                told = (sender, incarnation, version, total, n, value[_TOTAL.size :])
                return tuple.__new__(Sent, told)  # half the time of calling the class
        else:
            kind, version, floor = _MARKER.unpack(value)
            if kind == MARKER:
                return Marker(sender, incarnation, version, floor)
    except (struct.error, msgspec.MsgspecError, RecursionError) as error:
        # Not its words: they quote what cannot be read.
        raise BadMessageError(f"{topic}: {type(error).__name__}") from error
    raise BadMessageError(f"{topic}: neither a total nor a marker")


def _from_json(sender: int, incarnation: int, total: bytes, value: bytes) -> Sent | Marker:
    told = _decode_fact(value)
    if told.floor is not None:
        return Marker(sender, incarnation, told.version, told.floor)
    if told.n is None or not total:
        raise BadMessageError("facts: a record without n")
    return Sent(sender, incarnation, told.version, total, told.n, bytes(told.fact))
