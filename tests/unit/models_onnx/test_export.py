"""What is exported is what was trained: tiny untrained models, torch beside onnxruntime."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")
onnx = pytest.importorskip("onnx", reason="needs the extra train")

from models_onnx import seen  # noqa: E402
from models_onnx.cleaning import export as cleaning  # noqa: E402
from models_onnx.cleaning.train import CleanerModel  # noqa: E402
from models_onnx.labels import bio_labels  # noqa: E402
from models_onnx.runtime import open_session  # noqa: E402
from models_onnx.spans import Span, Tagged, Text  # noqa: E402
from models_onnx.tagging import export as tagging  # noqa: E402
from models_onnx.tagging import train  # noqa: E402
from models_onnx.tagging.model import TaggerModel  # noqa: E402
from models_onnx.training.graph import save_int8  # noqa: E402

IDS = np.array([[2, 7, 9, 3, 11, 4]], np.int32)
MASK = np.ones_like(IDS)
TYPES = np.array([[0, 0, 1, 2, 2, 1]], np.int32)


def run(graph, folder):
    onnx.save(graph, folder / "model.onnx")
    return open_session(folder / "model.onnx", device="cpu").run(IDS, MASK, TYPES)


def tensors():
    return [torch.from_numpy(array).long() for array in (IDS, MASK, TYPES)]


@pytest.mark.parametrize("seed", [0, 1])
def test_the_taggers_graph_answers_as_torch_does(tmp_path, seed):
    torch.manual_seed(seed)
    model = TaggerModel(32, 2, len(bio_labels()), 5).eval()
    found, kind, sure = run(tagging.build(model), tmp_path)
    with torch.inference_mode():
        chances, kinds = (logits.softmax(-1) for logits in model(*tensors()))
    assert found == pytest.approx(chances.numpy(), abs=1e-4)
    assert kind.tolist() == kinds.argmax(-1).tolist()
    assert sure == pytest.approx(kinds.max(-1).values.numpy(), abs=1e-4)


CLAIMS = {
    "whole": [[2, 7, 9, 8, 3, 11, 3, 5, 6, 3]],
    "no type, no text": [[2, 7, 9, 8, 9, 3, 3, 3]],
    "no colon": [[2, 7, 8, 3, 11, 3, 5, 3]],
    "no separator": [[2, 7, 9, 8]],
}


@pytest.mark.parametrize("parts", CLAIMS)
def test_the_cleaners_graph_finds_the_parts_of_a_claim_as_torch_does(tmp_path, parts):
    torch.manual_seed(0)
    model = CleanerModel(32, 2, sep=3, colon=9).eval()
    ids = np.array(CLAIMS[parts], np.int32)
    mask, types = np.ones_like(ids), np.zeros_like(ids)
    onnx.save(cleaning.build(model), tmp_path / "model.onnx")
    (score,) = open_session(tmp_path / "model.onnx", device="cpu").run(ids, mask, types)
    with torch.inference_mode():
        expected = torch.sigmoid(model(*(torch.from_numpy(a).long() for a in (ids, mask, types))))
    assert np.isfinite(score).all()
    assert score == pytest.approx(expected.numpy(), abs=1e-4)


@pytest.mark.parametrize("marked", [True, False])
def test_the_cleaners_graph_answers_as_torch_does_with_and_without_a_marked_place(tmp_path, marked):
    torch.manual_seed(0)
    model = CleanerModel(32, 2, sep=3, colon=9).eval()
    types = TYPES if marked else np.minimum(TYPES, 1)
    onnx.save(cleaning.build(model), tmp_path / "model.onnx")
    (score,) = open_session(tmp_path / "model.onnx", device="cpu").run(IDS, MASK, types)
    with torch.inference_mode():
        expected = torch.sigmoid(model(*tensors()[:2], torch.from_numpy(types).long()))
    assert score == pytest.approx(expected.numpy(), abs=1e-4)


def test_a_saved_model_is_read_back_as_it_was(tmp_path):
    model = TaggerModel(32, 2, len(bio_labels()), 5).eval()
    tokenizer = tagging.bundles.shipped("tagging") / "tokenizer.json"
    train.save(train.Trained(model, tokenizer.read_text(encoding="utf-8")), tmp_path)
    read, _ = train.load(tmp_path)
    with torch.inference_mode():
        for found, expected in zip(read(*tensors()), model(*tensors()), strict=True):
            assert torch.equal(found, expected)


def test_the_card_marks_values_that_training_never_had():
    answer = Tagged((Span(0, 3, "color", "Red", 0.9), Span(4, 9, "product_type", "shoes", 0.8)))
    line = tagging.shown(Text("Red shoes", "query"), answer, seen.of([("color", "red")]))
    assert line == "query `Red shoes`: Red (color 0.90), shoes (product_type 0.80, new)"


def test_the_int8_file_has_no_fused_norms_which_are_slow_on_a_cpu(tmp_path):
    torch.manual_seed(0)
    model = TaggerModel(32, 2, len(bio_labels()), 5).eval()
    save_int8(tagging.build(model), tmp_path / "model.onnx", keep=("label_raw",))
    made = onnx.load(tmp_path / "model.onnx")
    operators = [node.op_type for node in made.graph.node]
    assert operators.count("LayerNormalization") == 5  # four of the layers, one of the words
    assert "SkipLayerNormalization" not in operators
    assert "MatMulInteger" in operators
    session = open_session(tmp_path / "model.onnx", device="cpu")
    chances, kind, sure = session.run(IDS, MASK, TYPES)
    assert chances.shape == (*IDS.shape, len(bio_labels()))
    assert kind.shape == sure.shape == IDS.shape[:1]
    assert session.per_token == {"chances"}
    assert session._session.get_provider_graph_assignment_info()


def test_norms_that_were_split_are_not_fused_again_when_they_are_loaded(tmp_path):
    model = TaggerModel(32, 2, len(bio_labels()), 5).eval()
    save_int8(tagging.build(model), tmp_path / "model.onnx", keep=("label_raw",))
    session = open_session(tmp_path / "model.onnx", device="cpu")._session
    parts = session.get_provider_graph_assignment_info()
    operators = [node.op_type for part in parts for node in part.get_nodes()]
    assert "SkipLayerNormalization" not in operators
