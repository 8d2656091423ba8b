"""What counts as a mistake of the cleaner, and which are drawn."""

import msgspec

from models_onnx.cleaning.data import Pair
from models_onnx.cleaning.planting import Planted
from models_onnx.spans import Claim
from tests.bench.cleaner_mistakes import drawn, mistakes

COLOURS = ("red", "green", "blue", "black", "white", "pink")
RIGHT = [Claim(f"{colour} mug", "mug", "color", colour) for colour in COLOURS]


def planted(*wrong: int) -> Planted:
    made = [msgspec.structs.replace(claim, value="oak") for claim in RIGHT]
    pairs = [
        Pair(made[i], right=False, kind="swap") if i in wrong else Pair(claim, right=True, kind="")
        for i, claim in enumerate(RIGHT)
    ]
    return Planted(RIGHT, pairs, {})


def values(found):
    return [(one.claim.value, one.before.value, one.kind) for one in found]


def test_a_wrong_value_that_scores_among_the_right_ones_is_missed():
    found = mistakes("mugs", planted(0, 1), [0.1, 0.8, 0.7, 0.9, 0.9, 0.9])
    assert values(found) == [("oak", "green", "swap")]
    assert (found[0].set, found[0].score) == ("mugs", 0.8)


def test_a_right_value_that_scores_with_the_wrong_ones_is_called_wrong():
    set_ = planted(0, 1, 2, 3, 4)
    twice = Planted(RIGHT[:5] + RIGHT, set_.pairs[:5] + set_.pairs, {})
    # Ten wrong values and one right below it: ten of eleven are more than nine of ten.
    found = mistakes("mugs", twice, [0.2] * 10 + [0.1])
    assert values(found) == [("pink", "pink", "")]


def test_where_no_threshold_is_precise_every_wrong_value_is_missed():
    found = mistakes("mugs", planted(3), [0.1, 0.1, 0.1, 0.9, 0.1, 0.1])
    assert values(found) == [("oak", "black", "swap")]


def test_the_draw_does_not_depend_on_the_order():
    found = mistakes("mugs", planted(0, 1, 2, 3, 4), [0.9, 0.9, 0.9, 0.9, 0.9, 0.1])
    assert len(found) == 5
    assert drawn(found, 3, 1) == drawn(found[::-1], 3, 1)
    assert len(drawn(found, 3, 1)) == 3
    assert any(drawn(found, 3, seed) != drawn(found, 3, 1) for seed in range(2, 9))
