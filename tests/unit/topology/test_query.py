"""What a graph answers: accepted facts alone, under all accepted names of a thing."""

from itertools import pairwise

import pytest

from tests.one_partition import small_ontology
from tests.unit.topology.test_graph import fact
from topology import query
from topology.errors import BadFactError, BadNodeError
from topology.graph import Graph
from topology.query import BadCursorError, Questions, Wish
from topology.store.memory import MemoryStore

PREGNANT, NURSE = "intent:audience/pregnant-woman", "intent:audience/nurse"
SLIP, SOFT = "concept:shoes[feature=slip-resistant]", "concept:shoes[feature=soft]"
GREY, GRAY, GREIGE = "value:color/grey", "value:color/gray", "value:color/greige"


def asking(*facts) -> Questions:
    graph = Graph(MemoryStore())
    for one in facts:
        graph.upsert(one)
    return Questions(graph, small_ontology())


def same(one: str, other: str, status: str = "accepted"):
    return fact(one, "same_as", other, status)


SHOP = asking(
    fact(SLIP, "used_for_aud", PREGNANT, score=0.8),
    fact(SOFT, "used_for_aud", PREGNANT, score=0.6),
    fact("concept:shoes[color=red]", "used_for_aud", PREGNANT, "held", 0.9),
    fact("concept:mug[color=red]", "used_for_aud", PREGNANT, score=0.7),
    fact("type:shoes", "used_for_aud", PREGNANT, score=0.95),
    fact(SLIP, "used_for_aud", NURSE, score=0.75),
    fact("type:shoes-care", "used_for_aud", PREGNANT, score=0.99),
    fact("concept:fashion[color=blue]", "used_for_aud", PREGNANT, score=0.5),
    fact("product:1", "has_type", "type:shoes"),
    fact("product:1", "has_attribute:color", GREY),
    fact("product:1", "has_attribute:color", "value:color/red", "held", 0.4),
)


def narrowed(wish: Wish) -> list[str]:
    return [f"{one.type}[{one.attribute}={one.value}]" for one in SHOP.intents(wish)]


def test_a_type_and_an_intent_are_answered_with_the_values_its_buyers_want():
    found = SHOP.intents(Wish(("shoes",), (PREGNANT,)))
    assert [(one.value, one.fact.score) for one in found] == [
        ("slip-resistant", 0.8),
        ("soft", 0.6),
        ("", 0.95),  # the type as a whole comes last: it narrows nothing
    ]
    assert found[0].attribute == "feature"
    assert found[0].intent == PREGNANT
    assert found[0].fact.counts == {"both": 8}


def test_held_facts_are_never_an_answer():
    for wish in (Wish(("shoes",), (PREGNANT,)), Wish(("shoes",)), Wish(intents=(PREGNANT,))):
        assert {one.fact.status for one in SHOP.intents(wish)} == {"accepted"}


def test_an_accepted_fact_behind_hundreds_of_held_ones_is_an_answer():
    crowd = [
        fact(f"concept:shoes[model=m{n:03}]", "used_for_aud", NURSE, "held") for n in range(400)
    ]
    asked = asking(*crowd, fact("concept:shoes[size=wide]", "used_for_aud", NURSE))
    assert [one.value for one in asked.intents(Wish(("shoes",), (NURSE,)))] == ["wide"]


def test_a_page_looks_at_so_many_facts_and_the_next_goes_on_there(monkeypatch):
    monkeypatch.setattr(query, "MAX_LOOKED_AT", 100)
    crowd = [fact("type:shoes", "used_with", f"type:t{n:03}", "held") for n in range(250)]
    asked = asking(*crowd, fact("type:shoes", "used_with", "type:wanted"))
    pages = [asked.neighbors("type:shoes", direction="out")]
    while pages[-1].cursor:
        pages.append(asked.neighbors("type:shoes", direction="out", cursor=pages[-1].cursor))
    assert [[one.name for one in page.items] for page in pages] == [[], [], ["type:wanted"]]


def test_types_above_are_not_asked_where_the_type_itself_answers():
    assert "fashion[color=blue]" not in narrowed(Wish(("shoes",), (PREGNANT,)))
    assert "fashion[color=blue]" in narrowed(Wish(("fashion",), (PREGNANT,)))


def test_a_type_without_facts_is_answered_by_the_nearest_type_above():
    assert narrowed(Wish(("running-shoes",), (NURSE,))) == ["shoes[feature=slip-resistant]"]


def test_a_broad_type_that_nobody_asked_for_by_name_is_answered_from_those_below():
    shop = asking(
        fact("concept:boots[feature=slip-resistant]", "used_for_aud", NURSE),
        fact("concept:mug[color=red]", "used_for_aud", NURSE),
        fact("product:1", "used_for_aud", NURSE),
    )
    assert [one.type for one in shop.intents(Wish(("fashion",), (NURSE,)))] == ["boots"]


def test_an_intent_alone_is_answered_over_all_types():
    found = narrowed(Wish(intents=(PREGNANT,)))
    assert found[:3] == [
        "shoes[feature=slip-resistant]",
        "mug[color=red]",
        "shoes[feature=soft]",
    ]


def test_a_type_alone_is_answered_with_why_people_buy_it():
    intents = {one.intent for one in SHOP.intents(Wish(("shoes",)))}
    assert intents == {PREGNANT, NURSE}


def test_what_the_query_names_already_is_no_answer():
    wish = Wish(("shoes",), (PREGNANT,), ("value:feature/slip-resistant",))
    assert "shoes[feature=slip-resistant]" not in narrowed(wish)


def test_a_type_and_a_value_are_answered_with_why_people_buy_these():
    found = SHOP.intents(Wish(("shoes",), (), ("value:feature/slip-resistant",)))
    assert [one.intent for one in found] == [PREGNANT, NURSE]


def test_nothing_known_is_no_answer_and_no_node_is_an_error():
    assert SHOP.intents(Wish(("kitchen",), (NURSE,))) == ()
    assert SHOP.intents(Wish()) == ()
    with pytest.raises(BadNodeError):
        SHOP.intents(Wish(intents=("pregnant",)))


def test_only_accepted_neighbors_are_served_unless_others_are_asked_for():
    assert [one.name for one in SHOP.neighbors("product:1", relation="has_attribute:color").items]
    served = SHOP.neighbors("product:1", direction="out")
    assert {one.fact.status for one in served.items} == {"accepted"}
    assert len(SHOP.neighbors("product:1", status="any").items) == 3
    (held,) = SHOP.neighbors("product:1", status="held").items
    assert held.fact.tail == "value:color/red"
    (into,) = SHOP.neighbors("type:shoes", direction="in", relation="has_type").items
    assert (into.direction, into.name) == ("in", "product:1")


def test_pages_together_are_the_whole_and_no_fact_comes_twice():
    facts = [fact(f"concept:shoes[size={number}]") for number in range(23)]
    shop = asking(*facts, same(GREY, GRAY))
    whole = shop.neighbors(PREGNANT, limit=100)
    assert whole.cursor is None
    pages, cursor = [], None
    while True:
        page = shop.neighbors(PREGNANT, limit=5, cursor=cursor)
        pages.append(page.items)
        cursor = page.cursor
        if cursor is None:
            break
    assert [len(page) for page in pages] == [5, 5, 5, 5, 3]
    assert tuple(one for page in pages for one in page) == whole.items
    assert all(one.fact.head < other.fact.head for one, other in pairwise(whole.items))


@pytest.mark.parametrize("cursor", ["", "!", "bm8=", "OTk6"])
def test_a_cursor_that_no_page_gave_is_an_error(cursor):
    with pytest.raises(BadCursorError, match="ask without"):
        SHOP.neighbors("type:shoes", cursor=cursor)


def test_accepted_synonyms_are_one_thing_when_read_and_held_ones_are_two():
    facts = [
        fact("product:1", "has_attribute:color", GREY),
        fact("product:1", "has_attribute:color", GRAY),
        fact("product:2", "has_attribute:color", GRAY),
        fact("product:3", "has_attribute:color", GREIGE),
        fact("concept:mug[color=gray]", "used_for_aud", NURSE),
    ]
    shop = asking(*facts, same(GRAY, GREY), same(GREIGE, GREY, "held"))
    assert shop.aliases(GREY) == (GRAY, GREY)
    for name in (GREY, GRAY):
        page = shop.neighbors(name, relation="has_attribute:color")
        assert [one.fact.head for one in page.items] == ["product:1", "product:2"]
    out = shop.neighbors("product:1", relation="has_attribute:color")
    assert [one.name for one in out.items] == [GRAY]
    assert shop.aliases("concept:mug[color=grey]") == (
        "concept:mug[color=gray]",
        "concept:mug[color=grey]",
    )
    assert shop.neighbors("concept:mug[color=grey]").items[0].fact.tail == NURSE
    assert shop.aliases(GREIGE) == (GREIGE,)


def test_a_chain_of_synonyms_is_followed_and_a_rejected_link_cuts_it():
    chain = [f"value:brand/n{number}" for number in range(5)]
    links = [same(*pair) for pair in pairwise(chain)]
    assert asking(*links).aliases(chain[4]) == tuple(chain)
    links[2] = same(chain[2], chain[3], "rejected")
    assert asking(*links).aliases(chain[4]) == (chain[3], chain[4])


def test_why_shows_what_speaks_against_a_fact():
    fact_id = fact("product:1", "has_attribute:color", GREY).id
    found = SHOP.why(fact_id)
    assert found is not None
    assert found.fact.tail == GREY
    assert [one.tail for one in found.rivals] == ["value:color/red"]
    assert SHOP.why("0" * 32) is None
    assert SHOP.fact("0" * 32) is None
    with pytest.raises(BadFactError):
        SHOP.why("shoes")


def test_a_node_is_known_by_its_facts_and_by_nothing_else():
    known = SHOP.node("product:1")
    assert known is not None
    assert known.facts == {
        "out": {"has_type": {"accepted": 1}, "has_attribute:color": {"accepted": 1, "held": 1}}
    }
    assert known.is_complete
    assert SHOP.node("product:nobody") is None
    with pytest.raises(BadNodeError):
        SHOP.node("nobody")
