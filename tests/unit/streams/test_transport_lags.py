"""How far behind a consumer says that it is."""

import asyncio

from aiokafka.errors import KafkaConnectionError
from faust.types import TP

from streams.transport import SpanConsumer

TP0, TP1 = TP("events", 0), TP("events", 1)


class Asked:
    """A consumer whose broker says where partitions end, or does not answer."""

    def __init__(self, ends: dict[TP, int] | Exception) -> None:
        self._ends = ends

    async def ends(self, tps: object) -> dict[TP, int]:
        if isinstance(self._ends, Exception):
            raise self._ends
        return self._ends

    def lags(self, positions: dict[TP, int]) -> dict[TP, int]:
        return asyncio.run(SpanConsumer.lags(self, positions))  # type: ignore[arg-type]


def test_the_lag_is_what_lies_between_where_the_stage_goes_on_and_the_end():
    assert Asked({TP0: 10, TP1: 4}).lags({TP0: 4, TP1: 4}) == {TP0: 6, TP1: 0}


def test_nothing_is_behind_where_the_end_was_lost():
    assert Asked({TP0: 3}).lags({TP0: 4}) == {TP0: 0}


def test_a_broker_that_does_not_answer_makes_no_lag():
    assert Asked(KafkaConnectionError()).lags({TP0: 4}) == {}
    assert Asked(TimeoutError()).lags({TP0: 4}) == {}
