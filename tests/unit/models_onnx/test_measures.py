"""The figures of the model cards, against cases worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_onnx.cleaning import evaluate as cleaning
from models_onnx.spans import Span, Tagged, Text
from models_onnx.tagging import evaluate as tagging
from models_onnx.tagging.examples import Labelled, Piece


def test_spans_count_only_when_place_and_label_agree():
    gold = [{Piece(0, 3, "color"), Piece(4, 8, "brand")}, {Piece(0, 2, "size")}]
    found = [{Piece(0, 3, "color"), Piece(4, 8, "model")}, {Piece(0, 1, "size")}]
    assert tagging.score(gold, found) == {"precision": 0.3333, "recall": 0.3333, "f1": 0.3333}
    assert tagging.by_label(gold, found) == {"brand": 0.0, "color": 1.0, "size": 0.0}


def test_nothing_found_is_zero_and_no_error():
    assert tagging.score([set()], [set()])["f1"] == 0.0


def test_seen_and_unseen_values_are_told_apart():
    class Knows:
        def tag(self, texts: list[Text]) -> list[Tagged]:
            return [Tagged((Span(0, 3, "color", "red", 1.0),)) for _ in texts]

    rows = [
        Labelled(text=t, kind="query", pieces=(Piece(0, len(t), "color"),), source="x")
        for t in ("red", "mauve")
    ]
    figures = tagging.measure(Knows(), rows, {("color", "red")})
    assert (figures["recall_seen"], figures["recall_unseen"]) == (1.0, 0.0)
    assert (figures["spans_seen"], figures["spans_unseen"]) == (1, 1)


FOUND = np.array([True, False, True, False])
SCORES = np.array([0.9, 0.8, 0.7, 0.1])


def test_average_precision_recall_and_threshold_by_hand():
    assert cleaning.average_precision(FOUND, SCORES) == pytest.approx(0.5 + 0.5 * 2 / 3, abs=1e-4)
    assert cleaning.recall_at(FOUND, SCORES, 0.9) == 0.5
    assert cleaning.recall_at(FOUND, SCORES, 0.6) == 1.0
    assert cleaning.threshold_for(FOUND, SCORES, 0.6) == 0.7
    assert cleaning.threshold_for(~FOUND, SCORES, 0.9) == 1.0
    assert cleaning.auc(FOUND, SCORES) == 0.75


def test_ties_are_taken_together():
    even = np.full(4, 0.5)
    assert cleaning.average_precision(FOUND, even) == 0.5
    assert cleaning.auc(FOUND, even) == 0.5
    assert cleaning.recall_at(FOUND, even, 0.6) == 0.0


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=30), st.randoms())
def test_figures_do_not_depend_on_the_order_of_the_claims(rows, rng):
    def figures(some):
        found = np.array([f for f, _ in some])
        scores = np.array([float(s) for _, s in some])
        return cleaning.average_precision(found, scores), cleaning.auc(found, scores)

    shuffled = list(rows)
    rng.shuffle(shuffled)
    assert figures(rows) == pytest.approx(figures(shuffled))
