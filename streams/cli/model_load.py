"""The models that `cartograph model` works with, from a bundle's folder or as shipped."""

from pathlib import Path
from typing import cast

from models_onnx.cleaning.cleaner import Cleaner
from models_onnx.errors import BundleError
from models_onnx.runtime import Device
from models_onnx.synonyms.matcher import Matcher
from models_onnx.tagging.tagger import Tagger


def tagger(folder: Path | None, device: str, threads: int | None) -> Tagger:
    """The tagger of a bundle, None: the one shipped.

    Raises:
        ModelError: see `models_onnx.errors`.
    """
    return Tagger.load(folder, device=cast("Device", device), threads=threads)


def cleaner(folder: Path | None, device: str, threads: int | None) -> Cleaner:
    """The cleaner of a bundle, None: the one shipped.

    Raises:
        ModelError: see `models_onnx.errors`.
    """
    return Cleaner.load(folder, device=cast("Device", device), threads=threads)


def matcher(folder: Path | None, device: str, threads: int | None) -> Matcher:
    """The matcher of a bundle, None: the one shipped.

    Raises:
        ModelError: see `models_onnx.errors`.
    """
    return Matcher.load(folder, device=cast("Device", device), threads=threads)


def by_task(task: str, folder: Path) -> Tagger | Cleaner | Matcher:
    """The model of a bundle's task, on the CPU.

    Raises:
        ModelError: there is no such task, or see `models_onnx.errors`.
    """
    if task == "tagging":
        return tagger(folder, "cpu", None)
    if task == "cleaning":
        return cleaner(folder, "cpu", None)
    if task == "synonyms":
        return matcher(folder, "cpu", None)
    raise BundleError(f"{folder}: a bundle for {task!r}, which no model here is for")
