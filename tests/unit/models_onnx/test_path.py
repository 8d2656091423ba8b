"""The best sequence of tags, against every sequence there is."""

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models_onnx.labels import bio_labels
from models_onnx.tagging.path import BREAK, PathFinder

LABELS = bio_labels(("a", "b"))
PATHS = PathFinder(LABELS)


def cost(before, tag):
    """What it costs that `tag` follows `before`, by the rule."""
    if LABELS[tag][0] == "I":
        return 0.0 if LABELS[before][2:] == LABELS[tag][2:] else np.inf
    begins_anew = LABELS[tag][0] == "B" and LABELS[before][2:] == LABELS[tag][2:]
    return BREAK if begins_anew else 0.0


def score(chances, tags):
    if LABELS[tags[0]][0] == "I":
        return -np.inf
    scores = np.log(np.maximum(chances, 1e-9))
    own = sum(float(scores[place, tag]) for place, tag in enumerate(tags))
    return own - sum(cost(one, other) for one, other in pairwise(tags))


@st.composite
def tables(draw, most=4):
    """Chances of up to `most` words: random, with a few so flat or so sure that they tie."""
    words = draw(st.integers(1, most))
    some = st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.9]) | st.floats(0, 1, width=16)
    rows = [[draw(some) for _ in LABELS] for _ in range(words)]
    table = np.array(rows, np.float32) + np.float32(1e-4)
    return table / table.sum(-1, keepdims=True)


@given(tables())
@settings(max_examples=300)
def test_no_sequence_of_all_is_better(chances):
    best = max(score(chances, tags) for tags in product(range(len(LABELS)), repeat=len(chances)))
    assert score(chances, PATHS.best(chances)) == pytest.approx(best, abs=1e-4)


@given(tables(most=12))
def test_an_inside_follows_its_own_label_alone(chances):
    tags = [LABELS[tag] for tag in PATHS.best(chances)]
    assert not tags[0].startswith("I")
    assert all(b[0] != "I" or a[2:] == b[2:] for a, b in pairwise(tags))


def sure(*tags, of=0.9):
    table = np.full((len(tags), len(LABELS)), (1 - of) / (len(LABELS) - 1), np.float32)
    table[range(len(tags)), [LABELS.index(tag) for tag in tags]] = of
    return table


def test_an_amount_and_its_unit_are_one_value():
    chances = sure("B-a", "I-b")
    chances[0, LABELS.index("B-b")] = 0.4
    chances[0, LABELS.index("B-a")] = 0.5
    assert [LABELS[tag] for tag in PATHS.best(chances)] == ["B-b", "I-b"]


def test_two_values_of_one_label_side_by_side_need_to_be_sure():
    assert PATHS.best(sure("B-a", "B-a", of=0.9)) == [1, 1]
    doubtful = sure("B-a", "B-a", of=0.5)
    doubtful[1, LABELS.index("I-a")] = 0.4
    assert [LABELS[tag] for tag in PATHS.best(doubtful)] == ["B-a", "I-a"]


def test_a_word_whose_chances_are_no_numbers_is_outside():
    chances = sure("B-a", "I-a", "I-a")
    chances[1, 3] = np.nan
    assert PATHS.best(chances)[1] == 0
    assert PATHS.best(np.full((2, len(LABELS)), np.nan, np.float32)) == [0, 0]


def test_no_words_have_no_tags():
    assert PATHS.best(np.zeros((0, len(LABELS)), np.float32)) == []
