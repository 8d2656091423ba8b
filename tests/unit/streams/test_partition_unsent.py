"""Too much unsent stops the reading, but never where reading is what lets it be sent."""

import asyncio

import pytest

from streams.kafka.fetch import Span
from streams.kafka.partition import Pace, Partition
from streams.ports import Record
from streams.totals.owner import Owner, Start
from tests.kafka.helpers import Counting
from topology.store.memory import MemoryStore

LIMIT = 10


class Calm:
    async def wait(self, is_alive) -> bool:
        return is_alive()


async def answer(questions, state):
    raise AssertionError("nothing is asked")


def partition(start: Start, sent: list) -> Partition:
    store = MemoryStore()
    owner = Owner("counting", 0, store, Counting, {"searched": 1}, graph="graph/1")
    owner.start(start)

    async def send(messages, told_ms) -> None:
        sent.extend(messages)

    return Partition(
        owner,
        store,
        topics={"graph.events": "events"},
        lease=Calm(),
        send=send,
        answer=answer,
        pace=Pace(0.01, 5, 1_000, LIMIT),
    )


def span(number: int) -> Span:
    records = [Record(number * 8 + at, 0, b"k", b"v%d" % (number * 8 + at)) for at in range(8)]
    return Span(number * 8, number * 8 + 8, records, 1)


async def read_all(part: Partition, count: int) -> None:
    running = asyncio.create_task(part.run())
    try:
        async with asyncio.timeout(10):
            for number in range(count):
                await part.read("graph.events", span(number))
            await part.drain()
    finally:
        part.close()
        await running


@pytest.mark.parametrize("again", [True, False])
def test_a_backlog_of_more_keys_than_may_be_unsent_is_read_to_its_end(again: bool):
    """A store that sends everything again may send nothing before it has read that far."""
    sent: list = []
    ends = {"events": 64}
    start = Start(7, 3 if again else None, ends, "boot", allow_empty=True)
    asyncio.run(read_all(partition(start, sent), 8))
    told = {message.key for message in sent if message.topic == "searched" and message.value}
    assert len(told) >= 64
