"""The backfill keeps to its rate, shares it over partitions, and rests when nothing is left."""

import asyncio

import msgspec
import pytest

from models_onnx.spans import Tagged, Text
from streams.control.claims import BackfillOrder, backfill_record
from streams.kafka.partition import Pace, Partition
from streams.models.answers import Answered
from streams.ports import Answers, Questions
from streams.totals.owner import Owner, Start
from streams.worker import backfill
from streams.worker.backfill import Backfill
from topology.store.memory import MemoryStore


class Left:
    """A partition with so many things left; notes how many were asked of it at once."""

    def __init__(self, outdated: int) -> None:
        self.outdated = outdated
        self.asked: list[int] = []

    async def reread(self, limit: int) -> int:
        taken = min(limit, self.outdated)
        self.asked.append(taken)
        self.outdated -= taken
        return taken


def turns(monkeypatch: pytest.MonkeyPatch, rate: float, seconds: float, *left: Left) -> Backfill:
    """So many seconds of a backfill, on a clock that does not wait."""
    made = Backfill(lambda: left)  # type: ignore[arg-type,return-value]
    made.order(BackfillOrder(rate))
    passed = 0.0

    async def sleep(delay: float) -> None:
        nonlocal passed
        passed += delay
        if passed > seconds + delay / 2:
            raise asyncio.CancelledError

    monkeypatch.setattr(backfill.asyncio, "sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(made.run())
    return made


def test_a_second_has_so_many_and_no_more(monkeypatch):
    one = Left(1_000)
    made = turns(monkeypatch, 50, 2, one)
    assert 900 <= one.outdated <= 901
    assert max(one.asked) <= 10
    assert made.outdated == one.outdated


def test_less_than_one_a_turn_adds_up(monkeypatch):
    one = Left(100)
    turns(monkeypatch, 1, 10, one)
    assert 100 - one.outdated in (9, 10)


def test_partitions_share_it_and_nothing_is_saved_up_while_nothing_is_left(monkeypatch):
    one, other, done = Left(3), Left(1_000), Left(0)
    turns(monkeypatch, 50, 1, one, done, other)
    assert one.outdated == 0
    assert 1_000 - other.outdated in (46, 47)
    assert done.asked == []


def test_without_an_order_or_with_a_rate_of_zero_nothing_is_done(monkeypatch):
    one = Left(10)
    turns(monkeypatch, 0, 5, one)
    assert (one.outdated, one.asked) == (10, [])


def test_an_order_says_its_rate():
    key, value = backfill_record(BackfillOrder(12.5))
    assert key == b"backfill"
    assert msgspec.json.decode(value, type=BackfillOrder) == BackfillOrder(12.5)


class Titles:
    """A stage with three outdated things, which asks of each."""

    is_idle = True

    def __init__(self) -> None:
        self.left, self.asked, self.learnt = 3, 0, 0

    @property
    def outdated(self) -> int:
        return self.left

    def reread(self, limit: int) -> int:
        self.asked = min(limit, self.left)
        return self.asked

    def wants(self) -> Questions:
        return Questions([Text(f"{n}", "title") for n in range(self.asked)])

    def learn(self, answers: Answers) -> None:
        self.left -= len(answers.tagged)
        self.asked = 0

    def flush(self) -> None:
        pass

    def apply(self, topic, partition, records) -> None:
        pass

    def calm(self) -> None:
        pass


def test_a_partition_answers_what_is_read_again_and_commits_it():
    async def answer(questions: Questions, state) -> Answered:
        return Answered(Answers({text: Tagged() for text in questions.texts}, {}), [])

    class Here:
        async def wait(self, is_alive) -> bool:
            return is_alive()

    async def send(messages, source_ms) -> None:
        pass

    async def main() -> None:
        stage, store = Titles(), MemoryStore()
        owner = Owner("titles", 0, store, lambda wiring: stage, {"asked": 1}, graph="test/1")
        owner.start(Start(1, None, {}))
        made = Partition(
            owner,
            store,
            topics={},
            lease=Here(),  # type: ignore[arg-type]
            send=send,
            answer=answer,
            pace=Pace(flush_s=60, flush_records=10**9, send_records=100, unsent_limit=1),
        )
        assert await made.reread(2) == 2
        assert made.outdated == 1
        assert not made.rests  # it is to be committed
        for key in (b"a", b"b"):
            owner.outbox.set("asked", key, 1)
        owner.commit()
        assert await made.reread(2) == 0  # too much is unsent
        made.alive = False
        assert (await made.reread(2), made.outdated) == (0, 0)

    asyncio.run(main())
