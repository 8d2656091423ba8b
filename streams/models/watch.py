"""What happens in a model, as metrics: told by its threads, once a part of many texts."""

from models_onnx.bundle import MODEL_FILE, Bundle
from models_onnx.workers import Watch
from streams.monitoring import metrics


class ModelWatch(Watch):
    """Metrics of one loaded model.

    Args:
        task: which.
        device: where it was loaded, "cpu" or "cuda".
        wanted: what the settings ask for, "auto" too.
        bundle: what was loaded.
    """

    def __init__(self, task: str, device: str, wanted: str, bundle: Bundle) -> None:
        self.degraded = ""
        self._task, self._wanted = task, wanted
        self._items = metrics.MODEL_ITEMS.labels(task)
        self._tokens = metrics.MODEL_TOKENS.labels(task)
        self._padded = metrics.MODEL_PADDED_TOKENS.labels(task)
        self._batch = metrics.MODEL_BATCHES.labels(task)
        self._queue = metrics.MODEL_QUEUE_SECONDS.labels(task)
        self._run = metrics.MODEL_RUN_SECONDS.labels(task)
        digest = bundle.manifest.files.get(MODEL_FILE, "")[:12]
        self._info = metrics.MODEL_INFO.labels(task, bundle.id_on(device), digest)
        self._info.set(1)
        self._on(device)

    def retire(self) -> None:
        """Another bundle took its place."""
        self._info.set(0)

    def ran(self, *, items: int, tokens: int, padded: int, queued_s: float, ran_s: float) -> None:
        self._items.inc(items)
        self._tokens.inc(tokens)
        self._padded.inc(padded)
        self._batch.inc()
        self._queue.observe(queued_s)
        self._run.observe(ran_s)

    def out_of_memory(self) -> None:
        metrics.MODEL_OUT_OF_MEMORY.labels(self._task).inc()

    def fell_back(self, reason: str) -> None:
        metrics.MODEL_FALLBACKS.labels(self._task, reason).inc()
        if reason == "cpu":
            self.degraded = f"{self._task} runs on the CPU: the GPU failed twice, see the log"
            self._on("cpu")

    def set_aside(self) -> None:
        metrics.MODEL_SET_ASIDE.labels(self._task).inc()

    def _on(self, device: str) -> None:
        for each in ("cpu", "cuda"):
            gauge = metrics.MODEL_DEVICE.labels(self._task, each, self._wanted)
            gauge.set(1 if each == device else 0)
