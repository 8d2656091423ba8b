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
from streams.shopper_rows import SHOPPERS, Row, unpack

PIECES: Final = "pieces"
WHOLE_BYTES: Final = 16_384
"""Rows of fewer bytes are always written whole, and never have pieces."""
_COUNT = struct.Struct(">I")


def read_row(state: State, shopper: str, trim_at: int) -> Row | None:
    """The row as it was written; None: nothing is kept of the shopper."""
    data = state.get(SHOPPERS, shopper.encode())
    if data is None:
        return None
    if len(data) < WHOLE_BYTES:
        return unpack(shopper, data, trim_at)
    pieces = [piece for _, piece in state.scan(PIECES, _prefix(shopper.encode()))]
    more = sum(_COUNT.unpack_from(piece)[0] for piece in pieces)
    row = unpack(shopper, data, trim_at, b"".join(each[_COUNT.size :] for each in pieces), more)
    row.pieces, row.written, row.written_bytes = len(pieces), row.count, len(row.packed)
    return row


def write_row(state: State, row: Row) -> None:
    """Write what is not written of a row: all of it, or what came behind it."""
    if row.written and row.count > row.written:
        added = _COUNT.pack(row.count - row.written) + row.packed[row.written_bytes :]
        state.put(PIECES, _piece(row.key, row.pieces), added)
        row.pieces += 1
    elif row.written != row.count or not row.count:
        _drop_pieces(state, row)
        data = row.pack()
        state.put(SHOPPERS, row.key, data)
        if len(data) < WHOLE_BYTES:
            return
    row.written, row.written_bytes = row.count, len(row.packed)


def drop_row(state: State, row: Row) -> None:
    """Nothing is kept of a shopper's row any more."""
    _drop_pieces(state, row)
    state.delete(SHOPPERS, row.key)


def _drop_pieces(state: State, row: Row) -> None:
    for number in range(row.pieces):
        state.delete(PIECES, _piece(row.key, number))
    row.pieces = row.written = 0


def _prefix(shopper: bytes) -> bytes:
    return b"%010d" % len(shopper) + shopper


def _piece(shopper: bytes, number: int) -> bytes:
    return _prefix(shopper) + b"%010d" % number
