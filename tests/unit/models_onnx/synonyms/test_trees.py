"""Trees walked in numpy: checked when read, and equal to the plain walk."""

import math
import random

import numpy as np
import pytest

from models_onnx.errors import BundleError
from models_onnx.synonyms.features import NAMES
from models_onnx.synonyms.trees import Forest, Scorer, Tree, write

STUMP = Tree([2, -1, -1], [0.5, 0.0, 0.0], [1, 1, 2], [2, 1, 2], [0.0, -1.0, 2.0])
LEAF = Tree([-1], [0.0], [0], [0], [0.25])


def scorer(*trees):
    return Scorer(NAMES, 0.1, list(trees), {"red": -1.0})


def grown(rng, depth):
    """A random tree as rows (feature, threshold, left, right, value), root first."""
    rows = []

    def grow(level):
        at = len(rows)
        rows.append(None)
        if level == depth or rng.random() < 0.2:
            rows[at] = (-1, 0.0, at, at, rng.uniform(-1, 1))
        else:
            left = grow(level + 1)
            right = grow(level + 1)
            rows[at] = (rng.randrange(len(NAMES)), rng.uniform(-1, 1), left, right, 0.0)
        return at

    grow(0)
    return Tree(*(list(column) for column in zip(*rows, strict=True)))


def walked(tree, row):
    at = 0
    while tree.feature[at] >= 0:
        low = row[tree.feature[at]] <= tree.threshold[at]
        at = tree.left[at] if low else tree.right[at]
    return tree.value[at]


def test_the_score_is_the_logistic_of_start_and_leaves():
    forest = Forest(scorer(STUMP, LEAF))
    low, high = np.zeros(len(NAMES), np.float32), np.ones(len(NAMES), np.float32)
    assert forest.score(low) == pytest.approx(1 / (1 + math.exp(0.65)))
    assert forest.score(high) == pytest.approx(1 / (1 + math.exp(-2.35)))
    assert forest.weights == {"red": -1.0}


def test_walking_all_trees_at_once_equals_walking_each():
    rng = random.Random(1)
    trees = [grown(rng, depth) for depth in (0, 1, 3, 6, 6, 2)]
    forest = Forest(scorer(*trees))
    for _ in range(200):
        row = np.array([rng.uniform(-1, 1) for _ in NAMES], np.float32)
        total = 0.1 + math.fsum(walked(tree, row) for tree in trees)
        assert forest.score(row) == 1 / (1 + math.exp(-total))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_features_that_are_no_numbers_have_no_score(bad):
    row = np.zeros(len(NAMES), np.float32)
    row[3] = bad
    assert math.isnan(Forest(scorer(STUMP)).score(row))


BAD = {
    "empty": Tree([], [], [], [], []),
    "short column": Tree([-1], [], [0], [0], [0.0]),
    "loop": Tree([1, -1], [0.0, 0.0], [0, 1], [1, 1], [0.0, 0.0]),
    "outside": Tree([1, -1], [0.0, 0.0], [1, 1], [5, 1], [0.0, 0.0]),
    "unknown feature": Tree([999, -1, -1], [0.0] * 3, [1, 1, 2], [2, 1, 2], [0.0] * 3),
    "leaf that leads on": Tree([-1, -1], [0.0, 0.0], [1, 1], [1, 1], [0.0, 0.0]),
}


@pytest.mark.parametrize("tree", BAD.values(), ids=BAD.keys())
def test_trees_that_are_not_whole_are_refused(tree):
    with pytest.raises(BundleError, match="not whole"):
        Forest(scorer(tree))


def test_other_features_and_no_trees_are_refused():
    with pytest.raises(BundleError, match="other features"):
        Forest(Scorer(NAMES[:-1], 0.0, [STUMP], {}))
    with pytest.raises(BundleError):
        Forest(scorer())


def test_a_file_is_read_back_and_a_broken_one_refused(tmp_path):
    path = tmp_path / "scorer.json"
    write(path, scorer(STUMP, LEAF))
    row = np.full(len(NAMES), 0.7, np.float32)
    assert Forest.load(path).score(row) == Forest(scorer(STUMP, LEAF)).score(row)
    path.write_text("{", encoding="utf-8")
    with pytest.raises(BundleError, match="no scorer"):
        Forest.load(path)
    with pytest.raises(BundleError, match="no scorer"):
        Forest.load(tmp_path / "absent.json")
