"""Co-purchases: told to the owner of the other product, judged there by how far the types are.

The owner of P knows who bought O with it, and P's type; the owner of O, whom it tells, knows O's
type and how often O was bought. So the claim <P, bought with, O> is made by the owner of O.
"""

from functools import lru_cache

import msgspec

from streams.messages import (
    CO_BOUGHT,
    CO_TYPE,
    WITH,
    Together,
    With,
    decode_together,
    encode,
)
from streams.ports import State
from streams.product_rows import Pair, decode_pair, encode_row
from streams.totals import Inbox, Outbox
from streams.wire import join, split
from topology.errors import BadNodeError
from topology.facts import product_node, type_node
from topology.ontology import Ontology
from topology.scoring import step

UNKNOWN = -1
"""The distance when one type is unknown; such a pair is kept."""


class Pairs:
    """The co-purchases of one partition.

    Args:
        max_distance: pairs of types that are farther apart are not claimed.
    """

    def __init__(
        self,
        state: State,
        inbox: Inbox,
        outbox: Outbox,
        ontology: Ontology,
        *,
        max_distance: int,
    ) -> None:
        self._state, self._inbox, self._outbox = state, inbox, outbox
        self._ontology, self._max_distance = ontology, max_distance

    def tell(self, product: bytes, other: bytes, week: bytes, n: int, own_type: str) -> None:
        """Tell the other's owner that `n` shoppers bought both in that week."""
        payload = encode(Together(own_type)) if n else b""
        self._outbox.set("together", join(other, product, week), n, payload)

    def tell_all(self, product: bytes, own_type: str) -> None:
        """Tell every other's owner again: the product has another type."""
        for key, n, _ in self._inbox.scan("bought", join(product, WITH, b"")):
            parts = split(key)
            if len(parts) == 4 and is_pair(product, parts[2]):
                self.tell(product, parts[2], parts[3], n, own_type)

    def told(
        self,
        total: tuple[bytes, bytes, bytes],
        n: int,
        payload: bytes,
        own_type: str,
        bought: int,
    ) -> None:
        """The other product's owner says that `n` shoppers bought (this product, other, week).

        `own_type` and `bought` are this product's type and its purchases of all weeks.
        """
        self._count(total, n, _type_in(payload), own_type, bought)

    def count_all(self, product: bytes, own_type: str, bought: int) -> None:
        """This product has another type, or its purchases reached another step."""
        for key, row in self._state.scan("paired", join(product, b"")):
            _, other, week = split(key)
            pair = decode_pair(row)
            self._count((product, other, week), pair.n, pair.head, own_type, bought)

    def _count(
        self, total: tuple[bytes, bytes, bytes], n: int, head: str, own_type: str, bought: int
    ) -> None:
        product, other, week = total
        name = join(*total)
        row = self._state.get("paired", name)
        old = Pair(0, "") if row is None else decode_pair(row)
        distance = self._distance(head, own_type)
        near = n > 0 and distance <= self._max_distance
        new = Pair(n, head, own_type if near and distance != UNKNOWN else "")
        if new != old:
            self._count_types(old, week, -old.n)
            self._count_types(new, week, n)
            if n:
                self._state.put("paired", name, encode_row(new))
            else:
                self._state.delete("paired", name)
        nodes = node_of(other), node_of(product)
        if nodes[0] and nodes[1]:
            key = join(nodes[0].encode(), CO_BOUGHT, nodes[1].encode(), week)
            known = encode(With(head, own_type, distance, step(bought))) if near else b""
            self._outbox.set("claims", key, n if near else 0, known)

    def _count_types(self, pair: Pair, week: bytes, delta: int) -> None:
        if not pair.tail:
            return
        head, tail = type_node(pair.head).encode(), type_node(pair.tail).encode()
        key = join(head, CO_TYPE, tail, week)
        if self._outbox.add("claims", key, delta):
            distance = self._distance(pair.head, pair.tail)
            self._outbox.describe("claims", key, encode(With(pair.head, pair.tail, distance, 0)))

    def _distance(self, head: str, tail: str) -> int:
        types = self._ontology.types
        if head not in types or tail not in types:
            return UNKNOWN
        return self._ontology.distance(head, tail)


def is_pair(product: bytes, other: bytes) -> bool:
    """Whether these are two products."""
    return bool(other) and product != other


@lru_cache(maxsize=1 << 16)
def node_of(product: bytes) -> str:
    """The node of a product as keys name it; "" for an id that no product can have."""
    try:
        return product_node(product.decode())
    except (UnicodeDecodeError, BadNodeError):
        return ""


def _type_in(payload: bytes) -> str:
    try:
        told: Together = decode_together(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
    return told.type
