"""Arrays in, arrays out, on the device that was asked for. The only import of onnxruntime.

onnxruntime falls back to the CPU in silence in three ways: when the session is made, when a run
fails, and when the CPU distribution was installed over the GPU one. Each is closed here.
Source of the rules: onnxruntime issues #17801, #23372, #23647; measured on 1.31.1.
"""

import importlib.metadata
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from models_onnx.batching import Ids
from models_onnx.errors import DeviceError, InferenceError

Device = Literal["auto", "cpu", "cuda"]
Array = npt.NDArray[np.generic]

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"

log = logging.getLogger(__name__)


class Session:
    """One loaded graph on one device. Thread-safe; `run` releases the GIL.

    `device` is what was really got: "cpu" or "cuda".
    """

    def __init__(self, path: Path, session: ort.InferenceSession, device: str) -> None:
        self.path = path
        self.device = device
        self._session = session
        names = {i.name for i in session.get_inputs()}
        if names != set(INPUTS):
            raise InferenceError(f"{path} takes {sorted(names)}, expected {sorted(INPUTS)}")
        self.outputs = tuple(o.name for o in session.get_outputs())

    def run(self, ids: Ids, mask: Ids, types: Ids) -> list[Array]:
        """Every output of the graph, in the order of `outputs`.

        Raises:
            InferenceError: onnxruntime raised; its words are in the message.
        """
        try:
            feed = dict(zip(INPUTS, (ids, mask, types), strict=True))
            answer: list[Array] = self._session.run(None, feed)
        except Exception as error:  # onnxruntime's exceptions share no base but Exception
            raise InferenceError(f"{self.path.name} failed on {self.device}: {error}") from error
        return answer


def open_session(path: Path, *, device: Device) -> Session:
    """A session for the graph in `path`.

    auto: CUDA where it really works, else CPU, with the reason logged once at WARNING when the GPU
    distribution is installed. cuda: CUDA for every node, or an error.

    Raises:
        DeviceError: see its docstring.
        InferenceError: onnxruntime cannot load the file.
    """
    check_distributions()
    if device == "cpu":
        return Session(path, _cpu(path), "cpu")
    if device == "cuda":
        return Session(path, _cuda(path), "cuda")
    if _CUDA in ort.get_available_providers():  # true wherever the GPU wheel is, GPU or not
        try:
            return Session(path, _cuda(path), "cuda")
        except DeviceError as error:
            log.warning("%s runs on the CPU: %s", path.parent.name, error)
    return Session(path, _cpu(path), "cpu")


def check_distributions(installed: Callable[[str], bool] | None = None) -> None:
    """Refuse to start when the CPU and the GPU distribution are both installed: the CPU one wins.

    Raises:
        DeviceError: both are installed.
    """
    has = installed or _is_installed
    if has("onnxruntime") and has("onnxruntime-gpu"):
        raise DeviceError(
            "onnxruntime and onnxruntime-gpu are both installed and overwrite each other: "
            "uninstall both, then install one of the extras cpu or gpu"
        )


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _options() -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    return options


def _cpu(path: Path) -> ort.InferenceSession:
    options = _options()
    # One thread a call: callers run many at once, and answers do not depend on a split of work.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(str(path), options, providers=[_CPU])
    except Exception as error:  # onnxruntime's exceptions share no base but Exception
        raise InferenceError(f"onnxruntime cannot load {path}: {error}") from error


def _cuda(path: Path) -> ort.InferenceSession:
    if _CUDA not in ort.get_available_providers():
        raise DeviceError(
            "CUDA was asked for, but this onnxruntime has no CUDA provider: "
            "install the extra gpu instead of cpu, or set the device to cpu"
        )
    if hasattr(ort, "preload_dlls"):
        ort.preload_dlls()
    options = _options()
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    providers = [(_CUDA, {"arena_extend_strategy": "kSameAsRequested"})]
    try:
        session = ort.InferenceSession(str(path), options, providers=providers, enable_fallback=0)
    except Exception as error:  # onnxruntime's exceptions share no base but Exception
        raise DeviceError(
            f"CUDA cannot run every node of {path}: {error}; dynamic int8 files are for the CPU, "
            "set the device to cpu or use a bundle exported for the GPU"
        ) from error
    session.disable_fallback()
    if _CUDA not in session.get_providers():
        raise DeviceError(
            f"onnxruntime loaded {path} on {session.get_providers()} although CUDA was asked for: "
            "check the driver and install the extra gpu with its cuda and cudnn parts"
        )
    return session
