"""Other forms of a model answer as the one they were made of."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="needs the extra train")

from models_onnx import bundle, graphs  # noqa: E402
from models_onnx.gpu.titles import titles  # noqa: E402
from models_onnx.runtime import BoundSession, cpu_session, open_session  # noqa: E402
from models_onnx.spans import Text  # noqa: E402
from models_onnx.tokens import Tokens  # noqa: E402

SHIPPED = bundle.shipped("tagging")


@pytest.fixture(scope="module")
def encoded():
    tokens = Tokens.load(SHIPPED / "tokenizer.json", max_tokens=64)
    return [tokens.encode_text(Text(each, "title")) for each in titles(40)]


def answers(path, encoded):
    session = open_session(path, device="cpu")
    return [
        [
            output[0]
            for output in session.run(
                np.array([each.ids], np.int32),
                np.ones((1, len(each.ids)), np.int32),
                np.array([each.types], np.int32),
            )
        ]
        for each in encoded
    ]


def same_tags(some, others):
    pairs = list(zip(some, others, strict=True))
    equal = sum(int((a[0] == b[0]).sum()) for a, b in pairs)
    return equal / sum(a[0].size for a, _ in pairs)


def operators(model):
    return [node.op_type for node in model.graph.node]


def test_split_norms_give_the_same_tags_and_no_fused_norm_is_left(tmp_path, encoded):
    model = onnx.load(SHIPPED / "model.onnx")
    graphs.split_norms(model)
    onnx.save(model, tmp_path / "model.onnx")
    assert "SkipLayerNormalization" not in operators(model)
    made, before = (
        answers(tmp_path / "model.onnx", encoded),
        answers(SHIPPED / "model.onnx", encoded),
    )
    assert same_tags(made, before) >= 0.995
    off = [np.abs(a[1] - b[1]).mean() for a, b in zip(made, before, strict=True)]
    assert np.mean(off) < 0.005


def test_joined_norms_are_what_was_split():
    model = onnx.load(SHIPPED / "model.onnx")
    graphs.split_norms(model)
    graphs.joined_norms(model)
    before = onnx.load(SHIPPED / "model.onnx")

    def norms(each):
        return [list(n.input) for n in each.graph.node if n.op_type == "SkipLayerNormalization"]

    if norms(before):
        assert norms(model) == norms(before)
    assert len(norms(model)) == 6
    assert not {"LayerNormalization"} & set(operators(model))


def test_the_float_graph_has_no_integer_operators_and_nearly_the_same_tags(tmp_path, encoded):
    model = onnx.load(SHIPPED / "model.onnx")
    known = graphs.dequantised(model)
    onnx.save(model, tmp_path / "model.onnx")
    assert {"MatMul", "Attention", "EmbedLayerNormalization"} <= set(operators(model))
    assert not [op for op in operators(model) if "Quant" in op or "Integer" in op]
    assert known["words"].floats().shape == known["words"].q.shape
    assert (
        same_tags(
            answers(tmp_path / "model.onnx", encoded), answers(SHIPPED / "model.onnx", encoded)
        )
        >= 0.95
    )


def test_packed_weights_are_those_of_the_shipped_file_in_fp16(tmp_path, encoded):
    model = onnx.load(SHIPPED / "model.onnx")
    known = graphs.dequantised(model)
    graphs.joined_norms(model)
    onnx.save(model, tmp_path / "full.onnx")
    graphs.halved(model)
    graphs.packed(model, known)
    onnx.checker.check_model(model, full_check=False)
    onnx.save(model, tmp_path / "model.onnx")
    assert model.opset_import[0].version == 21
    assert (tmp_path / "model.onnx").stat().st_size < 1.05 * known["words"].q.size * 2
    full, half = (
        answers(tmp_path / "full.onnx", encoded),
        answers(tmp_path / "model.onnx", encoded),
    )
    assert same_tags(half, full) >= 0.995
    assert half[0][1].dtype == np.float32


def test_bound_arrays_give_the_answers_of_plain_runs(encoded):
    path = SHIPPED / "model.onnx"
    bound = BoundSession(path, cpu_session(path), "cpu")
    for each in encoded[:5] * 2:  # again, through buffers that are kept
        feed = (
            np.array([each.ids], np.int32),
            np.ones((1, len(each.ids)), np.int32),
            np.array([each.types], np.int32),
        )
        plain = open_session(path, device="cpu").run(*feed)
        assert all((a == b).all() for a, b in zip(bound.run(*feed), plain, strict=True))
