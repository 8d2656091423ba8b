"""The topics of a graph on a real broker."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from typer.testing import CliRunner

from streams.__main__ import app
from streams.broker import admin
from streams.errors import TopicError
from streams.playing import stand
from streams.settings import Settings
from streams.topics import Names, plan, recreated


def test_applying_a_plan_makes_what_it_says(kafka: str, topic_prefix: str) -> None:
    planned = plan(Names(topic_prefix), 3, 1, retention_days=9)
    applied = asyncio.run(admin.apply(kafka, planned))
    assert applied.created == tuple(spec.name for spec in planned)
    assert applied.existing == ()
    assert applied.differences == ()
    for spec in planned:
        topic = applied.topics[spec.name]
        assert (topic.partitions, topic.replication) == (spec.partitions, 1)
        assert {name: topic.config[name] for name in spec.config} == dict(spec.config)
        assert topic.topic_id is not None
        assert len(topic.topic_id) == 32
    ids = {topic.topic_id for topic in applied.topics.values()}
    assert len(ids) == len(planned)


def test_applying_again_changes_nothing(kafka: str, topic_prefix: str) -> None:
    planned = plan(Names(topic_prefix), 2, 1)
    first = asyncio.run(admin.apply(kafka, planned))
    again = asyncio.run(admin.apply(kafka, planned))
    assert again.created == ()
    assert again.existing == first.created
    assert again.topics == first.topics
    assert recreated({n: t.topic_id or "" for n, t in first.topics.items()}, again.topics) == ()


def test_only_what_is_missing_is_made_and_the_rest_is_compared(
    kafka: str, topic_prefix: str, create_topic: Callable[..., str]
) -> None:
    facts = create_topic("facts", 5, {"cleanup.policy": "delete"})
    applied = asyncio.run(admin.apply(kafka, plan(Names(topic_prefix), 2, 1)))
    assert applied.existing == (facts,)
    assert facts not in applied.created
    assert applied.topics[facts].partitions == 5
    assert applied.topics[facts].config["cleanup.policy"] == "delete"
    assert {difference.topic for difference in applied.differences} == {facts}
    blocking = [difference.words for difference in applied.differences if difference.blocking]
    assert any("has 5 partitions, the graph wants 2" in words for words in blocking)
    assert any("cleanup.policy is delete, planned is compact" in words for words in blocking)


def test_a_topic_that_was_deleted_and_made_again_is_noticed(kafka: str, topic_prefix: str) -> None:
    names = Names(topic_prefix)
    planned = [spec for spec in plan(names, 2, 1) if spec.topic.name in ("events", "claims")]

    async def recreate_events() -> tuple[admin.Applied, admin.Applied]:
        before = await admin.apply(kafka, planned)
        client = AIOKafkaAdminClient(bootstrap_servers=kafka)
        await client.start()
        try:
            await client.delete_topics([names.events])
        finally:
            await client.close()
        while names.events in await admin.describe(kafka, [names.events]):
            await asyncio.sleep(0.02)
        return before, await admin.apply(kafka, planned)

    before, after = asyncio.run(recreate_events())
    assert after.created == (names.events,)
    known = {name: topic.topic_id or "" for name, topic in before.topics.items()}
    (difference,) = recreated(known, after.topics)
    assert difference.topic == names.events


def test_what_kafka_refuses_is_told(kafka: str, topic_prefix: str) -> None:
    spec = plan(Names(topic_prefix), 1, 2)[0]
    with pytest.raises(TopicError, match=r"(?i)replication factor"):
        asyncio.run(admin.apply(kafka, [spec]))
    wrong = replace(spec, replication=1, config={"cleanup.policy": "never"})
    with pytest.raises(TopicError, match=r"cleanup\.policy"):
        asyncio.run(admin.apply(kafka, [wrong]))


def test_two_processes_may_apply_the_same_plan_at_once(kafka: str, topic_prefix: str) -> None:
    planned = plan(Names(topic_prefix), 2, 1)

    async def both() -> list[admin.Applied]:
        return await asyncio.gather(*(admin.apply(kafka, planned) for _ in range(2)))

    first, second = asyncio.run(both())
    assert first.topics == second.topics
    assert len(first.topics) == len(planned)


def test_differences_that_do_no_harm_are_said_and_do_not_fail(
    kafka: str, topic_prefix: str, create_topic: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    create_topic("control", 1, {"cleanup.policy": "compact", "max.message.bytes": "20000000"})
    monkeypatch.setenv("CARTOGRAPH_KAFKA", kafka)
    monkeypatch.setenv("CARTOGRAPH_PREFIX", topic_prefix)
    monkeypatch.setenv("CARTOGRAPH_PARTITIONS", "2")
    first = CliRunner().invoke(app, ["topics", "apply"])
    assert first.exit_code == 0, first.output
    assert f"differs  {topic_prefix}.control segment.ms is" in first.output
    assert "the graph runs on topics that differ so" in first.output
    monkeypatch.setenv("CARTOGRAPH_PARTITIONS", "3")
    told = CliRunner().invoke(app, ["topics", "apply"])
    assert told.exit_code == 1
    assert f"WRONG    {topic_prefix}.facts has 2 partitions" in told.output


@pytest.mark.parametrize("partitions", [0, 3])
def test_playing_to_topics_that_are_missing(
    kafka: str, topic_prefix: str, tmp_path: Path, partitions: int
) -> None:
    catalog, events = tmp_path / "catalog.jsonl", f"{topic_prefix}.shop.events"
    products = f"{topic_prefix}.shop.catalog"
    catalog.write_text('{"product_id": "a", "title": "red shoes"}\n')
    told = CliRunner().invoke(
        app,
        ["play", "native", str(catalog), f"--events-topic={events}", f"--catalog-topic={products}"]
        + [f"--partitions={partitions}"] * bool(partitions),
        env={"CARTOGRAPH_KAFKA": kafka, "CARTOGRAPH_DATA_DIR": str(tmp_path)},
    )
    there = asyncio.run(admin.describe(kafka, [events, products]))
    if partitions:
        assert told.exit_code == 0, told.output
        assert {topic.partitions for topic in there.values()} == {partitions}
        assert len(there) == 2
    else:
        assert told.exit_code == 2
        assert f"no topic {events} and no topic {products}" in told.stderr
        assert "--partitions" in told.stderr
        assert not there


def test_a_topic_for_both_kinds_of_records_is_made_once(
    kafka: str, topic_prefix: str, tmp_path: Path
) -> None:
    settings, name = Settings(kafka=kafka), f"{topic_prefix}.shop"
    asyncio.run(stand(settings, [name, name], partitions=2))
    assert asyncio.run(admin.describe(kafka, [name]))[name].partitions == 2


@pytest.mark.parametrize("order", ["checkpoint create", "model backfill --rate 5"])
def test_an_order_to_a_graph_that_there_is_not_is_refused(
    kafka: str, topic_prefix: str, tmp_path: Path, order: str
) -> None:
    told = CliRunner().invoke(
        app,
        order.split(),
        env={
            "CARTOGRAPH_KAFKA": kafka,
            "CARTOGRAPH_PREFIX": topic_prefix,
            "CARTOGRAPH_DATA_DIR": str(tmp_path),
            "CARTOGRAPH_CHECKPOINT_URL": str(tmp_path / "checkpoints"),
        },
    )
    assert told.exit_code == 2, told.output
    assert f"{topic_prefix}.control does not exist" in told.stderr
