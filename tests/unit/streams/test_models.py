"""Each question is asked once; answers are remembered under all that they are a function of."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from models_onnx import bundle
from models_onnx.spans import Claim, Judged, Span, Tagged, Text
from streams import metrics
from streams.answers import ANSWERS
from streams.errors import StateError
from streams.model_watch import ModelWatch
from streams.models import Loaded, Models, claim_key, load_model, text_key
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
    }
    assert len(keys) == 6


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
