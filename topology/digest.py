"""One number for a graph: the same for any order, any partitions, any replica (DESIGN, rule 6).

Every fact is hashed alone (SHA-256 of its JSON) and the hashes are added modulo 2**256; so are
totals. A sum does not care for the order and can be put together from the sums of partitions,
and unlike XOR it is not blind to a fact that is there twice.
"""

from collections.abc import Iterable
from hashlib import sha256
from typing import Final

_MODULUS: Final = 1 << 256


class Digest:
    """A running digest; `hex` names it. Equal contents, equal digests."""

    def __init__(self, value: int = 0) -> None:
        self.value = value % _MODULUS

    def add_fact(self, data: bytes) -> None:
        """Count a fact in, as `facts.encode_fact` writes it."""
        self._add(b"fact\0" + data)

    def add_total(self, topic: str, key: bytes, n: int) -> None:
        """Count in what a key of a topic of totals adds up to; zero is as if it were not there."""
        if n:
            self._add(b"total\0%s\0%d\0%s" % (topic.encode(), n, key))

    def merge(self, other: "Digest") -> "Digest":
        """The digest of both together."""
        return Digest(self.value + other.value)

    @property
    def hex(self) -> str:
        """64 hex digits."""
        return f"{self.value:064x}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Digest) and other.value == self.value

    def __hash__(self) -> int:
        return hash(self.value)

    def _add(self, data: bytes) -> None:
        self.value = (self.value + int.from_bytes(sha256(data).digest(), "big")) % _MODULUS


def digest_of(facts: Iterable[bytes], totals: Iterable[tuple[str, bytes, int]] = ()) -> Digest:
    """The digest of facts (as JSON) and of totals (topic, key, sum over senders)."""
    digest = Digest()
    for data in facts:
        digest.add_fact(data)
    for topic, key, n in totals:
        digest.add_total(topic, key, n)
    return digest
