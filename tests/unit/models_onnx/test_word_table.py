"""Words in four bits: what is lost, and that a graph gives the same with them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

onnx = pytest.importorskip("onnx", reason="needs the extra train")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from models_onnx import word_table  # noqa: E402
from models_onnx.runtime import INPUTS, open_session  # noqa: E402

WORDS, HIDDEN, POSITIONS = 50, 64, 16
TABLES = arrays(np.float32, (3, HIDDEN), elements=st.floats(-8, 8, width=16))


@given(TABLES)
@settings(max_examples=200)
def test_no_value_is_off_by_more_than_a_step(table):
    off = np.abs(word_table.rounded(table) - table).reshape(3, -1, word_table.BLOCK)
    peak = np.abs(table).reshape(off.shape).max(-1, keepdims=True)
    # Half a step of the eight up to the peak; a whole one for its opposite; fp16 for the scale.
    assert (off <= peak / 8 * 1.002 + 1e-6).all()


@given(TABLES)
@settings(max_examples=200)
def test_what_was_rounded_is_packed_without_loss(table):
    once = word_table.rounded(table)
    assert np.array_equal(word_table.rounded(once), once)


def test_a_table_of_normal_values_loses_a_tenth_of_its_spread_at_most():
    table = np.random.default_rng(0).normal(size=(500, HIDDEN)).astype(np.float32)
    assert (word_table.rounded(table) - table).std() < 0.1


def weights(rng):
    def some(*shape):
        return rng.normal(scale=0.05, size=shape).astype(np.float32)

    return {
        "words": some(WORDS, HIDDEN),
        "positions": some(POSITIONS, HIDDEN),
        "types": some(3, HIDDEN),
        "norm": 1 + some(HIDDEN),
        "norm_bias": some(HIDDEN),
    }


def graph_of(tables):
    node = helper.make_node(
        "EmbedLayerNormalization",
        [INPUTS[0], INPUTS[2], *tables, INPUTS[1]],
        ["embedded", "lengths"],
        name="embedded",
        domain=word_table.FUSED,
        epsilon=1e-12,
    )
    shape = ["texts", "tokens"]
    graph = helper.make_graph(
        [node],
        "embedding",
        [helper.make_tensor_value_info(name, TensorProto.INT32, shape) for name in INPUTS],
        [
            helper.make_tensor_value_info("embedded", TensorProto.FLOAT, [*shape, HIDDEN]),
            helper.make_tensor_value_info("lengths", TensorProto.INT32, ["texts"]),
        ],
        [numpy_helper.from_array(value, name) for name, value in tables.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(word_table.FUSED, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


@pytest.fixture
def tables():
    return weights(np.random.default_rng(1))


def run(model, folder, rows=2, length=7):
    rng = np.random.default_rng(2)
    ids = rng.integers(0, WORDS, (rows, length)).astype(np.int32)
    mask = np.ones_like(ids)
    mask[1:, 4:] = 0
    types = rng.integers(0, 3, ids.shape).astype(np.int32)
    onnx.save(model, folder / "model.onnx")
    return open_session(folder / "model.onnx", device="cpu").run(ids, mask, types)


def test_a_split_graph_gives_what_the_rounded_table_gives(tables, tmp_path):
    exact = graph_of({**tables, "words": word_table.rounded(tables["words"])})
    split = graph_of(tables)
    word_table.split(split)
    assert word_table.LOOKUP in {node.op_type for node in split.graph.node}
    embedded, lengths = run(split, tmp_path)
    wanted, wanted_lengths = run(exact, tmp_path)
    assert np.abs(embedded - wanted).max() < 1e-2  # the lookup computes in fp16
    assert lengths.tolist() == wanted_lengths.tolist() == [7, 4]


def test_joining_what_was_split_gives_back_the_fused_graph(tables, tmp_path):
    exact = graph_of({**tables, "words": word_table.rounded(tables["words"])})
    model = graph_of(tables)
    word_table.split(model)
    word_table.join(model)
    assert [node.op_type for node in model.graph.node] == ["EmbedLayerNormalization"]
    assert {each.name for each in model.graph.initializer} == set(tables)
    for found, wanted in zip(run(model, tmp_path), run(exact, tmp_path), strict=True):
        assert np.array_equal(found, wanted)


def test_joining_leaves_a_graph_that_was_not_split_alone(tables):
    model = graph_of(tables)
    before = model.SerializeToString()
    word_table.join(model)
    assert model.SerializeToString() == before
