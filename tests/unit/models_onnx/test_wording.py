"""Names and values as catalogs write them, made readable."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_onnx.cleaning.wording import ALIASES, attribute_words, value_words, worded
from models_onnx.spans import Claim


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("attr_t_product_colour", "product colour"),
        ("product_colour", "product colour"),
        ("productColour", "product colour"),
        ("Product Colour", "product colour"),
        ("attr_n_master__outer__case_width", "master outer case width"),
        ("Color(s)", "color(s)"),
        ("body_part", "body part"),
        ("USB", "usb"),
        ("12:30 hours", "12 30 hours"),
        ("", ""),
    ],
)
def test_names_are_read_however_the_catalog_writes_them(name, words):
    assert attribute_words(name) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("8.0", "8"),
        ("8.50", "8.50"),
        ("10.0 x 20.0 cm", "10 x 20 cm"),
        ("1.0.0", "1.0.0"),
        ("X3650\\nX4650", "X3650, X4650"),
        ("a\n\nb", "a, b"),
        ("  Black ", "Black"),
    ],
)
def test_values_lose_line_breaks_and_empty_decimals(value, words):
    assert value_words(value) == words


@given(st.text(max_size=200), st.text(max_size=200))
def test_a_worded_claim_is_worded_once_and_keeps_text_and_type(attribute, value):
    once = worded(Claim("a text", "a type", attribute, value))
    assert (once.text, once.type) == ("a text", "a type")
    assert ":" not in once.attribute
    assert worded(once) == once


def test_megabytes_cost_no_more_than_kilobytes():
    assert len(value_words("8.0 " * 10**6)) < 3000


def test_an_alias_is_no_other_labels_name():
    names = [alias for some in ALIASES.values() for alias in some]
    assert not set(names) & set(ALIASES)
    assert len(names) == len(set(names))
