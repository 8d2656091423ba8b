"""Field-mapping files: what they can say, and what they are told when they say it wrong."""

import json
from importlib import resources

import pytest

from streams.errors import SourceError
from streams.sources import mapping
from streams.sources.paths import compile_path, first
from streams.sources.said import RawEvent, RawProduct, Rejected, Said, Unused

EVENTS = """
[events]
action = "what"
time = "at"
shopper = "who"
product = "item"
"""
CATALOG = '[catalog]\nid = "sku"\n'


def read(text: str, record: object, *purchase_actions: str) -> list[Said]:
    words = purchase_actions or ("purchase",)
    return list(mapping.source(text, "shop.toml", words).read(json.dumps(record).encode()))


RECORD = {
    "a": {"b": [{"k": "x", "v": 1}, {"k": "y", "v": 2}], "c.d": 3, "e": ""},
    "n": [[1, 2], [3]],
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("a.b[0].v", 1),
        ("a.b[2].v", None),
        ("a.b[k=y].v", 2),
        ("a.b[k=z].v", None),
        ("a.b[*].v", [1, 2]),
        ("a.b[*].w", None),
        (r"a.c\.d", 3),
        ("n[0][1]", 2),
        ("n[*][0]", [1, 3]),
        ("missing.field", None),
        ("n.field", None),
        ("a[0]", None),
    ],
)
def test_a_path_leads_to_its_value_or_to_nothing(path: str, value: object) -> None:
    assert compile_path(path)(RECORD) == value


@pytest.mark.parametrize("path", ["a..b", ".a", "a.", "a[", "a[x]", "a]b", "a[-1]", "a b[="])
def test_what_is_no_path_is_refused_with_the_place(path: str) -> None:
    with pytest.raises(ValueError, match="is no path: it cannot be read from"):
        compile_path(path)


def test_the_first_place_that_has_a_value_counts() -> None:
    getter = first([compile_path("x"), compile_path("a.e"), compile_path("n[0][0]")])
    assert getter(RECORD) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[events", "shop.toml: not TOML"),
        ("", r"shop.toml: give one of the sections \[events\] and \[catalog\]"),
        (EVENTS + CATALOG, "need a file each"),
        (
            EVENTS + 'shoper = "x"',
            r"\[events\] has an unknown key 'shoper': did you mean 'shopper'",
        ),
        ("[product]", "the file has an unknown key 'product': known are events, catalog"),
        ('[events]\naction = "a"\ntime = "t"', "missing required field `shopper`"),
        ('[events]\naction = "a"\ntime = 7\nshopper = "s"', "Expected `str | array`.*time"),
        ('[events]\ntime = "t"\nshopper = "s"', r"action is missing: .*\[events.constants\]"),
        (EVENTS + 'query = "a..b"', r"\[events\] query: 'a\.\.b' is no path"),
        (EVENTS + 'query = " "', r"\[events\] query is empty"),
        (EVENTS + 'items = "x"', r"items .* and \[events.item\] .* belong together"),
        (EVENTS + 'zone = "Mars/Base"', "zone 'Mars/Base' is not known"),
        (EVENTS + 'time_format = "days"', "time_format is one of auto, iso"),
        (EVENTS + 'unknown_actions = "no"', "unknown_actions is 'skip' or 'reject'"),
        (EVENTS + '[events.actions]\nbuy = ["x"]', r"\[events.actions\] has an unknown key 'buy'"),
        (
            EVENTS + '[events.actions]\nclick = ["A b"]\npurchase = ["a-b"]',
            "'a_b' stands under click and purchase: leave one",
        ),
        (EVENTS + '[events.constants]\naction = "hover"', "action = 'hover' is no action"),
        (EVENTS + '[events.constants]\ntime = "1"', r"\[events.constants\] has an unknown key"),
        ("[catalog]\nid = []", r"\[catalog\] id needs at least one place"),
        (CATALOG + 'category_separator = ""', "category_separator is empty"),
        (CATALOG + 'attributes = ["a["]', r"\[catalog\] attributes: 'a\[' is no path"),
    ],
)
def test_a_wrong_file_is_told_which_key_and_what_to_do(text: str, words: str) -> None:
    with pytest.raises(SourceError, match=words) as told:
        mapping.source(text, "shop.toml")
    assert str(told.value).startswith("shop.toml:")


def test_the_example_file_and_its_commented_half_are_right() -> None:
    text = resources.files("streams").joinpath("schemas/mapping.example.toml").read_text("utf-8")
    assert not mapping.source(text, "example").catalog
    half = text[text.index("# [catalog]") :]
    catalog = "\n".join(line.removeprefix("#").removeprefix(" ") for line in half.splitlines())
    assert mapping.source(catalog, "example").catalog


def test_one_event_comes_of_each_line_of_a_basket() -> None:
    text = EVENTS + 'items = "lines"\n[events.item]\nproduct = "p"\nquantity = "n"\n'
    record = {"what": "purchase", "at": 1, "who": "c", "item": "whole"}
    lines = [{"p": 1}, {"p": 2, "n": "-1"}, {"p": 3, "n": 0}, {"p": 4, "n": "x"}, "junk"]
    said = read(text, {**record, "lines": lines})
    assert [type(each) for each in said] == [RawEvent, RawEvent, Unused, Rejected, RawEvent]
    kinds = [(e.kind, e.product, e.item) for e in said if isinstance(e, RawEvent)]
    assert kinds == [("purchase", "1", 0), ("return", "2", 1), ("purchase", "", 4)]
    (alone,) = read(text, {**record, "lines": []})
    assert isinstance(alone, RawEvent)
    assert alone.product == "whole"


def test_constants_stand_where_the_record_has_nothing() -> None:
    text = (
        '[events]\ntime = "at"\nshopper = "who"\nproduct = "item"\nsession = "s"\n'
        '[events.constants]\naction = "purchase"\nsession = "till"\n'
    )
    (said,) = read(text, {"at": 1, "who": "c", "item": "P"})
    assert isinstance(said, RawEvent)
    assert (said.kind, said.session) == ("purchase", "till")
    (said,) = read(text, {"at": 1, "who": "c", "item": "P", "s": "own"})
    assert isinstance(said, RawEvent)
    assert said.session == "own"


def test_the_setting_purchase_actions_counts_for_mappings_too() -> None:
    text = EVENTS + '[events.actions]\nadd_to_cart = ["into the bag"]\n'
    record = {"what": "Into The Bag", "at": 1, "who": "c", "item": "P"}
    (said,) = read(text, record)
    assert isinstance(said, RawEvent)
    assert said.kind == "add_to_cart"
    (said,) = read(text, record, "purchase", "add_to_cart")
    assert isinstance(said, RawEvent)
    assert said.kind == "purchase"


def test_unknown_actions_are_skipped_or_rejected_as_the_file_says() -> None:
    record = {"what": "hover", "at": 1, "who": "c", "item": "P"}
    assert read(EVENTS, record) == [Unused("action")]
    (said,) = read(EVENTS + 'unknown_actions = "reject"', record)
    assert isinstance(said, Rejected)
    assert said.reason == "unknown_action"


def test_a_catalog_mapping_takes_named_attributes_only_where_it_names_some() -> None:
    record = {"sku": 7, "t": "Clogs", "x": {"c": "white", "s": "rubber"}, "y": 1}
    (said,) = read(
        CATALOG + 'title = "t"\nattributes = ["x.c"]\nrename = {"x.c" = "color"}', record
    )
    assert said == RawProduct("7", "Clogs", attributes={"color": ["white"]})
    (said,) = read(CATALOG + 'title = "t"\ndrop = ["x.*"]', record)
    assert said == RawProduct("7", "Clogs", attributes={"y": ["1"]})
