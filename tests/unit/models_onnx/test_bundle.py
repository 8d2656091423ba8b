import tomllib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_onnx import bundle, publish
from models_onnx.bundle import Manifest, TrainingData
from models_onnx.errors import BundleError


@pytest.fixture
def manifest(tmp_path):
    for name in ("model.onnx", "tokenizer.json"):
        (tmp_path / name).write_bytes(name.encode())
    return Manifest(
        schema=bundle.SCHEMA,
        name="tagging",
        version="1.2.3",
        task="tagging",
        precision="int8",
        max_tokens=64,
        labels=("O", "B-color", "I-color"),
        thresholds={"min_score": 0.25},
        files={n: bundle.sha256(tmp_path / n) for n in ("model.onnx", "tokenizer.json")},
        training_data=(TrainingData("a set", 'a "licence"', "use"),),
        quality={"query-ner": {"f1": 0.5, "f1_by_label": {"body_part": 1.0}}},
    )


def write(folder, manifest, **changes):
    publish.write(folder, msgspec.structs.replace(manifest, **changes), about="About.", limits="-")
    return folder


def test_a_bundle_is_read_as_it_was_written(tmp_path, manifest):
    found = bundle.load(write(tmp_path, manifest), task="tagging")
    assert found.manifest == manifest
    assert found.threshold("min_score") == 0.25


def test_the_id_names_name_version_precision_and_device(tmp_path, manifest):
    found = bundle.load(write(tmp_path, manifest), task="tagging")
    assert found.id == "tagging@1.2.3-int8-cpu"
    assert found.id_on("cuda") == "tagging@1.2.3-int8-cuda"


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_a_changed_or_truncated_file_is_refused(tmp_path, manifest, name):
    write(tmp_path, manifest)
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(BundleError, match="fetch the bundle again"):
        bundle.load(tmp_path, task="tagging")


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "bundle.toml"])
def test_a_missing_file_is_refused(tmp_path, manifest, name):
    write(tmp_path, manifest)
    (tmp_path / name).unlink()
    with pytest.raises(BundleError):
        bundle.load(tmp_path, task="tagging")


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": 2},
        {"labels": ()},
        {"labels": ("O", "O")},
        {"max_tokens": 4},
        {"files": {}},
        {"files": {"../model.onnx": "00"}},
    ],
)
def test_a_manifest_that_cannot_be_used_is_refused(tmp_path, manifest, changes):
    write(tmp_path, manifest, **changes)
    with pytest.raises(BundleError):
        bundle.load(tmp_path, task="tagging")


def test_a_file_outside_the_bundle_is_not_even_looked_at(tmp_path, manifest):
    files = {**manifest.files, "../secret": bundle.sha256(tmp_path / "model.onnx")}
    (tmp_path.parent / "secret").write_bytes(b"model.onnx")
    write(tmp_path, manifest, files=files)
    with pytest.raises(BundleError, match="outside"):
        bundle.load(tmp_path, task="tagging")


@pytest.mark.parametrize("text", ["schema = ", "\x00", "schema = 1\nname = 3"])
def test_a_damaged_manifest_is_refused(tmp_path, text):
    (tmp_path / "bundle.toml").write_text(text)
    with pytest.raises(BundleError):
        bundle.load(tmp_path, task="tagging")


def test_a_bundle_for_another_task_is_refused(tmp_path, manifest):
    write(tmp_path, manifest)
    with pytest.raises(BundleError, match="wanted one for cleaning"):
        bundle.load(tmp_path, task="cleaning")


def test_a_threshold_that_is_not_there_is_named(tmp_path, manifest):
    found = bundle.load(write(tmp_path, manifest), task="tagging")
    with pytest.raises(BundleError, match="accept"):
        found.threshold("accept")


keys = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=8)
strings = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)
leaves = strings | st.integers(-99, 99) | st.floats(-9, 9, width=16) | st.booleans()
tables = st.recursive(
    st.dictionaries(keys, leaves | st.lists(strings, max_size=3), max_size=4),
    lambda inner: st.dictionaries(keys, leaves | inner | st.lists(inner, min_size=1, max_size=2)),
    max_leaves=6,
)


@given(tables)
def test_written_toml_reads_as_it_was(table):
    assert tomllib.loads(publish.to_toml(table)) == table
