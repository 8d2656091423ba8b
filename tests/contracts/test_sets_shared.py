"""Every reader on the real files, where the data folder is beside the checkout."""

import os
from pathlib import Path

import pytest

from models_onnx import mapping
from models_onnx.evaluation import run
from models_onnx.fakes import FakeCleaner, FakeTagger
from models_onnx.spans import Judged

SHARED = Path(os.environ.get("CARTOGRAPH_SHARED", Path(__file__).parents[2] / ".." / "shared"))
DATA = SHARED / "data"
FILES = {
    "query-ner": "query-ner/dev.jsonl",
    "oa-mine": "oa-mine/train.jsonl",
    "icecat": "icecat/products.jsonl.gz",
    "myntra-styles": "myntra-styles/products.jsonl.gz",
    "wdc-pave": "internal-no-licence/wdc-pave/train.jsonl",
    "pricerunner": "pricerunner/offers.jsonl.gz",
    "ditto-em": "ditto-em/wdc/all/valid.txt.small",
    "impakt": "impakt/labels.jsonl",
    "intentionqa": "intentionqa/by_relation.jsonl",
}

pytestmark = [pytest.mark.shared, pytest.mark.slow]


def given(name, sample=0):
    path = DATA / FILES[name]
    if not path.exists():
        pytest.skip("the shared data folder is not there")
    return run.Given(name, (path,), sample=sample)


@pytest.mark.parametrize("name", run.TAGGING)
def test_marked_texts_are_read_whole_and_in_known_labels(name):
    (path,) = given(name).files
    golds = list(run.TAGGING[name].read(path))
    labels = set(mapping.load(name).labels)
    assert len(golds) > 800
    assert all(gold.text for gold in golds)
    used = {one.label for gold in golds for one in gold.marked}
    used |= {label for gold in golds for label, _ in gold.values}
    assert used <= labels
    assert len(used) >= min(5, len(labels))


@pytest.mark.parametrize("name", run.TYPING)
def test_every_product_type_is_mapped(name):
    (path,) = given(name).files
    assert {gold.type for gold in run.TYPING[name](path)} <= set(mapping.load(name).types)


@pytest.mark.parametrize("name", run.TAGGING)
def test_a_tagger_that_knows_some_words_is_measured(name):
    tagger = FakeTagger({"color": ["black", "white", "blue", "red"], "brand": ["hp", "nike"]})
    report = run.run_tagging(tagger, "x", given(name, 400))
    assert report.whole.counts["gold"] > 400
    assert 0 < report.whole.figures["recall"].value < 0.6


@pytest.mark.parametrize("name", [*run.CATALOGS, *run.JUDGED])
def test_claims_are_made_and_measured(name):
    cleaner = FakeCleaner({"color": ["black", "white", "blue", "red"]})
    report = run.run_cleaning(cleaner, "x", given(name, 150))
    assert report.whole.counts["claims"] > 150
    assert 0 < report.whole.figures["pr_auc"].value < 1


class ByEquality:
    def match(self, pairs):
        return [Judged(float(p.a.lower() == p.b.lower()), "held") for p in pairs]


@pytest.mark.parametrize("name", run.PAIRS)
def test_pairs_are_made_and_measured(name):
    report = run.run_synonyms(ByEquality(), "x", given(name))
    counts = report.whole.counts
    assert 0.1 < counts["same"] / counts["pairs"] < 0.5
    assert report.whole.figures["pr_auc_rapidfuzz"].value > counts["same"] / counts["pairs"]
