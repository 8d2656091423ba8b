"""Each question is asked once; answers are remembered under all that they are a function of."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from models_onnx import bundle, golden
from models_onnx.errors import BundleError
from models_onnx.fakes import FakeTagger
from models_onnx.spans import Claim, Judged, Senses, Span, Tagged, Term, Text, ValuePair
from streams.errors import StateError
from streams.models.answers import ANSWERS
from streams.models.models import (
    Loaded,
    Models,
    claim_key,
    load_model,
    pair_key,
    term_key,
    text_key,
    verify_golden,
)
from streams.models.watch import ModelWatch
from streams.monitoring import metrics
from streams.ports import Questions
from streams.settings import Settings
from topology.store.memory import MemoryStore

RED, BLUE = Text("red shoes", "title"), Text("blue shoes", "title")
CLAIM = Claim("red shoes", "shoes", "color", "red")


class Slow:
    """Tags a text by itself, after everybody else had a turn; notes what it was asked."""

    bundle_id = "tagging@1-cpu"

    def __init__(self) -> None:
        self.asked: list[Text] = []
        self.breaks = False

    async def tag_async(self, texts: Sequence[Text]) -> list[Tagged]:
        self.asked += texts
        await asyncio.sleep(0)
        if self.breaks:
            raise RuntimeError("broken")
        return [Tagged((Span(0, 3, "color", each.text[:3], 0.5),)) for each in texts]

    def close(self) -> None:
        pass


class Strict:
    """Judges by the value."""

    bundle_id = "cleaning@1-cpu"
    attributes = frozenset({"color"})

    async def judge_async(self, claims: Sequence[Claim]) -> list[Judged]:
        return [Judged(1.0, "accepted") for _ in claims]

    def close(self) -> None:
        pass


def test_an_answer_is_kept_with_its_partition_and_asked_once():
    tagger = Slow()
    models = Models(tagger, Strict())
    first, second = MemoryStore(), MemoryStore()

    async def ask(store: MemoryStore, *texts: Text) -> int:
        answered = await models.answer(Questions(texts, (CLAIM,)), store)
        for key, value in answered.rows:
            store.put(ANSWERS, key, value)
        assert answered.answers.tagged == {
            each: Tagged((Span(0, 3, "color", each.text[:3], 0.5),)) for each in texts
        }
        assert answered.answers.judged == {CLAIM: Judged(1.0, "accepted")}
        return len(answered.rows)

    assert asyncio.run(ask(first, RED, BLUE)) == 3
    assert asyncio.run(ask(first, RED)) == 0  # from its store
    assert asyncio.run(ask(second, RED)) == 2  # from memory, and now in its own store too
    assert tagger.asked == [RED, BLUE]
    fresh = Models(Slow(), Strict())
    answered = asyncio.run(fresh.answer(Questions((RED,)), second))
    assert (len(answered.answers.tagged), answered.rows) == (1, [])


def test_a_question_under_way_is_not_asked_again():
    tagger = Slow()
    models = Models(tagger, Strict())

    async def both() -> None:
        stores = MemoryStore(), MemoryStore()
        told = await asyncio.gather(*(models.answer(Questions((RED,)), each) for each in stores))
        assert told[0] == told[1]

    asyncio.run(both())
    assert tagger.asked == [RED]


def test_a_broken_model_is_told_to_all_who_wait_and_may_be_asked_again():
    tagger = Slow()
    models = Models(tagger, Strict())

    async def both() -> list[object]:
        asks = (models.answer(Questions((RED,)), MemoryStore()) for _ in range(2))
        return await asyncio.gather(*asks, return_exceptions=True)

    tagger.breaks = True
    assert [type(each) for each in asyncio.run(both())] == [RuntimeError, RuntimeError]
    tagger.breaks = False
    answered = asyncio.run(models.answer(Questions((RED,)), MemoryStore()))
    assert RED in answered.answers.tagged


def test_another_kind_type_or_bundle_is_another_answer():
    keys = {
        text_key(RED, "a"),
        text_key(RED, "b"),
        text_key(Text("red shoes", "query"), "a"),
        text_key(Text("red shoes", "title", "shoes"), "a"),
        claim_key(CLAIM, "a"),
        claim_key(Claim("red shoes", "shoes", "colorr", "ed"), "a"),
        pair_key(ValuePair("red", "dark red", "color"), "a"),
        pair_key(ValuePair("red", "dark red", "color"), "b"),
        pair_key(ValuePair("red", "dark red", "finish"), "a"),
        pair_key(ValuePair("red", "dark red"), "a"),
        term_key(Term("red"), "a"),
        term_key(Term("red"), "b"),
    }
    assert len(keys) == 12


class Alike:
    """Says of every pair that it means the same; notes what it was asked."""

    bundle_id = "synonyms@1-cpu"

    def __init__(self) -> None:
        self.asked: list[ValuePair] = []
        self.terms: list[Term] = []

    async def match_async(self, pairs: Sequence[ValuePair]) -> list[Judged]:
        self.asked += pairs
        return [Judged(1.0, "accepted") for _ in pairs]

    async def senses_async(self, terms: Sequence[Term]) -> list[Senses]:
        self.terms += terms
        return [Senses((term.text[:1],)) for term in terms]

    def close(self) -> None:
        pass


def test_a_pair_of_values_is_matched_once_and_its_answer_kept():
    matcher, store = Alike(), MemoryStore()
    models = Models(None, None, matcher)
    pair = ValuePair("grey", "gray", "color")
    for rows in (1, 0):
        answered = asyncio.run(models.answer(Questions((), (), (pair,)), store))
        assert answered.answers.matched == {pair: Judged(1.0, "accepted")}
        assert len(answered.rows) == rows
        for key, value in answered.rows:
            store.put(ANSWERS, key, value)
    assert matcher.asked == [pair]
    assert models.bundles.ids == ("synonyms@1-cpu",)
    with pytest.raises(StateError, match="did not declare"):
        asyncio.run(Models(None, None).answer(Questions((), (), (pair,)), MemoryStore()))


def test_the_senses_of_a_value_are_asked_once_and_kept():
    matcher, store, term = Alike(), MemoryStore(), Term("grey")
    models = Models(None, None, matcher)
    for rows in (1, 0):
        answered = asyncio.run(models.answer(Questions(terms=(term,)), store))
        assert answered.answers.senses == {term: Senses(("g",))}
        assert len(answered.rows) == rows
        for key, value in answered.rows:
            store.put(ANSWERS, key, value)
    assert matcher.terms == [term]
    fresh = Alike()
    asyncio.run(Models(None, None, fresh).answer(Questions(terms=(term,)), store))
    assert fresh.terms == []  # another process, the same store
    with pytest.raises(StateError, match="did not declare"):
        asyncio.run(Models(None, None).answer(Questions(terms=(term,)), MemoryStore()))


def test_a_model_that_answers_a_golden_input_otherwise_is_not_put_to_work(tmp_path: Path):
    tagger = FakeTagger({"color": ["red", "blue"]})
    verify_golden("tagging", tagger, tmp_path)  # a bundle without golden inputs
    golden.write(tmp_path, golden.made("tagging", tagger, [RED, BLUE]))
    verify_golden("tagging", tagger, tmp_path)
    with pytest.raises(BundleError, match="does not do here what it did there"):
        verify_golden("tagging", FakeTagger({"color": ["red"]}), tmp_path)


def test_the_shipped_matcher_is_loaded_as_the_others_are():
    loaded = load_model(Settings(device="cpu", model_threads=1), "synonyms")
    models = Models(None, None, loaded.model, of={"synonyms": loaded})  # type: ignore[arg-type]
    pairs = (ValuePair("grey", "greys", "color"), ValuePair("500 ml", "50 ml", "capacity"))
    answered = asyncio.run(models.answer(Questions((), (), pairs), MemoryStore()))
    verdicts = [answered.answers.matched[pair].verdict for pair in pairs]
    assert verdicts == ["accepted", "rejected"]
    assert (
        value(
            metrics.MODEL_INFO, "synonyms", loaded.model.bundle_id, loaded.files["model.onnx"][:12]
        )
        == 1
    )
    models.close()


def test_a_stage_that_asks_a_model_it_did_not_declare_is_told_so():
    models = Models(Slow(), None)
    with pytest.raises(StateError, match="did not declare"):
        asyncio.run(models.answer(Questions((), (CLAIM,)), MemoryStore()))


def value(metric, *labels: str) -> float:
    return metric.labels(*labels)._value.get()


def test_the_real_model_reports_what_it_does_and_what_it_is():
    loaded = load_model(Settings(device="cpu", model_threads=1), "tagging")
    items = value(metrics.MODEL_ITEMS, "tagging")
    models = Models(loaded.model, None, of={"tagging": loaded})  # type: ignore[arg-type]
    asyncio.run(models.answer(Questions((RED, BLUE)), MemoryStore()))
    assert value(metrics.MODEL_ITEMS, "tagging") == items + 2
    tokens = value(metrics.MODEL_TOKENS, "tagging")
    assert tokens == value(metrics.MODEL_PADDED_TOKENS, "tagging") > 0
    assert value(metrics.MODEL_DEVICE, "tagging", "cpu", "cpu") == 1
    digest = loaded.files["model.onnx"][:12]
    assert value(metrics.MODEL_INFO, "tagging", loaded.model.bundle_id, digest) == 1
    assert models.degraded == ""
    models.close()


def test_a_gpu_that_failed_for_good_shows_in_the_gauge_and_in_a_sentence():
    of = bundle.load(bundle.shipped("tagging"), task="tagging")
    watch = ModelWatch("watched", "cuda", "cuda", of)
    watch.out_of_memory()
    watch.fell_back("rebuilt")
    assert (watch.degraded, value(metrics.MODEL_DEVICE, "watched", "cuda", "cuda")) == ("", 1)
    watch.fell_back("cpu")
    watch.set_aside()
    assert "runs on the CPU" in watch.degraded
    assert value(metrics.MODEL_DEVICE, "watched", "cuda", "cuda") == 0
    assert value(metrics.MODEL_DEVICE, "watched", "cpu", "cuda") == 1
    assert value(metrics.MODEL_OUT_OF_MEMORY, "watched") == 1
    assert value(metrics.MODEL_FALLBACKS, "watched", "rebuilt") == 1
    assert value(metrics.MODEL_SET_ASIDE, "watched") == 1
    models = Models(Slow(), None, of={"tagging": Loaded(Slow(), Path(), {}, watch)})
    assert "runs on the CPU" in models.degraded
