"""What `cartograph model release` writes into a bundle."""

import json

import pytest

from models_onnx import bundle, golden, release
from models_onnx.bundle import Manifest
from models_onnx.errors import BundleError
from models_onnx.publish import write
from models_onnx.spans import Judged


class Sure:
    def judge(self, claims):
        return [Judged(0.9, "accepted")] * len(claims)


class Unsure:
    def judge(self, claims):
        return [Judged(0.5, "held")] * len(claims)


REPORT = {
    "task": "cleaning",
    "set": "icecat",
    "counts": {"claims": 10},
    "figures": {"pr_auc": [0.9, 0.8, 0.95], "r_at_p80": None},
    "labels": {"junk": {"counts": {"wrong": 3}, "figures": {"pr_auc": [0.7, 0.6, 0.8]}}},
}


@pytest.fixture
def folder(tmp_path):
    for name in (bundle.MODEL_FILE, bundle.TOKENIZER_FILE):
        (tmp_path / name).write_bytes(name.encode())
    manifest = Manifest(
        schema=bundle.SCHEMA,
        name="cleaning",
        version="1.0.0",
        task="cleaning",
        precision="int8",
        max_tokens=64,
        labels=("color",),
        thresholds={"accept": 0.5},
        files={},
        training_data=(),
        quality={"old": {"pr_auc": 0.5}, "icecat": {"pr_auc": 0.1}},
    )
    write(tmp_path, manifest, about="A cleaner.", limits="English.")
    return tmp_path


def test_a_released_bundle_loads_and_lists_every_file(folder):
    manifest = release.release(folder, lambda _: Sure(), version="1.1.0", reports=[REPORT])
    assert bundle.load(folder, task="cleaning").manifest == manifest
    assert set(manifest.files) == {"model.onnx", "tokenizer.json", "golden.jsonl"}
    assert manifest.sizes["model.onnx"] == len("model.onnx")
    assert manifest.version == "1.1.0"
    assert manifest.quality["old"] == {"pr_auc": 0.5}
    assert manifest.quality["icecat"]["pr_auc"] == 0.9
    assert manifest.quality["icecat"]["pr_auc_95"] == "0.8 to 0.95"
    assert manifest.quality["icecat"]["by_label"] == {"junk": 0.7}
    assert len(release.verified(folder, Sure())) == len(golden.read(folder)) >= 8


def test_the_card_says_the_same_and_keeps_the_rest(folder):
    release.release(folder, lambda _: Sure(), reports=[REPORT])
    card = (folder / "BUNDLE.md").read_text()
    assert "| pr_auc | 0.9 |" in card
    assert "| pr_auc | 0.1 |" not in card
    assert card.count("## Measured") == 1
    assert "A cleaner." in card
    assert "English." in card


def test_released_twice_is_released_once(folder):
    first = release.release(folder, lambda _: Sure(), reports=[REPORT])
    card = (folder / "BUNDLE.md").read_text()
    assert release.release(folder, lambda _: Sure()) == first
    assert (folder / "BUNDLE.md").read_text() == card


def test_a_model_that_is_sure_of_nothing_is_not_released(folder):
    with pytest.raises(BundleError, match="not fit to be released"):
        release.release(folder, lambda _: Unsure())


def test_a_file_too_large_for_a_repository_is_refused(folder, monkeypatch):
    monkeypatch.setattr(release, "LARGEST", 5)
    with pytest.raises(BundleError, match="are the most"):
        release.release(folder, lambda _: Sure())


@pytest.mark.parametrize("report", [{}, {**REPORT, "figures": {"pr_auc": 3}}, json.loads("{}")])
def test_what_is_no_report_is_refused(folder, report):
    with pytest.raises(BundleError, match="evaluate --json"):
        release.release(folder, lambda _: Sure(), reports=[report])
