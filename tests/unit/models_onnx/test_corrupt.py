import random

from models_onnx.cleaning.corrupt import KINDS, TRAINED_KINDS, WITHOUT_TEXT_KINDS, Corruptor
from models_onnx.spans import Claim
from models_onnx.tagging import lexicon
from models_onnx.tagging.splits import normal

WORDS = lexicon.load()
RIGHT = [
    Claim("Acme Red Leather Shoes, size 8", "shoes", "color", "Red"),
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
    assert {"neighbour", "number", "overlong"}.isdisjoint(TRAINED_KINDS)
