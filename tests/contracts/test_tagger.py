"""One suite for every tagger: the rule-based fake and the model of the shipped bundle."""

import asyncio
import random
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from models_onnx.fakes import FakeTagger
from models_onnx.spans import Tagged, Text, decode_tagged, encode_tagged
from models_onnx.tagging.tagger import Tagger

LEXICON = {
    "product_type": ["shoes", "boots", "gift", "jacket", "jeans", "clogs"],
    "brand": ["peter england"],
    "audience": ["men", "pregnant women", "grandma", "nurses"],
    "color": ["blue", "black"],
    "location": ["icy sidewalks"],
    "activity": ["rainy hiking trips"],
    "feature": ["slip resistant", "slip-resistant"],
    "material": ["leather"],
    "size": ["size 8"],
}

QUERIES = {
    "shoes for pregnant women": {("shoes", "product_type"), ("pregnant women", "audience")},
    "pregnant women shoes": {("shoes", "product_type"), ("pregnant women", "audience")},
    "boots for icy sidewalks": {("boots", "product_type"), ("icy sidewalks", "location")},
    "gift for grandma": {("gift", "product_type"), ("grandma", "audience")},
    "jacket for rainy hiking trips": {
        ("jacket", "product_type"),
        ("rainy hiking trips", "activity"),
    },
}

TITLES = {
    "Peter England Men Blue Jeans": {
        ("Peter England", "brand"),
        ("Men", "audience"),
        ("Blue", "color"),
        ("Jeans", "product_type"),
    },
    "Slip-Resistant Leather Clogs for Nurses, Black, Size 8": {
        ("Slip-Resistant", "feature"),
        ("Clogs", "product_type"),
        ("Nurses", "audience"),
        ("Black", "color"),
        ("Size 8", "size"),
    },
}

TEXTS = [Text(q, "query") for q in QUERIES] + [Text(t, "title") for t in TITLES]

POISON = {
    "empty": "",
    "blanks": " \t\n ",
    "control characters": "red\x00shoes\x07\x1b[0m",
    "lone surrogates": "red \ud800 shoes \udfff",
    "emoji": "👟 for 👩‍👩‍👧 🤰",
    "right to left": "أحذية للنساء الحوامل",
    "only digits": "0123456789 " * 40,
    "one long word": "x" * 1_000_000,
    "many words": "shoes " * 200_000,
    "blanks, then a word": " " * 100_000 + "shoes",
    "combining marks": "e" + "\u0301" * 5_000,
}


@pytest.fixture(scope="module", params=["fake", "onnx"])
def tagger(request):
    made = FakeTagger(LEXICON) if request.param == "fake" else Tagger.load(device="cpu", threads=2)
    yield made
    made.close()


@pytest.mark.parametrize("text", TEXTS, ids=lambda t: t.text)
def test_intents_and_attributes_are_found(tagger, text):
    found = {(s.text, s.label) for s in tagger.tag([text])[0].spans}
    assert {**QUERIES, **TITLES}[text.text] <= found


def test_spans_are_cut_from_the_text_in_order_and_apart(tagger):
    for text, tagged in zip(TEXTS, tagger.tag(TEXTS), strict=True):
        assert tagged.spans
        assert all(text.text[s.start : s.end] == s.text for s in tagged.spans)
        assert all(a.end <= b.start for a, b in pairwise(tagged.spans))
        assert all(0.0 <= s.score <= 1.0 for s in tagged.spans)


def test_a_text_has_the_same_answer_alone_in_any_company_and_in_any_order(tagger):
    alone = {text: tagger.tag([text])[0] for text in TEXTS}
    many = TEXTS * 20
    random.Random(3).shuffle(many)
    assert tagger.tag(many) == [alone[text] for text in many]


def test_threads_share_a_tagger(tagger):
    expected = tagger.tag(TEXTS)
    with ThreadPoolExecutor(4) as pool:
        assert all(answer == expected for answer in pool.map(tagger.tag, [TEXTS] * 12))


def test_the_answer_off_the_loop_is_the_same(tagger):
    assert asyncio.run(tagger.tag_async(TEXTS * 9)) == tagger.tag(TEXTS * 9)


def test_no_texts_have_no_answers(tagger):
    assert tagger.tag([]) == []
    assert asyncio.run(tagger.tag_async([])) == []


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON)
@pytest.mark.parametrize("kind", ["title", "query"])
def test_poison_neither_raises_nor_touches_its_neighbours(tagger, poison, kind):
    good = TEXTS[0]
    bad, after = tagger.tag([Text(poison, kind, poison[:1000]), good])
    assert after == tagger.tag([good])[0]
    assert all(poison[s.start : s.end] == s.text for s in bad.spans)


def test_empty_texts_have_no_spans(tagger):
    assert tagger.tag([Text("", "query"), Text("  \n", "title")]) == [Tagged(), Tagged()]


def test_answers_can_be_cached_as_bytes(tagger):
    for tagged in tagger.tag(TEXTS):
        assert decode_tagged(encode_tagged(tagged)) == tagged


def test_the_bundle_is_named(tagger):
    name, _, rest = tagger.bundle_id.partition("@")
    assert name == "tagging"
    assert rest.count("-") >= 2
