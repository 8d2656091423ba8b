"""A shopper is forgotten: facts, words and rows go, and no store, start or log brings them back."""

import asyncio
import json
import os
import shutil
import signal
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from random import Random
from unittest import mock

import pytest
from typer.testing import CliRunner

from streams import demo
from streams.__main__ import app
from streams.cli.state import digested, folders, opened, shown
from streams.play import Played
from streams.privacy import pseudonym
from streams.process.status import stage_folder
from streams.sample.make import Sizes, make
from streams.settings import Settings
from streams.shoppers.erasures import TABLE as ERASED
from streams.shoppers.stage import TABLES
from streams.topics import partition_of
from streams.weeks import week_of
from tests.kafka.exactness import Plan, sample_records, settings_of
from tests.kafka.helpers import read_all, wait_until
from tests.kafka.running import Stages, facts_of, heard, write

pytestmark = pytest.mark.kafka

K = demo.K_SHOPPERS


def told(record: Played) -> dict[str, object]:
    return json.loads(record.value)


def carries(records: Iterable[Played]) -> tuple[str, str, str]:
    """A shopper without whom a query has too few, that query, and one that nobody else asked."""
    weekly = defaultdict[tuple[str, int], set[str]](set)
    asked = defaultdict[str, set[str]](set)
    for each in map(told, records):
        if query := each.get("user_query"):
            weekly[query, week_of(each["timestamp"])].add(each["client_id"])
            asked[query].add(each["client_id"])
    most = {query: max(len(w) for (q, _), w in weekly.items() if q == query) for query in asked}
    found = [
        (shopper, query, own)
        for (query, _), shoppers in weekly.items()
        if len(shoppers) == most[query] == K
        and sum(len(w) >= K for (q, _), w in weekly.items() if q == query) == 1
        for shopper in shoppers
        for own, only in asked.items()
        if only == {shopper}
    ]
    return min(found)


def play(settings: Settings, records: Iterable[Played]) -> None:
    events, catalog = settings.sources
    for kind, topic in (("catalog", catalog), ("events", events)):
        rows = [(each.key, each.value) for each in records if each.kind == kind]
        write(settings, topic, rows)


def call(settings: Settings, *words: str, given: str | None = None):
    names = {
        "CARTOGRAPH_KAFKA": settings.kafka,
        "CARTOGRAPH_PREFIX": settings.prefix,
        "CARTOGRAPH_PARTITIONS": str(settings.partitions),
        "CARTOGRAPH_DATA_DIR": str(settings.data_dir),
        "CARTOGRAPH_SECRET": settings.secret,
    }
    with mock.patch.dict(os.environ, names):
        return CliRunner().invoke(app, [*words, "--json"], input=given)


def in_stores(settings: Settings, shopper: str) -> set[str]:
    """Tables of SHOPPERS that name a shopper."""
    return {
        table
        for folder in folders(settings, "shoppers")
        for table in TABLES
        for key, row in _rows(folder, table)
        if shopper.encode() in key + row
    }


def _rows(folder: Path, table: str) -> list[tuple[bytes, bytes]]:
    with opened(folder, TABLES) as store:
        return store.scan(table)


def words_left(settings: Settings, text: str) -> set[str]:
    """Topics of totals in which compaction leaves a text."""
    found = set[str]()
    for topic in ("searched", "asked", "claims", "facts"):
        last = {(at, record.key): record.value for at, record in read_all(settings, topic)}
        found |= {topic for value in last.values() if value and text.encode() in value}
    return found


def used(settings: Settings) -> int:
    rows = [row.outcomes for row in shown(settings) if row.stage == "shoppers"]
    return sum(outcomes.get("events.used", 0) for outcomes in rows)


def kill(stages: Stages, stage: str) -> None:
    supervisor = stages.supervisor
    assert supervisor is not None
    (pid,) = (each.pid for each in supervisor.status() if each.stage == stage)
    os.kill(pid, signal.SIGKILL)

    def is_back() -> bool:
        now = [each for each in supervisor.status() if each.stage == stage]
        return any(each.pid != pid and each.ready for each in now)

    wait_until(is_back, f"{stage} is back")


def settings_for(kafka: str, folder: Path, name: str, prefix: str) -> Settings:
    return settings_of(kafka, folder, name, Plan(name), prefix=prefix)


def run_all(settings: Settings, records: list[Played]) -> str:
    asyncio.run(demo.make_topics(settings))
    with Stages(settings) as stages:
        play(settings, records)
        stages.rest()
    return digested(settings).digest


def test_a_shopper_is_forgotten_for_good(kafka: str, topic_prefix: str, tmp_path: Path):
    make(tmp_path / "sample", 11, Sizes(products=80, shoppers=80, days=14))
    records = sample_records(tmp_path / "sample", Plan("plain"), Random(11))
    events = [each for each in records if each.at_ms is not None]
    shopper, shared, own = carries(events)
    settings = settings_for(kafka, tmp_path, "all", topic_prefix)
    asyncio.run(demo.make_topics(settings))
    half = len(events) // 2
    pseudonymous = pseudonym(settings.key(), shopper)

    with Stages(settings, ["route", "shoppers"]):  # no models to load
        play(settings, [*(each for each in records if each.at_ms is None), *events[:half]])
        wait_until(lambda: used(settings) > half // 2, "half of the events")
    store = stage_folder(settings, "shoppers")
    shutil.copytree(store, tmp_path / "older")

    with Stages(settings) as stages:
        play(settings, events[half:])
        stages.rest()
        before = facts_of(settings)
        assert in_stores(settings, pseudonymous) - {ERASED}
        assert {"searched", "asked"} <= words_left(settings, shared)
        asked = call(settings, "forget", "-", "--wait", "0", given=shopper + "\n")
        assert asked.exit_code == 1, asked.output
        kill(stages, "shoppers")
        wait_until(
            lambda: call(settings, "forget", "-", "--check", given=shopper).exit_code == 0,
            "the erasure is obeyed",
        )
        stages.rest()
        again = call(settings, "forget", shopper)
        assert again.exit_code == 0, again.output
        (receipt,) = json.loads(again.stdout)
        assert receipt["obeyed"]
        assert receipt["totals"] == 0, "the first one took all"
        assert receipt["partition"] == partition_of(pseudonymous.encode(), settings.partitions)
        stages.rest()
    digest = digested(settings).digest
    gone = before.keys() - facts_of(settings).keys()
    assert gone, "no fact hung on this shopper"
    assert in_stores(settings, pseudonymous) == {ERASED}
    receipts = (settings.data_dir / "erasure-receipts.jsonl").read_text()
    assert receipt["token"] in receipts
    for text in (asked.output, again.output, receipts):
        assert shopper not in text
        assert pseudonymous not in text

    shutil.rmtree(store)
    shutil.copytree(tmp_path / "older", store)
    with Stages(settings) as stages:
        stages.rest()
        assert digested(settings).digest == digest, "an older copy of the store brought it back"
        assert in_stores(settings, pseudonymous) == {ERASED}
        assert {fact.id.encode() for fact in facts_of(settings).values()} == set(
            heard(settings, "facts")
        )
        tidied = call(settings, "topics", "tidy")
        assert tidied.exit_code == 0, tidied.output
        assert sum(row["tombstones"] for row in json.loads(tidied.stdout))
        stages.rest()
        assert words_left(settings, own) == set()
        assert words_left(settings, shared) == {"searched"}, "fewer than k left it"
        assert digested(settings).digest == digest

    clean = settings_for(kafka, tmp_path, "clean", topic_prefix)
    without = [each for each in records if each.at_ms is None or told(each)["client_id"] != shopper]
    assert run_all(clean, without) == digest
