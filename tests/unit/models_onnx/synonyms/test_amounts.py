"""Numbers and units must agree; units are folded, number words count."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_onnx.synonyms.amounts import agreement, amounts_of, restated
from models_onnx.synonyms.wording import plain


def asked(a, b):
    return agreement(amounts_of(plain(a)), amounts_of(plain(b)))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("500 ml", "0.5 L"),
        ("16 oz", "1 lb"),
        ("1 kg", "2.2 lbs"),
        ("a dozen eggs", "12 eggs"),
        ("half dozen", "6 pcs"),
        ("1,000-nit peak", "1000 nit peak"),
        ("1 1/2 in", "1.5 inches"),
        ("½ cup", "0.5 cup"),
        ("10' x 3\"", "10 ft x 3 in"),
        ("5g", "5 g"),
        ("between two to seven pounds", "2-7 lb"),
        ("12 months", "1 year"),
    ],
)
def test_the_same_amount_in_other_words_agrees(a, b):
    assert asked(a, b) == asked(b, a) == "agree"


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("500 ml", "5 l"),
        ("pack of 2", "pack of 3"),
        ("iPhone 7", "iPhone 8"),
        ("32 GB", "32 TB"),
        ("100 m", "100 mm"),
        ("two pack", "three pack"),
        ("9 x 12 in", "9 x 13 in"),
        ("usb 2.0", "usb 3.0"),
        ("1080p", "720p"),
        ("100% cotton", "50% cotton"),
        ("1000 g", "1001 g"),
        ("1 kg", "1 lb"),
    ],
)
def test_other_numbers_or_units_differ(a, b):
    assert asked(a, b) == asked(b, a) == "differ"


@pytest.mark.parametrize(("a", "b"), [("iphone", "iphone 7"), ("4k", "ultra hd")])
def test_digits_on_one_side_only_are_told_apart(a, b):
    assert asked(a, b) == asked(b, a) == "one-sided"


@pytest.mark.parametrize(
    ("a", "b"), [("two-tone", "bicolor"), ("one of the best", "best"), ("2XL", "xxl")]
)
def test_number_words_alone_and_sizes_in_letters_are_no_amounts(a, b):
    assert asked(a, b) == "none"


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_has_amounts_and_agreement_is_symmetric(a, b):
    assert asked(a, b) == asked(b, a)
    assert asked(a, a) in ("none", "agree", "one-sided")


@given(st.integers(1, 999), st.sampled_from(["ml", "g", "cm", "gb"]))
def test_an_amount_agrees_with_itself_and_not_with_the_next(number, unit):
    assert asked(f"{number} {unit}", f"{number}{unit}") == "agree"
    assert asked(f"{number} {unit}", f"{number + 1} {unit}") == "differ"


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("0.5 l bottle", "500 ml bottles", True),
        ("16 oz", "1 lb", True),
        ("500", "500 ml", False),
        ("16:9", "9:16", False),
        ("500 ml bottle", "0.5 l can", False),
        ("bottle", "bottle", False),
    ],
)
def test_amounts_may_be_restated_where_all_else_is_the_same(a, b, same):
    assert restated(plain(a), plain(b)) == restated(plain(b), plain(a)) == same
