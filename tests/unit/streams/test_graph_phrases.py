"""Product types that the ontology lacks: put before people, with their count."""

import pytest

from streams.totals.messages import Why, encode
from tests.one_partition import small_ontology
from tests.unit.streams.told_graph import Told
from topology.facts import Fact, fact_id

ONTOLOGY = small_ontology()
MUG, ZORB = "value:product_type/travel-mug", "value:product_type/zorb"
PREFIX = len("value:product_type/")


@pytest.fixture
def graph() -> Told:
    return Told()


def name(graph: Told, phrase: str, kind: str, n: int, *products: str, sender: int = 0) -> None:
    payload = encode(Why((), products, ("tagging@1",))) if n else b""
    key = b"attr:product_type", b"k", phrase.encode(), f"type:{kind}".encode()
    graph.total(*key, n=n, payload=payload, sender=sender)


def found(graph: Told) -> dict[tuple[str, str], Fact]:
    return {(h, t): fact for (h, relation, t), fact in graph.facts().items() if relation == "is_a"}


def test_a_phrase_that_enough_products_carry_is_held_with_its_count(graph):
    name(graph, MUG, "mug", 1, "product:1")
    assert found(graph) == {}
    name(graph, MUG, "unknown", 2, "product:2", "product:3", sender=1)
    fact = found(graph)[MUG, "type:mug"]
    assert (fact.status, fact.score, fact.sources) == ("held", 0.3333, ("text",))
    assert fact.counts == {"products": 3, "in_line": 1}
    assert fact.reason == (
        "the ontology lacks this product type: 3 products, 1 of them of the type proposed above it"
    )
    assert fact.evidence.products == ("product:1", "product:2", "product:3")
    assert (fact.evidence.fields, fact.evidence.bundles) == (("title",), ("tagging@1",))
    assert ONTOLOGY.allows_nodes(fact.head, fact.relation, fact.tail)


def test_it_goes_when_too_few_are_left_and_comes_again(graph):
    name(graph, MUG, "mug", 2)
    assert set(found(graph)) == {(MUG, "type:mug")}
    name(graph, MUG, "mug", 1)
    assert found(graph) == {}
    name(graph, MUG, "mug", 0)
    assert found(graph) == {}
    name(graph, MUG, "mug", 5)
    assert found(graph)[MUG, "type:mug"].counts["products"] == 5


def test_the_place_that_is_proposed_follows_the_products(graph):
    name(graph, ZORB, "unknown", 3)
    fact = found(graph)[ZORB, "type:unknown"]
    said = "the ontology lacks this product type: 3 products, none of a known type"
    assert (fact.status, fact.reason) == ("held", said)
    name(graph, ZORB, "mug", 2)
    assert set(found(graph)) == {(ZORB, "type:mug")}
    name(graph, ZORB, "boots", 3)
    assert set(found(graph)) == {(ZORB, "type:boots")}
    name(graph, ZORB, "boots", 0)
    assert set(found(graph)) == {(ZORB, "type:mug")}


def test_the_count_of_a_fact_that_stands_waits_until_things_are_calm(graph):
    name(graph, MUG, "mug", 2)
    found(graph)
    name(graph, MUG, "mug", 7)
    assert found(graph)[MUG, "type:mug"].counts["products"] == 2
    assert not graph.stage.is_idle
    graph.stage.calm()
    assert found(graph)[MUG, "type:mug"].counts["products"] == 7
    assert graph.stage.is_idle


def test_how_many_products_it_takes_can_be_set():
    graph = Told(type_support=4)
    name(graph, MUG, "mug", 3)
    assert found(graph) == {}
    name(graph, MUG, "shoes", 1)
    assert set(found(graph)) == {(MUG, "type:mug")}


@pytest.mark.parametrize("verdict", ["accepted", "rejected"])
@pytest.mark.parametrize("first", [True, False])
def test_people_decide_whenever_they_do_and_what_is_rejected_stays_away(graph, verdict, first):
    told = fact_id(MUG, "is_a", "type:mug")
    if first:
        graph.verdict(told, verdict)
    name(graph, MUG, "mug", 2)
    if not first:
        assert found(graph)[MUG, "type:mug"].status == "held"
        graph.verdict(told, verdict)
    assert found(graph)[MUG, "type:mug"].status == verdict
    name(graph, MUG, "mug", 40)
    found(graph)
    graph.stage.calm()
    fact = found(graph)[MUG, "type:mug"]
    assert (fact.status, fact.counts["products"]) == (verdict, 40)
    graph.verdict(told, "withdrawn", at_ms=6)
    assert found(graph)[MUG, "type:mug"].status == "held"


def test_phrases_are_compared_with_each_other_and_with_names_of_types_in_use():
    graph = Told(synonyms="synonyms@1", alike=0.8)
    for text in ("running-shoe", "runing-shoe", "running-shoez", "boot", "boott", "mug"):
        key = f"value:product_type/{text}".encode()
        graph.total(b"attr:product_type", b"u", key, n=1)
    same = {(h[PREFIX:], t[PREFIX:]) for h, relation, t in graph.facts() if relation == "same_as"}
    assert same == {
        ("boot", "boott"),
        ("runing-shoe", "running-shoe"),
        ("runing-shoe", "running-shoez"),
        ("running-shoe", "running-shoez"),
    }


def test_two_names_that_the_ontology_has_are_no_pair():
    graph = Told(alike=0.5)
    for text in ("shoe", "sports-shoe", "shoe-zorb"):
        key = f"value:product_type/{text}".encode()
        graph.total(b"attr:product_type", b"u", key, n=1)
    same = {(h[PREFIX:], t[PREFIX:]) for h, _, t in graph.facts()}
    assert same == {("shoe", "shoe-zorb"), ("shoe-zorb", "sports-shoe")}


def test_what_is_no_node_says_nothing(graph):
    for phrase in (b"value:product_type/Not%20a slug", b"junk"):
        graph.total(b"attr:product_type", b"k", phrase, b"type:mug", n=9)
    assert graph.facts() == {}
