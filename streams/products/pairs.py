"""Co-purchases: told to the owner of the other product, judged there by how far the types are.

SHOPPERS tells a pair once, to the owner of the product with the lower id, P. P's owner knows P's
type and sales; O's owner, whom it tells, knows O's. So the claims <P, bought with, O> and
<O, bought with, P> are both made by the owner of O.

One basket of 30 products is 435 pairs, and most of them are never seen again. No fact is made of
fewer than `floor` shoppers (`ScoringSettings.floor`), so a pair waits at P's owner for as many over
all weeks: a view that closes as it opened (DESIGN, rule 5). Between *types* every pair counts, also
the one that waits: those are added up under the other product, P's type and the week.
"""

from functools import lru_cache

import msgspec

from streams.ports import State
from streams.products.rows import decode_pair, decode_weeks, encode_pair
from streams.totals.inbox import Change, Inbox
from streams.totals.messages import (
    CO_BOUGHT,
    CO_TYPE,
    WITH,
    Together,
    With,
    decode_together,
    encode,
)
from streams.totals.outbox import Outbox
from streams.totals.wire import join, split
from topology.errors import BadNodeError
from topology.facts import product_node, type_node
from topology.ontology import Ontology
from topology.scoring import step

UNKNOWN = -1
"""The distance when one type is unknown; such a pair is kept."""

_SALES_BITS = 4


class Pairs:
    """The co-purchases of one partition.

    Args:
        max_distance: pairs of types that are farther apart are not claimed.
        floor: shoppers, of all weeks, below which a pair of products is not told.
    """

    def __init__(
        self,
        state: State,
        inbox: Inbox,
        outbox: Outbox,
        ontology: Ontology,
        *,
        max_distance: int,
        floor: float,
    ) -> None:
        self._state, self._inbox, self._outbox = state, inbox, outbox
        self._ontology, self._max_distance, self._floor = ontology, max_distance, floor

    def bought(
        self, product: bytes, other: bytes, week: bytes, change: Change, known: Together
    ) -> None:
        """The total of (product, with other, week) has changed; `known` is of the product."""
        delta = change.after - change.before
        if known.type and delta:
            self._tell_type(other, known.type, week, delta)
        name = join(product, other)
        before = decode_pair(self._state.get("pairs", name))
        after = before + delta
        if after != before:
            if after:
                self._state.put("pairs", name, encode_pair(after))
            else:
                self._state.delete("pairs", name)
        is_open, was_open = after >= self._floor, before >= self._floor
        if not (is_open or was_open):
            return
        totals = {week: change.after if is_open else 0}
        if is_open != was_open:
            for key, n, _ in self._inbox.scan("bought", join(product, WITH, other, b"")):
                totals.setdefault(split(key)[3], n if is_open else 0)
        self._tell(product, other, totals, known)

    def retell(self, product: bytes, old: Together, new: Together) -> int:
        """Tell every other's owner again: the product's type or sales are others.

        Returns about how many rows that were, as `move` does.
        """
        if old.type != new.type:
            for key, n, _ in self._inbox.scan("bought", join(product, WITH, b"")):
                _, _, other, week = split(key)
                if not (n and is_pair(product, other)):
                    continue
                if old.type:
                    self._tell_type(other, old.type, week, -n)
                if new.type:
                    self._tell_type(other, new.type, week, n)
        said, rows = encode(new), 0
        for name, weeks in self._state.scan("reached", join(product, b"")):
            for week in decode_weeks(weeks):
                key = join(split(name)[1], WITH, product, week)
                self._outbox.describe("together", key, said)
                rows += 1
        return rows

    def told(self, total: tuple[bytes, bytes, bytes], n: int, said: bytes, own: Together) -> None:
        """The other's owner says that `n` shoppers bought (this product, other, week).

        `own` is of this product.
        """
        product, other, week = total
        head, tail = node_of(other), node_of(product)
        if not (head and tail):
            return
        its = _said(said)
        distance = self._distance(its.type, own.type)
        near = n > 0 and distance <= self._max_distance
        for one, two, here, there in ((head, tail, its, own), (tail, head, own, its)):
            key = join(one.encode(), CO_BOUGHT, two.encode(), week)
            known = encode(With(here.type, there.type, distance, there.sales)) if near else b""
            self._outbox.set("claims", key, n if near else 0, known)

    def told_type(self, other_type: str, week: bytes, delta: int, own_type: str) -> None:
        """`delta` more co-purchases of a product of this type with products of the other."""
        distance = self._distance(other_type, own_type)
        if not delta or not 0 <= distance <= self._max_distance:
            return
        for one, two in ((other_type, own_type), (own_type, other_type)):
            key = join(type_node(one).encode(), CO_TYPE, type_node(two).encode(), week)
            if self._outbox.add("claims", key, delta):
                self._outbox.describe("claims", key, encode(With(one, two, distance, 0)))

    def move(self, product: bytes, old: Together, own: Together) -> int:
        """This product has another type or other sales: what was told of it counts anew."""
        rows = 0
        for key, n, entries in self._inbox.scan("together", join(product, WITH, b"")):
            _, _, other, week = split(key)
            if n and is_pair(other, product):
                said = min((e.payload for e in entries if e.n and e.payload), default=b"")
                self.told((product, other, week), n, said, own)
                rows += 1
        if old.type == own.type:
            return rows
        for key, n, _ in self._inbox.scan("together", join(product, CO_TYPE, b"")):
            _, _, other_type, week = split(key)
            self.told_type(other_type.decode(), week, -n, old.type)
            self.told_type(other_type.decode(), week, n, own.type)
        return rows

    def _tell(
        self, product: bytes, other: bytes, totals: dict[bytes, int], known: Together
    ) -> None:
        """Tell a pair's totals of some weeks, and note in which weeks there are any."""
        name, said = join(product, other), encode(known)
        row = self._state.get("reached", name) or b""
        weeks = set(decode_weeks(row))
        for week, n in totals.items():
            self._outbox.set("together", join(other, WITH, product, week), n, said if n else b"")
            weeks.add(week) if n else weeks.discard(week)
        if (now := b"".join(sorted(weeks))) == row:
            return
        if now:
            self._state.put("reached", name, now)
        else:
            self._state.delete("reached", name)

    def _tell_type(self, other: bytes, own_type: str, week: bytes, delta: int) -> None:
        self._outbox.add("together", join(other, CO_TYPE, own_type.encode(), week), delta)

    def _distance(self, head: str, tail: str) -> int:
        types = self._ontology.types
        if head not in types or tail not in types:
            return UNKNOWN
        return self._ontology.distance(head, tail)


def sales_step(bought: int) -> int:
    """Purchases of a product as its partners are told of them.

    Exact to 16, then at most 12 % too low, which makes Ochiai's coefficient at most 6 % too high:
    every step is told to every partner, in the product's first sixty purchases else every time.
    """
    return step(bought, _SALES_BITS)


def is_pair(product: bytes, other: bytes) -> bool:
    """Whether these are two products in the order in which SHOPPERS tells them."""
    return b"" < product < other


@lru_cache(maxsize=1 << 16)
def node_of(product: bytes) -> str:
    """The node of a product as keys name it; "" for an id that no product can have."""
    try:
        return product_node(product.decode())
    except (UnicodeDecodeError, BadNodeError):
        return ""


@lru_cache(maxsize=1 << 14)
def _said(payload: bytes) -> Together:
    try:
        told: Together = decode_together(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Together("", 0)
    return told
