import random

import pytest

from models_onnx.cleaning import slips
from models_onnx.cleaning.corrupt import (
    KINDS,
    MEASURED_KINDS,
    TRAINED_KINDS,
    WITHOUT_TEXT_KINDS,
    Corruptor,
)
from models_onnx.spans import Claim
from models_onnx.tagging import lexicon
from models_onnx.tagging.splits import normal

WORDS = lexicon.load()
RIGHT = [
    Claim("Acme Red Leather Shoes, size 8", "shoes", "color", "Red"),
    Claim("Acme Red Leather Shoes, size 8", "shoes", "brand", "Acme"),
    Claim("Acme Red Leather Shoes, size 8", "shoes", "material", "Leather"),
    Claim("Acme Red Leather Shoes, size 8", "shoes", "size", "size 8"),
    Claim("Bolt Dark Blue Canvas Shoes, size 9", "shoes", "color", "Dark Blue"),
    Claim("Bolt Dark Blue Canvas Shoes, size 9", "shoes", "size", "size 9"),
    Claim("Peak Vanilla Ice Cream 12 oz", "ice cream", "flavor", "Vanilla"),
    Claim("Peak Vanilla Ice Cream 12 oz", "ice cream", "size", "12 oz"),
    Claim("", "shoes", "activity", "trail running"),
    Claim("", "ice cream", "occasion", "birthday"),
]


def corruptor(seed=0):
    return Corruptor(RIGHT, WORDS, random.Random(seed))


def test_the_same_seed_makes_the_same_errors():
    made = [[corruptor(seed).corrupt(c) for c in RIGHT] for seed in (1, 1, 2)]
    assert made[0] == made[1] != made[2]


def test_what_is_made_wrong_differs_from_what_was_right():
    maker = corruptor()
    for claim in RIGHT * 40:
        made = maker.corrupt(claim)
        if made is not None:
            assert made.kind in KINDS
            assert made.claim.text == claim.text
            same = made.claim.attribute == claim.attribute
            assert not (same and normal(made.claim.value) == normal(claim.value))


def test_every_kind_can_be_made():
    maker = corruptor()
    made = [maker.corrupt(c, [kind]) for kind in KINDS for c in RIGHT for _ in range(40)]
    assert {m.kind for m in made if m} == set(KINDS)


def test_a_swapped_value_never_stands_in_the_title():
    claim = Claim("Acme Red and Dark Blue Shoes", "shoes", "color", "Red")
    maker = corruptor()
    made = [maker.corrupt(claim, ["swap"]) for _ in range(30)]
    assert all(m is None or m.claim.value != "Dark Blue" for m in made)


def test_without_a_text_only_what_shows_is_made_wrong():
    maker = corruptor()
    bare = [c for c in RIGHT if not c.text]
    kinds = {made.kind for c in bare * 40 if (made := maker.corrupt(c))}
    assert kinds <= set(WITHOUT_TEXT_KINDS)
    assert "swap" not in kinds


def test_the_planted_share_is_kept():
    planted = corruptor().plant(RIGHT * 100, 0.1)
    wrong = sum(bool(kind) for _, kind in planted)
    assert 50 < wrong < 130
    assert all(claim in RIGHT for claim, kind in planted if not kind)


def test_some_kinds_are_kept_from_training():
    assert set(TRAINED_KINDS) < set(KINDS)
    assert {"neighbour", "number", "unit", "merged", "cut", "maker", "misspelt"} < set(
        MEASURED_KINDS
    )
    assert not set(slips.JUNK) & set(slips.PLACEHOLDERS)


def test_a_number_under_another_numbers_attribute_is_no_error_that_anybody_could_see():
    claims = [Claim(f"Box {i}", "", name, f"{i}.5") for i in range(60) for name in ("w", "h")]
    maker = Corruptor(claims, WORDS, random.Random(0))
    assert all(maker.corrupt(c, ["attribute"]) is None for c in claims)


def test_attributes_that_no_such_product_has_are_found_from_the_catalog_alone():
    printers = [Claim(f"Printer {i}", "", a, "7") for i in range(50) for a in ("yield", "dpi")]
    cables = [Claim(f"Cable {i}", "", a, "3") for i in range(50) for a in ("length", "plug")]
    maker = Corruptor([*printers, *cables], WORDS, random.Random(0))
    made = [maker.corrupt(c, ["inapplicable"]) for c in printers]
    assert {m.claim.attribute for m in made if m} == {"length", "plug"}


def test_a_shorter_or_longer_name_of_the_same_is_no_swap():
    claims = [
        Claim("X", "", "technology", v) for v in ("Laser", "Laser printing", "laser-printing")
    ]
    maker = Corruptor(claims, WORDS, random.Random(0))
    assert all(maker.corrupt(c, ["swap", "neighbour"]) is None for c in claims * 10)


@pytest.mark.parametrize("value", ["", " ", "8", "x", "12 oz", "\ud800", "a" * 5000, "1" * 400])
def test_slips_of_any_value_are_texts_or_nothing(value):
    rng = random.Random(0)
    for made in (
        slips.boundary("a text of 12 oz", value, rng),
        slips.number(value, rng),
        slips.unit(value, rng),
        slips.merged("a text", value, "other", rng),
        slips.cut(value, rng),
        slips.misspelt(value, rng),
    ):
        assert made is None or isinstance(made, str)
