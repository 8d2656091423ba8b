"""What every served model is: a bundle, and workers that put encoded texts through its session."""

from pathlib import Path
from typing import ClassVar, Self

from models_onnx import bundle as bundles
from models_onnx.bundle import Bundle
from models_onnx.runtime import Device, open_session
from models_onnx.workers import Runs, Watch, Workers


class Served:
    """The common part of `Tagger`, `Cleaner` and `Matcher`. Thread-safe.

    `bundle_id` names model, precision and the device that answers now: after a GPU failed for good
    it is another one.
    """

    task: ClassVar[str]
    bundle: Bundle
    _workers: Workers

    def __init__(self, bundle: Bundle, session: Runs, *, threads: int | None = None) -> None:
        """Subclasses open their workers on the session here."""
        del session, threads
        self.bundle = bundle

    @classmethod
    def load(
        cls,
        folder: Path | str | None = None,
        *,
        device: Device = "auto",
        threads: int | None = None,
    ) -> Self:
        """The model of the bundle in `folder`, by default the one shipped with this package.

        Args:
            folder: where `bundle.toml` is.
            device: "auto", "cpu" or "cuda"; see `runtime.open_session`.
            threads: texts read at the same time on CPU; by default one a core.

        Raises:
            BundleError, DeviceError, InferenceError, ShapeError: see `errors`.
        """
        bundle = bundles.load(folder or bundles.shipped(cls.task), task=cls.task)
        return cls(bundle, open_session(bundle.model_path, device=device), threads=threads)

    @property
    def device(self) -> str:
        """Where texts are read now: "cpu" or "cuda"."""
        return self._workers.device

    @property
    def bundle_id(self) -> str:
        """Name, version, precision and device: answers are comparable only under one such id."""
        return self.bundle.id_on(self._workers.device)

    @property
    def is_degraded(self) -> bool:
        """The GPU it was loaded on failed for good, and the CPU answers."""
        return self._workers.is_degraded

    @property
    def set_aside(self) -> int:
        """Texts so far that the model failed on."""
        return self._workers.set_aside

    def observe(self, watch: Watch) -> None:
        """Tell `watch` what happens in the model from here on."""
        self._workers.observe(watch)

    def close(self) -> None:
        """Wait for what runs, then end the threads."""
        self._workers.close()
