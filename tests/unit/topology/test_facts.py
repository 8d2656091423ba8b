"""The grammar of node ids, the spelling of text, and the codec of facts."""

import random

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.strategies_topology import NAMES, NODES, PRODUCT_IDS, RAW_TEXTS, SLUGS, TEXTS, facts
from topology.errors import BadFactError, BadNodeError
from topology.facts import (
    MAX_NAME_CHARS,
    Evidence,
    Fact,
    Node,
    check_relation,
    concept_node,
    decode_fact,
    encode_fact,
    fact_id,
    has_attribute,
    intent_node,
    kind_of,
    normalise,
    parse_node,
    product_node,
    query_node,
    range_of,
    slug,
    text_of,
    value_node,
)


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("  Slip-Resistant ", "slip resistant"),
        ("slip_resistant", "slip resistant"),
        ("4 – 6 years", "4-6 years"),
        ("4-6 Years", "4-6 years"),
        ("-20 °C", "-20 °c"),
        ("USB‑C", "usb c"),
        ("Levi’s® 501™", "levi's 501"),
        ("ﬁne\u00a0 ½", "fine 1/2"),
        ("soft\u00adener zero\u200bwidth", "softener zerowidth"),
        ("tab\tand\x00nul", "tab and nul"),
        ("--", ""),
    ],
)
def test_spellings_of_one_text_become_one(written: str, plain: str) -> None:
    assert normalise(written) == plain


@given(RAW_TEXTS)
@example("1 - -5")
@example("a - -5")
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@given(TEXTS)
def test_a_slug_is_read_back_as_the_text_it_was_made_of(text: str) -> None:
    assert text_of(slug(text)) == normalise(text)


@given(TEXTS, TEXTS)
def test_two_texts_share_a_slug_only_if_they_normalise_to_the_same(one: str, other: str) -> None:
    assert (slug(one) == slug(other)) == (normalise(one) == normalise(other))


@given(SLUGS)
def test_slugs_hold_nothing_that_the_grammar_reserves(a_slug: str) -> None:
    assert not set(a_slug) & set(":/[]= \t")


@pytest.mark.parametrize(
    "a_slug", ["", "Red", "a--b", "-a", "a-", "a b", "%2f", "%41", "a/b", "a=b", "a%", "é%C3"]
)
def test_a_slug_has_only_one_spelling(a_slug: str) -> None:
    with pytest.raises(BadNodeError):
        text_of(a_slug)


def test_a_text_without_letters_or_with_too_many_has_no_slug() -> None:
    with pytest.raises(BadNodeError, match="empty"):
        slug(" -- ")
    with pytest.raises(BadNodeError, match=str(MAX_NAME_CHARS)):
        slug("a" * (MAX_NAME_CHARS + 1))


@given(NODES)
def test_a_node_that_was_built_is_parsed_and_written_the_same(node: str) -> None:
    assert parse_node(node).id == node
    assert parse_node(node).kind == kind_of(node)


@given(PRODUCT_IDS)
def test_a_product_id_is_read_back_exactly(product_id: str) -> None:
    assert parse_node(product_node(product_id)).name == product_id


@given(PRODUCT_IDS, PRODUCT_IDS)
def test_two_product_ids_never_share_a_node(one: str, other: str) -> None:
    assert (product_node(one) == product_node(other)) == (one == other)


@given(SLUGS, NAMES, SLUGS)
def test_a_concept_comes_apart_into_type_attribute_and_value(
    one: str, name: str, other: str
) -> None:
    assert parse_node(concept_node(one, name, other)) == Node("concept", other, name, one)


def test_the_nodes_of_the_design_are_written_as_the_design_writes_them() -> None:
    assert concept_node("shoes", "feature", slug("Slip-Resistant")) == (
        "concept:shoes[feature=slip-resistant]"
    )
    assert intent_node("audience", "Pregnant Women") == "intent:audience/pregnant-women"
    assert value_node("brand", "Black & Decker") == "value:brand/black-&-decker"
    assert product_node("B0/7 x") == "product:B0%2F7%20x"
    assert range_of("value:color/red") == "value/color"
    assert range_of("type:shoes") == "type"


@pytest.mark.parametrize(
    "node",
    [
        "",
        "shoes",
        "type:",
        "type:Shoes",
        "type:rain boots",
        "product:",
        "product:a/b",
        "product:a%2fb",
        "product:%61",
        "product:%FF",
        "product:%00",
        "concept:shoes",
        "concept:shoes[color]",
        "concept:shoes[color=red][size=1]",
        "concept:shoes[Color=red]",
        "value:color",
        "value:/red",
        "value:color/red/blue",
        "intent:Audience/nurse",
        "query:12",
        "query:0123456789abcdeF",
        "brand:nike",
    ],
)
def test_a_node_in_another_spelling_is_refused(node: str) -> None:
    with pytest.raises(BadNodeError):
        parse_node(node)


@pytest.mark.parametrize("product_id", ["", "a\nb", "a\x00", "\ud800", "x" * 201])
def test_a_product_id_with_control_characters_or_of_no_length_is_refused(product_id: str) -> None:
    with pytest.raises(BadNodeError):
        product_node(product_id)


@given(st.text(max_size=30))
def test_whatever_is_parsed_is_the_only_spelling_or_an_error(node: str) -> None:
    try:
        parsed = parse_node(node)
    except BadNodeError:
        return
    assert parsed.id == node


def test_a_query_is_one_node_however_it_is_typed() -> None:
    assert query_node("Shoes for  pregnant WOMEN") == query_node("shoes for pregnant women")
    assert query_node("shoes") != query_node("shoe")


def test_relations_are_names_or_names_with_an_attribute() -> None:
    assert check_relation("xIs_a") == "xIs_a"
    assert check_relation(has_attribute("color")) == "has_attribute:color"
    for wrong in ("", "used for", "has_attribute:", "has_attribute:Color", "a:b:c", "used\n"):
        with pytest.raises(BadNodeError):
            check_relation(wrong)


@given(*[st.text(st.characters(codec="utf-8"), max_size=6)] * 6)
def test_two_triples_share_an_id_only_if_all_parts_are_equal(
    a: str, b: str, c: str, d: str, e: str, f: str
) -> None:
    assert (fact_id(a, b, c) == fact_id(d, e, f)) == ((a, b, c) == (d, e, f))


def test_parts_that_run_together_to_the_same_text_have_different_ids() -> None:
    assert len({fact_id("ab", "c", "d"), fact_id("a", "bc", "d"), fact_id("abc", "", "d")}) == 3


def test_ids_on_disk_stay_what_they_are() -> None:
    """These stand in stores and topics: another hash would be another graph."""
    assert query_node("shoes") == "query:85e8e821bb46b71c"
    assert fact_id("type:shoes", "used_for_aud", "intent:audience/nurse") == (
        "bf220ddfae91700c88f6b28cee67b543"
    )


@given(facts())
def test_a_fact_is_read_back_as_it_was_written(fact: Fact) -> None:
    assert decode_fact(encode_fact(fact)) == fact


@given(facts(), st.randoms())
def test_equal_facts_are_equal_bytes_in_whatever_order_they_were_counted(
    fact: Fact, rng: random.Random
) -> None:
    counts = list(fact.counts.items())
    rng.shuffle(counts)
    assert encode_fact(msgspec.structs.replace(fact, counts=dict(counts))) == encode_fact(fact)


def _fact() -> Fact:
    head, relation, tail = "type:shoes", "used_for_aud", "intent:audience/nurse"
    return Fact(
        fact_id(head, relation, tail),
        head,
        relation,
        tail,
        "accepted",
        0.5,
        "lift 2.0",
        {"b": 1, "a": 2},
        ("behaviour",),
        2900,
        2901,
        Evidence(weeks=(2900,)),
    )


def test_a_fact_whose_id_is_not_its_own_is_refused() -> None:
    with pytest.raises(BadFactError, match="another fact"):
        decode_fact(encode_fact(msgspec.structs.replace(_fact(), tail="intent:audience/dog")))


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff", b'{"id": 1}'])
def test_bytes_that_are_no_fact_are_refused(data: bytes) -> None:
    with pytest.raises(BadFactError):
        decode_fact(data)


def test_a_fact_with_a_status_nobody_knows_is_refused() -> None:
    with pytest.raises(BadFactError, match="status"):
        decode_fact(encode_fact(_fact()).replace(b'"accepted"', b'"perhaps"'))


def test_keys_of_a_later_version_are_passed_over() -> None:
    assert decode_fact(encode_fact(_fact()).replace(b'{"id"', b'{"later":1,"id"', 1)) == _fact()
