"""Word embeddings in four bits, in a model's graph and before training. Needs the package onnx.

The table of words is a third to a half of a small model's file. Blocks of 32 along each row share
one fp16 scale, as in llama.cpp's q4_0: the value of largest magnitude is -8 scales, which uses all
sixteen steps. Off by 0.09 of a block's spread (root mean square); a model that is trained on
`rounded` tables loses nothing when it is written.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper, numpy_helper

FUSED = "com.microsoft"
BLOCK = 32
LOOKUP = "GatherBlockQuantized"

Floats = npt.NDArray[np.float32]


class Table(NamedTuple):
    """`packed` uint8 [words, hidden / 2], the even column in the low half; `scale` fp16 [words,
    hidden / BLOCK]. A value is (half - 8) * scale."""

    packed: npt.NDArray[np.uint8]
    scale: npt.NDArray[np.float16]

    def steps(self) -> npt.NDArray[np.int8]:
        """[words, hidden]: the values before the scale, -8 to 7."""
        halves = np.stack([self.packed & 15, self.packed >> 4], axis=-1)
        return (halves.reshape(len(self.packed), -1).astype(np.int8) - 8).astype(np.int8)

    def floats(self) -> Floats:
        scale = np.repeat(self.scale.astype(np.float32), BLOCK, axis=1)
        return (self.steps() * scale).astype(np.float32)


def pack(table: Floats) -> Table:
    """`table` [words, hidden], hidden a multiple of BLOCK, in four bits."""
    blocks = table.reshape(len(table), -1, BLOCK)
    peak = np.take_along_axis(blocks, np.abs(blocks).argmax(-1)[..., None], axis=-1)[..., 0]
    scale = (peak / -8).astype(np.float16)
    divisor = np.where(scale == 0, 1, scale).astype(np.float32)
    steps = np.clip(np.round(blocks / divisor[..., None]) + 8, 0, 15).astype(np.uint8)
    steps = steps.reshape(table.shape)
    return Table(steps[:, 0::2] | (steps[:, 1::2] << 4), scale)


def rounded(table: Floats) -> Floats:
    """`table` as it will be read from four bits; rounding it again changes nothing."""
    return pack(table).floats()


def split(model: Any) -> None:
    """Write the float EmbedLayerNormalization with words in four bits, in place, for the CPU."""
    graph = model.graph
    weights = {each.name: each for each in graph.initializer}
    node = next(node for node in graph.node if node.op_type == "EmbedLayerNormalization")
    ids, types, words, positions, kinds, gain, shift, mask = node.input
    embedded, lengths = node.output
    table = pack(numpy_helper.to_array(weights[words]))
    graph.initializer.remove(weights[words])
    graph.initializer.extend(
        [
            numpy_helper.from_array(table.packed, words),
            numpy_helper.from_array(table.scale, f"{words}.scale"),
            numpy_helper.from_array(np.array([0], np.int64), "embed.zero"),
        ]
    )
    epsilon = next(each.f for each in node.attribute if each.name == "epsilon")
    made = [
        _node(
            LOOKUP,
            [words, ids, f"{words}.scale"],
            "embed.half",
            domain=FUSED,
            block_size=BLOCK,
            gather_axis=0,
            quantize_axis=1,
            bits=4,
        ),
        _node("Cast", ["embed.half"], "embed.words", to=TensorProto.FLOAT),
        _node("Shape", [ids], "embed.length", start=1, end=2),
        _node("Slice", [positions, "embed.zero", "embed.length"], "embed.positions"),
        _node("Gather", [kinds, types], "embed.types"),
        _node("Add", ["embed.types", "embed.positions"], "embed.context"),
        _node("Add", ["embed.words", "embed.context"], "embed.sum"),
        _node("LayerNormalization", ["embed.sum", gain, shift], embedded, axis=-1, epsilon=epsilon),
        _node("ReduceSum", [mask, "embed.one"], lengths, keepdims=0),
    ]
    graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), "embed.one"))
    replace_nodes(graph, [*made, *(each for each in graph.node if each.name != node.name)])


def join(model: Any) -> tuple[str, Table] | None:
    """Undo `split`, in place: the float EmbedLayerNormalization, which a GPU has a kernel for.

    Returns:
        Name and table of the words, None where the graph was not split.
    """
    graph = model.graph
    made = {output: node for node in graph.node for output in node.output}
    lookup = made.get("embed.half")
    if lookup is None:
        return None
    weights = {each.name: each for each in graph.initializer}
    words, ids, scale = lookup.input
    norm = next(node for node in graph.node if "embed.sum" in node.input)
    lengths = next(node for node in graph.node if "embed.one" in node.input)
    table = Table(numpy_helper.to_array(weights[words]), numpy_helper.to_array(weights[scale]))
    inputs = [
        ids,
        made["embed.types"].input[1],
        words,
        made["embed.positions"].input[0],
        made["embed.types"].input[0],
        *norm.input[1:3],
        lengths.input[0],
    ]
    embed = helper.make_node(
        "EmbedLayerNormalization",
        inputs,
        [norm.output[0], lengths.output[0]],
        name=norm.output[0],
        domain=FUSED,
        epsilon=next(each.f for each in norm.attribute if each.name == "epsilon"),
    )
    gone = {norm.output[0], lengths.output[0]}
    rest = [n for n in graph.node if not n.output[0].startswith("embed.")]
    replace_nodes(graph, [embed, *(node for node in rest if node.output[0] not in gone)])
    for name in (words, scale, "embed.zero", "embed.one"):
        graph.initializer.remove(weights[name])
    graph.initializer.append(numpy_helper.from_array(table.floats(), words))
    return words, table


def _node(op: str, inputs: list[str], output: str, *, domain: str = "", **attributes: Any) -> Any:
    return helper.make_node(op, inputs, [output], name=output, domain=domain, **attributes)


def replace_nodes(graph: Any, nodes: list[Any]) -> None:
    """Give a graph these nodes, its own among them, and no others."""
    copies = [type(node).FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)
