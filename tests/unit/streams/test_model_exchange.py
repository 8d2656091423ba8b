"""A model is exchanged between two batches, or the old one stays and the status says why."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from models_onnx.errors import BundleError
from models_onnx.spans import Tagged, Text
from streams.control.claims import Reload
from streams.models.answers import ANSWERS
from streams.models.models import Bundles, Loaded, Models
from streams.ports import Questions
from streams.worker import exchange as model_exchange
from streams.worker.exchange import Exchange
from topology.store.memory import MemoryStore

RED = Text("red shoes", "title")


class Named:
    """A tagger whose id may change under way; notes what it is asked."""

    def __init__(self, bundle_id: str, *, moves_to: str = "") -> None:
        self.bundle_id, self._moves_to = bundle_id, moves_to
        self.asked = 0
        self.closed = False
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def tag_async(self, texts: Sequence[Text]) -> list[Tagged]:
        self.asked += len(texts)
        await self.may_answer.wait()
        assert not self.closed
        self.bundle_id, self._moves_to = self._moves_to or self.bundle_id, ""
        return [Tagged() for _ in texts]

    def close(self) -> None:
        self.closed = True


class Worker:
    """What `Holdings.rebuild` does, without partitions: a lock that a question holds too."""

    def __init__(self, first: Named, **loads: object) -> None:
        self.loads = loads
        self.checked: list[str] = []
        self.models = Models(
            first,
            None,
            load=self._load,
            verify=self._verify,
            of={"tagging": Loaded(first, Path("first"), {"model.onnx": "1"})},
        )
        self.lock = asyncio.Lock()
        self.built: list[Bundles] = []
        self.store = MemoryStore()
        self.exchange = Exchange(self.models, self._build, self._rebuild)

    def _load(self, task, folder):
        found = self.loads[str(folder)]
        if isinstance(found, Exception):
            raise found
        return found

    def _verify(self, task, model, folder):
        self.checked.append(model.bundle_id)
        if "wrong" in model.bundle_id:
            raise BundleError("a golden input has another answer")

    def _build(self, bundles):
        self.built.append(bundles)
        return lambda wiring: None

    async def _rebuild(self, change):
        async with self.lock:
            change()

    async def ask(self) -> int:
        async with self.lock:
            answered = await self.models.answer(Questions((RED,)), self.store)
            for key, value in answered.rows:
                self.store.put(ANSWERS, key, value)
            return len(answered.rows)

    async def reload(self, folder: str = "", task: str = "tagging"):
        await self.exchange.reload(Reload("token", task, folder))
        return self.exchange.status


def of(model: Named, sha: str = "2") -> Loaded:
    return Loaded(model, Path(model.bundle_id), {"model.onnx": sha})


def test_a_new_bundle_takes_over_and_answers_are_kept_under_its_own_id():
    async def main():
        old, new = Named("a@1"), Named("a@2")
        worker = Worker(old, new=of(new))
        assert await worker.ask() == 1
        status = await worker.reload("new")
        assert (status.outcome, status.bundles, status.reload) == ("done", ("a@2",), "token")
        assert "a@2 took the place of a@1" in status.said
        assert worker.checked == ["a@2"]
        assert [each.tagging for each in worker.built] == ["a@2"]
        assert (old.closed, new.closed) == (True, False)
        assert await worker.ask() == 1  # the old answer is another bundle's
        assert await worker.ask() == 0
        assert (old.asked, new.asked) == (1, 1)

    asyncio.run(main())


def test_questions_that_are_with_the_old_model_are_answered_before_it_goes():
    async def main():
        old, new = Named("a@1"), Named("a@2")
        worker = Worker(old, new=of(new))
        old.may_answer.clear()
        asking = asyncio.create_task(worker.ask())
        await asyncio.sleep(0)
        reloading = asyncio.create_task(worker.reload("new"))
        await asyncio.sleep(0.05)
        assert not old.closed
        assert worker.models.bundles.tagging == "a@1"
        assert worker.exchange.status.outcome == ""
        old.may_answer.set()
        await asking
        assert (await reloading).outcome == "done"
        assert old.closed

    asyncio.run(main())


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ("damaged", "sha256"),
        ("wrong", "another answer"),
        ("twin", "version of its own"),
    ],
)
def test_what_cannot_take_over_leaves_the_old_one_serving_and_says_why(folder, words):
    async def main():
        old, wrong, twin = Named("a@1"), Named("a@2-wrong"), Named("a@1")
        loads = {"damaged": BundleError("sha256 differs"), "wrong": of(wrong), "twin": of(twin)}
        worker = Worker(old, **loads)
        status = await worker.reload(folder)
        assert status.outcome == "failed"
        assert "old tagging bundle stays" in status.said
        assert words in status.said
        assert status.bundles == ("a@1",)
        assert not old.closed
        assert await worker.ask() == 1
        loaded = {"wrong": wrong, "twin": twin}
        assert all(loaded[name].closed for name in {folder} & set(loaded))

    asyncio.run(main())


def test_the_same_files_a_model_that_is_not_asked_and_an_unknown_task_change_nothing():
    async def main():
        old = Named("a@1")
        worker = Worker(old, same=of(Named("a@1"), "1"))
        assert (await worker.reload("same")).outcome == "same"
        assert (await worker.reload(task="cleaning")).outcome == "unused"
        assert (await worker.reload(task="tea")).outcome == "failed"
        assert not old.closed
        assert worker.built == []

    asyncio.run(main())


def test_a_model_that_moves_to_the_cpu_under_way_answers_again_under_its_new_id(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(model_exchange, "_LOOK_S", 0.01)

    async def main():
        tagger = Named("a@1-cuda", moves_to="a@1-cpu")
        worker = Worker(tagger)
        assert await worker.ask() == 1
        assert tagger.asked == 2  # what it said in between is of two devices
        assert await worker.ask() == 0
        task = asyncio.create_task(worker.exchange.run())
        while not worker.built:
            await asyncio.sleep(0.01)
        task.cancel()
        assert worker.built[0].tagging == "a@1-cpu"
        assert worker.exchange.status.bundles == ("a@1-cpu",)

    asyncio.run(main())


def test_requests_are_done_one_after_the_other():
    async def main():
        worker = Worker(Named("a@1"), two=of(Named("a@2")), three=of(Named("a@3"), "3"))
        worker.exchange.ask(Reload("t2", "tagging", "two"))
        worker.exchange.ask(Reload("t3", "tagging", "three"))
        task = asyncio.create_task(worker.exchange.run())
        async with asyncio.timeout(5):
            while worker.exchange.status.reload != "t3" or not worker.exchange.status.outcome:
                await asyncio.sleep(0.01)
        task.cancel()
        assert worker.exchange.status.bundles == ("a@3",)

    asyncio.run(main())
