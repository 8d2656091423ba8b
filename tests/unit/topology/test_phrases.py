"""Phrases for product types that the ontology lacks: which they are, and where they belong."""

import pytest
from hypothesis import given

from tests.strategies_topology import RAW_TEXTS
from topology.facts import parse_node
from topology.ontology import default_ontology, parse_ontology
from topology.phrases import MAX_WORDS, UNKNOWN, Placed, is_known, name_node, phrase_of, place

O = default_ontology()  # noqa: E741  (the subject of nearly every line below)
HAT = parse_ontology({"hat.toml": "[types]\ngoods = {}\nhats = { parents = ['goods'] }"})
NODE = "value:product_type/"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Beach Chairs", "beach-chair"),
        ("beach-chair,", "beach-chair"),
        ("  Zorbs™ ", "zorb"),
        ("Insulated Rain Boots", "insulated-rain-boot"),
        ("bikini brief", "bikini-briefs"),
        ("Bikini Briefs", "bikini-briefs"),
        ("sneaker shoes", "sneaker-shoe"),  # a name of one and a name of another
    ],
)
def test_all_spellings_of_a_phrase_are_one_node(text: str, words: str) -> None:
    assert phrase_of(O, text) == NODE + words


@pytest.mark.parametrize(
    "text",
    [
        "chairs",
        "Chair",
        "wellies",  # another name of rain boots
        "glasses",  # means several types
        "trouser",
        "Short",
        "set of 4 mugs",
        "mug set",
        "pair of shoes",
    ],
)
def test_a_name_that_the_ontology_has_is_no_phrase(text: str) -> None:
    assert phrase_of(O, text) is None
    assert name_node(text)
    assert is_known(O, name_node(text) or "")


@pytest.mark.parametrize(
    "text",
    [
        *("", "N/A", "unknown", "12 345", "3d", "with lid", "x" * 101, "http://a.example/zorb"),
        "boys blue denim wide leg zorb",
    ],
)
def test_what_cannot_be_a_name_is_none(text: str) -> None:
    assert name_node(text) is None
    assert phrase_of(O, text) is None


@given(RAW_TEXTS)
def test_any_text_gives_one_spelling_of_at_most_so_many_words(text: str) -> None:
    node = phrase_of(O, text)
    if node is not None:
        assert parse_node(node).id == node
        assert node.count("-") < MAX_WORDS
        assert not is_known(O, node)
        assert name_node(node.removeprefix(NODE).replace("-", " ")) is not None


def test_only_names_of_product_types_are_known_as_such() -> None:
    assert is_known(O, NODE + "rain-boot")
    assert not is_known(O, NODE + "beach-chair")
    assert not is_known(O, "value:brand/rain-boot")


@pytest.mark.parametrize(
    ("phrase", "products", "parent", "in_line"),
    [
        ("beach-chair", {"type:tables": 9, "type:chairs": 2}, "chairs", 2),
        ("insulated-rain-boot", {"type:rain-boots": 3, "type:boots": 2}, "rain-boots", 3),
        ("garden-shoe", {"type:rain-boots": 2, UNKNOWN: 1}, "shoes", 2),  # below it counts
        ("zorb", {"type:rain-boots": 1, "type:shoes": 3, UNKNOWN: 8}, "shoes", 4),
        ("zorb", {"type:toys": 2, "type:balls": 2}, "balls", 2),  # the first by name
        ("zorb", {"type:gone-since": 3}, "unknown", 0),
        ("zorb", {UNKNOWN: 3}, "unknown", 0),
        ("cat-eye-glasses", {"type:drinking-glasses": 1, "type:spectacles": 2}, "spectacles", 2),
    ],
)
def test_the_longest_tail_that_is_a_name_else_what_most_products_are(
    phrase: str, products: dict[str, int], parent: str, in_line: int
) -> None:
    whole = sum(products.values())
    placed = place(O, NODE + phrase, products)
    assert placed == Placed(f"type:{parent}", whole, in_line)
    assert place(O, NODE + phrase, dict(reversed(products.items()))) == placed


def test_an_ontology_with_one_root_has_a_place_for_everything() -> None:
    assert place(HAT, NODE + "zorb", {UNKNOWN: 2}) == Placed("type:goods", 2, 0)
    assert place(HAT, NODE + "sun-hat", {UNKNOWN: 2}).parent == "type:hats"
