"""Other forms of a model answer as the one they were made of."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="needs the extra train")

from models_onnx import bundle, graphs, smoothing  # noqa: E402
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
    equal = sum(int((a[0].argmax(-1) == b[0].argmax(-1)).sum()) for a, b in pairs)
    return equal / sum(len(a[0]) for a, _ in pairs)


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
    off = [np.abs(a[0] - b[0]).mean() for a, b in zip(made, before, strict=True)]
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
    layers = operators(model).count("BiasGelu")
    assert len(norms(model)) == 2 * layers > 2
    assert operators(model).count("LayerNormalization") == 1  # of the words


def test_the_float_graph_has_no_integer_operators_and_nearly_the_same_tags(tmp_path, encoded):
    model = onnx.load(SHIPPED / "model.onnx")
    known = graphs.dequantised(model)
    onnx.save(model, tmp_path / "model.onnx")
    assert {"MatMul", "Attention", "EmbedLayerNormalization"} <= set(operators(model))
    assert not [op for op in operators(model) if "Quant" in op or "Integer" in op]
    (words,) = [each for each in model.graph.initializer if each.name == "words"]
    assert np.array_equal(known["words"].floats(), onnx.numpy_helper.to_array(words))
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
    # A byte a weight, and scales: in fp16 it would be two.
    assert (tmp_path / "model.onnx").stat().st_size < (tmp_path / "full.onnx").stat().st_size / 3.6
    full, half = (
        answers(tmp_path / "full.onnx", encoded),
        answers(tmp_path / "model.onnx", encoded),
    )
    assert same_tags(half, full) >= 0.995
    assert half[0][0].dtype == np.float32


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


@pytest.mark.slow
def test_evened_activations_change_nothing_in_float_and_save_tags_in_int8(tmp_path, encoded):
    from models_onnx.training.graph import save_int8, single

    def full():
        model = onnx.load(SHIPPED / "model.onnx")
        graphs.split_norms(model)
        graphs.dequantised(model)
        graphs.joined_norms(model)
        return model

    onnx.save(full(), tmp_path / "full.onnx")
    evened = full()
    smoothing.smooth(evened, [single(each) for each in encoded[:20]], keep=("raw",))
    onnx.save(evened, tmp_path / "evened.onnx")
    exact = answers(tmp_path / "full.onnx", encoded)
    assert same_tags(answers(tmp_path / "evened.onnx", encoded), exact) >= 0.999
    peaks = smoothing.peaks(evened, ["layer0.narrow.evened"], map(single, encoded))
    before = smoothing.peaks(full(), ["layer0.gelu"], map(single, encoded))["layer0.gelu"]
    after = peaks["layer0.narrow.evened"]
    assert after.max() / np.median(after) < before.max() / np.median(before) / 2

    save_int8(full(), tmp_path / "plain.onnx")
    save_int8(full(), tmp_path / "smooth.onnx", texts=encoded[:20])
    plain = same_tags(answers(tmp_path / "plain.onnx", encoded[20:]), exact[20:])
    smooth = same_tags(answers(tmp_path / "smooth.onnx", encoded[20:]), exact[20:])
    assert smooth > plain


def test_what_is_no_array_stays_none_when_activations_are_evened(encoded):
    from models_onnx.training.graph import single

    model = onnx.load(SHIPPED / "model.onnx")
    graphs.split_norms(model)
    graphs.dequantised(model)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(0, np.int64), "scalar"))
    smoothing.smooth(model, [single(each) for each in encoded[:2]])
    (scalar,) = (each for each in model.graph.initializer if each.name == "scalar")
    assert list(scalar.dims) == []


@pytest.mark.slow
def test_an_evened_int8_model_can_be_converted_for_a_gpu(tmp_path, encoded):
    from models_onnx.training.graph import save_int8

    model = onnx.load(SHIPPED / "model.onnx")
    graphs.split_norms(model)
    graphs.dequantised(model)
    graphs.joined_norms(model)
    save_int8(model, tmp_path / "int8.onnx", texts=encoded[:20])
    made = onnx.load(tmp_path / "int8.onnx")
    known = graphs.dequantised(made)
    graphs.joined_norms(made)
    onnx.save(made, tmp_path / "full.onnx")
    graphs.halved(made)
    graphs.packed(made, known)
    onnx.save(made, tmp_path / "half.onnx")
    full, half = (answers(tmp_path / f"{name}.onnx", encoded) for name in ("full", "half"))
    assert same_tags(half, full) >= 0.995
