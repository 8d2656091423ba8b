"""Rows of SHOPPERS in the state: a small one is written whole, a large one by what was added.

| table    | key                            | value                                            |
|----------|--------------------------------|--------------------------------------------------|
| shoppers | shopper                        | `Row.pack`                                       |
| pieces   | length of shopper, shopper, no | how many events, then these, packed              |

What a flush adds to a large row is a piece behind it, until the row is settled, told late or of
another day: then it is written whole, and its pieces go. So what an event writes does not grow with
its row. Numbers in keys have ten digits.
"""

import struct
from typing import Final

from streams.ports import State
from streams.shoppers.rows import SHOPPERS, Row, Stored, unpack

PIECES: Final = "pieces"
WHOLE_BYTES: Final = 16_384
"""Rows of fewer bytes are always written whole, and never have pieces."""
_DIGITS: Final = 10
_COUNT = struct.Struct(">I")


def read_row(state: State, shopper: str, trim_at: int) -> Row | None:
    """The row as it was written; None: nothing is kept of the shopper."""
    data = state.get(SHOPPERS, shopper.encode())
    if data is None:
        return None
    if not has_pieces(data):
        return unpack(shopper, data, trim_at)
    pieces = [piece for _, piece in state.scan(PIECES, _prefix(shopper.encode()))]
    more = sum(_COUNT.unpack_from(piece)[0] for piece in pieces)
    row = unpack(shopper, data, trim_at, b"".join(each[_COUNT.size :] for each in pieces), more)
    row.stored = Stored(row.count, len(row.packed), len(pieces))
    return row


def has_pieces(data: bytes) -> bool:
    """Whether a row that was written so may have pieces behind it."""
    return len(data) >= WHOLE_BYTES


def write_row(state: State, row: Row) -> None:
    """Write what is not written of a row: all of it, or what came behind it."""
    stored = row.stored
    if stored is not None:
        if stored.count:
            _add_piece(state, row, stored)
            return
        _drop_pieces(state, row)
    data = row.pack()
    state.put(SHOPPERS, row.key, data)
    if has_pieces(data):
        row.stored = Stored(row.count, len(row.packed), 0)


def drop_row(state: State, row: Row) -> None:
    """Nothing is kept of a shopper's row any more."""
    _drop_pieces(state, row)
    state.delete(SHOPPERS, row.key)


def shopper_of(piece: bytes) -> bytes:
    """Whose row a key of `pieces` goes on; b"" if it is no such key."""
    length = piece[:_DIGITS]
    return piece[_DIGITS : _DIGITS + int(length)] if length.isdigit() else b""


def piece_key(shopper: bytes, number: int) -> bytes:
    """Key of a piece; they are counted from 0."""
    return b"%b%0*d" % (_prefix(shopper), _DIGITS, number)


def _add_piece(state: State, row: Row, stored: Stored) -> None:
    if row.count > stored.count:
        added = _COUNT.pack(row.count - stored.count) + row.packed[stored.length :]
        state.put(PIECES, piece_key(row.key, stored.pieces), added)
        row.stored = Stored(row.count, len(row.packed), stored.pieces + 1)


def _drop_pieces(state: State, row: Row) -> None:
    for number in range(row.stored.pieces if row.stored else 0):
        state.delete(PIECES, piece_key(row.key, number))
    row.stored = None


def _prefix(shopper: bytes) -> bytes:
    return b"%0*d%b" % (_DIGITS, len(shopper), shopper)
