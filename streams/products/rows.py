"""Bytes of what PRODUCTS keeps of a product, table by table.

| table    | key                             | value                                             |
|----------|---------------------------------|---------------------------------------------------|
| products | product                         | `Row`: the newest record's place, what it says    |
| sums     | product                         | ">qq" totals that are not zero, purchases [1]     |
| counted  | product, query, kind, week      | ">q" n, then the `Asked` payload it counts with   |
| pairs    | product, other product          | ">q" shoppers who bought both, of all weeks       |
| reached  | product, other product          | the weeks in which the pair is told               |
| behind   | hash of a concept's key, who    | ">I" how many totals, then the query or product   |
| stepped  | product                         | nothing: partners are to be told of its sales     |
| waiting  | product                         | nothing: it has totals and no record              |
| records  | product                         | the newest record without its description, JSON   |

[1] Of `bought` (b) and `asked`; who is in any other total is in one of `bought` too.

`counted` repeats what the inbox was told last, as it was counted: a zero or a marker takes a total
away together with its payload, and what was counted must go as it came.
"""

import struct
from typing import NamedTuple

import msgspec

from streams.state.derived import TABLE as DERIVED
from streams.weeks import week_key

TABLES = (
    "products",
    "sums",
    "counted",
    "pairs",
    "reached",
    "behind",
    "stepped",
    "waiting",
    "records",
    DERIVED,
)
_SUMS = struct.Struct(">qq")
_N = struct.Struct(">q")
_COUNT = struct.Struct(">I")
_WEEK = len(week_key(0))


class Reading(msgspec.Struct, frozen=True, array_like=True):
    """What a product counts as; all of it empty for a product without a record.

    Attributes:
        type: slug of its type, "" if unknown.
        types: slugs it counts for: its type, then what stands above it up to the departments.
        values: value nodes that narrow these types to concepts.
        facts: (relation, tail, source) of every fact claimed of it.
        used: every value node that some claim gives it and the cleaner does not reject, sorted.
        phrases: nodes of the product types that its title names and the ontology lacks, sorted.
        name: node of the name of its type, "" if it has none. As it was told, to be taken back.
    """

    type: str = ""
    types: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    facts: tuple[tuple[str, str, str], ...] = ()
    used: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    name: str = ""


NOTHING = Reading()


class Stamp(NamedTuple):
    """Where a catalog record stood in its source; the newest wins.

    `digest` of its bytes decides between two records of one place (a source read again under
    another mapping), so that the order of arrival never does.
    """

    partition: int
    offset: int
    digest: bytes


class Row(msgspec.Struct, frozen=True, array_like=True):
    """The newest record of a product.

    Attributes:
        stamp: its place.
        reading: None when it withdrew the product.
        bundles: with which it was read (`ProductSettings.bundles`).
    """

    stamp: Stamp
    reading: Reading | None
    bundles: str = ""


class Sums(NamedTuple):
    """`live`: totals (bought, asked) that are not zero. `bought`: purchases, all weeks."""

    live: int = 0
    bought: int = 0


encode_row = msgspec.msgpack.Encoder().encode
decode_row = msgspec.msgpack.Decoder(Row).decode


def encode_sums(sums: Sums) -> bytes:
    """Inverse of `decode_sums`."""
    return _SUMS.pack(*sums)


def decode_sums(value: bytes | None) -> Sums:
    """The sums of a row of `sums`; zeros when there is none."""
    return Sums() if value is None else Sums(*_SUMS.unpack(value))


def encode_pair(n: int) -> bytes:
    """Inverse of `decode_pair`."""
    return _N.pack(n)


def decode_pair(value: bytes | None) -> int:
    """The shoppers of a row of `pairs`; 0 when there is none."""
    return 0 if value is None else _N.unpack(value)[0]


def decode_weeks(value: bytes) -> list[bytes]:
    """The weeks of a row of `reached`, which is their keys one after the other."""
    return [value[place : place + _WEEK] for place in range(0, len(value), _WEEK)]


def encode_counted(n: int, payload: bytes) -> bytes:
    """Inverse of `decode_counted`."""
    return _N.pack(n) + payload


def decode_counted(value: bytes | None) -> tuple[int, bytes]:
    """Total and payload of a row of `counted`; (0, b"") when there is none."""
    return (0, b"") if value is None else (_N.unpack_from(value)[0], value[_N.size :])


def encode_behind(count: int, text: str) -> bytes:
    """Inverse of `decode_behind`."""
    return _COUNT.pack(count) + text.encode()


def decode_behind(value: bytes) -> tuple[int, str]:
    """How many totals, and the query or product, of a row of `behind`."""
    return _COUNT.unpack_from(value)[0], value[_COUNT.size :].decode()
