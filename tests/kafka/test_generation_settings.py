"""Commands about a generation go by the settings that its stages ran with, not by those of now."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streams.broker import admin, removal
from streams.cli import state as state_cli
from streams.control import generation_log, tidying
from streams.control.claims import (
    BackfillOrder,
    CheckpointOrder,
    backfill_record,
    checkpoint_record,
)
from streams.control.generations import LIVE, Generation, Serving, generation_record, serving_record
from streams.dead_letters import dead_letter
from streams.errors import StateError
from streams.events import Purchase, Search, encode_event
from streams.kafka.producer import Producer
from streams.ports import Record
from streams.process.status import stage_folder
from streams.registry import SPECS, window_settings
from streams.settings import Settings
from streams.shoppers.stage import build_shoppers
from streams.topics import REMAIN, TOPICS, plan
from streams.totals.owner import Owner
from tests.kafka.generations import beside, call, told
from tests.kafka.helpers import create_topics, read_all, test_settings
from tests.strategies_events import DESTINATIONS, MONDAY_MS
from topology.store.rocksdb import RocksStore

MINUTE_MS = 60_000


@pytest.fixture
def base(kafka: str, topic_prefix: str, tmp_path: Path) -> Settings:
    """A graph with a generation of shorter sessions."""
    found = test_settings(kafka, topic_prefix, tmp_path, partitions=1)
    create_topics(found)
    record = generation_record(Generation(name="try", changes={"session_gap_ms": MINUTE_MS // 2}))
    asyncio.run(generation_log.write(found, record))
    return found


def shoppers_of(settings: Settings) -> None:
    """A search, and a minute later a purchase; committed."""
    windows = window_settings(settings)
    with RocksStore(
        stage_folder(settings, "shoppers") / "0", SPECS["shoppers"].all_tables
    ) as store:
        owner = Owner(
            "shoppers", 0, store, build_shoppers(windows), DESTINATIONS, graph=settings.graph
        )
        events = (
            Search("s", MONDAY_MS, "ann", "shoes"),
            Purchase("p", MONDAY_MS + MINUTE_MS, "ann", "p1"),
        )
        owner.read(
            "events",
            [Record(n, each.at_ms, None, encode_event(each)) for n, each in enumerate(events)],
            2,
        )
        owner.stage.calm()
        owner.commit()


def test_state_check_counts_anew_with_the_windows_of_the_generation(
    base: Settings, monkeypatch: pytest.MonkeyPatch
):
    named = base.with_(generation="try")
    own = asyncio.run(generation_log.as_run(named))
    assert (own.session_gap_ms, own.generation) == (MINUTE_MS // 2, "try")
    assert asyncio.run(generation_log.as_run(base)) == base
    shoppers_of(own)
    assert state_cli.checked(named).count > 0, "or the test shows nothing"
    monkeypatch.setattr(state_cli, "settings", lambda: named)
    done = CliRunner().invoke(state_cli.state, ["check", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["partitions"] == 1


def test_a_generation_that_is_not_there_is_told(base: Settings):
    with pytest.raises(StateError, match="cartograph graph list"):
        asyncio.run(generation_log.as_run(base.with_(generation="other")))


@pytest.fixture
def swapped(base: Settings) -> Settings:
    """The same when that one answers and the first is dropped."""
    records = (
        generation_record(Generation(name="try", state="built")),
        serving_record(Serving("try", ("try",))),
        generation_record(Generation(name=LIVE, state="dropped")),
    )
    for record in records:
        asyncio.run(generation_log.write(base, record))
    own = beside(base, "try")
    specs = plan(own.names, own.partitions, own.replication)
    asyncio.run(admin.apply(base.kafka, specs))
    gone = [base.topic(each.name) for each in TOPICS if each.name not in REMAIN]
    asyncio.run(removal.delete_topics(base.kafka, gone))
    return base


def test_commands_that_ask_kafka_are_about_the_generation_that_answers(swapped: Settings):
    own = beside(swapped, "try")
    with_place = swapped.with_(checkpoint_url=str(swapped.data_dir / "kept"))
    said = call(with_place, "checkpoint", "create", "--wait", "0", code=1)
    assert "partitions are missing" in said
    said = call(swapped, "model", "backfill", "--wait", "0", code=2)
    assert "the order is given" in said
    keys = {record.key for _, record in read_all(own, "control", 1)}
    assert {
        checkpoint_record(CheckpointOrder("x"))[0],
        backfill_record(BackfillOrder(1))[0],
    } <= keys
    assert not keys & {record.key for _, record in read_all(swapped, "control", 1)}
    rows = told(swapped, "topics", "tidy")
    assert {row["generation"] for row in rows} == {"try"}
    assert [row["topic"] for row in rows] == list(tidying.TOPICS)


def test_all_graphs_that_are_built_are_tidied(base: Settings):
    asyncio.run(
        generation_log.write(base, generation_record(Generation(name="half", base="totals")))
    )
    rows = told(base, "topics", "tidy")
    assert [row["topic"] for row in rows] == list(tidying.TOPICS)
    assert {row["generation"] for row in rows} == {LIVE}


def letters(settings: Settings) -> set[str]:
    return {row["letter"] for row in told(settings, "dead-letters", "list")["letters"]}


def rejected(settings: Settings, topic: str, offset: int) -> str:
    """A dead letter on the topic of this graph; its name."""
    key, value = dead_letter(topic, 0, Record(offset, 0, b"k", b"v"), "poison", "a test's own")

    async def work() -> None:
        producer = Producer(settings.kafka, settings.names, {})
        await producer.start()
        try:
            await producer.send_one("dead-letters", key, value)
        finally:
            await producer.stop()

    asyncio.run(work())
    return key.decode()


def test_dead_letters_are_those_of_route_and_of_the_stages_of_what_answers(swapped: Settings):
    own = beside(swapped, "try")
    of_route = rejected(swapped, "shop.events", 3)
    of_stage = rejected(own, own.topic("claims"), 5)
    assert letters(swapped) == {of_route, of_stage}
    counted = told(swapped, "dead-letters", "list", "--counts")
    assert {row["stage"]: row["letters"] for row in counted} == {"route": 1, "graph": 1}
    assert letters(swapped.with_(generation="try")) == {of_stage}
    said = told(swapped, "dead-letters", "show", of_stage)
    assert [each["letter"]["stage"] for each in said] == ["graph"]
    call(swapped, "dead-letters", "drop", "--stage", "graph")
    assert letters(swapped) == {of_route}


def test_a_prefix_that_is_a_generations_name_is_refused(base: Settings):
    dropped = Generation(name="old", state="dropped")
    asyncio.run(generation_log.write(base, generation_record(dropped)))
    for name in ("try", "old"):
        said = call(base.with_(prefix=f"{base.prefix}.{name}"), "topics", "apply", code=2)
        assert f"{base.prefix}.{name} is the name of generation {name!r}" in said
    call(base.with_(prefix=f"{base.prefix}.other"), "topics", "apply")
