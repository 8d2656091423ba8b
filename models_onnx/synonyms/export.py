"""The encoder as ONNX: MiniLM-L6, mean over tokens, length 1; see `train` for the whole bundle."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from models_onnx.runtime import INPUTS
from models_onnx.synonyms.reader import OUTPUTS
from models_onnx.training.encoder import HIDDEN, Encoder
from models_onnx.training.graph import Graph, save_int8


def build(encoder: Encoder) -> Any:
    """The encoder in fp32: `hidden` [values, tokens, 384] and `vector` [values, 384]."""
    graph = Graph()
    hidden = graph.encoder(encoder)
    graph.add("Identity", [hidden], OUTPUTS[0])
    last = graph.weight("last_axis", np.array([-1], np.int64))
    tokens = graph.weight("token_axis", np.array([1], np.int64))
    open_ = graph.add("Cast", [INPUTS[1]], "open", to=TensorProto.FLOAT)
    kept = graph.add("Mul", [hidden, graph.add("Unsqueeze", [open_, last], "column")], "kept")
    total = graph.add("ReduceSum", [kept, tokens], "total", keepdims=0)
    # The mean's divisor is the same for every element: the length takes it away.
    graph.add("LpNormalization", [total], OUTPUTS[1], axis=-1, p=2)
    return graph.model(
        [
            helper.make_tensor_value_info(
                OUTPUTS[0], TensorProto.FLOAT, ["texts", "tokens", HIDDEN]
            ),
            helper.make_tensor_value_info(OUTPUTS[1], TensorProto.FLOAT, ["texts", HIDDEN]),
        ]
    )


def save(encoder: Encoder, path: Path, *, quantise: bool = True) -> None:
    """Write the encoder, int8 per channel unless told otherwise."""
    model = build(encoder.eval())
    if quantise:
        save_int8(model, path, keep=())
    else:
        onnx.save(model, path)
