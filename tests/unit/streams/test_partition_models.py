"""A slow model slows its partitions down and nothing else: what waits for it is bounded."""

import asyncio
from collections.abc import Sequence

import pytest

from models_onnx.spans import Tagged, Text
from streams.kafka.fetch import Span
from streams.kafka.partition import Pace, Partition
from streams.models.answers import ANSWERS
from streams.models.asking import _AT_ONCE
from streams.models.models import Models
from streams.monitoring import metrics
from streams.ports import Answers, Questions, Record
from streams.totals.owner import Owner, Start
from topology.store.memory import MemoryStore


class Titles:
    """A stage that wants each record's value tagged."""

    is_idle = True

    def __init__(self, wiring, bundle: str) -> None:
        self._state, self.bundle = wiring.state, bundle
        self.waiting: list[Text] = []
        self._known: dict[str, int] = {}

    def apply(self, topic: str, partition: int, records: Sequence[Record]) -> None:
        self.waiting += [Text((record.value or b"").decode(), "title") for record in records]

    def wants(self) -> Questions:
        return Questions(tuple(dict.fromkeys(self.waiting)))

    def learn(self, answers: Answers) -> None:
        self._known.update({text.text: len(answers.tagged[text].spans) for text in self.waiting})
        self.waiting = []

    def flush(self) -> None:
        for text in self._known:
            self._state.put("titles", text.encode(), self.bundle.encode())
        self._known = {}

    def calm(self) -> None:
        pass


class Gate:
    """A tagger that answers only what it is let; notes how much it was handed at once."""

    bundle_id = "a@1"

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.calls: list[int] = []

    async def tag_async(self, texts: Sequence[Text]) -> list[Tagged]:
        self.calls.append(len(texts))
        await self.open.wait()
        return [Tagged() for _ in texts]

    def close(self) -> None:
        pass


class Calm:
    async def wait(self, is_alive) -> bool:
        return is_alive()


async def nothing(messages, source_ms) -> None:
    pass


def partition(models: Models, number: int = 0) -> tuple[Partition, MemoryStore]:
    store = MemoryStore()
    owner = Owner(
        "titles",
        number,
        store,
        lambda wiring: Titles(wiring, models.bundles.tagging),
        {"dead-letters": 1},
        graph="test/1",
    )
    owner.start(Start(1, None, {}))
    made = Partition(
        owner,
        store,
        topics={"x.catalog": "catalog"},
        lease=Calm(),  # type: ignore[arg-type]
        send=nothing,
        answer=models.answer,
        pace=Pace(flush_s=60, flush_records=10**9, send_records=100, unsent_limit=10**9),
    )
    return made, store


def span(start: int, count: int) -> Span:
    records = [Record(n, 0, b"k", b"title %d" % n) for n in range(start, start + count)]
    return Span(start, start + count, records, 1)


def waiting() -> float:
    return metrics.MODEL_WAITING.labels("tagging")._value.get()


def test_while_a_model_is_slow_nothing_more_of_a_partition_is_read_and_little_waits():
    async def main():
        gate = Gate()
        made, store = partition(Models(gate, None))
        before = waiting()
        first = asyncio.create_task(made.read("x.catalog", span(0, 3 * _AT_ONCE)))
        second = asyncio.create_task(made.read("x.catalog", span(3 * _AT_ONCE, 10)))
        await asyncio.sleep(0.05)
        assert gate.calls == [_AT_ONCE]
        assert waiting() - before == _AT_ONCE
        assert made.owner.next_offset("catalog") == 3 * _AT_ONCE  # the second was not taken
        assert not first.done()
        assert not second.done()
        gate.open.set()
        await asyncio.gather(first, second)
        assert gate.calls == [_AT_ONCE] * 3 + [10]
        assert waiting() == before
        assert len(store.scan(ANSWERS)) == 3 * _AT_ONCE + 10

    asyncio.run(main())


def test_another_partition_goes_on_meanwhile():
    async def main():
        gate, free = Gate(), Gate()
        free.open.set()
        slow, _ = partition(Models(gate, None))
        quick, _ = partition(Models(free, None), 1)
        stuck = asyncio.create_task(slow.read("x.catalog", span(0, 5)))
        await asyncio.wait_for(quick.read("x.catalog", span(0, 5)), 5)
        assert not stuck.done()
        gate.open.set()
        await stuck

    asyncio.run(main())


def test_a_partition_that_is_taken_away_while_it_waits_keeps_nothing():
    async def main():
        gate = Gate()
        made, store = partition(Models(gate, None))
        reading = asyncio.create_task(made.read("x.catalog", span(0, 5)))
        await asyncio.sleep(0.01)
        made.alive = False
        gate.open.set()
        await reading
        assert store.scan(ANSWERS) == []
        assert store.scan("titles") == []

    asyncio.run(main())


@pytest.mark.parametrize("lets_in_first", [True, False])
def test_a_held_partition_is_committed_and_nothing_is_with_its_model(lets_in_first):
    async def main():
        gate = Gate()
        made, store = partition(Models(gate, None))
        reading = asyncio.create_task(made.read("x.catalog", span(0, 5)))
        await asyncio.sleep(0.01)
        if lets_in_first:
            gate.open.set()
            await reading

        async def hold() -> int:
            async with made.held() as is_saved:
                assert is_saved
                assert not made.owner.wants()
                made.owner.restage(lambda wiring: Titles(wiring, "a@2"))
                return len(store.durable.get("titles", {}))

        holding = asyncio.create_task(hold())
        await asyncio.sleep(0.01)
        gate.open.set()
        assert await holding == 5
        await made.read("x.catalog", span(5, 1))
        made.owner.commit()
        assert store.get("titles", b"title 0") == b"a@1"
        assert store.get("titles", b"title 5") == b"a@2"

    asyncio.run(main())
