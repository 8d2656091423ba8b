"""The bundles in the repository: whole, small, and as good as their cards say on a few texts."""

import asyncio
import json
import random

import pytest

from models_onnx import bundle
from models_onnx.cleaning.cleaner import Cleaner
from models_onnx.labels import bio_labels
from models_onnx.spans import HELD, Claim, Text
from models_onnx.tagging.tagger import Tagger
from models_onnx.training.vocabulary import OF_ADDRESSES

TASKS = ["tagging", "cleaning"]
MEGABYTE = 1_000_000

RIGHT = [
    Claim("Peter England Men Party Blue Jeans", "jeans", "color", "Blue"),
    Claim("Peter England Men Party Blue Jeans", "jeans", "brand", "Peter England"),
    Claim("Slip-Resistant Leather Clogs for Nurses, Black", "clogs", "audience", "Nurses"),
]
WRONG = [
    Claim("Peter England Men Party Blue Jeans", "jeans", "color", "Peter England"),
    Claim("Peter England Men Party Blue Jeans", "jeans", "flavor", "vanilla"),
    Claim("Slip-Resistant Leather Clogs for Nurses, Black", "clogs", "color", "n/a"),
]


@pytest.fixture(scope="module")
def cleaner():
    made = Cleaner.load(device="cpu", threads=2)
    yield made
    made.close()


@pytest.mark.parametrize("task", TASKS)
def test_a_shipped_bundle_is_verified_small_and_has_a_card(task):
    found = bundle.load(bundle.shipped(task), task=task)
    assert found.model_path.stat().st_size <= 25 * MEGABYTE
    assert found.manifest.quality
    assert found.manifest.training_data
    card = (found.folder / "BUNDLE.md").read_text(encoding="utf-8")
    assert all(data.name in card for data in found.manifest.training_data)


def test_no_shipped_weights_are_trained_on_data_without_a_licence():
    for task in TASKS:
        names = {
            d.name for d in bundle.load(bundle.shipped(task), task=task).manifest.training_data
        }
        assert not {n for n in names if "internal" in n or "bundle-intents" in n or "pave" in n}


def test_the_taggers_labels_are_the_codes():
    assert bundle.load(bundle.shipped("tagging"), task="tagging").manifest.labels == bio_labels()


def test_the_measured_quality_has_not_been_lost():
    quality = bundle.load(bundle.shipped("tagging"), task="tagging").manifest.quality
    assert quality["query-ner"]["f1"] >= 0.66
    assert quality["oa-mine"]["f1"] >= 0.7
    assert quality["myntra-styles"]["macro_f1"] >= 0.85


def test_bundle_ids_name_the_device_really_got(cleaner):
    assert cleaner.bundle_id == cleaner.bundle.id
    assert cleaner.bundle_id.endswith("-int8-cpu")


def test_misspelt_and_reordered_queries_are_understood():
    tagger = Tagger.load(device="cpu", threads=1)
    for query in ("shoes for pregnat women", "for pregnant women shoes", "PREGNANT WOMEN SHOES"):
        labels = {s.label: s.text.lower() for s in tagger.tag([Text(query, "query")])[0].spans}
        assert labels["product_type"] == "shoes", query
        assert "women" in labels["audience"], query
    tagger.close()


def test_right_claims_score_above_wrong_ones(cleaner):
    right = [a.score for a in cleaner.judge(RIGHT)]
    wrong = [a.score for a in cleaner.judge(WRONG)]
    assert min(right) > max(wrong)
    assert all(a.verdict == "rejected" for a in cleaner.judge(WRONG))


def test_a_claim_has_the_same_answer_in_any_company_and_order(cleaner):
    claims = RIGHT + WRONG
    alone = {claim: cleaner.judge([claim])[0] for claim in claims}
    many = claims * 15
    random.Random(1).shuffle(many)
    assert cleaner.judge(many) == [alone[c] for c in many]
    assert asyncio.run(cleaner.judge_async(many)) == [alone[c] for c in many]


@pytest.mark.parametrize("value", ["", "  ", "\ud800", "x" * 1_000_000, "😀", "\x00"])
def test_poison_claims_never_raise(cleaner, value):
    answers = cleaner.judge([Claim(value, value, "color", value), Claim("", "shoes", value, "red")])
    if not value.strip():
        assert answers == [HELD, HELD]


@pytest.mark.parametrize("name", [*TASKS, "synonyms"])
def test_no_vocabulary_reads_as_an_address_or_as_a_lock_file(name):
    table = json.loads((bundle.shipped(name) / "tokenizer.json").read_text(encoding="utf-8"))
    assert OF_ADDRESSES.isdisjoint(table["model"]["vocab"])
