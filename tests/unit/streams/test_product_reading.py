"""What one catalog record is said to be: its type, its values, and which of them count."""

from dataclasses import replace

import pytest

from models_onnx.spans import Claim, Judged, Span, Tagged, Text
from streams.errors import SettingsError
from streams.events import Product
from streams.ports import Questions
from streams.products.reading import MAX_TEXT_CHARS, Read, counted_types, read
from streams.products.rows import Reading
from streams.products.stage import ProductSettings
from streams.products.typed import SURE
from streams.totals.messages import Claimed
from tests.one_partition import small_ontology

ONTOLOGY = small_ontology()
SETTINGS = ProductSettings(max_distance=2, tagging_bundle="tagging@1", cleaning_bundle="cleaning@1")


class Answering:
    """Models whose every answer is written in the test."""

    def __init__(self, spans: dict[str, str], verdicts: dict[tuple[str, str], str]) -> None:
        self.spans, self.verdicts = spans, verdicts
        self.asked: list[Text | Claim] = []

    def tag(self, text: Text) -> Tagged:
        found = sorted((text.text.index(part), part) for part in self.spans if part in text.text)
        spans = [Span(at, at + len(part), self.spans[part], part, 1.0) for at, part in found]
        return Tagged(tuple(spans))

    def judge(self, claim: Claim) -> Judged:
        verdict = self.verdicts.get((claim.attribute, claim.value), "accepted")
        return Judged(0.5, verdict)

    def read(self, product: Product, settings: ProductSettings = SETTINGS) -> Read:
        tagged, judged = {}, {}
        while isinstance(found := read(product, ONTOLOGY, settings, tagged, judged), Questions):
            assert found
            self.asked += [*found.texts, *found.claims]
            tagged |= {text: self.tag(text) for text in found.texts}
            judged |= {claim: self.judge(claim) for claim in found.claims}
        assert len(self.asked) == len(set(self.asked))
        return found


def reading(
    title: str = "",
    *category: str,
    spans: dict[str, str] | None = None,
    verdicts: dict[tuple[str, str], str] | None = None,
    settings: ProductSettings = SETTINGS,
    **attributes: list[str],
) -> Read:
    product = Product("p1", title=title, category=category, attributes=attributes)
    return Answering(spans or {}, verdicts or {}).read(product, settings)


def test_the_title_is_tagged_without_and_then_with_the_type_and_claims_are_judged_on_it():
    models = Answering({"shoes": "product_type", "Red": "color"}, {})
    found = models.read(Product("p1", title=" Red shoes "))
    assert models.asked == [
        Text("Red shoes", "title"),
        Text("Red shoes", "title", "shoes"),
        Claim("Red shoes", "", "product_type", "shoes"),
        Claim("Red shoes", "shoes", "color", "Red"),
    ]
    claimed = found.claims["has_attribute:color", "value:color/red", "text"]
    assert claimed == Claimed(0.5, "accepted", "Red", "title", ("cleaning@1", "tagging@1"))


def test_catalog_and_title_stand_side_by_side_and_the_catalogs_type_counts():
    found = reading("mug", "Fashion", "Footwear", spans={"mug": "product_type"})
    assert set(found.claims) == {
        ("has_type", "type:shoes", "catalog"),
        ("has_type", "type:mug", "text"),
    }
    assert (found.reading.type, found.reading.types) == ("shoes", ("shoes",))


@pytest.mark.parametrize(
    ("category", "title", "counts"),
    [
        (("Footwear",), "running shoes", "running-shoes"),  # narrower, on the same line
        (("Running shoes",), "shoes", "running-shoes"),
        (("Fashion", "Nonsense"), "mug", "mug"),  # "fashion" stands above the departments
        (("Fashion",), "", "fashion"),
        (("Footwear", "Nonsense"), "", "shoes"),  # from the leaf upwards
        ((), "boots", "boots"),
        ((), "thing", ""),
    ],
)
def test_which_type_counts(category: tuple[str, ...], title: str, counts: str):
    assert reading(title, *category, spans={title or "?": "product_type"}).reading.type == counts


def test_a_type_that_only_the_title_names_does_not_count_when_rejected():
    spans, verdicts = {"boots": "product_type"}, {("product_type", "boots"): "rejected"}
    assert reading("boots", spans=spans, verdicts=verdicts).reading.type == ""
    assert reading("boots", "Footwear", spans=spans, verdicts=verdicts).reading.type == "shoes"


def test_what_a_title_calls_a_type_that_the_ontology_lacks_is_a_phrase():
    spans = {"Travel Mugs": "product_type", "zorb": "product_type", "red": "color"}
    found = reading("Travel Mugs and a red zorb", spans=spans)
    assert found.reading.phrases == ("value:product_type/travel-mug", "value:product_type/zorb")
    assert found.reading.type == "mug"  # it counts as what is above it all the same
    assert found.reading.name == "value:product_type/mug"
    assert found.reading.used == ("value:color/red",)
    assert not [tail for _, tail, _ in found.claims if tail.startswith("value:product_type")]


@pytest.mark.parametrize(
    ("title", "parts", "names"),
    [
        ("Red Ankle Boots A7", ("Ankle", "Boots"), ["ankle-boot"]),
        ("ankle-boots", ("ankle", "boots"), ["ankle-boot"]),
        ("running shoes", ("running", "shoes"), []),  # together they are a name of the ontology's
        ("zorb, gadget", ("zorb", "gadget"), ["gadget", "zorb"]),
        ("zorb for gadget", ("zorb", "gadget"), ["gadget", "zorb"]),
        ("one two three four five", ("one two", "three four", "five"), []),
    ],
)
def test_spans_without_a_word_between_them_are_one_name(title, parts, names):
    found = reading(title, spans=dict.fromkeys(parts, "product_type"))
    assert found.reading.phrases == tuple(f"value:product_type/{name}" for name in names)


@pytest.mark.parametrize(
    ("title", "spans", "verdicts"),
    [
        ("shoes", {"shoes": "product_type"}, {}),
        ("Footwear", {"Footwear": "product_type"}, {}),
        ("zorb", {"zorb": "brand"}, {}),
        ("zorb", {}, {}),
        ("N/A", {"N/A": "product_type"}, {}),
        ("1234", {"1234": "product_type"}, {}),
        # The cleaner does not believe that it is a mug.
        ("zorb mug", {"zorb mug": "product_type"}, {("product_type", "zorb mug"): "rejected"}),
        (
            "zorb mug",
            dict.fromkeys(("zorb", "mug"), "product_type"),
            {("product_type", "mug"): "rejected"},
        ),
    ],
)
def test_what_is_known_or_no_type_is_no_phrase(title, spans, verdicts):
    assert reading(title, spans=spans, verdicts=verdicts).reading.phrases == ()


def test_of_several_types_in_a_title_the_one_on_the_catalogs_line_counts():
    spans = {"mug": "product_type", "boots": "product_type"}
    assert reading("mug boots", spans=spans).reading.type == "mug"
    assert reading("mug boots", "Footwear", spans=spans).reading.type == "boots"


def test_a_field_for_the_type_comes_before_the_category():
    found = reading("", "Footwear", articleType=["Boots"])
    assert found.claims["has_type", "type:boots", "catalog"].field == "articleType"
    assert found.reading.type == "boots"


def test_types_count_up_to_the_departments():
    up = counted_types(ONTOLOGY, "running-shoes", departments=True)
    assert up == ("running-shoes", "sports-shoes", "shoes")
    assert counted_types(ONTOLOGY, "running-shoes", departments=False) == up[:2]
    assert counted_types(ONTOLOGY, "shoes", departments=False) == ("shoes",)
    assert counted_types(ONTOLOGY, "", departments=True) == ()


def test_values_come_from_aliased_fields_and_are_cut_where_several_are_allowed():
    found = reading("", baseColour=["Red, blue", "red"], Features=["Waterproof"], unheard=["of"])
    assert found.reading.values == (
        "value:color/blue",
        "value:color/red",
        "value:feature/waterproof",
    )
    claimed = found.claims["has_attribute:feature", "value:feature/waterproof", "catalog"]
    assert (claimed.text, claimed.field) == ("Waterproof", "Features")
    assert claimed.bundles == ("cleaning@1",)


@pytest.mark.parametrize(
    ("catalog", "title", "counts"),
    [
        ("accepted", "", True),
        ("held", "", True),
        ("rejected", "", False),
        ("", "accepted", True),
        ("", "held", False),
        ("", "rejected", False),
    ],
)
def test_a_value_counts_if_accepted_or_claimed_by_the_catalog_and_not_rejected(
    catalog: str, title: str, counts: bool
):
    attributes = {"color": ["RED"]} if catalog else {}
    found = reading(
        "red" if title else "",
        spans={"red": "color"},
        verdicts={("color", "RED"): catalog, ("color", "red"): title},
        **attributes,
    )
    assert found.reading.values == (("value:color/red",) if counts else ())
    assert len(found.claims) == 1
    assert found.reading.used == (
        ("value:color/red",) if "rejected" not in (catalog, title) else ()
    )


@pytest.mark.parametrize(
    ("catalog", "title", "counts"),
    [
        ("accepted", "accepted", ()),
        ("accepted", "held", ()),
        ("rejected", "accepted", ("value:gender/women",)),
        ("held", "rejected", ("value:gender/men",)),
        ("rejected", "rejected", ()),
    ],
)
def test_of_conflicting_values_none_counts_unless_all_others_are_rejected(
    catalog: str, title: str, counts: tuple[str, ...]
):
    found = reading(
        "womens",
        spans={"womens": "gender"},
        verdicts={("gender", "mens"): catalog, ("gender", "womens"): title},
        gender=["mens"],
    )
    assert found.reading.values == counts
    assert len(found.claims) == 2


def test_brands_and_numbers_make_no_concepts_unless_told_so():
    fields = {"brand": ["Nordwind"], "weight": ["2 kg"]}
    found = reading(**fields)
    assert (found.reading.values, len(found.claims)) == ((), 2)
    assert found.reading.used == ("value:brand/nordwind", "value:weight/2000-g")
    every = ProductSettings(uncounted=frozenset(), count_numbers=True)
    assert reading(**fields, settings=every).reading.values == found.reading.used


def test_values_are_limited_the_catalogs_first():
    few = ProductSettings(max_values=2, max_facts=4)
    found = reading(
        "aaa", spans={"aaa": "color"}, settings=few, color=["d", "c"], feature=["b", "e", "f"]
    )
    assert found.reading.values == ("value:color/c", "value:color/d")
    assert len(found.claims) == 4
    with pytest.raises(SettingsError, match="max_facts"):
        ProductSettings(max_facts=1)


def test_huge_texts_cost_nothing_and_claim_nothing():
    found = reading(
        "x" * 10_000_000, "y" * 10_000_000, color=["z" * 10_000_000], **{"w" * 9999: ["v"]}
    )
    assert found == Read(Reading(), {})
    models = Answering({}, {})
    models.read(Product("p1", title="x" * 10_000_000))
    assert [len(text.text) for text in models.asked] == [MAX_TEXT_CHARS]


def test_a_title_that_does_not_name_a_value_is_no_witness_against_it():
    models = Answering({"shoes": "product_type"}, {})
    models.read(
        Product("p1", title="plain shoes", category=("Shoes",), attributes={"color": ["red"]})
    )
    assert Claim("", "shoes", "color", "red") in models.asked
    assert Claim("plain shoes", "shoes", "color", "red") not in models.asked


def test_a_type_of_the_catalog_is_accepted_unless_the_title_names_one_of_another_line():
    alone = reading("thing", "Shoes")
    agreed = reading("thing shoes", "Shoes", spans={"shoes": "product_type"})
    for found in alone, agreed:
        assert found.claims["has_type", "type:shoes", "catalog"].verdict == "accepted"
    against = reading("blue mug", "Shoes", spans={"mug": "product_type"})
    assert against.claims["has_type", "type:shoes", "catalog"].verdict == "held"


def test_the_cleaner_is_not_asked_of_attributes_that_it_was_not_trained_on():
    knows_type = replace(SETTINGS, judges=frozenset({"product_type"}))
    models = Answering(
        {"red": "color"}, {("color", "blue"): "rejected", ("color", "red"): "rejected"}
    )
    product = Product("p1", title="red", attributes={"color": ["blue"], "weight": ["2 kg"]})
    found = models.read(product, knows_type)
    assert [one for one in models.asked if isinstance(one, Claim)] == []
    said = {name: (one.verdict, one.score) for name, one in found.claims.items()}
    assert said == {
        ("has_attribute:color", "value:color/blue", "catalog"): ("accepted", 0.75),
        ("has_attribute:weight", "value:weight/2000-g", "catalog"): ("accepted", 0.75),
        ("has_attribute:color", "value:color/red", "text"): ("held", 0.5),
    }


def test_what_the_tagger_found_is_asked_of_the_title_however_its_value_is_spelt():
    title = "mug (2 kg) green"
    models = Answering({"2 kg": "weight"}, {})
    models.read(Product("p1", title=title))
    assert [one for one in models.asked if isinstance(one, Claim)] == [
        Claim(title, "", "weight", "2 kg")
    ]


@pytest.mark.parametrize(
    ("guess", "title", "category", "types"),
    [
        ("boots", "Timberland Premium 6 inch", (), {("type:boots", "accepted", 0.9)}),
        ("shoes", "Nike running shoes", (), {("type:running-shoes", "accepted", 0.5)}),
        ("no-such-type", "Nike boots", (), {("type:boots", "accepted", 0.5)}),
        (
            "boots",
            "Timberland Premium",
            ("Mugs",),
            {("type:boots", "held", 0.9), ("type:mug", "held", 0.5)},
        ),
    ],
)
def test_a_title_that_names_no_type_has_the_taggers(guess, title, category, types):
    class Guessing(Answering):
        def tag(self, text: Text) -> Tagged:
            return Tagged(super().tag(text).spans, guess, 0.9)

    product = Product("p1", title=title, category=category)
    found = Guessing({"running shoes": "product_type", "boots": "product_type"}, {}).read(product)
    assert {
        (tail, claimed.verdict, claimed.score)
        for (relation, tail, _), claimed in found.claims.items()
        if relation == "has_type"
    } == types


@pytest.mark.parametrize(("score", "types"), [(SURE, {"type:boots"}), (SURE - 0.01, set())])
def test_a_type_that_no_word_of_the_title_names_has_to_be_sure(score, types):
    class Guessing(Answering):
        def tag(self, text: Text) -> Tagged:
            return Tagged(super().tag(text).spans, "boots", score)

    found = Guessing({}, {}).read(Product("p1", title="Timberland Premium 6 inch"))
    assert {tail for relation, tail, _ in found.claims if relation == "has_type"} == types
    assert bool(found.reading.types) == bool(types)
