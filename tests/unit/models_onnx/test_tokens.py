from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_onnx import bundle
from models_onnx.errors import BundleError
from models_onnx.spans import Claim, Text
from models_onnx.tokens import Tokens

POISON = [
    "",
    " ",
    "\x00\x01",
    "\ud800",
    "a\udfffb",
    "😀👩‍👩‍👧",
    "مرحبا",
    "x" * 10**6,
    "a " * 500_000,
    "1234567890" * 20,
]


@pytest.fixture(scope="module")
def tokens():
    return Tokens.load(bundle.shipped("tagging") / "tokenizer.json", max_tokens=64)


def test_words_point_at_their_first_token_and_their_characters(tokens):
    text = "Café-style  MUGS, 12oz"
    found = tokens.encode_text(Text(text, "title", "mug"))
    assert [text[s:e] for _, s, e in found.words] == ["Café", "-", "style", "MUGS", ",", "12oz"]
    assert all(found.types[first] == 1 for first, _, _ in found.words)
    assert len(found.ids) == len(found.types)


@given(st.text(max_size=300), st.sampled_from(["title", "query"]))
def test_any_text_has_words_in_order_apart_and_within_it(text, kind):
    tokens = Tokens.load(bundle.shipped("tagging") / "tokenizer.json", max_tokens=64)
    found = tokens.encode_text(Text(text, kind))
    assert len(found.ids) == len(found.types) <= 64
    places = [(start, end) for _, start, end in found.words]
    assert all(0 <= s < e <= len(text) for s, e in places)
    assert all(a[1] <= b[0] for a, b in pairwise(places))


@pytest.mark.parametrize("text", POISON)
def test_poison_is_encoded_within_the_length(tokens, text):
    for found in (
        tokens.encode_text(Text(text, "query", text)),
        tokens.encode_claim(Claim(text, text, text, text)),
    ):
        assert 0 < len(found.ids) == len(found.types) <= 64


@pytest.mark.parametrize("before", range(8))
def test_a_text_of_many_tokens_loses_its_end_and_never_half_a_word(tokens, before):
    text = "a " * before + "unbelievableness " * 100
    found = tokens.encode_text(Text(text, "title"))
    assert {text[s:e] for _, s, e in found.words} - {"a"} == {"unbelievableness"}


def test_a_text_of_many_characters_loses_its_end_and_never_half_a_word(tokens):
    cut = 0
    for blanks in range(900, 1000):
        text = " " * blanks + "shoes"
        words = [text[s:e] for _, s, e in tokens.encode_text(Text(text, "title")).words]
        assert words in ([], ["shoes"])
        cut += not words
    assert 0 < cut < 100


def test_the_place_of_the_value_is_marked(tokens):
    found = tokens.encode_claim(Claim("Blue leather shoes", "shoes", "material", "LEATHER"))
    marked = [i for i, kind in enumerate(found.types) if kind == 2]
    places = {first: (s, e) for first, s, e in found.words}
    assert [places[i] for i in marked] == [(5, 12)]


@pytest.mark.parametrize("value", ["eat", "leather boots", "", " ", "(", "suede"])
def test_no_place_is_marked_where_the_value_does_not_stand_as_words(tokens, value):
    found = tokens.encode_claim(Claim("Blue leather shoes", "shoes", "material", value))
    assert 2 not in found.types


def test_type_and_kind_change_what_the_model_sees(tokens):
    seen = {
        tuple(tokens.encode_text(Text("dark roast", kind, product)).ids)
        for kind in ("title", "query")
        for product in ("", "coffee")
    }
    assert len(seen) == 4


def test_a_file_that_is_no_tokeniser_is_refused(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(BundleError):
        Tokens.load(tmp_path / "tokenizer.json", max_tokens=64)
