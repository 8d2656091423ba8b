"""Bundles for a GPU are made, load on the CPU too, and the check of a GPU is rehearsed there."""

import json

import pytest

pytest.importorskip("onnx", reason="needs the extra train")

from models_onnx import bundle as bundles
from models_onnx import gpu_check
from models_onnx.errors import BundleError, DeviceError
from models_onnx.gpu import export
from models_onnx.runtime import has_cuda_provider
from models_onnx.spans import Text
from models_onnx.tagging.tagger import Tagger


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The shipped tagger for a GPU, and its parity."""
    out = tmp_path_factory.mktemp("gpu")
    source = bundles.load(bundles.shipped("tagging"), task="tagging")
    folder = out / "tagging"
    return out, export.convert(source, folder)


def test_the_bundle_for_a_gpu_tags_as_fp32_with_the_same_weights(made):
    out, parity = made
    assert parity.to_fp32 >= 0.995
    assert parity.to_source >= 0.95  # int8 activations differ, most on names nobody ever saw
    assert parity.holds
    bundle = bundles.load(out / "tagging", task="tagging")
    assert bundle.id_on("cuda").endswith("-w8f16-cuda")
    assert bundle.manifest.quality["parity on CPU"]["to_fp32"] == parity.to_fp32
    assert not list((out / "tagging").glob("fp32*"))


def test_it_loads_on_the_cpu_and_finds_what_the_shipped_one_does(made):
    texts = [Text("red running shoes for women", "title"), Text("gift for grandma", "query")]
    tagger, shipped = Tagger.load(made[0] / "tagging", device="cpu"), Tagger.load(device="cpu")
    for mine, theirs in zip(tagger.tag(texts), shipped.tag(texts), strict=True):
        assert [(s.text, s.label) for s in mine.spans] == [(s.text, s.label) for s in theirs.spans]
    assert tagger.bundle_id.endswith("-w8f16-cpu")


@pytest.mark.skipif(has_cuda_provider(), reason="the GPU distribution is installed")
def test_on_a_gpu_that_is_not_there_it_is_refused(made):
    with pytest.raises(DeviceError, match="extra gpu"):
        Tagger.load(made[0] / "tagging", device="cuda")


@pytest.mark.slow
def test_the_check_is_rehearsed_on_the_cpu(made, tmp_path, capsys):
    words = ["--models", str(made[0]), "--out", str(tmp_path), "--device", "cpu", "--quick"]
    assert gpu_check.main(words) == gpu_check.PASSED
    found = json.loads((tmp_path / "gpu_check.json").read_text())
    assert found["nodes"].keys() == {"CPUExecutionProvider"}
    assert found["parity"]["tags_equal"] == 1.0  # in fixed shapes, padded, in company
    assert {row["way"] for row in found["grid"]} == {"plain", "bound", "captured"}
    assert found["short_memory"]["out_of_memory"] > 0
    assert "strings in, spans out" in (tmp_path / "gpu_check.txt").read_text()
    assert "passed  no silent fallback" in capsys.readouterr().out


@pytest.mark.skipif(has_cuda_provider(), reason="the GPU distribution is installed")
def test_without_cuda_the_check_says_what_is_missing_and_measures_nothing(made, tmp_path, capsys):
    out = tmp_path / "out"
    assert gpu_check.main(["--models", str(made[0]), "--out", str(out)]) == gpu_check.NO_CUDA
    assert "install the extra gpu" in capsys.readouterr().err
    assert not out.exists()


def test_without_models_it_says_how_to_make_them(tmp_path, capsys):
    words = ["--models", str(tmp_path), "--out", str(tmp_path)]
    assert gpu_check.main(words) == gpu_check.FAILED
    assert "make gpu-models" in capsys.readouterr().err


def test_a_verdict_needs_every_part():
    found = {
        "device": "cuda",
        "nodes": {"CUDAExecutionProvider": 20, "CPUExecutionProvider": 1},
        "parity": {"error": "Fail: x"},
        "grid": {"error": "Fail: x"},
        "from_strings": {"error": "Fail: x"},
        "short_memory": {"titles": 5, "answered": 5, "out_of_memory": 0, "fell_back": 0},
        "without_gpu": {"passed": False},
    }
    assert not any(gpu_check.verdicts(found).values())


def test_a_damaged_source_is_refused(tmp_path):
    for source in bundles.shipped("tagging").iterdir():
        data = source.read_bytes()
        cut = data[: len(data) // 2] if source.name == "model.onnx" else data
        (tmp_path / source.name).write_bytes(cut)
    with pytest.raises(BundleError, match="truncated"):
        bundles.load(tmp_path, task="tagging")


@pytest.mark.gpu
@pytest.mark.skipif(not has_cuda_provider(), reason="needs the GPU distribution")
def test_every_node_is_on_cuda_and_tags_are_those_of_the_cpu(made, tmp_path):
    words = ["--models", str(made[0]), "--out", str(tmp_path), "--quick"]
    if gpu_check.main(words) == gpu_check.NO_CUDA:
        pytest.skip("the GPU distribution finds no GPU here")
    found = json.loads((tmp_path / "gpu_check.json").read_text())
    assert found["nodes"].keys() == {"CUDAExecutionProvider"}
    assert found["parity"]["tags_equal"] >= gpu_check.TAGS_EQUAL
