"""A trained encoder as an ONNX graph, built by hand from onnxruntime's fused operators.

onnxruntime's optimiser finds none of them in what torch.onnx makes of this encoder (measured: 24
nodes here, 137 there), and the 1-D lengths that `EmbedLayerNormalization` gives to `Attention` open
the fast attention kernels on a GPU.
"""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from models_onnx import graphs, smoothing, word_table
from models_onnx.batching import Ids, alone, arrays
from models_onnx.runtime import INPUTS
from models_onnx.tokens import Encoded
from models_onnx.training.encoder import EPSILON, HEADS, Encoder

FUSED = "com.microsoft"


class Graph:
    """Collects nodes and weights of one ONNX graph."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def weight(self, name: str, value: torch.Tensor | np.ndarray[Any, Any]) -> str:
        array = value.detach().numpy() if isinstance(value, torch.Tensor) else value
        self.weights.append(numpy_helper.from_array(np.array(array, order="C"), name))
        return name

    def add(
        self, op: str, inputs: Sequence[str], *outputs: str, domain: str = "", **attributes: Any
    ) -> str:
        node = helper.make_node(
            op, list(inputs), list(outputs), name=outputs[0], domain=domain, **attributes
        )
        self.nodes.append(node)
        return outputs[0]

    def encoder(self, encoder: Encoder) -> str:
        """Add the encoder; the name of its output [texts, tokens, hidden]."""
        tables = [
            self.weight("words", encoder.words.weight),
            self.weight("positions", encoder.positions.weight),
            self.weight("types", encoder.types.weight),
            self.weight("norm", encoder.norm.weight),
            self.weight("norm_bias", encoder.norm.bias),
        ]
        x = self.add(
            "EmbedLayerNormalization",
            [INPUTS[0], INPUTS[2], *tables, INPUTS[1]],
            "embedded",
            "lengths",
            domain=FUSED,
            epsilon=EPSILON,
        )
        for number, layer in enumerate(encoder.layers):
            x = self._layer(layer, x, f"layer{number}.")
        return x

    def _layer(self, layer: Any, x: str, p: str) -> str:
        qkv = [
            self.weight(p + "qkv", layer.qkv.weight.T),
            self.weight(p + "qkv_bias", layer.qkv.bias),
        ]
        y = self.add(
            "Attention", [x, *qkv, "lengths"], p + "attention", domain=FUSED, num_heads=HEADS
        )
        y = self.add("MatMul", [y, self.weight(p + "out", layer.out.weight.T)], p + "mixed")
        x = self._skip_norm(y, x, layer.norm1, layer.out.bias, p + "norm1")
        y = self.add("MatMul", [x, self.weight(p + "inner", layer.inner.weight.T)], p + "wide")
        bias = self.weight(p + "inner_bias", layer.inner.bias)
        y = self.add("BiasGelu", [y, bias], p + "gelu", domain=FUSED)
        y = self.add("MatMul", [y, self.weight(p + "outer", layer.outer.weight.T)], p + "narrow")
        return self._skip_norm(y, x, layer.norm2, layer.outer.bias, p + "norm2")

    def _skip_norm(self, x: str, skip: str, norm: Any, bias: torch.Tensor, name: str) -> str:
        weights = [
            self.weight(name + ".weight", norm.weight),
            self.weight(name + ".bias", norm.bias),
            self.weight(name + ".before", bias),
        ]
        return self.add(
            "SkipLayerNormalization", [x, skip, *weights], name, domain=FUSED, epsilon=EPSILON
        )

    def model(self, outputs: list[Any]) -> Any:
        """The finished model; inputs are int32 [texts, tokens]."""
        inputs = [
            helper.make_tensor_value_info(name, TensorProto.INT32, ["texts", "tokens"])
            for name in INPUTS
        ]
        graph = helper.make_graph(self.nodes, "cartograph", inputs, outputs, self.weights)
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid(FUSED, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def save_int8(
    model: Any, path: Path, *, keep: Sequence[str] = ("raw",), texts: Sequence[Encoded] = ()
) -> None:
    """Write `model` with int8 weights per channel and words in four bits, for the CPU.

    The nodes in `keep` stay fp32.

    With `texts` (some hundred like those to come) activations are evened out before.
    """
    if texts:
        smoothing.smooth(model, map(single, texts), keep=keep)
    with TemporaryDirectory() as folder:
        full = Path(folder) / "fp32.onnx"
        onnx.save(model, full)
        quantize_dynamic(
            full,
            path,
            per_channel=True,
            reduce_range=False,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=[*keep, "embedded"],
            extra_options={"MatMulConstBOnly": True, "DefaultTensorType": TensorProto.FLOAT},
        )
    made = onnx.load(path)
    graphs.split_norms(made)
    word_table.split(made)
    onnx.save(made, path)


def single(text: Encoded) -> tuple[Ids, Ids, Ids]:
    """Ids, mask and token types of one text alone."""
    (batch,) = alone([len(text.ids)])
    return arrays(batch, [text], pad=0)
