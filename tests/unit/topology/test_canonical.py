"""Every spelling of a value, an intent or a type is one node; what says nothing is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies_topology import RAW_TEXTS
from topology.canonical import UnknownType, Value, intent_of, is_junk, type_of, value_of, values_of
from topology.facts import parse_node, text_of
from topology.ontology import default_ontology

O = default_ontology()  # noqa: E741  (the subject of nearly every line below)
ATTRIBUTES = st.sampled_from(sorted(O.attributes))
INTENT_LABELS = st.sampled_from([name for name, label in O.labels.items() if label.intent])


def text(attribute: str, written: str) -> str | None:
    value = value_of(O, attribute, written)
    return None if value is None else value.text


@pytest.mark.parametrize(
    ("attribute", "spellings", "canonical"),
    [
        ("color", ["grey", "Gray", " GREY ", "gray heather"], "grey"),
        ("color", ["navy", "Navy-Blue", "dark blue"], "navy blue"),
        ("material", ["PVC", "Polyvinyl chloride (PVC)", "vinyl"], "pvc"),
        ("feature", ["Non-Slip", "anti slip", "slip resistant"], "slip resistant"),
        ("capacity", ["500ml", "500 ML", "0.5 L", "0,5 litres", "50 cl", "1/2 liter"], "500 ml"),
        ("capacity", ["16 oz", "16 fl. oz", "1 pint", "2 cups", "16 Fluid Ounces"], "16 fl oz"),
        ("weight", ["1.5 kg", "1,5kg", "1500 g", "1,500 g"], "1500 g"),
        ("weight", ["2 lb", "32 oz", "2 pounds"], "32 oz"),
        ("screen_size", ['15.6"', "15.6 inch", "15.6-inch", "15,6 in", "15.6”"], "15.6 in"),
        ("heel_height", ["3 1/2 inches", "3.5in", "3½ in"], "3.5 in"),
        ("length", ["6'", "6 ft", "72 inches", "2 yd"], "72 in"),
        ("length", ["1.8m", "180 cm", "1800mm"], "1800 mm"),
        ("storage", ["1TB", "1000 GB"], "1000 gb"),
        ("wattage", ["1.2 kW", "1200W", "1200 watts"], "1200 w"),
        ("battery_capacity", ["5000mAh", "5 Ah"], "5000 mah"),
        (
            "quantity",
            [
                "6",
                "6 pack",
                "Pack of 6",
                "6 pcs",
                "6 pc(s)",
                "6 unit(s)",
                "x6",
                "6x",
                "Set of 6",
                "6-Pack",
            ],
            "6",
        ),
        ("quantity", ["pair", "2"], "2"),
        ("size", ["30x40cm", "30 x 40 cm", "300 × 400 mm", "30cm x 40cm"], "300 x 400 mm"),
        ("size", ["Queen", "queen"], "queen"),
        ("brand", ["Levi’s", "LEVI'S"], "levi's"),
        ("brand", ["Black & Decker"], "black & decker"),
    ],
)
def test_spellings_of_one_value_are_one_node(
    attribute: str, spellings: list[str], canonical: str
) -> None:
    assert {written: text(attribute, written) for written in spellings} == dict.fromkeys(
        spellings, canonical
    )


@pytest.mark.parametrize(
    ("attribute", "one", "other"),
    [
        ("capacity", "500 ml", "50 ml"),
        ("capacity", "1,5 l", "1,500 l"),
        ("size", "4-6 years", "46 years"),
        ("size", "10 oz", "10 ml"),
        ("weight", "10 oz", "10 g"),
        ("color", "blue", "light blue"),
    ],
)
def test_different_values_stay_apart(attribute: str, one: str, other: str) -> None:
    assert text(attribute, one) != text(attribute, other)


@pytest.mark.parametrize(
    "junk",
    [
        *("", " ", "-", "--", "N/A", "n.a.", "NA", "None", "null", "unknown", "Not Applicable"),
        *("see description", "See-Details", "TBD", "?", "...", "others", "Default", "NaN"),
        *("http://shop.example/x.jpg", "x" * 101, "\x00\u200b"),
    ],
)
def test_junk_is_no_value_no_intent_and_no_type(junk: str) -> None:
    assert value_of(O, "color", junk) is None
    assert value_of(O, "brand", junk) is None
    assert values_of(O, "color", junk) == ()
    assert intent_of(O, "audience", junk) is None
    assert type_of(O, junk) is None


def test_words_with_letters_are_not_junk() -> None:
    assert not any(map(is_junk, ("nano", "no 7", "testarossa", "other stories", "10")))


def test_an_attribute_nobody_wrote_down_has_no_values() -> None:
    assert value_of(O, "no_such", "red") is None
    assert values_of(O, "no_such", "red") == ()


def test_a_number_without_digits_is_no_value_and_one_without_unit_is_not_known() -> None:
    assert value_of(O, "weight", "heavy") is None
    assert value_of(O, "weight", "5.0") == Value("value:weight/5", "weight", "5", known=False)
    assert value_of(O, "weight", "5 litres") == Value(
        "value:weight/5-litres", "weight", "5 litres", known=False
    )


def test_values_off_the_list_keep_their_own_name_and_are_not_known() -> None:
    assert value_of(O, "color", "Sea Foam") == Value(
        "value:color/sea-foam", "color", "sea foam", known=False
    )
    assert value_of(O, "color", "Gray") == Value("value:color/grey", "color", "grey", known=True)


def test_several_values_come_apart_each_once_in_order() -> None:
    def texts(attribute: str, written: str) -> list[str]:
        return [value.text for value in values_of(O, attribute, written)]

    assert texts("color", "Black/White & red, navy and Gold; N/A | black") == [
        "black",
        "white",
        "red",
        "navy blue",
        "gold",
    ]
    assert texts("flavor", "salt & vinegar, cheese") == ["salt & vinegar", "cheese"]
    assert texts("brand", "Smith, Jones & Co") == ["smith, jones & co"]
    assert texts("size", "1/2 inch; 1,5 cm") == ["0.5 in", "15 mm"]
    assert texts("capacity", "1,500 ml") == ["1500 ml"]


def test_a_value_narrows_a_type_to_a_concept() -> None:
    value = value_of(O, "feature", "Slip-Resistant")
    assert value is not None
    assert value.narrows("shoes") == "concept:shoes[feature=slip-resistant]"


@given(ATTRIBUTES, RAW_TEXTS)
def test_any_text_is_a_value_or_none_and_a_value_stays_itself(name: str, written: str) -> None:
    value = value_of(O, name, written)
    if value is None:
        return
    assert parse_node(value.node).id == value.node
    again = value_of(O, name, value.text)
    assert again is not None
    assert (again.node, again.text) == (value.node, value.text)


@given(
    ATTRIBUTES, st.from_regex(r"[0-9]{1,4}([.,/ x][0-9]{1,4}){0,3} ?[a-z\"']{0,5}", fullmatch=True)
)
def test_a_measure_stays_itself(name: str, written: str) -> None:
    value = value_of(O, name, written)
    if value is not None:
        again = value_of(O, name, value.text)
        assert again is not None
        assert again.node == value.node


@pytest.mark.parametrize(
    ("label", "spellings", "node"),
    [
        (
            "audience",
            ["pregnant women", "for pregnant women", "Pregnant Woman", "the pregnant woman"],
            "intent:audience/pregnant-woman",
        ),
        ("audience", ["nurses", "nurse", "Nurse's", "nurses'"], "intent:audience/nurse"),
        ("audience", ["kids", "for my kid"], "intent:audience/kid"),
        ("location", ["in the kitchen", "kitchen", "Kitchens"], "intent:location/kitchen"),
        ("occasion", ["for a wedding", "weddings"], "intent:occasion/wedding"),
        ("activity", ["for running", "Running"], "intent:activity/running"),
        ("activity", ["tennis"], "intent:activity/tennis"),
        ("season", ["in winter", "winter"], "intent:season/winter"),
        ("function", ["back-pain relief", "back pain relief"], "intent:function/back-pain-relief"),
        ("body_part", ["wide feet", "wide foot"], "intent:body_part/wide-foot"),
        (
            "compatibility",
            ["compatible with iPhone 12", "for iphone 12", "fits iPhone-12"],
            "intent:compatibility/iphone-12",
        ),
    ],
)
def test_spellings_of_one_intent_are_one_node(label: str, spellings: list[str], node: str) -> None:
    assert {written: intent_of(O, label, written) for written in spellings} == dict.fromkeys(
        spellings, node
    )


def test_a_label_that_names_no_intent_gives_none() -> None:
    assert intent_of(O, "color", "red") is None
    assert intent_of(O, "price", "cheap") is None
    assert intent_of(O, "audience", "for the") is not None


@given(INTENT_LABELS, RAW_TEXTS)
def test_any_text_is_an_intent_or_none_and_is_allowed(label: str, written: str) -> None:
    node = intent_of(O, label, written)
    if node is not None:
        relation = O.relation_of(label)
        assert relation is not None
        assert O.allows_nodes("type:shoes", relation, node)


@pytest.mark.parametrize("text_", ["pregnant women", "nurses", "glasses", "wide feet", "buses"])
def test_an_intent_stays_itself(text_: str) -> None:
    node = intent_of(O, "audience", text_)
    assert node is not None
    assert intent_of(O, "audience", text_of(parse_node(node).name)) == node


def test_a_phrase_is_a_type_or_reported_as_unknown() -> None:
    assert type_of(O, "Women's running shoes") == "type:running-shoes"
    assert type_of(O, "Flux Capacitors") == UnknownType("flux capacitor")
    assert type_of(O, "flux-capacitor") == UnknownType("flux capacitor")
    assert type_of(O, "Glasses") == UnknownType("glasses", ("spectacles", "drinking-glasses"))


@pytest.mark.parametrize("text", ["60 Hz", "300Mbps", "20 hours", "5W", "1200 dpi", "10 x"])
def test_a_measure_of_something_else_is_no_size(text):
    assert value_of(O, "size", text) is None


@pytest.mark.parametrize("text", ["8", "10 cm", '15.6"', "queen", "10 x 20 cm", "xl", "8.5 oz"])
def test_a_size_is_one(text):
    assert value_of(O, "size", text) is not None


def test_a_line_break_that_a_catalog_wrote_out_parts_values():
    found = values_of(O, "compatibility", "Deskjet 2710\\nDeskjet 2720")
    assert [value.text for value in found] == ["deskjet 2710", "deskjet 2720"]
