"""The shipped matcher in a real session: rules, order, company, and input that nobody expects."""

import asyncio
import random
import shutil
import threading

import msgspec
import numpy as np
import pytest

from models_onnx import bundle as bundles
from models_onnx.errors import BundleError, InferenceError, ShapeError
from models_onnx.spans import HELD, Senses, Term, ValuePair
from models_onnx.synonyms.lexicon import LEXICON_FILE
from models_onnx.synonyms.matcher import DIFFERENT, SAME, Matcher
from models_onnx.synonyms.reader import OUTPUTS
from models_onnx.synonyms.trees import SCORER_FILE

PAIRS = [
    ValuePair("easier to use", "easy to use"),
    ValuePair("color", "colour", "attribute"),
    ValuePair("dark red", "dark blue", "color"),
    ValuePair("without zipper", "with zipper", "feature"),
    ValuePair("couch", "sofa", "product_type"),
    ValuePair("iphone", "iphone 7", "product_type"),
    ValuePair("anti-slip", "non-slip", "feature"),
    ValuePair("500 ml bottle", "0.5 l bottles", "size"),
]
POISON = {
    "empty": "",
    "blank": "  ",
    "long": "x" * 100_000,
    "long words": "red " * 25_000,
    "arabic": "أحمر داكن",
    "hebrew": "אדום",
    "chinese": "红色",
    "emoji": "😀👍🏽",
    "control": "\x00\x07\u202e",
    "digits": "123456",
    "surrogate": "\ud800red",
    "ligature": "\ufdfa" * 500,
    "punctuation": "---",
}


@pytest.fixture(scope="module")
def matcher():
    made = Matcher.load(device="cpu", threads=2)
    yield made
    made.close()


def test_synonyms_share_a_sense_alone_and_beside_the_same_words(matcher):
    texts = ("couch", "sofa", "red couch", "Sofa, red", "blue sofa", "dustbin")
    alone, other, red, red_too, blue, unknown = (
        set(told.names) for told in matcher.senses(list(map(Term, texts)))
    )
    assert alone & other
    assert red & red_too
    assert not red & blue
    assert not alone & red
    assert not unknown & alone
    terms = [Term(text) for text in POISON.values()]
    told = asyncio.run(matcher.senses_async(terms))
    assert told == [matcher.senses([term])[0] for term in terms]
    assert told[list(POISON).index("empty")] == Senses()


def test_two_spellings_are_the_same_and_other_numbers_are_not(matcher):
    asked = [
        ValuePair("T-Shirts", "t shirt"),
        ValuePair("500 ml", "0.5 l"),
        ValuePair("pack of 2", "pack of 3"),
        ValuePair("iPhone 7 Plus", "iPhone 8 Plus"),
    ]
    first, second, third, fourth = matcher.match(asked)
    assert first == SAME
    assert second.verdict != "rejected" or second.score > 0
    assert third == fourth == DIFFERENT


def test_a_number_on_one_side_only_is_never_accepted(matcher):
    asked = [ValuePair(a, f"{a} {n}") for a in ("iphone", "pack", "battery aaa") for n in (2, 7)]
    assert all(answer.verdict != "accepted" for answer in matcher.match(asked))


def test_the_order_of_a_pair_does_not_matter(matcher):
    turned = [ValuePair(p.b, p.a, p.attribute) for p in PAIRS]
    assert matcher.match(PAIRS) == matcher.match(turned)


def test_an_answer_is_the_same_in_any_company_and_order_and_from_the_cache():
    fresh = Matcher.load(device="cpu", threads=2)
    alone = {}
    for pair in PAIRS:
        one = Matcher.load(device="cpu", threads=1)
        alone[pair] = one.match([pair])[0]
        one.close()
    many = PAIRS * 9
    random.Random(2).shuffle(many)
    assert fresh.match(many) == [alone[p] for p in many]
    assert asyncio.run(fresh.match_async(many)) == [alone[p] for p in many]
    fresh.close()


def test_an_evicted_reading_is_read_again_with_the_same_answer(matcher, monkeypatch):
    expected = matcher.match(PAIRS)
    monkeypatch.setattr(matcher._reader, "_most", 2)
    assert [matcher.match([p])[0] for p in PAIRS] == expected
    assert len(matcher._reader._kept) <= 2


@pytest.mark.parametrize("text", POISON.values(), ids=POISON.keys())
def test_poison_never_raises_and_is_never_accepted(matcher, text):
    asked = [ValuePair(text, "dark red", text), ValuePair("dark red", text), ValuePair(text, "")]
    answers = matcher.match(asked)
    assert answers == asyncio.run(matcher.match_async(asked))
    assert all(a.verdict in ("held", "rejected") and 0 <= a.score <= 1 for a in answers)


@pytest.mark.parametrize("text", ["", "---", "😀"])
def test_what_has_no_letters_is_held(matcher, text):
    assert matcher.match([ValuePair(text, text)]) == [HELD]


def test_nothing_asked_nothing_answered(matcher):
    assert matcher.match([]) == []
    assert asyncio.run(matcher.match_async([])) == []


def test_many_threads_get_the_answers_of_one(matcher):
    expected = matcher.match(PAIRS)
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(matcher.match(PAIRS))) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 6


class Broken:
    """A session that gives NaN, or raises for texts of three tokens and more."""

    def __init__(self, *, raises):
        self.path = bundles.shipped("synonyms") / "model.onnx"
        self.device = "cpu"
        self.outputs = OUTPUTS
        self.per_token = frozenset({OUTPUTS[0]})
        self._raises = raises
        self._calls = 0

    def run(self, ids, mask, types):
        self._calls += 1
        if self._raises and ids.shape[1] > 5:
            raise InferenceError("no memory")
        value = np.nan if self._calls > 1 and not self._raises else 0.1
        rows, width = ids.shape
        return [np.full((rows, width, 384), value, np.float32), np.full((rows, 384), value)]


@pytest.mark.parametrize("raises", [True, False])
def test_a_model_that_fails_or_gives_nan_holds_the_pair(raises):
    bundle = bundles.load(bundles.shipped("synonyms"), task="synonyms")
    made = Matcher(bundle, Broken(raises=raises), threads=1)
    asked = [
        ValuePair("very easy to use indeed", "hard to be used at all"),
        ValuePair("a b", "b a c"),
    ]
    assert made.match(asked)[0] == HELD
    assert made.set_aside == (2 if raises else 0)
    made.close()


def test_a_session_with_other_outputs_is_refused():
    bundle = bundles.load(bundles.shipped("synonyms"), task="synonyms")
    session = Broken(raises=False)
    session.outputs = ("score",)
    with pytest.raises(ShapeError):
        Matcher(bundle, session)


@pytest.fixture
def copy(tmp_path):
    folder = tmp_path / "synonyms"
    shutil.copytree(bundles.shipped("synonyms"), folder)
    return folder


@pytest.mark.parametrize("name", [SCORER_FILE, LEXICON_FILE])
def test_a_bundle_without_its_scorer_or_lexicon_is_refused(copy, name):
    (copy / name).unlink()
    with pytest.raises(BundleError, match="fetch the bundle again"):
        Matcher.load(copy, device="cpu")


def test_a_changed_scorer_is_refused(copy):
    path = copy / SCORER_FILE
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BundleError, match="truncated, changed"):
        Matcher.load(copy, device="cpu")


def test_the_bundle_is_small_enough_and_names_its_data():
    folder = bundles.shipped("synonyms")
    manifest = bundles.load(folder, task="synonyms").manifest
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 21_500_000
    assert manifest.labels == ("different", "same")
    card = (folder / "BUNDLE.md").read_text(encoding="utf-8")
    assert all(data.name in card for data in manifest.training_data)
    assert not [d for d in manifest.training_data if "internal" in d.name]


def test_the_measured_quality_has_not_been_lost():
    quality = bundles.load(bundles.shipped("synonyms"), task="synonyms").manifest.quality
    for name in ("impakt", "hard", "shopify"):
        beside = (quality[name]["by_rapidfuzz"], quality[name]["by_cosine"])
        assert quality[name]["pr_auc"] > max(b["pr_auc"] for b in beside)


def test_vectors_have_length_one_and_none_where_the_model_failed(matcher):
    red, again = matcher.vectors(["Red", "red"])
    assert np.linalg.norm(red) == pytest.approx(1.0, abs=1e-4)
    assert np.array_equal(red, again)


def test_pairs_survive_their_encoding():
    pair = ValuePair("a", "b", "color")
    assert msgspec.json.decode(msgspec.json.encode(pair), type=ValuePair) == pair
