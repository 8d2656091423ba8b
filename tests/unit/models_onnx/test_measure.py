"""The figures against definitions written out by hand, and against scikit-learn."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models_onnx import measure

ITEMS = st.sets(st.tuples(st.integers(0, 4), st.sampled_from("abc")), max_size=6)
ROWS = st.lists(st.tuples(ITEMS, ITEMS), min_size=1, max_size=12)
RANKED = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.7, 0.9, 1.0])),
    min_size=1,
    max_size=40,
)


def counted(rows):
    return measure.count([a for a, _ in rows], [b for _, b in rows], lambda item: item[1])


def same(found, wanted):
    return (math.isnan(found) and math.isnan(wanted)) or found == pytest.approx(wanted)


def divided(part, whole):
    return part / whole if whole else math.nan


@given(ROWS)
def test_micro_figures_are_those_of_all_items_put_together(rows):
    right = sum(len(a & b) for a, b in rows)
    gold, found = sum(len(a) for a, _ in rows), sum(len(b) for _, b in rows)
    counts = counted(rows)
    assert same(measure.value(measure.precision(counts), len(rows)), divided(right, found))
    assert same(measure.value(measure.recall(counts), len(rows)), divided(right, gold))
    assert same(measure.value(measure.f1(counts), len(rows)), divided(2 * right, gold + found))


@given(ROWS)
def test_macro_f1_is_the_mean_over_labels_that_are_wanted(rows):
    each = []
    for label in "abc":
        pairs = [
            ({i for i in a if i[1] == label}, {i for i in b if i[1] == label}) for a, b in rows
        ]
        if any(a for a, _ in pairs):
            right = sum(len(a & b) for a, b in pairs)
            each.append(2 * right / sum(len(a) + len(b) for a, b in pairs))
    wanted = sum(each) / len(each) if each else math.nan
    assert same(measure.value(measure.macro_f1(counted(rows)), len(rows)), wanted)


@given(RANKED)
def test_average_precision_adds_up_the_recall_gained_at_every_score(ranked):
    positives = sum(p for p, _ in ranked)
    area, before = 0.0, 0
    for threshold in sorted({s for _, s in ranked}, reverse=True):
        taken = [p for p, s in ranked if s >= threshold]
        area += (sum(taken) - before) * sum(taken) / len(taken)
        before = sum(taken)
    positive, scores = arrays(ranked)
    found = measure.value(measure.average_precision(positive, scores), len(ranked))
    assert same(found, divided(area, positives))


@given(RANKED, st.sampled_from([0.5, 0.8, 0.9, 0.95]))
def test_recall_at_precision_is_the_best_of_all_thresholds(ranked, least):
    positives, best, at = sum(p for p, _ in ranked), 0, None
    for threshold in sorted({s for _, s in ranked}, reverse=True):
        taken = [p for p, s in ranked if s >= threshold]
        if sum(taken) / len(taken) >= least and sum(taken) > best:
            best, at = sum(taken), threshold
    positive, scores = arrays(ranked)
    found = measure.value(measure.recall_at_precision(positive, scores, least), len(ranked))
    assert same(found, divided(best, positives))
    assert measure.threshold_at_precision(positive, scores, least) == at


@given(RANKED)
def test_ranking_equals_scikit_learn(ranked):
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is of the extra train")
    positive, scores = arrays(ranked)
    if positive.any():
        wanted = metrics.average_precision_score(positive, scores)
        found = measure.value(measure.average_precision(positive, scores), len(ranked))
        assert found == pytest.approx(wanted)


@given(ROWS, st.randoms())
@settings(max_examples=40)
def test_weights_mean_that_rows_occur_so_often(rows, rng):
    times = [rng.randrange(3) for _ in rows]
    repeated = [row for row, n in zip(rows, times, strict=True) for _ in range(n)]
    weights = np.array([times], float)
    for of in (measure.precision, measure.recall, measure.f1, measure.macro_f1):
        wanted = measure.value(of(counted(repeated)), len(repeated)) if repeated else math.nan
        assert same(float(of(counted(rows))(weights)[0]), wanted)


@given(RANKED, st.randoms())
@settings(max_examples=40)
def test_weights_of_a_ranking_mean_the_same(ranked, rng):
    times = [rng.randrange(3) for _ in ranked]
    repeated = [row for row, n in zip(ranked, times, strict=True) for _ in range(n)]
    weights = np.array([times], float)
    for name, found in measure.ranking(*arrays(ranked)).items():
        wanted = (
            measure.value(measure.ranking(*arrays(repeated))[name], len(repeated))
            if repeated
            else math.nan
        )
        assert same(float(found(weights)[0]), wanted), name


def test_the_interval_of_a_share_is_the_binomial_one():
    rng = np.random.default_rng(3)
    right = rng.random(400) < 0.8
    figure = measure.figure(measure.share(right, np.ones(400)), 400)
    half = 1.96 * math.sqrt(figure.value * (1 - figure.value) / 400)
    assert figure.value == pytest.approx(right.mean())
    assert figure.value - figure.low == pytest.approx(half, rel=0.15)
    assert figure.high - figure.value == pytest.approx(half, rel=0.15)


def test_rows_of_one_group_widen_the_interval():
    right = np.repeat(np.random.default_rng(3).random(100) < 0.5, 10)
    of = measure.share(right, np.ones(1000))
    alone, together = measure.figure(of, 1000), measure.figure(of, np.repeat(np.arange(100), 10))
    assert together.value == alone.value
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_equal_seeds_give_equal_intervals_in_parts_of_any_size(monkeypatch):
    right = np.random.default_rng(1).random(50) < 0.3
    of = measure.share(right, np.ones(50))
    whole = measure.figure(of, 50)
    monkeypatch.setattr(measure, "_CELLS_AT_ONCE", 120)
    assert measure.figure(of, 50) == whole
    few = measure.figure(of, 50, samples=9)
    assert measure.figure(of, 50, samples=9, seed=9) != few


def test_nothing_measured_is_nan_and_no_error():
    for figure in (
        measure.figure(measure.f1(measure.count([], [])), 0),
        measure.figure(measure.recall(measure.count([set()], [{1}])), 1),
    ):
        assert all(math.isnan(v) for v in (figure.value, figure.low, figure.high))
    empty = measure.average_precision(np.zeros(0, bool), np.zeros(0))
    assert math.isnan(measure.figure(empty, 0).value)


def test_what_is_no_ranking_is_refused():
    with pytest.raises(ValueError, match="nan"):
        measure.average_precision(np.array([True]), np.array([math.nan]))
    with pytest.raises(ValueError, match="no pairs"):
        measure.average_precision(np.array([True]), np.array([0.1, 0.2]))


@given(st.lists(st.sampled_from("abcd")))
def test_numbered_keeps_what_is_equal_together(keys):
    numbers = measure.numbered(keys).tolist()
    assert Counter(keys).total() == len(numbers)
    assert len(set(zip(keys, numbers, strict=True))) == len(set(keys)) == len(set(numbers))


def arrays(ranked):
    return np.array([p for p, _ in ranked], bool), np.array([s for _, s in ranked], float)
