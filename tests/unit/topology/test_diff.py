"""Two graphs merged as they are read give what comparing them whole gives."""

from collections.abc import Iterable, Iterator

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tests.serve_graph import a_fact
from tests.strategies_topology import facts
from topology.diff import KINDS, Row, differences
from topology.facts import Fact
from topology.graph import Graph
from topology.keys import FACTS
from topology.store.memory import MemoryStore

GRAPHS = st.lists(facts(), max_size=6, unique_by=lambda fact: fact.id)
CHANGES = st.sampled_from(("same", "gone", "status", "counts", "evidence"))


def partitions(found: Iterable[Fact], count: int) -> list[Iterator[Row]]:
    """The tables of facts of a graph that is spread over stores."""
    graphs = [Graph(MemoryStore()) for _ in range(count)]
    for fact in found:
        graphs[int(fact.id[:4], 16) % count].upsert(fact)
    return [graph.rows(FACTS) for graph in graphs]


def changed(fact: Fact, how: str) -> Fact | None:
    if how == "gone":
        return None
    if how == "status":
        status = "held" if fact.status != "held" else "accepted"
        return msgspec.structs.replace(fact, status=status, reason="another")
    if how == "counts":
        return msgspec.structs.replace(fact, counts={**fact.counts, "more": 1_000_001})
    if how == "evidence":
        return msgspec.structs.replace(fact, reason=fact.reason + "!")
    return fact


@given(GRAPHS, GRAPHS, st.integers(1, 4), st.integers(1, 4))
def test_what_is_in_one_graph_alone_is_added_or_removed_however_they_are_cut(one, other, m, n):
    ones, others = {fact.id: fact for fact in one}, {fact.id: fact for fact in other}
    found = list(differences(partitions(one, m), partitions(other, n)))
    assert [each.fact.id for each in found] == sorted(each.fact.id for each in found)
    by_id = {each.fact.id: each for each in found}
    assert len(by_id) == len(found)
    for name in ones.keys() | others.keys():
        before, after = ones.get(name), others.get(name)
        if before == after:
            assert name not in by_id
        else:
            assert by_id[name][1:] == (before, after)
    kinds = {each.kind for each in found if None in (each.before, each.after)}
    assert kinds <= {"added", "removed"}


@given(st.lists(st.tuples(facts(), CHANGES), max_size=7, unique_by=lambda pair: pair[0].id))
def test_each_difference_has_the_kind_of_what_was_changed(cases):
    after = [new for fact, how in cases if (new := changed(fact, how)) is not None]
    found = differences(partitions([fact for fact, _ in cases], 2), partitions(after, 3))
    told = {each.fact.id: each.kind for each in found}
    kind = {"gone": "removed", "status": "status", "counts": "changed", "evidence": "evidence"}
    assert told == {fact.id: kind[how] for fact, how in cases if how != "same"}
    assert set(told.values()) <= set(KINDS)


def test_only_a_row_of_each_partition_is_held_beside_the_difference_that_is_told():
    read = 0

    def noted(source: Iterator[Row]) -> Iterator[Row]:
        nonlocal read
        for row in source:
            read += 1
            yield row

    many = [a_fact(f"product:{n}", "has_type", "type:shoes") for n in range(100)]
    found = differences([noted(rows) for rows in partitions(many, 4)], partitions([], 1))
    for told, each in enumerate(found, 1):
        assert each.kind == "removed"
        assert read <= told + 5
    assert read == 100
