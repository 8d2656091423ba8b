"""Edits of bytes, as small mistakes and big ones make them; the same edits give the same bytes."""

import random
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

LONGEST: Final = 1 << 20
WORDS: Final = (
    b"\0", b"\xff", b"\xed\xa0\x80", b'"', b"{", b"[", b"]", b"}", b",", b":", b"\n", b"\\", b"%",
    b"null", b"-1", b"1e999", b"NaN", b"9" * 30, b"\x91\xc0", b"=", b"/", b";", b"'", b"\r\n",
    "é".encode(), "\u202e".encode(), b"<script>", b"../", b"\xc0\x80", b" ",
)  # fmt: skip


class Edit(NamedTuple):
    """One change: `kind` 0 flips a byte, 1 cuts, 2 puts a word in, 3 repeats a part."""

    kind: int
    place: int
    amount: int


def mutated(seed: bytes, edits: Iterable[Edit]) -> bytes:
    """The seed after all edits, at most 1 MiB."""
    data = bytearray(seed)
    for kind, place, amount in edits:
        at = place % (len(data) + 1)
        if kind == 0 and at < len(data):
            data[at] ^= (amount % 255) + 1
        elif kind == 1:
            del data[at : at + amount % 64 + 1]
        elif kind == 2:
            data[at:at] = WORDS[amount % len(WORDS)]
        elif kind == 3:
            data[at:at] = data[at : at + amount % 32 + 1] * (1 << amount % 9)
        del data[LONGEST:]
    return bytes(data)


def drawn(random_: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Some bytes: a seed with up to eight edits, now and then without any."""
    edits = [
        Edit(random_.randrange(4), random_.randrange(1 << 16), random_.randrange(1 << 16))
        for _ in range(random_.randrange(9))
    ]
    return mutated(random_.choice(seeds), edits)
