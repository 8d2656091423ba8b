"""The tagger that `serve` starts with."""

import shutil

import msgspec
import pytest

from models_onnx import bundle, golden, publish
from models_onnx.errors import BundleError
from models_onnx.spans import Text
from streams.serve.server import load_tagger
from streams.settings import Settings


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(bundle.shipped("tagging"), tmp_path / "tagging")


def settings(folder):
    return Settings(tagging_bundle=folder, model_threads=1)


def test_a_sound_bundle_is_taken(folder):
    tagger = load_tagger(settings(folder))
    assert tagger.tag([Text("red shoes", "query")])[0].spans
    tagger.close()


def test_one_that_does_not_answer_as_at_its_release_is_refused(folder):
    first, *rest = golden.read(folder)
    spans = tuple(msgspec.structs.replace(span, label="price") for span in first.answer.spans)
    answer = msgspec.structs.replace(first.answer, spans=spans)
    wrong = msgspec.structs.replace(first, answer=answer)
    golden.write(folder, [wrong, *rest])
    manifest = bundle.read_manifest(folder)
    files = {**manifest.files, golden.GOLDEN_FILE: bundle.sha256(folder / golden.GOLDEN_FILE)}
    changed = msgspec.structs.replace(manifest, files=files)
    publish.write_manifest(folder, changed)
    with pytest.raises(BundleError):
        load_tagger(settings(folder))
