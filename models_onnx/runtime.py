"""Arrays in, arrays out, on the device that was asked for. The only import of onnxruntime.

onnxruntime falls back to the CPU in silence in three ways: when the session is made, when a run
fails, and when the CPU distribution was installed over the GPU one. Each is closed here.
Source of the rules: onnxruntime issues #17801, #23372, #23647; measured on 1.31.1.
"""

import importlib.metadata
import logging
import re
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from models_onnx.batching import Ids
from models_onnx.errors import DeviceError, DeviceMemoryError, InferenceError, ShapeError

Device = Literal["auto", "cpu", "cuda"]
Array = npt.NDArray[np.generic]

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
_UNFUSED = ("SkipLayerNormFusion",)
"""Left out on CPU: its SkipLayerNormalization takes 20 us where Add and LayerNormalization take 4
(13 tokens, 384 wide, onnxruntime 1.31.1)."""

_KINDS = {
    "tensor(uint8)": np.uint8,
    "tensor(float)": np.float32,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
}
_PLAIN_RUNS = 2
_NO_MEMORY = re.compile(
    r"failed to allocate memory|out of memory|CUBLAS_STATUS_ALLOC_FAILED|bad_alloc", re.IGNORECASE
)
"""Full memory has no exception of its own (onnxruntime #16307): its words have to tell."""

log = logging.getLogger(__name__)


class Session:
    """One loaded graph on one device. Thread-safe; `run` releases the GIL.

    Attributes:
        device: what was really got: "cpu" or "cuda".
        outputs: names of what the graph gives, in its order.
        per_token: those with a second axis of tokens; the others have one row a text.
    """

    def __init__(self, path: Path, session: Any, device: str) -> None:
        self.path = path
        self.device = device
        self._session = session
        names = {i.name for i in session.get_inputs()}
        if names != set(INPUTS):
            raise ShapeError(
                f"{path} takes {sorted(names)}, expected {sorted(INPUTS)}; fetch the bundle again"
            )
        axis = session.get_inputs()[0].shape[1]
        found = session.get_outputs()
        self.outputs: tuple[str, ...] = tuple(o.name for o in found)
        self.per_token = frozenset(o.name for o in found if axis in (o.shape or [])[1:2])

    def run(self, ids: Ids, mask: Ids, types: Ids) -> list[Array]:
        """Every output of the graph, in the order of `outputs`.

        Raises:
            DeviceMemoryError: no memory left for arrays of this shape.
            InferenceError: onnxruntime raised; its words are in the message.
        """
        try:
            answer = self._run({INPUTS[0]: ids, INPUTS[1]: mask, INPUTS[2]: types})
        except Exception as error:  # onnxruntime's exceptions share no base but Exception
            kind = DeviceMemoryError if _NO_MEMORY.search(str(error)) else InferenceError
            raise kind(f"{self.path.name} failed on {self.device}: {error}") from error
        return answer

    def reopen(self, device: Device) -> "Session":
        """The same graph once more, on a device of the caller's choice; see `open_session`."""
        return open_session(self.path, device=device)

    def _run(self, feed: Mapping[str, Ids]) -> list[Array]:
        answer: list[Array] = self._session.run(None, feed)
        return answer


class BoundSession(Session):
    """A session whose arrays of one shape stay where they are on the device.

    Inputs are copied into buffers that are kept for each shape, so that few shapes must occur.
    Thread-safe: one batch runs at a time, while other threads may prepare the next.
    """

    def __init__(self, path: Path, session: Any, device: str) -> None:
        super().__init__(path, session, device)
        self._kept: dict[tuple[int, ...], tuple[Any, dict[str, Any]]] = {}
        self._lock = threading.Lock()

    def _run(self, feed: Mapping[str, Ids]) -> list[Array]:
        shape = feed[INPUTS[0]].shape
        with self._lock:
            kept = self._kept.get(shape)
            if kept is None:
                kept = self._kept[shape] = self._bind(feed)
            binding, inputs = kept
            for name, array in feed.items():
                inputs[name].update_inplace(array)
            self._run_bound(binding, shape)
            answer: list[Array] = binding.copy_outputs_to_cpu()
            return answer

    def _run_bound(self, binding: Any, shape: tuple[int, ...]) -> None:
        del shape
        self._session.run_with_iobinding(binding)

    def _bind(self, feed: Mapping[str, Ids]) -> tuple[Any, dict[str, Any]]:
        binding = self._session.io_binding()
        inputs = {
            name: ort.OrtValue.ortvalue_from_numpy(array, self.device, 0)
            for name, array in feed.items()
        }
        for name, value in inputs.items():
            binding.bind_ortvalue_input(name, value)
        self._bind_outputs(binding, feed[INPUTS[0]].shape)
        return binding, inputs

    def _bind_outputs(self, binding: Any, shape: tuple[int, ...]) -> None:
        del shape
        for name in self.outputs:
            binding.bind_output(name, self.device, 0)


class CapturedSession(BoundSession):
    """A bound session whose kernels are captured once for each shape and replayed: a CUDA graph.

    Of a session that was made with `enable_cuda_graph=1`. Worth it for small batches alone, where
    starting the kernels takes longer than they do; measured by `gpu_check`, used nowhere else.
    """

    def __init__(self, path: Path, session: Any, device: str) -> None:
        super().__init__(path, session, device)
        self._runs: dict[tuple[int, ...], int] = {}
        self._ids: dict[tuple[int, ...], int] = {}

    def _bind_outputs(self, binding: Any, shape: tuple[int, ...]) -> None:
        for output in self._session.get_outputs():
            given = shape if output.name in self.per_token else shape[:1]
            size = (*given, *output.shape[len(given) :])
            kind = _KINDS[output.type]
            value = ort.OrtValue.ortvalue_from_shape_and_type(list(size), kind, self.device, 0)
            binding.bind_ortvalue_output(output.name, value)

    def _run_bound(self, binding: Any, shape: tuple[int, ...]) -> None:
        runs = self._runs[shape] = self._runs.get(shape, 0) + 1
        number = self._ids.setdefault(shape, len(self._ids) + 1)
        options = ort.RunOptions()
        # -1: no capture. Kernels are chosen and memory is taken in the first runs (1.31.1 refuses
        # to build cuDNN attention while it captures).
        options.add_run_config_entry("gpu_graph_id", str(number if runs > _PLAIN_RUNS else -1))
        self._session.run_with_iobinding(binding, options)


def open_session(path: Path, *, device: Device) -> Session:
    """A session for the graph in `path`.

    auto: CUDA where it really works, else CPU, with the reason logged once at WARNING when the GPU
    distribution is installed. cuda: CUDA for every node, or an error.

    Raises:
        DeviceError: see its docstring.
        InferenceError: onnxruntime cannot load the file.
        ShapeError: the graph's inputs are not those of our models.
    """
    check_distributions()
    if device == "cpu":
        return Session(path, cpu_session(path), "cpu")
    if device == "cuda":
        return BoundSession(path, cuda_session(path), "cuda")
    if _CUDA in ort.get_available_providers():  # true wherever the GPU wheel is, GPU or not
        try:
            return BoundSession(path, cuda_session(path), "cuda")
        except DeviceError as error:
            log.warning("%s runs on the CPU: %s", path.parent.name, error)
    return Session(path, cpu_session(path), "cpu")


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


def version() -> str:
    """Of onnxruntime."""
    return str(ort.__version__)


def has_cuda_provider() -> bool:
    """Whether the GPU distribution is installed; whether a GPU is there, only a session tells."""
    return _CUDA in ort.get_available_providers()


def assignment(session: Any) -> dict[str, int]:
    """Nodes by execution provider, of a session that was made here."""
    found: dict[str, int] = {}
    for part in session.get_provider_graph_assignment_info():
        count = len(part.get_nodes())
        found[part.ep_name] = found.get(part.ep_name, 0) + count
    return found


def cpu_session(path: Path) -> Any:
    """An onnxruntime session on the CPU, one thread a call.

    Raises:
        InferenceError: onnxruntime cannot load the file.
    """
    options = _options()
    # One thread a call: callers run many at once, and answers do not depend on a split of work.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(
            str(path), options, providers=[_CPU], disabled_optimizers=list(_UNFUSED)
        )
    except Exception as error:  # onnxruntime's exceptions share no base but Exception
        raise InferenceError(
            f"onnxruntime {ort.__version__} cannot load {path}: {error}; use the bundle and the "
            "onnxruntime of one release"
        ) from error


def cuda_session(path: Path, **changes: str) -> Any:
    """An onnxruntime session with every node on CUDA.

    Args:
        path: a model that `make gpu-models` wrote; dynamic int8 has no CUDA kernels.
        changes: further options of the CUDA provider, e.g. `gpu_mem_limit` in bytes.

    Raises:
        DeviceError: no CUDA, or a node that CUDA does not run.
    """
    if _CUDA not in ort.get_available_providers():
        raise DeviceError(
            "CUDA was asked for, but this onnxruntime has no CUDA provider: "
            "install the extra gpu instead of cpu, or set the device to cpu"
        )
    if hasattr(ort, "preload_dlls"):
        ort.preload_dlls()
    options = _options()
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    # kSameAsRequested: the default doubles the arena, up to most of the card (models of few MB).
    wanted = {"arena_extend_strategy": "kSameAsRequested", **changes}
    try:
        session = ort.InferenceSession(
            str(path), options, providers=[(_CUDA, wanted)], enable_fallback=0
        )
    except Exception as error:  # onnxruntime's exceptions share no base but Exception
        raise DeviceError(
            f"CUDA cannot run every node of {path}: {error}; dynamic int8 files are for the CPU: "
            "convert them with `make gpu-models`, or set the device to cpu"
        ) from error
    session.disable_fallback()
    if _CUDA not in session.get_providers():
        raise DeviceError(
            f"onnxruntime loaded {path} on {session.get_providers()} although CUDA was asked for: "
            "check the driver and install the extra gpu with its cuda and cudnn parts"
        )
    elsewhere = {name: count for name, count in assignment(session).items() if name != _CUDA}
    if elsewhere:
        raise DeviceError(
            f"not every node of {path} is on CUDA ({elsewhere}): convert the model with "
            "`make gpu-models` of this version, or set the device to cpu"
        )
    return session


def _options() -> Any:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    # int8 weights with DequantizeLinear become plain fp16 weights at load, on either device.
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    return options


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
