import numpy as np
import pytest

from models_onnx import bundle
from models_onnx.errors import DeviceError, InferenceError
from models_onnx.runtime import check_distributions, open_session
from models_onnx.tagging.tagger import OUTPUTS


def test_both_distributions_are_refused():
    with pytest.raises(DeviceError, match="uninstall both"):
        check_distributions(lambda name: True)


@pytest.mark.parametrize("only", ["onnxruntime", "onnxruntime-gpu"])
def test_one_distribution_is_fine(only):
    check_distributions(lambda name: name == only)


def test_cuda_without_cuda_is_an_error_and_never_the_cpu_in_silence():
    with pytest.raises(DeviceError, match="set the device to cpu"):
        open_session(bundle.shipped("tagging") / "model.onnx", device="cuda")


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_the_device_really_got_is_named(device):
    session = open_session(bundle.shipped("tagging") / "model.onnx", device=device)
    assert session.device == "cpu"
    assert session.outputs == OUTPUTS


def test_a_file_that_is_no_model_is_refused(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"not a model")
    with pytest.raises(InferenceError, match="cannot load"):
        open_session(path, device="cpu")


def test_what_onnxruntime_raises_is_named():
    session = open_session(bundle.shipped("tagging") / "model.onnx", device="cpu")
    bad = np.full((1, 4), 10**9, np.int32)
    with pytest.raises(InferenceError, match="failed on cpu"):
        session.run(np.zeros((1, 4), np.int32), np.ones((1, 4), np.int32), bad)
