"""A small graph behind a reader, and facts to put into it, for tests of SERVE."""

from collections.abc import Iterable

from streams.ports import Record
from streams.serve.reader import AsOf
from streams.serve.replica import TABLES, Replica
from streams.totals.wire import FACTS, Sent, encode_total
from topology.facts import Evidence, Fact, Status, encode_fact, fact_id
from topology.graph import Graph, Tables
from topology.store.memory import MemoryStore

__all__ = ["TABLES", "MemoryReader", "a_fact", "told"]


def a_fact(
    head: str,
    relation: str,
    tail: str,
    *,
    status: Status = "accepted",
    score: float = 0.75,
    counts: dict[str, int] | None = None,
    sources: tuple[str, ...] = ("behaviour",),
    evidence: Evidence | None = None,
) -> Fact:
    """A fact with some evidence."""
    return Fact(
        id=fact_id(head, relation, tail),
        head=head,
        relation=relation,
        tail=tail,
        status=status,
        score=score,
        reason="lift 2.41 (1.62 to 3.6) over 18 shoppers",
        counts=counts or {"both": 18, "asked": 40, "value": 90, "type": 400},
        sources=sources,
        first_week=2800,
        last_week=2804,
        evidence=evidence or Evidence(weeks=(2800, 2804), queries=("shoes for nurses",)),
    )


def told(fact: Fact, *, version: int = 1, n: int = 1, sender: int = 0) -> tuple[bytes, bytes]:
    """Key and value of the record in which a sender tells the fact."""
    return encode_total(FACTS, Sent(sender, 7, version, fact.id.encode(), n, encode_fact(fact)))


class MemoryReader:
    """A replica in memory, filled as from its topic."""

    def __init__(self, facts: Iterable[Fact] = ()) -> None:
        self.store = MemoryStore()
        self.replica = Replica(self.store, graph="test/1")
        self.tell(facts)

    def tell(self, facts: Iterable[Fact], *, n: int = 1) -> None:
        """Publish facts, or with `n` 0 withdraw them."""
        begin = self.replica.offsets.get(0, 0)
        records = [
            Record(offset, 1_700_000_000_000, *told(fact, version=offset + 1, n=n))
            for offset, fact in enumerate(facts, begin)
        ]
        counts = self.replica.read(0, records, begin + len(records))
        assert counts.unreadable == 0
        self.replica.commit()

    @property
    def graph(self) -> Graph:
        return self.replica.graph

    @property
    def tables(self) -> Tables:
        return self.store

    def as_of(self) -> AsOf:
        kept = self.replica.kept
        return AsOf(sum(kept.offsets.values()), 0, kept.newest_ms, kept.newest_ms)
