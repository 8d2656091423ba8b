"""A forest of small regression trees, read from JSON and walked in numpy: no training library."""

import json
import math
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from models_onnx.errors import BundleError
from models_onnx.synonyms.features import NAMES, Vector, Weights

SCORER_FILE = "scorer.json"

Numbers = npt.NDArray[np.float64]


class Tree(msgspec.Struct, frozen=True):
    """Nodes by index, the first is the root; a leaf has feature -1 and leads to itself.

    A value goes left where it is at most the threshold, as in scikit-learn.
    """

    feature: list[int]
    threshold: list[float]
    left: list[int]
    right: list[int]
    value: list[float]


class Scorer(msgspec.Struct, frozen=True):
    """What `scorer.json` holds: the features in order, the trees, and the weights of words."""

    features: tuple[str, ...]
    start: float
    trees: list[Tree]
    weights: dict[str, float]


class Forest:
    """Scores features. Thread-safe, and each answer depends on its own features alone.

    Raises:
        BundleError: the trees are not whole, or were trained on other features.
    """

    def __init__(self, scorer: Scorer) -> None:
        if scorer.features != NAMES or not scorer.trees:
            raise BundleError(
                "the scorer was trained on other features than this version computes: "
                "use the bundle released with this version"
            )
        self.weights: Weights = scorer.weights
        self._start = scorer.start
        self._trees = np.arange(len(scorer.trees))
        width = max(len(tree.feature) for tree in scorer.trees)
        shape = (len(scorer.trees), width)
        self._feature, self._left, self._right = (np.zeros(shape, np.int32) for _ in range(3))
        self._threshold, self._value = (np.zeros(shape, np.float64) for _ in range(2))
        self._depth = 0
        for row, tree in enumerate(scorer.trees):
            self._depth = max(self._depth, _check(tree))
            size = len(tree.feature)
            self._feature[row, :size] = np.maximum(tree.feature, 0)
            self._threshold[row, :size] = tree.threshold
            self._left[row, :size], self._right[row, :size] = tree.left, tree.right
            self._value[row, :size] = tree.value

    @classmethod
    def load(cls, path: Path) -> "Forest":
        """The forest in the file `path`."""
        try:
            return cls(msgspec.json.decode(path.read_bytes(), type=Scorer))
        except (OSError, msgspec.DecodeError) as error:
            raise BundleError(f"{path} is no scorer ({error}); fetch the bundle again") from error

    def score(self, row: Vector) -> float:
        """How likely it is that the two values mean the same, 0..1; NaN where a feature is NaN."""
        if not np.isfinite(row).all():
            return math.nan
        at = np.zeros(len(self._trees), np.int32)
        for _ in range(self._depth):
            low = row[self._feature[self._trees, at]] <= self._threshold[self._trees, at]
            at = np.where(low, self._left[self._trees, at], self._right[self._trees, at])
        total = self._start + math.fsum(self._value[self._trees, at].tolist())
        return 1 / (1 + math.exp(-max(-50.0, min(50.0, total))))


def write(path: Path, scorer: Scorer) -> None:
    """Write `scorer` as JSON, thresholds and values in full."""
    path.write_text(json.dumps(msgspec.to_builtins(scorer), separators=(",", ":")), "utf-8")


def _check(tree: Tree) -> int:
    """The depth of a tree; its children must come after their parents, so that every walk ends."""
    size = len(tree.feature)
    columns = (tree.threshold, tree.left, tree.right, tree.value)
    whole = size > 0 and all(len(column) == size for column in columns)
    depths = [0] * size
    for node in range(size if whole else 0):
        children = (tree.left[node], tree.right[node])
        if tree.feature[node] < 0:
            whole = whole and children == (node, node)
            continue
        whole = whole and tree.feature[node] < len(NAMES)
        whole = whole and all(node < child < size for child in children)
        if not whole:
            break
        for child in children:
            depths[child] = depths[node] + 1
    if not whole:
        raise BundleError("a tree of the scorer is not whole: fetch the bundle again")
    return max(depths)
