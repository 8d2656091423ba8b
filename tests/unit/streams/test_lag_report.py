"""What a worker says of its lag once its partitions are another's."""

import asyncio
from types import SimpleNamespace

from faust.types import TP
from prometheus_client.samples import Sample

from streams.monitoring import metrics
from streams.monitoring.lag_clock import Behind, LagClock
from streams.worker.runs import report_lag

FIRST, SECOND = TP("in", 0), TP("in", 1)


def told(stage: str) -> dict[str, float]:
    """Name of a lag metric -> what it says of the topic `in`."""
    families = [*metrics.LAG.collect(), *metrics.LAG_SECONDS.collect()]
    samples: list[Sample] = [sample for family in families for sample in family.samples]
    return {s.name: s.value for s in samples if s.labels == {"stage": stage, "topic": "in"}}


def report(stage: str, clock: LagClock[TP], ends: dict[TP, int], *held: TP, settled: bool) -> None:
    async def ends_now(tps):
        return {tp: ends[tp] for tp in tps if tp in ends}

    app = SimpleNamespace(consumer=SimpleNamespace(ends_now=ends_now))
    positions = dict.fromkeys(held, 10)
    asyncio.run(report_lag(app, stage, positions, clock, settled=settled))


def test_what_was_given_away_is_behind_no_more():
    clock = LagClock[TP]()
    clock.applied(FIRST, 1_000)
    report("a", clock, {FIRST: 110, SECOND: 10}, FIRST, SECOND, settled=True)
    assert told("a")["cartograph_lag_records"] == 100
    assert told("a")["cartograph_lag_seconds"] > 1_000
    report("a", clock, {SECOND: 10}, SECOND, settled=True)
    assert told("a") == {"cartograph_lag_records": 0, "cartograph_lag_seconds": 0}
    report("a", clock, {SECOND: 30}, SECOND, settled=True)
    assert told("a")["cartograph_lag_records"] == 20
    report("a", clock, {}, settled=True)
    assert told("a") == {"cartograph_lag_records": 0, "cartograph_lag_seconds": 0}


def test_while_partitions_move_or_kafka_is_away_the_last_word_stands():
    clock = LagClock[TP]()
    clock.applied(FIRST, 1_000)
    report("b", clock, {FIRST: 110}, FIRST, settled=True)
    before = told("b")
    report("b", clock, {}, settled=False)
    report("b", clock, {}, FIRST, settled=True)
    assert told("b") == before


def test_a_partition_that_comes_back_does_not_wait_since_it_left():
    clock = LagClock[TP]()
    clock.applied(FIRST, 1_000)
    assert clock.behind({FIRST: 20}, {FIRST: 10}, 2_000)[FIRST] == Behind(10, 1.0)
    assert clock.let_go([SECOND]) == {FIRST}
    assert clock.behind({FIRST: 20}, {FIRST: 10}, 9_000)[FIRST] == Behind(10, None)
    assert clock.let_go([FIRST]) == set()
