"""The packaged ontology, the questions it answers, and what is said of a file that is wrong."""

import gzip
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies_topology import RAW_TEXTS
from topology.errors import OntologyError
from topology.facts import parse_node, type_node
from topology.ontology import FAR, Ontology, default_ontology, load_ontology, parse_ontology

O = default_ontology()  # noqa: E741  (the subject of nearly every line below)
TYPES = st.sampled_from(sorted(O.types))
SHARED = Path(os.environ.get("CARTOGRAPH_SHARED", Path(__file__).parents[3] / ".." / "shared"))

SMALL = """
[attributes.color]
kind = "closed"
values = { grey = ["gray"] }
[types]
wear = { department = true }
shoes = { parents = ["wear"], also = ["footwear"], attributes = ["color"] }
boots = { parents = ["shoes"] }
rainwear = { parents = ["wear"] }
rain-boots = { parents = ["boots", "rainwear"], also = ["wellies"] }
food = { department = true }
"""


def small(extra: str = "") -> Ontology:
    return parse_ontology({"small.toml": SMALL, "extra.toml": extra})


# The packaged ontology


def test_the_packaged_ontology_covers_a_general_shop() -> None:
    departments = [one for one in O.types.values() if one.department]
    assert len(departments) >= 12
    assert len(O.types) >= 350
    assert 25 <= len(O.attributes) <= 60
    assert sum(len(one.parents) > 1 for one in O.types.values()) >= 50


def test_all_relations_of_the_design_are_there() -> None:
    cosmo = """used_for_func used_for_eve used_for_aud capable_of used_to used_as is_a used_on
    used_in_loc used_in_body used_with used_by xInterested_in xIs_a xWant"""
    autoknow = "has_type has_attribute same_as applies_to important_for"
    assert set(O.relations) == {*cosmo.split(), *autoknow.split()}
    assert all(relation.says.endswith(".") for relation in O.relations.values())


@given(TYPES)
def test_every_type_is_found_under_its_own_name(slug: str) -> None:
    assert slug in O.types_of(O.types[slug].name)
    assert parse_node(type_node(slug)).type == slug


@given(TYPES)
def test_every_type_stands_in_a_department_or_above_one(slug: str) -> None:
    below = O.types_below(slug)
    assert O.departments(slug) or any(O.types[one].department for one in below)


@given(TYPES)
def test_every_type_has_a_brand(slug: str) -> None:
    assert O.applicable(slug, "brand")


def test_knives_and_rain_boots_have_two_parents() -> None:
    assert set(O.parents("knives")) == {"cutlery", "hunting-gear"}
    assert set(O.departments("knives")) == {"kitchen", "sports"}
    assert O.is_a("rain-boots", "shoes")
    assert O.is_a("rain-boots", "rainwear")


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("shoes", "shoes"),
        ("Shoe", "shoes"),
        ("trainers", "sneakers"),
        ("leather running shoes", "running-shoes"),
        ("leather clown shoes", "shoes"),
        ("shoes for pregnant women", "shoes"),
        ("Women's Slip-On Sneakers", "sneakers"),
        ("mug with lid", "mugs"),
        ("sofa, grey", "sofas"),
        ("sofa (grey)", "sofas"),
        ("T-Shirts", "t-shirts"),
        ("tshirt", "t-shirts"),
        ("all-in-one printer", "printers"),
        ("plug in air freshener", "home-fragrance"),
        ("uninterruptible power supply (UPS)", "uninterruptible-power-supplies"),
        ("hanging heart t-light holder", "t-light-holders"),
        ("set of 3 cake tins", "cake-tins"),
        ("knitting needle set", "knitting"),
        ("gift set", "gift-sets"),
        ("cup & saucer", "teacups"),
        ("Home & Garden > Kitchen > Mugs", "mugs"),
        ("Clothing/Dresses", "dresses"),
        ("toner cartridge", "toner-cartridges"),
        ("patch cable", "network-cables"),
        ("bunting", "bunting"),
        ("lantern", "lanterns"),
    ],
)
def test_a_phrase_names_the_type_of_its_head_noun(text: str, slug: str) -> None:
    assert O.type_of(text) == slug


@pytest.mark.parametrize("text", ["", "  ", "shoo", "running", "red", "shoes4u", "shoess", "日本"])
def test_what_is_no_known_name_is_never_guessed(text: str) -> None:
    assert O.type_of(text) is None
    assert O.types_of(text) == ()


def test_an_ambiguous_name_is_no_type_until_a_path_decides() -> None:
    assert O.type_of("Toner") is None
    assert set(O.types_of("toner")) == {"toner-cartridges", "toners"}
    assert O.type_of("Personal Care > Skin Care > Toner") == "toners"
    assert O.type_of("Office Supplies > Toner") == "toner-cartridges"
    assert O.type_of("Vehicles > Toner") is None


@given(RAW_TEXTS)
def test_any_text_gets_an_answer(text: str) -> None:
    found = O.types_of(text)
    assert all(slug in O.types for slug in found)
    assert O.type_of(text) == (found[0] if len(found) == 1 else None)


@pytest.mark.shared
def test_every_article_type_of_myntra_is_a_type() -> None:
    file = SHARED / "data" / "myntra-styles" / "products.jsonl.gz"
    if not file.exists():
        pytest.skip("the shared data folder is not there")
    paths = set()
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        for line in lines:
            one = json.loads(line)
            paths.add((one["masterCategory"], one["subCategory"], one["articleType"]))
    assert len({path[-1] for path in paths}) >= 140
    assert [path for path in sorted(paths) if O.type_of(" > ".join(path)) is None] == []


# Distances and ancestors


@given(TYPES, TYPES)
def test_distance_is_symmetric_and_zero_only_to_itself(left: str, right: str) -> None:
    assert O.distance(left, right) == O.distance(right, left)
    assert (O.distance(left, right) == 0) == (left == right)


@given(TYPES)
def test_parents_are_one_step_away_and_ancestors_stand_above(slug: str) -> None:
    for parent in O.parents(slug):
        assert O.distance(slug, parent) == 1
        assert slug in O.types_below(parent)
    for above in O.ancestors(slug):
        assert O.is_a(slug, above)
        assert not O.is_a(above, slug)
        assert O.distance(slug, above) < FAR


@given(TYPES, TYPES)
def test_distance_is_the_shortest_way_over_a_common_ancestor(left: str, right: str) -> None:
    def up(slug: str) -> dict[str, int]:
        steps, level, count = {slug: 0}, {slug}, 0
        while level:
            count += 1
            level = {parent for one in level for parent in O.parents(one)} - set(steps)
            steps.update(dict.fromkeys(level, count))
        return steps

    one, other = up(left), up(right)
    ways = [one[above] + other[above] for above in set(one) & set(other)]
    assert O.distance(left, right) == min(ways, default=FAR)


def test_other_departments_are_farther_than_the_own_one() -> None:
    assert O.distance("jeans", "shirts") < O.distance("jeans", "sneakers") < FAR
    assert O.distance("jeans", "laptops") == FAR
    assert O.distance("jeans", "no-such-type") == FAR
    assert O.distance("no-such-type", "no-such-type") == FAR


def test_ancestors_come_nearest_first() -> None:
    o = small()
    assert o.ancestors("rain-boots") == ("boots", "rainwear", "shoes", "wear")
    assert o.types_below("wear") == ("boots", "rain-boots", "rainwear", "shoes")


# Attributes, relations, labels


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("color", "color"),
        ("baseColour", "color"),
        ("product_colour", "color"),
        ("attr_t_product_colour", "color"),
        ("Colour Name", "color"),
        ("COLOUR", "color"),
        ("supplier", "brand"),
        ("attr_n_weight", "weight"),
        ("attr_n_cable_length", "length"),
        ("attr_n_quantity_per_pack", "quantity"),
        ("attr_n_display_diagonal", "screen_size"),
        ("Special Features", "feature"),
    ],
)
def test_catalog_fields_find_their_attribute(field: str, name: str) -> None:
    found = O.attribute_of(field)
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize(
    "field", ["", "price", "year", "articleType", "package_weight", "img_high"]
)
def test_fields_that_are_no_attribute_find_none(field: str) -> None:
    assert O.attribute_of(field) is None


def test_attributes_come_down_from_parents() -> None:
    assert O.applicable("rain-boots", "waterproof_rating")
    assert O.applicable("rain-boots", "heel_height")
    assert not O.applicable("mugs", "heel_height")
    assert not O.applicable("no-such-type", "color")
    assert "screen_size" in O.attributes_of("laptops")


def test_a_spelling_of_a_listed_value_is_that_value() -> None:
    assert O.known_value("color", "GRAY") == "grey"
    assert O.known_value("feature", "Non-Slip") == "slip resistant"
    assert O.known_value("color", "sky") is None
    assert O.known_value("no_such", "grey") is None


def test_relations_join_only_what_they_may() -> None:
    assert O.allows("concept", "used_for_aud", "intent/audience")
    assert O.allows("type", "used_for_aud", "intent/audience")
    assert not O.allows("product", "used_for_aud", "intent/audience")
    assert not O.allows("concept", "used_for_aud", "intent/season")
    assert not O.allows("concept", "used_for_aud", "intent")
    assert O.allows("product", "has_type", "type")
    assert O.allows("product", "has_attribute:color", "value/color")
    assert not O.allows("product", "has_attribute:color", "value/size")
    assert not O.allows("product", "has_attribute", "value/color")
    assert not O.allows("product", "has_attribute:no_such", "value/no_such")
    assert not O.allows("product", "has_type:color", "type")
    assert not O.allows("type", "no_such", "type")
    assert O.allows("value/product_type", "is_a", "type")
    assert O.allows_nodes(
        "concept:shoes[feature=slip-resistant]", "used_for_aud", "intent:audience/pregnant-woman"
    )
    assert O.allows_nodes("type:shoes", "used_with", "type:socks")


def test_every_label_has_one_relation_that_may_end_in_what_it_names() -> None:
    for label in O.labels.values():
        assert O.relation_of(label.name) == label.relation
        if label.intent:
            head = "concept"
            assert O.allows(head, label.relation, f"intent/{label.intent}"), label
            for other in label.also:
                assert O.relations[other.partition(":")[0]] is not None
        elif label.attribute:
            assert O.allows("product", label.relation, f"value/{label.attribute}"), label
    assert O.relation_of("audience") == "used_for_aud"
    assert O.relation_of("color") == "has_attribute:color"
    assert O.relation_of("product_type") == "has_type"
    assert O.relation_of("price") is None
    assert O.intent_kind_of("body_part") == "body_part"
    assert O.intent_kind_of("color") is None


# Files that are wrong


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ("[types]\nclogs = { parents = ['shoe'] }", r"types.clogs.parents: 'shoe'.*'shoes'"),
        ("[types]\nshoes = {}", r"types.shoes stands in"),
        ("[types]\nclogs = { parent = ['shoes'] }", r"types.clogs: .*unknown field `parent`"),
        (
            "[types]\nclogs = { attributes = ['colour'] }",
            r"'colour' is no known attribute.*'color'",
        ),
        ("[types]\n'Clogs' = {}", r"types.Clogs: 'Clogs' is not a slug"),
        ("[types]\nstew = { parents = ['food'], also = ['boot'] }", r"'boot' names several types"),
        ("[types]\na = { parents = ['b'] }\nb = { parents = ['a'] }", r"circle, a -> b -> a"),
        ("[ambiguous]\nx = ['nothing']", r"ambiguous.x: 'nothing'"),
        ("[ambiguous]\nwellies = ['food']", r"'welly' names several"),
        (
            "[relations]\nr = { head = ['thing'], tail = ['type'], says = '' }",
            r"relations.r.*'thing'",
        ),
        ("[relations]\nr = { head = ['type'], tail = ['value/hue'], says = '' }", r"'hue'"),
        ("[relations]\n'a b' = { head = [], tail = [], says = '' }", r"relations.a b"),
        (
            "[labels]\naudience2 = { relation = 'used_for_audience' }",
            r"did you mean 'used_for_aud'",
        ),
        ("[labels]\nx = { relation = 'has_type', attribute = 'hue' }", r"labels.x: 'hue'"),
        ("[attributes.hue]\nkind = 'closed'\nnames = ['Colors']", r"'color' is a name of 'hue'"),
        ("[attributes.hue]\nkind = 'odd'", r"attributes.hue: Invalid enum value 'odd'"),
        ("[attributes.hue]\nkind = 'open'\nvalues = { a = [] }", r'only kind = "closed"'),
        (
            "[attributes.hue]\nkind = 'closed'\nvalues = { a = ['z'], b = ['Z'] }",
            r"'Z' is a spelling of 'a' and 'b'",
        ),
        ("[attributes.Hue]\nkind = 'open'", r"attributes.Hue"),
        ("[things]\nx = 1", r"\[things\] is no table"),
        ("types = 1", r"\[types\] is no table"),
        ("[types", r"extra.toml is not TOML"),
    ],
)
def test_a_wrong_file_is_refused_with_file_key_and_remedy(extra: str, said: str) -> None:
    with pytest.raises(OntologyError, match=said) as caught:
        small(extra)
    assert ".toml" in str(caught.value)


def test_a_name_shared_with_a_more_general_type_means_the_general_one() -> None:
    o = small("[types]\nwork-boots = { parents = ['boots'], also = ['boot'] }")
    assert o.type_of("boot") == "boots"


def test_a_declared_ambiguous_name_is_accepted_and_means_no_type() -> None:
    o = small(
        "[types]\nstew = { parents = ['food'], also = ['boot'] }\n"
        "[ambiguous]\nboot = ['boots', 'stew']"
    )
    assert o.type_of("boot") is None
    assert o.types_of("boots") == ("boots", "stew")


def test_files_without_relations_use_the_packaged_ones() -> None:
    assert small().relations == O.relations
    assert small().relation_of("audience") == "used_for_aud"


def test_an_ontology_is_one_whatever_the_order_of_files_and_keys() -> None:
    parts = SMALL.split("[types]")
    split = {"b.toml": parts[0], "a.toml": "[types]" + parts[1]}
    assert parse_ontology(split).digest == parse_ontology({"x.toml": SMALL}).digest
    assert small("[types]\nclogs = {}").digest != small().digest


def test_a_folder_of_files_is_read_as_one(tmp_path: Path) -> None:
    with pytest.raises(OntologyError, match=r"no \.toml file"):
        load_ontology(tmp_path)
    (tmp_path / "small.toml").write_text(SMALL)
    assert load_ontology(tmp_path).digest == load_ontology(tmp_path / "small.toml").digest
    with pytest.raises(OntologyError, match="cannot be read"):
        load_ontology(tmp_path / "other.toml")
