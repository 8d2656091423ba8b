"""One suite for every model: whatever comes in, or out of a session, is a clear error or one text.

To add a model: a `Case` with how it is made, asked, and what it says when it knows nothing.
"""

import asyncio
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest

from models_onnx import bundle, publish
from models_onnx.bundle import MODEL_FILE, Bundle
from models_onnx.cleaning.cleaner import Cleaner
from models_onnx.errors import (
    BundleError,
    DeviceMemoryError,
    InferenceError,
    ModelError,
    ShapeError,
)
from models_onnx.gpu.titles import titles
from models_onnx.runtime import Session, open_session
from models_onnx.spans import HELD, Claim, Tagged, Text
from models_onnx.tagging.tagger import Tagger

POISON = {
    "empty": "",
    "blanks": " \t\n ",
    "100 kB": "red shoes " * 10_000,
    "one word of 100 kB": "x" * 100_000,
    "right to left": "أحذية للنساء الحوامل باللون الأحمر",
    "right to left marks": "\u202eseohs der\u202c shoes",
    "emoji": "👟 for 👩‍👩‍👧 🤰🏽 🇮🇹",
    "control characters": "red\x00shoes\x07\x1b[0m\x7f\x85",
    "lone surrogates": "red \ud800 shoes \udfff",
    "only digits": "0123456789 " * 40,
    "German": "Rutschfeste Schuhe für Schwangere, Größe 38",
    "Japanese": "妊婦用の滑りにくい靴 サイズ24",
    "Hindi": "गर्भवती महिलाओं के लिए जूते",
    "combining marks": "e" + "\u0301" * 5_000,
    "null bytes": "\x00" * 1_000,
    "special tokens": "[CLS] [SEP] [PAD] [MASK] shoes",
}
GOOD = "Slip-Resistant Leather Clogs for Nurses, Black, Size 8"


class Case(NamedTuple):
    """A model under test."""

    task: str
    new: Callable[..., Any]
    question: Callable[[str], Any]
    ask: Callable[[Any, Sequence[Any]], list[Any]]
    nothing: Any


CASES = {
    "tagging": Case(
        "tagging", Tagger, lambda text: Text(text, "title", text[:500]), Tagger.tag, Tagged()
    ),
    "cleaning": Case(
        "cleaning",
        Cleaner,
        lambda text: Claim(text, text[:500], "color", (text[:60].split() or ["black"])[-1]),
        Cleaner.judge,
        HELD,
    ),
}


@pytest.fixture(scope="module", params=CASES)
def case(request):
    return CASES[request.param]


@pytest.fixture(scope="module")
def found(case) -> Bundle:
    return bundle.load(bundle.shipped(case.task), task=case.task)


@pytest.fixture(scope="module")
def model(case):
    made = case.new.load(device="cpu", threads=2)
    yield made
    made.close()


class Wrapped:
    """The real session, with one thing wrong."""

    def __init__(self, found: Bundle, wrong: Callable[[Any, list[Any]], list[Any]]) -> None:
        self.inner, self.wrong = open_session(found.model_path, device="cpu"), wrong
        self.path, self.device = self.inner.path, "cpu"
        self.outputs, self.per_token = self.inner.outputs, self.inner.per_token

    def run(self, ids, mask, types):
        return self.wrong(ids, self.inner.run(ids, mask, types))

    def reopen(self, device) -> Session:
        return self.inner.reopen(device)


@pytest.mark.parametrize("text", POISON.values(), ids=POISON)
def test_no_text_raises_or_touches_its_neighbours(case, model, text):
    good = case.question(GOOD)
    bad, after = case.ask(model, [case.question(text), good])
    assert after == case.ask(model, [good])[0]
    for span in getattr(bad, "spans", ()):
        assert text[span.start : span.end] == span.text
    assert model.set_aside == 0


@pytest.mark.parametrize("count", [100, pytest.param(2_000, marks=pytest.mark.slow)])
def test_titles_have_the_same_answers_alone_in_company_and_in_any_order(case, model, count):
    questions = [case.question(each) for each in titles(count, seed=11)]
    together = case.ask(model, questions)
    backwards = case.ask(model, questions[::-1])[::-1]
    alone = [case.ask(model, [each])[0] for each in questions]
    assert together == alone
    assert backwards == alone


def test_what_is_no_number_is_no_answer(case, found):
    def nan(ids, outputs):
        return [np.full_like(o, np.nan if o.dtype.kind == "f" else 255) for o in outputs]

    made = case.new(found, Wrapped(found, nan), threads=1)
    assert case.ask(made, [case.question(GOOD)]) == [case.nothing]


def test_a_text_that_makes_the_session_raise_is_set_aside_alone(case, found, model):
    questions = [case.question(each) for each in (*titles(20), "zzq " * 9, GOOD)]
    poison = case.ask(model, questions)  # the answers of a session without anything wrong
    token = model._tokens._tokenizer.token_to_id("##q") or -1

    def raises(ids, outputs):
        if token in ids:
            raise InferenceError("model.onnx failed on cpu: Non-zero status code")
        return outputs

    made = case.new(found, Wrapped(found, raises), threads=2)
    answers = case.ask(made, questions)
    assert made.set_aside == 1
    assert answers[20] == case.nothing
    assert answers[:20] + answers[21:] == poison[:20] + poison[21:]
    assert case.ask(made, questions[:3]) == poison[:3]


def test_a_session_that_breaks_under_way_is_an_error_with_its_reason(case, found):
    calls = []

    def breaks(ids, outputs):
        calls.append(ids)
        if len(calls) > 2:
            raise InferenceError("model.onnx failed on cpu: the device was lost")
        return outputs

    made = case.new(found, Wrapped(found, breaks), threads=1)
    with pytest.raises(InferenceError, match="device was lost"):
        case.ask(made, [case.question(each) for each in titles(9)])


def test_memory_that_is_full_for_one_text_is_that_text_alone_or_an_error(case, found):
    def full(ids, outputs):
        raise DeviceMemoryError("model.onnx failed on cpu: Failed to allocate memory")

    with pytest.raises(InferenceError, match="allocate"):
        case.new(found, Wrapped(found, full), threads=1)


@pytest.mark.parametrize("cut", [lambda o: o[:, :-1] if o.ndim > 1 else o[:0], lambda o: o[:0]])
def test_arrays_of_another_shape_are_refused_when_it_is_loaded(case, found, cut):
    with pytest.raises(ShapeError, match="fetch the bundle again"):
        case.new(found, Wrapped(found, lambda ids, outputs: [cut(o) for o in outputs]))


# Damaged bundles


def copied(case: Case, folder: Path, **changes: object) -> Path:
    """The shipped bundle; `bundle.toml` with `changes` and the files' new sums."""
    made = folder / "bundle"
    if not made.exists():
        shutil.copytree(bundle.shipped(case.task), made)
    manifest = bundle.read_manifest(made)
    files = {name: bundle.sha256(made / name) for name in manifest.files}
    publish.write_manifest(made, msgspec.structs.replace(manifest, files=files, **changes))
    return made


def test_a_truncated_file_is_refused(case, tmp_path):
    folder = copied(case, tmp_path)
    model = folder / MODEL_FILE
    model.write_bytes(model.read_bytes()[:100_000])
    with pytest.raises(BundleError, match="fetch the bundle again"):
        case.new.load(folder, device="cpu")


def test_a_truncated_file_with_the_right_sum_is_refused_by_onnxruntime_in_our_words(case, tmp_path):
    folder = copied(case, tmp_path)
    model = folder / MODEL_FILE
    model.write_bytes(model.read_bytes()[:100_000])
    with pytest.raises(InferenceError, match="bundle and the onnxruntime of one release"):
        case.new.load(copied(case, tmp_path), device="cpu")


def test_a_tokeniser_that_is_none_is_refused(case, tmp_path):
    folder = copied(case, tmp_path)
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(BundleError, match="fetch the bundle again"):
        case.new.load(copied(case, tmp_path), device="cpu")


@pytest.mark.parametrize("change", [{"thresholds": {}}, {"labels": ()}])
def test_labels_or_thresholds_that_are_missing_are_refused(case, tmp_path, change):
    with pytest.raises(BundleError):
        case.new.load(copied(case, tmp_path, **change), device="cpu")


def damaged_model(case: Case, folder: Path, change: Callable[[Any], None]) -> Path:
    onnx = pytest.importorskip("onnx", reason="needs the extra train")
    made = copied(case, folder)
    model = onnx.load(made / MODEL_FILE)
    change(model)
    onnx.save(model, made / MODEL_FILE)
    return copied(case, folder)


def test_another_opset_is_refused(case, tmp_path):
    def newer(model):
        model.opset_import[0].version = 99

    with pytest.raises(InferenceError, match="of one release"):
        case.new.load(damaged_model(case, tmp_path, newer), device="cpu")


def test_other_inputs_are_refused(case, tmp_path):
    def renamed(model):
        for node in model.graph.node:
            for place, name in enumerate(node.input):
                if name == "input_ids":
                    node.input[place] = "ids"
        next(i for i in model.graph.input if i.name == "input_ids").name = "ids"

    with pytest.raises(ShapeError, match="fetch the bundle again"):
        case.new.load(damaged_model(case, tmp_path, renamed), device="cpu")


def test_an_output_that_is_missing_is_refused(case, tmp_path):
    def without(model):
        name = model.graph.output[-1].name
        for node in model.graph.node:
            for place, each in enumerate(node.output):
                if each == name:
                    node.output[place] = "other"
        model.graph.output[-1].name = "other"

    with pytest.raises(ShapeError):
        case.new.load(damaged_model(case, tmp_path, without), device="cpu")


def test_answers_off_the_loop_are_the_same(case, model):
    questions = [case.question(each) for each in titles(70)]
    name = "tag_async" if case.task == "tagging" else "judge_async"
    assert asyncio.run(getattr(model, name)(questions)) == case.ask(model, questions)


# The tagger's labels


@pytest.mark.parametrize(
    "labels",
    [
        ("O", "B-color"),
        ("O", "I-color"),
        ("B-color", "I-color"),
        ("O", "B-color", "I-color", "colour"),
    ],
)
def test_labels_without_their_pair_are_refused(tmp_path, labels):
    with pytest.raises(BundleError, match="labels are missing"):
        Tagger.load(copied(CASES["tagging"], tmp_path, labels=labels), device="cpu")


def test_fewer_labels_than_the_model_has_tags_is_an_error_that_names_both(tmp_path):
    folder = copied(CASES["tagging"], tmp_path, labels=("O", "B-scent", "I-scent"))
    with pytest.raises(ModelError, match=r"bundle\.toml has 3 labels"):
        Tagger.load(folder, device="cpu")
