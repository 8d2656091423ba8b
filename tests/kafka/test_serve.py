"""`cartograph serve` and `query` on a real Kafka: caught up, fresh, stopped, and refused."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from streams.broker import admin
from streams.cli.graph import all_facts
from streams.errors import BrokerError, SettingsError, StoreOwnerError, TopicError
from streams.serve import running, server
from streams.serve.ask import Local, Remote, asking
from streams.serve.follow import Follower, replica_folder, topic_ends
from streams.settings import Settings
from streams.topics import DAY_MS, Names, partition_of, plan
from streams.totals.wire import FACTS, Marker, Sent, encode_marker, encode_total
from tests.serve_graph import a_fact
from topology.errors import StoreLockedError
from topology.facts import Fact, encode_fact

PARTITIONS = 3
CONCEPT = "concept:shoes[feature=slip-resistant]"
INTENT = "intent:audience/pregnant-woman"
SERVE = "import typer; from streams.cli.serve import serve; typer.run(serve)"
Publish = Callable[..., None]


def fact_number(number: int) -> Fact:
    return a_fact(f"product:{number}", "has_type", "type:shoes")


@pytest.fixture
def found(kafka: str, topic_prefix: str, tmp_path: Path) -> Settings:
    settings = Settings(
        kafka=kafka,
        prefix=topic_prefix,
        partitions=PARTITIONS,
        data_dir=tmp_path / "data",
        http_port=0,
        model_threads=1,
        device="cpu",
    )
    asyncio.run(admin.apply(kafka, plan(Names(topic_prefix), PARTITIONS, 1)))
    return settings


@pytest.fixture
def publish(found: Settings) -> Publish:
    """Tells facts as GRAPH does, each time with the next version; `marker` ends what was before."""
    version = 0

    def send(facts: Iterable[Fact], *, n: int = 1, incarnation: int = 5, marker: bool = False):
        nonlocal version
        version += 1
        messages = []
        for fact in facts:
            key = fact.id.encode()
            sent = Sent(0, incarnation, version, key, n, encode_fact(fact) if n else b"")
            messages.append((partition_of(key, PARTITIONS), *encode_total(FACTS, sent)))
        if marker:
            end = encode_marker(FACTS, Marker(0, incarnation, version, incarnation))
            messages += [(partition, *end) for partition in range(PARTITIONS)]
        asyncio.run(produce(found, messages))

    return send


async def produce(
    settings: Settings, messages: list[tuple[int, bytes, bytes]], transaction: str | None = None
) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka, transactional_id=transaction)
    await producer.start()
    try:
        async with producer.transaction() if transaction else contextlib.nullcontext():
            waiting = [
                await producer.send(settings.topic(FACTS), value, key, partition)
                for partition, key, value in messages
            ]
            await asyncio.gather(*waiting)
    finally:
        await producer.stop()


@contextlib.contextmanager
def serving(settings: Settings) -> Iterator[tuple[subprocess.Popen[str], running.Running]]:
    """A real process of `cartograph serve` that answers; killed if the test does not end it."""
    env = {
        **{name: value for name, value in os.environ.items() if "CARTOGRAPH" not in name},
        "CARTOGRAPH_KAFKA": settings.kafka,
        "CARTOGRAPH_PREFIX": settings.prefix,
        "CARTOGRAPH_PARTITIONS": str(settings.partitions),
        "CARTOGRAPH_DATA_DIR": str(settings.data_dir),
        "CARTOGRAPH_MODEL_THREADS": "1",
        "CARTOGRAPH_DEVICE": "cpu",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, "--port", "0"],
        env=env,
        cwd=settings.data_dir,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            at = until(lambda: running.find(settings) if process.poll() is None else None)
            until(lambda: running.readiness(at).ready)
            yield process, at
        finally:
            if process.poll() is None:
                process.kill()


def until(condition, seconds: float = 40.0):
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"it did not happen within {seconds} s"
        time.sleep(0.05)
    return value


def get(at: running.Running, path: str) -> dict:
    with urllib.request.urlopen(at.address + path, timeout=20) as response:
        return json.load(response)


def test_a_replica_answers_what_is_published_and_ends_when_it_is_told(found, publish):
    fact = a_fact(CONCEPT, "used_for_aud", INTENT)
    publish([fact, *map(fact_number, range(300))])
    with serving(found) as (process, at):
        assert get(at, "/livez") == {"graph": found.graph, "pid": process.pid}
        page = get(at, f"/v1/nodes/{quote(CONCEPT, safe='')}/neighbors")
        assert [each["node"] for each in page["neighbors"]] == [INTENT]
        assert page["as_of"]["lag"] == 0
        assert page["as_of"]["records"] == 301
        intents = get(at, "/v1/intents?q=shoes%20for%20pregnant%20women")
        assert [each["concept"] for each in intents["intents"]] == [CONCEPT]
        assert intents["read"]["bundle"].startswith("tagging@")

        publish([fact], n=0)
        publish([fact_number(300)])
        # Waits until the replica has read as far as the topic goes now.
        told = {each.id for each in all_facts(found)}
        assert told == {fact_number(number).id for number in range(301)}
        with asking(found) as graph:
            assert isinstance(graph, Remote)
            assert graph.node("type:shoes").facts["in"]["has_type"] == {"accepted": 301}
            assert graph.intents("shoes", 3).read.types == ("shoes",)
        with pytest.raises(StoreLockedError):
            Follower(found)

        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert "ready: all is read" in process.stderr.read()
    assert running.find(found) is None
    assert not running.status_file(found).exists()
    with asking(found) as graph:
        assert isinstance(graph, Local)
        assert graph.node("type:shoes").facts["in"]["has_type"] == {"accepted": 301}


def test_a_killed_replica_goes_on_where_it_was_and_its_left_over_file_misleads_nobody(
    found, publish
):
    publish(map(fact_number, range(100)))
    with serving(found) as (process, _):
        process.kill()
        process.wait(20)
    assert running.status_file(found).exists()
    assert running.find(found) is None
    publish(map(fact_number, range(100, 110)))
    batches = []
    follower = Follower(found, on_batch=batches.append)
    asyncio.run(follower.run(until_caught_up=True))
    follower.close()
    assert sum(counts.changed for counts in batches) == 10
    assert len(list(all_facts(found))) == 110


def test_a_replica_from_nothing_equals_one_that_followed(found, publish, tmp_path):
    publish(map(fact_number, range(50)))
    assert len(list(all_facts(found))) == 50
    publish(map(fact_number, range(10)), n=0)
    publish(map(fact_number, range(20, 40)), incarnation=9, marker=True)
    live = list(all_facts(found))
    publish([fact_number(49)], incarnation=5)  # a zombie's
    assert live == [fact for fact in all_facts(found)]
    assert live == list(all_facts(found.with_(data_dir=tmp_path / "other")))
    assert len(live) == 20


def test_gaps_of_compaction_and_transaction_markers_do_not_hold_a_replica_back(
    kafka, topic_prefix, tmp_path
):
    found = Settings(kafka=kafka, prefix=topic_prefix, partitions=1, data_dir=tmp_path / "data")
    (spec,) = [each for each in plan(Names(topic_prefix), 1, 1) if each.topic.name == FACTS]
    quick = {
        "segment.ms": "200",
        "min.compaction.lag.ms": "0",
        "max.compaction.lag.ms": "400",
        "min.cleanable.dirty.ratio": "0.01",
    }
    asyncio.run(admin.apply(kafka, [replace(spec, config={**spec.config, **quick})]))
    version = 0

    def tell(number: int, transaction: str | None = None) -> None:
        nonlocal version
        version += 1
        fact = replace_score(fact_number(number), version / 1_000)
        sent = Sent(0, 5, version, fact.id.encode(), 1, encode_fact(fact))
        asyncio.run(produce(found, [(0, *encode_total(FACTS, sent))], transaction))

    def read_from_nothing() -> tuple[int, list[Fact], int]:
        batches = []
        shutil.rmtree(replica_folder(found), ignore_errors=True)
        follower = Follower(found, on_batch=batches.append)
        try:
            asyncio.run(asyncio.wait_for(follower.run(until_caught_up=True), 30))
            facts = [fact for fact in Local(found, follower).facts()]
            return sum(map(sum, batches)), facts, follower.replica.offsets[0]
        finally:
            follower.close()

    tell(0, "writer")
    for _ in range(5):
        tell(1)
    tell(2, "writer")
    all_read, before, end = read_from_nothing()
    assert end == asyncio.run(topic_ends(found))[0] > all_read  # a marker is no record

    def compacted() -> bool:
        time.sleep(0.5)
        tell(3)
        return read_from_nothing()[0] < version

    until(compacted)
    _, after, _ = read_from_nothing()
    assert [fact for fact in after if fact in before] == before
    assert len(after) == 4


def replace_score(fact: Fact, score: float) -> Fact:
    return a_fact(fact.head, fact.relation, fact.tail, score=score)


def test_a_recreated_topic_is_told_and_not_mixed_with_what_was_read(found, publish):
    publish(map(fact_number, range(10)))
    assert len(list(all_facts(found))) == 10

    async def recreate() -> None:
        client = AIOKafkaAdminClient(bootstrap_servers=found.kafka)
        await client.start()
        try:
            await client.delete_topics([found.topic(FACTS)])
        finally:
            await client.close()
        while await admin.describe(found.kafka, [found.topic(FACTS)]):
            await asyncio.sleep(0.05)
        await admin.apply(found.kafka, plan(Names(found.prefix), PARTITIONS, 1))

    asyncio.run(recreate())
    publish(map(fact_number, range(20, 60)))
    with pytest.raises(TopicError, match=r"made again.*remove .*replica"):
        list(all_facts(found))
    shutil.rmtree(replica_folder(found))
    assert len(list(all_facts(found))) == 40


def test_a_replica_that_was_away_longer_than_tombstones_are_kept_is_built_again(found, publish):
    publish(map(fact_number, range(10)))
    list(all_facts(found))
    publish([fact_number(10)])
    for days, read in ((6, 1), (30, 11)):
        batches = []
        follower = Follower(
            found,
            on_batch=batches.append,
            now_ms=lambda days=days: int(time.time() * 1000) + days * DAY_MS,
        )
        asyncio.run(follower.run(until_caught_up=True))
        assert sum(map(sum, batches)) == read
        assert len(list(follower.graph.facts())) == 11
        follower.close()


def test_what_is_set_up_wrongly_is_told_before_anything_is_served(found, publish, tmp_path):
    publish([fact_number(1)])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=rf"127.0.0.1:{port} cannot be had.*--port"):
            asyncio.run(server.serve(found.with_(http_port=port)))
        with pytest.raises(SettingsError, match="cannot be had"):
            asyncio.run(server.serve(found.with_(http_host="no.such.host.invalid")))
    with pytest.raises(TopicError, match="cartograph topics apply"):
        asyncio.run(server.serve(found.with_(prefix="nobody", data_dir=tmp_path / "nobody")))
    with pytest.raises(TopicError, match=r"has 3 partitions, the graph wants 4"):
        asyncio.run(server.serve(found.with_(partitions=4, data_dir=tmp_path / "four")))
    list(all_facts(found))
    with pytest.raises(StoreOwnerError, match="this replica is of graph"):
        asyncio.run(server.serve(found.with_(partitions=4)))
    assert not running.status_file(found).exists()


def test_a_broker_that_is_not_there_is_told(found, monkeypatch):
    monkeypatch.setattr("streams.kafka.connection.REACH_S", 0.3)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = found.with_(kafka=f"127.0.0.1:{free.getsockname()[1]}")
        with pytest.raises(BrokerError, match="no Kafka answers"):
            list(all_facts(nobody))
        with pytest.raises(BrokerError, match="no Kafka answers"):
            asyncio.run(server.serve(nobody))
