import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_onnx.errors import ShapeError
from models_onnx.labels import LABELS, bio_labels
from models_onnx.tagging.decode import decode_spans

BIO = ("O", "B-color", "I-color", "B-brand", "I-brand")
TEXT = "acme dark blue shoes"
WORDS = [(0, 4), (5, 9), (10, 14), (15, 20)]


def decode(tags, scores=(0.9, 0.8, 0.7, 0.6), **more):
    return decode_spans(TEXT, WORDS, [BIO.index(t) for t in tags], scores, BIO, **more)


@st.composite
def tagged_words(draw):
    lengths = draw(st.lists(st.integers(1, 5), max_size=12))
    words, at = [], 0
    for length in lengths:
        words.append((at, at + length))
        at += length + 1
    tags = draw(st.lists(st.integers(0, 4), min_size=len(words), max_size=len(words)))
    scores = draw(st.lists(st.floats(0, 1), min_size=len(words), max_size=len(words)))
    return " ".join("x" * n for n in lengths), words, tags, scores


@given(tagged_words())
def test_spans_are_in_order_apart_and_cut_from_the_text(case):
    text, words, tags, scores = case
    spans = decode_spans(text, words, tags, scores, BIO)
    assert all(a.end < b.start for a, b in pairwise(spans))
    assert all(text[s.start : s.end] == s.text for s in spans)
    covered = {w for w in words for s in spans if s.start <= w[0] and w[1] <= s.end}
    assert covered == {w for w, t in zip(words, tags, strict=True) if t}


@given(tagged_words())
def test_a_span_starts_at_each_b_and_at_each_i_that_follows_nothing_of_its_label(case):
    text, words, tags, scores = case
    spans = decode_spans(text, words, tags, scores, BIO)
    before = [0, *tags]
    starts = sum(
        t in (1, 3) or (t in (2, 4) and p not in (t, t - 1))
        for p, t in zip(before, tags, strict=False)
    )
    assert len(spans) == starts


def test_the_geometric_mean_of_its_words_scores_is_the_spans():
    (span,) = decode(["O", "B-color", "I-color", "O"])
    assert (span.start, span.end, span.label) == (5, 14, "color")
    assert span.score == pytest.approx(math.sqrt(0.8 * 0.7), abs=1e-4)


def test_a_word_of_no_chance_is_a_score_near_zero_and_no_error():
    (span,) = decode(["O", "B-color", "O", "O"], [0.9, 0.0, 0.9, 0.9])
    assert span.score == 0


def test_i_after_o_and_after_another_label_opens_a_span():
    found = decode(["I-brand", "I-color", "I-color", "O"])
    assert [(s.label, s.text) for s in found] == [("brand", "acme"), ("color", "dark blue")]


def test_b_after_the_same_label_opens_another_span():
    assert len(decode(["O", "B-color", "B-color", "O"])) == 2


def test_weak_spans_are_dropped():
    assert not decode(["O", "B-color", "I-color", "O"], min_score=0.75)


@pytest.mark.parametrize("place", [1, 2])
def test_a_score_that_is_no_number_drops_its_span(place):
    scores = [0.9] * 4
    scores[place] = math.nan
    assert not decode(["O", "B-color", "I-color", "O"], scores)


def test_a_value_does_not_end_with_a_comma_or_a_dash():
    (span,) = decode_spans("red, ", [(0, 4)], [1], [1.0], BIO)
    assert (span.text, span.start, span.end) == ("red", 0, 3)
    (span,) = decode_spans("2 oz -", [(0, 1), (2, 4), (5, 6)], [1, 2, 2], [1.0] * 3, BIO)
    assert (span.text, span.end) == ("2 oz", 4)


def test_punctuation_alone_is_no_value():
    assert not decode_spans("a , b", [(0, 1), (2, 3), (4, 5)], [0, 1, 0], [1.0] * 3, BIO)


@pytest.mark.parametrize(
    ("tags", "scores"), [([0], [1.0] * 4), ([0] * 4, [1.0]), ([9] * 4, [1.0] * 4)]
)
def test_disagreeing_shapes_are_refused(tags, scores):
    with pytest.raises(ShapeError):
        decode_spans(TEXT, WORDS, tags, scores, BIO)


def test_every_label_has_a_b_and_an_i_column():
    columns = bio_labels()
    assert len(columns) == len(set(columns)) == 1 + 2 * len(LABELS) <= 256
    assert all(f"{part}-{label}" in columns for label in LABELS for part in "BI")
