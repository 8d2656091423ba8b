"""The graph: facts by id, by head and by tail, and how many there are, always in step.

`Graph` sits on any store of tables (`topology.store`): in the GRAPH stage on the partition's own,
in a read replica on the replica's. What it changes becomes durable when its store is committed.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

from topology.errors import BadFactError
from topology.facts import Fact, Status, decode_fact, encode_fact
from topology.keys import (
    BY_HEAD,
    BY_TAIL,
    COUNTERS,
    FACTS,
    Direction,
    counter_key,
    id_key,
    index_key,
    index_prefix,
    index_row,
    split_index_key,
    status_code,
    status_of,
)
from topology.keys import TABLES as TABLES

_PAGE = 1_000


class Tables(Protocol):
    """What a graph needs of a store; `streams.ports.State` has it."""

    def get(self, table: str, key: bytes) -> bytes | None: ...

    def put(self, table: str, key: bytes, value: bytes) -> None: ...

    def delete(self, table: str, key: bytes) -> None: ...

    def scan(
        self,
        table: str,
        prefix: bytes = b"",
        *,
        after: bytes | None = None,
        limit: int | None = None,
    ) -> list[tuple[bytes, bytes]]: ...


class Link(NamedTuple):
    """One entry of an index: what stands at the other end of a fact.

    Attributes:
        key: the index key; the next page begins after it.
        relation, other: the fact's relation and the node at its other end.
        status: the fact's.
        id: the fact's.
    """

    key: bytes
    relation: str
    other: str
    status: Status
    id: str


Moved = Callable[[Fact | None, bytes | None], None]
"""Told of every change: the fact as it now is (None: withdrawn), the row of `facts` it replaces."""


class Graph:
    """Facts and their indexes on a store with the tables `TABLES`.

    `moved` may be set to hear of every change.
    """

    def __init__(self, store: Tables) -> None:
        self.moved: Moved | None = None
        self._store = store
        self._counts = {key: int(value) for key, value in store.scan(COUNTERS)}

    def upsert(self, fact: Fact) -> bool:
        """Write a fact in the place of what was known under its id; False if nothing changes."""
        return self.upsert_encoded(fact, encode_fact(fact))

    def upsert_encoded(self, fact: Fact, data: bytes) -> bool:
        """As `upsert`, for a caller who has the fact's bytes (`encode_fact`) already."""
        key = id_key(fact.id)
        before = self._store.get(FACTS, key)
        row = status_code(fact.status) + data
        if row == before:
            return False
        self._store.put(FACTS, key, row)
        if before is None or before[:1] != row[:1]:
            entry = index_row(fact.status, key)
            self._store.put(BY_HEAD, index_key(fact.head, fact.relation, fact.tail), entry)
            self._store.put(BY_TAIL, index_key(fact.tail, fact.relation, fact.head), entry)
            self._count(fact.relation, fact.status, 1)
            if before is not None:
                self._count(fact.relation, status_of(before), -1)
        if self.moved is not None:
            self.moved(fact, before)
        return True

    def withdraw(self, fact_id: str) -> Fact | None:
        """Take a fact out of the graph; what it was, None if it was not there."""
        key = id_key(fact_id)
        row = self._store.get(FACTS, key)
        if row is None:
            return None
        fact = decode_fact(row[1:])
        self._store.delete(FACTS, key)
        self._store.delete(BY_HEAD, index_key(fact.head, fact.relation, fact.tail))
        self._store.delete(BY_TAIL, index_key(fact.tail, fact.relation, fact.head))
        self._count(fact.relation, status_of(row), -1)
        if self.moved is not None:
            self.moved(None, row)
        return fact

    def fact(self, fact_id: str) -> Fact | None:
        """The fact with this id.

        Raises:
            BadFactError: this is no fact id, or the store is damaged.
        """
        row = self._store.get(FACTS, id_key(fact_id))
        return None if row is None else decode_fact(row[1:])

    def status(self, fact_id: str) -> Status | None:
        """The status of the fact with this id, without reading all of it."""
        row = self._store.get(FACTS, id_key(fact_id))
        return None if row is None else status_of(row)

    def links(
        self,
        node: str,
        direction: Direction,
        relation: str = "",
        other: str = "",
        *,
        after: bytes | None = None,
        limit: int | None = None,
    ) -> list[Link]:
        """Entries of one index of a node, by relation and the other node, every status.

        Args:
            node: a node id.
            direction: "out": facts whose head it is; "in": whose tail.
            relation: of these alone; "" for all.
            other: the other node begins with this; needs a relation.
            after: `Link.key` of the last entry of the page before.
            limit: at most so many.
        """
        table = BY_HEAD if direction == "out" else BY_TAIL
        rows = self._store.scan(
            table, index_prefix(node, relation, other), after=after, limit=limit
        )
        return [_link(key, row) for key, row in rows]

    def heads(self, prefix: str, *, after: bytes | None = None, limit: int = _PAGE) -> list[Link]:
        """Entries of all heads that begin with `prefix`: ``concept:shoes[`` for all its values."""
        rows = self._store.scan(BY_HEAD, prefix.encode(), after=after, limit=limit)
        return [_link(key, row) for key, row in rows]

    def facts(self) -> Iterator[bytes]:
        """Every fact as JSON, by id."""
        for _, row in self.rows(FACTS):
            yield row[1:]

    def rows(self, table: str) -> Iterator[tuple[bytes, bytes]]:
        """Every row of one of the graph's tables, in key order, a page at a time."""
        after: bytes | None = None
        while page := self._store.scan(table, after=after, limit=_PAGE):
            yield from page
            after = page[-1][0]

    def row(self, table: str, key: bytes) -> bytes | None:
        """One row of one of the graph's tables."""
        return self._store.get(table, key)

    def counts(self) -> dict[str, dict[str, int]]:
        """Relation -> status -> number of facts; what has none is left out."""
        found: dict[str, dict[str, int]] = {}
        for key in sorted(self._counts):
            relation, _, status = key.decode().partition("\0")
            found.setdefault(relation, {})[status] = self._counts[key]
        return found

    def relations(self) -> tuple[str, ...]:
        """The relations of which there is a fact, by name."""
        return tuple(self.counts())

    def _count(self, relation: str, status: Status, delta: int) -> None:
        key = counter_key(relation, status)
        count = self._counts.get(key, 0) + delta
        if count < 0:
            raise BadFactError(
                f"there would be {count} {status} facts of {relation!r}: the store is damaged, "
                "restore a checkpoint or rebuild it by replay"
            )
        if count:
            self._counts[key] = count
            self._store.put(COUNTERS, key, b"%d" % count)
        else:
            self._counts.pop(key, None)
            self._store.delete(COUNTERS, key)


def _link(key: bytes, row: bytes) -> Link:
    _, relation, other = split_index_key(key)
    return Link(key, relation, other, status_of(row), row[1:].hex())
