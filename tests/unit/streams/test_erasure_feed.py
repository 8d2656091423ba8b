"""Following the erasures: nothing that is read there may end it without a word."""

import asyncio
from collections.abc import Mapping, Sequence
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition

from streams.erasures import Erasure, erasure_record, new_erasure
from streams.kafka.erasure_feed import ErasureFeed
from streams.topics import Names


class Consumer:
    """Hands out one record."""

    def __init__(self, record: tuple[bytes, bytes]) -> None:
        self._record = record

    async def getmany(self, *, timeout_ms: int) -> Mapping[TopicPartition, list[SimpleNamespace]]:
        key, value = self._record
        told = SimpleNamespace(offset=3, key=key, value=value)
        return {TopicPartition("g.erasures", 0): [told]}


def test_what_breaks_while_an_erasure_is_handed_over_ends_the_worker(
    monkeypatch: pytest.MonkeyPatch,
):
    record = erasure_record(new_erasure("A" * 22, 1_700_000_000_000))
    monkeypatch.setattr("streams.kafka.erasure_feed.AIOKafkaConsumer", lambda **_: Consumer(record))

    def hand_over(partition: int, erasures: Sequence[Erasure]) -> None:
        raise LookupError("a stage that breaks")

    async def run() -> list[BaseException]:
        failures: list[BaseException] = []
        feed = ErasureFeed(
            "", Names("g"), partitions=4, hand_over=hand_over, fail=failures.append, options={}
        )
        await asyncio.wait_for(feed._follow(), 5.0)
        return failures

    (failure,) = asyncio.run(run())
    assert str(failure) == "a stage that breaks"
