"""Other forms of a model's graph: float, fast on CPU, small in fp16. Needs the package onnx.

A shipped model is dynamic int8: weights per channel, activations quantised at run time. What was
trained is in its weights, so that every other form can be derived from that one file.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper, numpy_helper

from models_onnx import word_table

FUSED = "com.microsoft"
SMALLEST = 50_000
"""Weights of fewer elements are kept in fp16: they are a hundredth of the file."""

Weights = npt.NDArray[Any]


class Quantised(NamedTuple):
    """int8 or uint8 weights: float = (q - zero) * scale, scale and zero along `axis`.

    With a `block` these have the shape of q, but one element for so many along `axis`.
    """

    q: Weights
    scale: Weights
    zero: Weights
    axis: int
    block: int = 0

    def floats(self) -> npt.NDArray[np.float32]:
        if self.block:
            scale, zero = (np.repeat(a, self.block, self.axis) for a in (self.scale, self.zero))
        else:
            shape = [1] * self.q.ndim
            if self.scale.ndim:
                shape[self.axis] = -1
            scale, zero = self.scale.reshape(shape), self.zero.reshape(shape)
        floats: npt.NDArray[np.float32] = (
            (self.q.astype(np.int32) - zero.astype(np.int32)) * scale
        ).astype(np.float32)
        return floats


def dequantised(model: Any) -> dict[str, Quantised]:
    """Turn a dynamic int8 graph into the float graph it was made of, in place.

    Returns:
        The quantised weights by the name of the float ones that took their place.
    """
    found: dict[str, Quantised] = {}
    if (words := word_table.join(model)) is not None:
        name, table = words
        steps, zeros = table.steps(), np.zeros(table.scale.shape, np.int8)
        found[name] = Quantised(steps, table.scale, zeros, axis=1, block=word_table.BLOCK)
    graph = model.graph
    weights = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    readers = defaultdict(list)
    for node in graph.node:
        for name in node.input:
            readers[name].append(node)
    # What was quantised at run time -> the float it was made of.
    source = {
        name: node.input[0]
        for node in graph.node
        if node.op_type == "DynamicQuantizeLinear"
        for name in node.output
    }

    def floats(name: str, scale: str, zero: str) -> str:
        base = name.removesuffix("_quantized")
        axis = max(0, weights[name].ndim - 1)
        found[base] = Quantised(weights[name], weights[scale], weights[zero], axis)
        return base

    nodes, gone = [], set()
    for node in graph.node:
        if node.output[0] in gone or node.op_type == "DynamicQuantizeLinear":
            continue
        if node.op_type == "Mul" and set(node.input) & source.keys():
            continue  # scale of activations times scale of weights
        if node.op_type == "MatMulInteger":
            (cast,) = readers[node.output[0]]
            (scaled,) = readers[cast.output[0]]
            gone |= {cast.output[0], scaled.output[0]}
            scales = next(n for n in scaled.input if n != cast.output[0])
            made = next(n for n in graph.node if scales in n.output)
            scale = next(n for n in made.input if n not in source)
            inputs = [source[node.input[0]], floats(node.input[1], scale, node.input[3])]
            name = scaled.output[0]
            nodes.append(helper.make_node("MatMul", inputs, [name], name=name))
        elif node.op_type == "QAttention":
            x, w, bias, _, scale, mask, _, zero = node.input[:8]
            nodes.append(_like(node, "Attention", [source[x], floats(w, scale, zero), bias, mask]))
        else:
            nodes.append(node)
    word_table.replace_nodes(graph, nodes)
    used = {name for node in nodes for name in node.input}
    kept = [each for each in graph.initializer if each.name in used - found.keys()]
    kept += [numpy_helper.from_array(each.floats(), name) for name, each in found.items()]
    _replace_weights(graph, kept)
    return found


def split_norms(model: Any) -> None:
    """Write each SkipLayerNormalization as Add and LayerNormalization, in place: faster on CPU.

    onnxruntime's CPU kernel of the fused one adds up one float at a time.
    """
    nodes = []
    for node in model.graph.node:
        if node.op_type != "SkipLayerNormalization":
            nodes.append(node)
            continue
        x, skip, gain, shift, *bias = node.input
        name = node.output[0]
        if bias:
            # Right after a MatMul, where onnxruntime makes it the bias of that.
            nodes.append(helper.make_node("Add", [x, bias[0]], [name + ".biased"]))
            x = name + ".biased"
        nodes.append(helper.make_node("Add", [x, skip], [name + ".sum"]))
        norm = helper.make_node(
            "LayerNormalization", [name + ".sum", gain, shift], [name], name=name, axis=-1
        )
        norm.attribute.extend(each for each in node.attribute if each.name == "epsilon")
        nodes.append(norm)
    word_table.replace_nodes(model.graph, nodes)


def joined_norms(model: Any) -> None:
    """Undo `split_norms`, in place: on a GPU the fused kernel is the fast one."""
    made = {node.output[0]: node for node in model.graph.node}
    gone, joined = set(), {}
    for node in model.graph.node:
        total = made.get(node.input[0]) if node.op_type == "LayerNormalization" else None
        biased = made.get(total.input[0]) if total is not None else None
        if total is None or biased is None or total.op_type != "Add" or biased.op_type != "Add":
            continue
        inputs = [biased.input[0], total.input[1], *node.input[1:3], biased.input[1]]
        joined[node.output[0]] = _like(node, "SkipLayerNormalization", inputs, without=("axis",))
        gone |= {total.output[0], biased.output[0]}
    word_table.replace_nodes(
        model.graph,
        [
            joined.get(node.output[0], node)
            for node in model.graph.node
            if node.output[0] not in gone
        ],
    )


def halved(model: Any) -> None:
    """Let a float graph compute in fp16, in place; what it gives stays float32."""
    graph = model.graph
    weights = []
    for each in graph.initializer:
        array = numpy_helper.to_array(each)
        is_float = array.dtype == np.float32
        weights.append(
            numpy_helper.from_array(array.astype(np.float16), each.name) if is_float else each
        )
    _replace_weights(graph, weights)
    floats = {o.name for o in graph.output if o.type.tensor_type.elem_type == TensorProto.FLOAT}
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.FLOAT16
        for place, name in enumerate(node.output):
            if name in floats:
                node.output[place] = f"{name}.half"
        for place, name in enumerate(node.input):
            if name in floats:
                node.input[place] = f"{name}.half"
    graph.node.extend(
        helper.make_node(
            "Cast", [f"{name}.half"], [name], name=f"{name}.float", to=TensorProto.FLOAT
        )
        for name in sorted(floats)
    )
    del graph.value_info[:]


def packed(model: Any, known: Mapping[str, Quantised]) -> None:
    """Store large fp16 weights as int8 with DequantizeLinear, in place.

    Opset 21, the first whose DequantizeLinear gives fp16. With `session.disable_quant_qdq` they are
    fp16 weights again once loaded.

    Args:
        model: of `halved`.
        known: quantised weights that the floats were made of; others are quantised here,
            symmetric, per column of a matrix.
    """
    graph, weights, nodes = model.graph, [], []
    for each in graph.initializer:
        array = numpy_helper.to_array(each)
        if array.dtype != np.float16 or array.size < SMALLEST:
            weights.append(each)
            continue
        kept = known.get(each.name) or _quantise(array.astype(np.float32))
        names = [f"{each.name}.{part}" for part in ("q", "scale", "zero")]
        arrays = (kept.q, kept.scale.astype(np.float16), kept.zero)
        pairs = zip(arrays, names, strict=True)
        weights += [numpy_helper.from_array(part, name) for part, name in pairs]
        axis = {"axis": kept.axis} if kept.scale.ndim else {}
        if kept.block:
            axis["block_size"] = kept.block
        nodes.append(
            helper.make_node("DequantizeLinear", names, [each.name], name=each.name, **axis)
        )
    _replace_weights(graph, weights)
    word_table.replace_nodes(graph, [*nodes, *graph.node])
    _modernise(graph)
    del model.opset_import[:]
    model.opset_import.extend([helper.make_opsetid("", 21), helper.make_opsetid(FUSED, 1)])
    model.ir_version = 10


def _modernise(graph: Any) -> None:
    """From opset 18 on the axes of ReduceMax are an input."""
    nodes = []
    for node in graph.node:
        axes = [each for each in node.attribute if each.name == "axes"]
        if node.op_type == "ReduceMax" and axes:
            name = f"{node.output[0]}.axes"
            values = np.array(axes[0].ints, np.int64)
            graph.initializer.append(numpy_helper.from_array(values, name))
            node = _like(node, "ReduceMax", [*node.input, name], domain="", without=("axes",))
        nodes.append(node)
    word_table.replace_nodes(graph, nodes)


def _quantise(array: npt.NDArray[np.float32]) -> Quantised:
    axis = array.ndim - 1
    others = tuple(range(axis))
    scale = np.abs(array).max(axis=others) / 127
    scale[scale == 0] = 1
    q = np.clip(np.round(array / scale), -127, 127).astype(np.int8)
    return Quantised(q, scale, np.zeros(scale.shape, np.int8), axis)


def _like(
    node: Any,
    op: str,
    inputs: list[str],
    *,
    domain: str = FUSED,
    without: tuple[str, ...] = (),
) -> Any:
    made = helper.make_node(op, inputs, list(node.output), name=node.output[0], domain=domain)
    made.attribute.extend(each for each in node.attribute if each.name not in without)
    return made


def _replace_weights(graph: Any, weights: list[Any]) -> None:
    copies = [type(each).FromString(each.SerializeToString()) for each in weights]
    del graph.initializer[:]
    graph.initializer.extend(copies)
