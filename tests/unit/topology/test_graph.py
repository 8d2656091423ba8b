"""The graph's indexes and counters stay in step with its facts."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topology.check import check
from topology.errors import BadFactError
from topology.facts import Evidence, Fact, encode_fact, fact_id
from topology.graph import Graph
from topology.keys import BY_HEAD, BY_TAIL, COUNTERS, FACTS
from topology.store.memory import MemoryStore

SHOES, RED = "concept:shoes[feature=slip-resistant]", "value:color/red"
PREGNANT = "intent:audience/pregnant-woman"


def fact(
    head: str = SHOES,
    relation: str = "used_for_aud",
    tail: str = PREGNANT,
    status: str = "accepted",
    score: float = 0.7,
) -> Fact:
    return Fact(
        fact_id(head, relation, tail),
        head,
        relation,
        tail,
        status,
        score,
        "lift",
        {"both": 8},
        ("behaviour",),
        2000,
        2001,
        Evidence(),
    )


HEADS = ["type:shoes", SHOES, "product:1"]
TAILS = [PREGNANT, RED, "type:mug"]
FACTS_OF_A_TEST = st.builds(
    fact,
    st.sampled_from(HEADS),
    st.sampled_from(["used_for_aud", "used_with"]),
    st.sampled_from(TAILS),
    st.sampled_from(["accepted", "held", "rejected"]),
    st.sampled_from([0.1, 0.9]),
)


@dataclass
class Made:
    store: MemoryStore
    graph: Graph


@pytest.fixture
def made() -> Made:
    store = MemoryStore()
    return Made(store, Graph(store))


@given(st.lists(st.tuples(st.booleans(), FACTS_OF_A_TEST), max_size=30))
def test_whatever_comes_and_goes_indexes_and_counters_are_those_of_the_facts(steps):
    store = MemoryStore()
    graph = Graph(store)
    known: dict[str, Fact] = {}
    for is_there, one in steps:
        if is_there:
            assert graph.upsert(one) == (known.get(one.id) != one)
            known[one.id] = one
        else:
            assert graph.withdraw(one.id) == known.pop(one.id, None)
    assert {one: graph.fact(one) for one in known} == known
    assert sorted(graph.facts()) == sorted(encode_fact(one) for one in known.values())
    for head in HEADS:
        links = {(link.id, link.other, link.status) for link in graph.links(head, "out")}
        assert links == {(f.id, f.tail, f.status) for f in known.values() if f.head == head}
    for tail in TAILS:
        links = {(link.id, link.other, link.status) for link in graph.links(tail, "in")}
        assert links == {(f.id, f.head, f.status) for f in known.values() if f.tail == tail}
    assert sum(sum(each.values()) for each in graph.counts().values()) == len(known)
    assert check(graph).problems == 0
    store.commit()
    assert Graph(store).counts() == graph.counts()


def test_links_are_paged_and_cut_by_relation_and_other(made: Made):
    for number in range(5):
        made.graph.upsert(fact(f"concept:shoes[size={number}]"))
    made.graph.upsert(fact("concept:mug[size=1]"))
    made.graph.upsert(fact(relation="xIs_a"))
    page = made.graph.links(PREGNANT, "in", "used_for_aud", "concept:shoes[", limit=2)
    rest = made.graph.links(PREGNANT, "in", "used_for_aud", "concept:shoes[", after=page[-1].key)
    assert [link.other for link in (*page, *rest)] == [
        f"concept:shoes[size={number}]" for number in range(5)
    ]
    assert len(made.graph.links(PREGNANT, "in")) == 7
    assert len(made.graph.heads("concept:shoes[")) == 6


def test_a_fact_id_that_is_none_is_an_error(made: Made):
    with pytest.raises(BadFactError, match="32 hex digits"):
        made.graph.fact("shoes")


def test_a_counter_below_zero_says_what_to_do(made: Made):
    made.graph.upsert(fact())
    made.store.delete(COUNTERS, b"used_for_aud\0accepted")
    damaged = Graph(made.store)
    with pytest.raises(BadFactError, match="restore a checkpoint"):
        damaged.withdraw(fact().id)


@pytest.mark.parametrize("table", [BY_HEAD, BY_TAIL, FACTS, COUNTERS])
def test_check_finds_a_row_that_is_missing(made: Made, table: str):
    made.graph.upsert(fact())
    assert check(made.graph) == (1, 0, ())
    ((key, _),) = made.store.scan(table)
    made.store.delete(table, key)
    assert check(made.graph).problems > 0


@pytest.mark.parametrize("table", [BY_HEAD, BY_TAIL])
def test_check_finds_an_entry_of_another_status(made: Made, table: str):
    made.graph.upsert(fact())
    ((key, row),) = made.store.scan(table)
    made.store.put(table, key, b"r" + row[1:])
    (problem,) = check(made.graph).sample
    assert problem.table == table
    assert "another status" in problem.what
