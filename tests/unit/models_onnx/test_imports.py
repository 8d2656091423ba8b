"""Who may import what within the package: read from the source, nothing is imported."""

import ast
from pathlib import Path

import pytest

import models_onnx

ROOT = Path(models_onnx.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
TRAINING = {
    "train.py",
    "export.py",
    "graphs.py",
    "smoothing.py",
    "word_table.py",
    "lessons.py",
    "teach.py",
    "model.py",
    "make.py",
    "baselines.py",
}


def imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_each_file_imports_only_what_it_may(path):
    names = set(imported(path))
    roots = {name.split(".")[0] for name in names}
    assert roots.isdisjoint({"streams", "topology"})
    training = path.parent.name == "training" or path.name in TRAINING
    if not training:
        assert roots.isdisjoint({"torch", "onnx", "transformers", "sklearn", "safetensors"})
    if not training and path.name != "runtime.py":
        assert "onnxruntime" not in roots
    if training:
        assert "onnxruntime" not in names  # onnxruntime.quantization alone


def test_what_serves_never_imports_what_trains():
    serving = ("tagging.tagger", "cleaning.cleaner", "synonyms.matcher", "synonyms.blocking")
    reached, waiting = set(), {f"models_onnx.{module}" for module in serving}
    while waiting:
        module = waiting.pop()
        reached.add(module)
        path = ROOT.parent.joinpath(*module.split("."))
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if path.exists():
            waiting |= {n for n in imported(path) if n.startswith("models_onnx.")} - reached
    assert not {module for module in reached if module.rsplit(".", 1)[-1] in {"train", "export"}}
    assert not {module for module in reached if module.startswith("models_onnx.training.")}


def test_the_package_itself_imports_nothing():
    assert not list(imported(ROOT / "__init__.py"))
