"""What a consumer knows of the ends of its partitions."""

import asyncio

from aiokafka.errors import KafkaConnectionError
from faust.types import TP

from streams.kafka.transport import SpanConsumer

TP0, TP1 = TP("events", 0), TP("events", 1)


class Asked:
    """A consumer whose broker says where partitions end, or does not answer."""

    def __init__(self, ends: dict[TP, int] | Exception) -> None:
        self._ends = ends

    async def ends(self, tps: object) -> dict[TP, int]:
        if isinstance(self._ends, Exception):
            raise self._ends
        return self._ends

    def ends_now(self) -> dict[TP, int]:
        return asyncio.run(SpanConsumer.ends_now(self, [TP0, TP1]))  # type: ignore[arg-type]


def test_the_ends_are_those_that_the_broker_tells_now():
    assert Asked({TP0: 10, TP1: 4}).ends_now() == {TP0: 10, TP1: 4}


def test_a_broker_that_does_not_answer_tells_no_end():
    assert Asked(KafkaConnectionError()).ends_now() == {}
    assert Asked(TimeoutError()).ends_now() == {}
