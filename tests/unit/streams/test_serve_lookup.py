"""Nodes, neighbours, facts: only what is accepted, every page once, all names of one thing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.serve import lookup
from streams.serve.paging import decode_cursor, encode_cursor
from streams.serve.problems import ProblemError
from streams.serve.words import name_of, says, why_of
from tests.one_partition import small_ontology
from tests.serve_graph import MemoryReader, a_fact
from topology import query
from topology.errors import BadFactError, BadNodeError
from topology.facts import STATUSES, Evidence, type_node

ONTOLOGY = small_ontology()
SHOES = "type:shoes"
STATUS = st.sampled_from(STATUSES)
GRAPHS = st.lists(
    st.tuples(
        st.sampled_from(["type:shoes", "type:boots", "type:mug"]),
        st.sampled_from(["used_with", "used_for_aud"]),
        st.sampled_from(["type:shoes", "type:boots", "intent:audience/nurse"]),
        STATUS,
        st.integers(0, 10),
    ),
    max_size=25,
    unique_by=lambda each: each[:3],
)


def graph_of(rows) -> MemoryReader:
    return MemoryReader(
        a_fact(head, relation, tail, status=status, score=score / 10)
        for head, relation, tail, status, score in rows
    )


def all_pages(reader, node=SHOES, **more):
    found, cursor = [], ""
    while True:
        page = lookup.neighbors(reader, ONTOLOGY, node, cursor=cursor, **more)
        found.extend(page.neighbors)
        assert len(page.neighbors) <= more.get("limit", 50)
        if page.next is None:
            return found
        cursor = page.next


@given(
    GRAPHS,
    st.integers(1, 7),
    st.sampled_from([*STATUSES, "all"]),
    st.sampled_from(["out", "in", "both"]),
    st.sampled_from(["", "used_with"]),
    st.integers(0, 10),
)
def test_pages_together_are_what_the_filters_leave_each_once(
    rows, limit, wanted, direction, relation, least
):
    found = all_pages(
        graph_of(rows),
        limit=limit,
        wanted=wanted,
        direction=direction,
        relation=relation,
        min_score=least / 10,
    )
    expected = {
        (towards, *row[:3])
        for row in rows
        for towards, node in (("out", row[0]), ("in", row[2]))
        if node == SHOES
        and direction in (towards, "both")
        and relation in ("", row[1])
        and wanted in (row[3], "all")
        and row[4] >= least
    }
    told = [(each.direction, each.fact.head, each.fact.relation, each.fact.tail) for each in found]
    assert len(told) == len(set(told))
    assert set(told) == expected
    for each in found:
        assert each.node == (each.fact.tail if each.direction == "out" else each.fact.head)


@given(GRAPHS, st.integers(1, 7), st.sampled_from([*STATUSES, "all"]))
def test_pages_of_all_facts_hold_each_once_by_id(rows, limit, wanted):
    reader, found, cursor = graph_of(rows), [], ""
    while cursor is not None:
        page = lookup.facts_page(reader, wanted=wanted, limit=limit, cursor=cursor)
        found.extend(fact.id for fact in page.facts)
        cursor = page.next
    assert found == sorted(set(found))
    assert len(found) == sum(wanted in (row[3], "all") for row in rows)


def test_a_page_that_a_filter_leaves_short_still_leads_on():
    low = [a_fact(SHOES, "used_with", f"type:a{n:02}", score=0.1) for n in range(40)]
    reader = MemoryReader([*low, a_fact(SHOES, "used_with", "type:z", score=0.9)])
    first = lookup.neighbors(reader, ONTOLOGY, SHOES, min_score=0.5, limit=2)
    assert first.neighbors == ()
    assert first.next is not None
    assert [each.node for each in all_pages(reader, min_score=0.5, limit=2)] == ["type:z"]


def test_a_page_of_all_facts_reads_only_so_many(monkeypatch):
    monkeypatch.setattr(lookup, "MAX_READ", 3)
    reader = MemoryReader(
        a_fact(SHOES, "used_with", f"type:a{n}", status="held" if n else "accepted")
        for n in range(10)
    )
    found, pages, cursor = [], 0, ""
    while cursor is not None:
        page = lookup.facts_page(reader, cursor=cursor)
        found, pages, cursor = [*found, *page.facts], pages + 1, page.next
    assert [fact.tail for fact in found] == ["type:a0"]
    assert pages == 4


def test_what_is_not_accepted_is_not_served_as_true():
    for status in ("held", "rejected"):
        fact = a_fact(SHOES, "used_with", "type:boots", status=status)
        reader = MemoryReader([fact])
        with pytest.raises(ProblemError, match=rf"this fact is {status}.*status={status}") as error:
            lookup.fact_answer(reader, fact.id)
        assert error.value.kind == "other-status"
        with pytest.raises(ProblemError):
            lookup.why_answer(reader, ONTOLOGY, fact.id)
        assert lookup.neighbors(reader, ONTOLOGY, SHOES).neighbors == ()
        assert lookup.facts_page(reader).facts == ()
        assert lookup.fact_answer(reader, fact.id, status).fact == fact
        assert lookup.fact_answer(reader, fact.id, "all").fact == fact


def test_a_node_has_the_facts_of_all_names_that_are_accepted_to_be_its_own():
    grey, gray, dark = "value:color/grey", "value:color/gray", "value:color/dark-grey"
    same = a_fact(gray, "same_as", grey)
    reader = MemoryReader(
        [
            same,
            a_fact(grey, "same_as", dark, status="held"),
            a_fact("product:1", "has_attribute:color", grey),
            a_fact("product:2", "has_attribute:color", gray),
            a_fact("product:3", "has_attribute:color", dark),
        ]
    )
    for node in (grey, gray):
        found = all_pages(reader, node, relation="has_attribute:color", limit=1)
        assert {each.node for each in found} == {"product:1", "product:2"}
    answer = lookup.node_answer(reader, ONTOLOGY, grey)
    assert answer.same_as == (gray,)
    assert answer.facts["in"]["has_attribute:color"] == {"accepted": 2}
    reader.tell([same], n=0)
    assert lookup.node_answer(reader, ONTOLOGY, grey).same_as == ()
    found = all_pages(reader, grey, relation="has_attribute:color")
    assert [each.node for each in found] == ["product:1"]


def test_a_cursor_whose_name_was_parted_meanwhile_is_refused():
    same = a_fact("value:color/gray", "same_as", "value:color/grey")
    products = [
        a_fact(f"product:{n}", "has_attribute:color", f"value:color/gr{'ae'[n % 2]}y")
        for n in range(6)
    ]
    reader = MemoryReader([same, *products])
    parameters = {"relation": "has_attribute:color", "limit": 4}
    page = lookup.neighbors(reader, ONTOLOGY, "value:color/grey", **parameters)
    assert page.next is not None
    reader.tell([same], n=0)
    with pytest.raises(ProblemError, match="ask again without `cursor`"):
        lookup.neighbors(reader, ONTOLOGY, "value:color/grey", **parameters, cursor=page.next)


def test_a_node_is_counted_by_direction_relation_and_status():
    reader = MemoryReader(
        [
            a_fact(SHOES, "used_with", "type:boots"),
            a_fact(SHOES, "used_with", "type:mug", status="held"),
            a_fact("product:1", "has_type", SHOES),
        ]
    )
    answer = lookup.node_answer(reader, ONTOLOGY, SHOES)
    assert answer.facts == {
        "out": {"used_with": {"accepted": 1, "held": 1}},
        "in": {"has_type": {"accepted": 1}},
    }
    assert (answer.kind, answer.type, answer.parents) == ("type", "shoes", ("type:fashion",))
    assert answer.complete


def test_a_node_with_very_many_facts_says_that_it_was_not_counted_to_the_end(monkeypatch):
    monkeypatch.setattr(query, "MAX_LOOKED_AT", 3)
    reader = MemoryReader(a_fact(f"product:{n}", "has_type", SHOES) for n in range(5))
    answer = lookup.node_answer(reader, ONTOLOGY, SHOES)
    assert not answer.complete
    assert answer.facts == {"in": {"has_type": {"accepted": 3}}}


def test_a_node_that_nobody_knows_is_told_apart_from_one_without_facts():
    reader = MemoryReader([a_fact(SHOES, "used_with", "type:boots", status="held")])
    assert lookup.neighbors(reader, ONTOLOGY, type_node("mug")).neighbors == ()
    assert lookup.neighbors(reader, ONTOLOGY, SHOES, min_score=1.0).neighbors == ()
    for ask in (lookup.neighbors, lookup.node_answer):
        with pytest.raises(ProblemError, match="no fact names value:color/red"):
            ask(reader, ONTOLOGY, "value:color/red")
        with pytest.raises(BadNodeError):
            ask(reader, ONTOLOGY, "colour red")
    with pytest.raises(BadFactError):
        lookup.fact_answer(reader, "no-id")
    with pytest.raises(ProblemError, match="there is no fact"):
        lookup.fact_answer(reader, "0" * 32)
    with pytest.raises(BadNodeError):
        lookup.neighbors(reader, ONTOLOGY, SHOES, relation="no relation")


@given(st.text(max_size=20), st.binary(max_size=60))
def test_a_cursor_comes_back_to_its_own_question_alone(question, place):
    cursor = encode_cursor(question, place)
    assert decode_cursor(question, cursor) == place
    with pytest.raises(ProblemError):
        decode_cursor(question + "!", cursor)


@given(st.text(max_size=30))
def test_no_cursor_that_people_make_up_does_harm(cursor):
    with pytest.raises(ProblemError, match="ask again without `cursor`"):
        decode_cursor("question", cursor)


def test_why_names_the_rivals_that_may_be_served():
    facts = [
        a_fact("product:1", "has_attribute:color", f"value:color/{name}", status=status)
        for name, status in (("red", "accepted"), ("pink", "held"), ("rose", "accepted"))
    ]
    reader = MemoryReader(facts)
    told = lookup.why_answer(reader, ONTOLOGY, facts[0].id)
    assert [rival.tail for rival in told.rivals] == ["value:color/rose"]
    told = lookup.why_answer(reader, ONTOLOGY, facts[0].id, "all")
    assert {rival.tail for rival in told.rivals} == {"value:color/rose", "value:color/pink"}


def test_a_fact_and_what_stands_behind_it_in_words():
    fact = a_fact(
        "concept:shoes[feature=slip-resistant]",
        "used_for_aud",
        "intent:audience/pregnant-woman",
        evidence=Evidence(weeks=(0, 2809), queries=("shoes for pregnant women",)),
    )
    assert says(fact, ONTOLOGY) == "shoes, feature slip resistant: used for aud: pregnant woman"
    assert why_of(fact).weeks == ("1969-12-29", "2023-10-30")
    assert name_of("product:a%20b", ONTOLOGY) == "a b"
    answer = lookup.why_answer(MemoryReader([fact]), ONTOLOGY, fact.id)
    assert answer.decided_by == "behaviour"
    assert answer.counts["type"] == "400: purchases of the type"
    assert answer.evidence.queries == ("shoes for pregnant women",)
    person = a_fact(SHOES, "used_with", "type:mug", sources=("behaviour", "person"))
    assert lookup.why_answer(MemoryReader([person]), ONTOLOGY, person.id).decided_by == "a person"
