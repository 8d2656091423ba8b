import asyncio

from models_onnx.fakes import FakeCleaner, FakeTagger
from models_onnx.spans import Claim, Text

LEXICON = {
    "product_type": ["shoes", "dress", "dress shoes"],
    "audience": ["pregnant women", "women"],
    "color": ["red", "black"],
    "flavor": ["vanilla"],
}


def found(text):
    return [(s.text, s.label) for s in FakeTagger(LEXICON).tag([Text(text, "query")])[0].spans]


def test_the_longest_phrase_wins():
    assert found("Red dress-shoes for PREGNANT women") == [
        ("Red", "color"),
        ("dress-shoes", "product_type"),
        ("PREGNANT women", "audience"),
    ]


def test_words_of_the_lexicon_are_whole_words():
    assert found("redshoes womens") == []


def test_the_first_label_wins_where_two_have_the_phrase():
    tagger = FakeTagger({"scent": ["rose"], "color": ["rose"]})
    assert tagger.tag([Text("rose", "title")])[0].spans[0].label == "scent"


def verdict(text, attribute, value):
    return FakeCleaner(LEXICON).judge([Claim(text, "shoes", attribute, value)])[0].verdict


def test_claims_are_judged_by_title_and_lexicon():
    assert verdict("red shoes", "color", "Red") == "accepted"
    assert verdict("red shoes", "color", "black") == "rejected"
    assert verdict("shoes", "color", "vanilla") == "rejected"
    assert verdict("", "color", "black") == "accepted"
    assert verdict("", "color", "mauve") == "held"
    assert verdict("mauve shoes", "color", "mauve") == "accepted"
    assert verdict("red shoes", "color", " ") == "held"


def test_the_fakes_answer_the_same_off_the_loop():
    claims = [Claim("red shoes", "shoes", "color", "red")]
    cleaner = FakeCleaner(LEXICON)
    assert asyncio.run(cleaner.judge_async(claims)) == cleaner.judge(claims)
