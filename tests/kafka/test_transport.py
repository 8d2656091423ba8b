"""What is read from a real Kafka, and how it is told on: gaps, poison, offsets."""

import asyncio
from dataclasses import replace
from pathlib import Path

from aiokafka import AIOKafkaProducer

from streams.broker import admin
from streams.ports import Record
from streams.topics import Names, plan
from streams.totals import wire
from tests.kafka.helpers import (
    POISON,
    WEEK,
    Worker,
    create_topics,
    kept,
    produce,
    read_all,
    tally,
    test_settings,
    totals,
    wait_until,
)


def test_every_record_is_counted_once_and_told(kafka: str, topic_prefix: str, tmp_path: Path):
    settings = test_settings(kafka, topic_prefix, tmp_path)
    create_topics(settings)
    values = [b"%d" % (n % 500) for n in range(20_000)]
    produce(settings, "events", ((n % 4, value) for n, value in enumerate(values)))
    with Worker(settings) as worker:
        took = wait_until(lambda: tally(settings, "counting")["events.used"] == 20_000, "all read")
        wait_until(lambda: sum(totals(settings, "searched").values()) == 20_000, "all told")
        print(f"20,000 events after {took:.2f} s")
        assert worker.stop() == 0
    assert totals(settings, "searched") == {b"%d" % n: 40 for n in range(500)}


def test_poison_is_a_dead_letter_and_the_stream_goes_on(
    kafka: str, topic_prefix: str, tmp_path: Path
):
    settings = test_settings(kafka, topic_prefix, tmp_path)
    create_topics(settings)
    rows = [(0, POISON + b"x"), (0, b"a"), (1, None), (1, b"a"), (2, POISON * 2_000_000), (2, b"b")]
    with Worker(settings):
        produce(settings, "events", rows)
        wait_until(lambda: len(read_all(settings, "dead-letters", 1)) == 3, "dead letters")
        wait_until(lambda: totals(settings, "searched") == {b"a": 2, b"b": 1}, "the others")
    assert tally(settings, "counting") == {
        "events.used": 3,
        "events.dead_letter": 3,
        "dead.poison": 3,
    }


def test_gaps_of_transactions_and_compaction_are_passed_over(
    kafka: str, topic_prefix: str, tmp_path: Path
):
    settings = test_settings(kafka, topic_prefix, tmp_path, partitions=2)
    eager = {"segment.ms": "200", "min.compaction.lag.ms": "0", "min.cleanable.dirty.ratio": "0.01"}
    specs = [
        replace(each, config={**each.config, **(eager if each.topic.name == "searched" else {})})
        for each in plan(Names(settings.prefix), 2, 1)
    ]
    asyncio.run(admin.apply(settings.kafka, specs))

    async def write() -> int:
        kept_of = 0
        async with AIOKafkaProducer(
            bootstrap_servers=settings.kafka, transactional_id=f"{topic_prefix}-t"
        ) as producer:
            for turn in range(12):
                await producer.begin_transaction()
                for n in range(20):
                    await producer.send(settings.topic("events"), b"t", b"k", partition=n % 2)
                if turn % 4 == 3:
                    await producer.abort_transaction()
                else:
                    await producer.commit_transaction()
                    kept_of += 20
        async with AIOKafkaProducer(bootstrap_servers=settings.kafka) as producer:
            name = settings.topic("searched")
            for version in range(1, 6):
                for place in range(200):
                    sent = wire.Sent(1, 7, version, b"z%d" % place + WEEK, version, b"")
                    key, value = wire.encode_total("searched", sent)
                    await producer.send(name, value, key, partition=place % 2)
                await producer.flush()
                await asyncio.sleep(0.3)
        return kept_of

    committed = asyncio.run(write())
    wait_until(lambda: len(read_all(settings, "searched")) < 900, "compaction", 40)
    left: list[tuple[int, Record]] = read_all(settings, "searched")
    print(f"{len(left)} of 1000 totals left, {committed} of 240 events committed")
    with Worker(settings, "counting"), Worker(settings, "summing"):
        wait_until(lambda: tally(settings, "counting")["events.used"] == committed, "events")
        wanted = {b"t": committed, b"z": 5 * 200}
        wait_until(lambda: totals(settings, "asked") == wanted, "totals")

        def at_the_end() -> bool:
            rows = [kept(settings, "counting", each) for each in range(2)]
            return [row.offsets["events"] for row in rows if row] == [120 + 12, 120 + 12]

        wait_until(at_the_end, "offsets past the last marker", 10)
    assert tally(settings, "counting")["events.used"] == committed
