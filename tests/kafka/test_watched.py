"""A sample shop through all stages, watched: metrics, probes, times, and what is never logged."""

import asyncio
import json
import os
import re
import threading
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from streams.__main__ import app
from streams.cli.quality import Quality
from streams.sample.make import Sizes, make
from streams.serve.follow import Follower
from streams.settings import STAGES, Settings
from tests.kafka.helpers import read_all, wait_until
from tests.kafka.running import Stages, create_all_topics, facts_of, shop_settings

SEED, SIZES = 11, Sizes(products=150, shoppers=150, days=14)
E_MAIL, PHRASE = "anna.berg@example.org", "lamp for my anniversary in june"
Page = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class Seen(NamedTuple):
    """What there was to be seen of one run.

    Attributes:
        pages: stage -> samples of its metrics at the end.
        probes: (stage, path) -> status and answer at the end.
        served: source time -> facts that changed with it.
        times: the Kafka timestamps that the shop's records have, ms.
        log: all that workers printed.
        words: what may not stand in it.
        letters: the dead letters, as they stand on their topic.
    """

    pages: dict[str, Page]
    probes: dict[tuple[str, str], tuple[int, dict]]
    served: Counter[int | None]
    times: set[int]
    log: str
    words: set[str]
    letters: list[bytes]


@pytest.fixture(scope="module")
def settings(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("watched")
    return shop_settings(kafka, "watched", folder, log_level="info", log_json=True)


@pytest.fixture(scope="module")
def seen(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    folder = tmp_path_factory.mktemp("watched-sample")
    make(folder, SEED, SIZES)
    create_all_topics(settings)
    now_ms = int(time.time() * 1000)
    log = folder / "log"
    with printed_to(log), Stages(settings) as stages, served(settings) as found:
        asyncio.run(play(settings, folder, now_ms - 500_000))
        stages.rest()
        workers = {told.stage: told.metrics_port for told in stages.supervisor.status()}
        # The report of a stage comes once a second, what is slow every fifth time.
        time.sleep(6)
        pages = {stage: page(port) for stage, port in workers.items()}
        probes = {
            (stage, path): answer(port, path)
            for stage, port in workers.items()
            for path in ("/livez", "/readyz")
        }
        assert stages.stop() == 0
    letters = [record.value or b"" for _, record in read_all(settings, "dead-letters", 1)]
    times = {now_ms - 500_000 - n * 100_000 for n in (0, 1)}
    return Seen(pages, probes, found, times, log.read_text(), words_of(folder), letters)


class printed_to:  # noqa: N801 - used as a function
    """What this process and its children print on stderr goes to a file meanwhile."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __enter__(self) -> None:
        self._kept = os.dup(2)
        with self._file.open("wb") as opened:
            os.dup2(opened.fileno(), 2)

    def __exit__(self, *_: object) -> None:
        os.dup2(self._kept, 2)
        os.close(self._kept)


class served:  # noqa: N801 - used as a function
    """A replica follows in a thread: source time -> facts that changed, None: not known."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._found: Counter[int | None] = Counter()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._follow()), daemon=True)
        self._begun = threading.Event()

    async def _follow(self) -> None:
        def note(facts: int, source_ms: int | None) -> None:
            self._found[source_ms] += facts

        self._loop = asyncio.get_running_loop()
        follower = Follower(self._settings, on_served=note)
        self._task = asyncio.create_task(follower.run())
        await follower.caught_up.wait()
        self._begun.set()
        await asyncio.wait([self._task])
        follower.close()

    def __enter__(self) -> Counter[int | None]:
        self._thread.start()
        wait_until(self._begun.is_set, "the replica", 30)
        return self._found

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(20)


async def play(settings: Settings, folder: Path, at_ms: int) -> None:
    """Events with one Kafka timestamp, the catalog with one 100 s before, and broken records."""
    events, catalog = settings.sources
    broken = [
        b'{"action_name": "search", "client_id": "%s", "user_query": "' % E_MAIL.encode(),
        json.dumps({"action_name": "click", "timestamp": PHRASE, "client_id": E_MAIL}).encode(),
        json.dumps({"action_name": PHRASE, "timestamp": 1, "client_id": E_MAIL}).encode(),
        E_MAIL.encode() + b"\xff",
    ]
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka, linger_ms=5) as producer:
        for topic, file, more, at in (
            (catalog, "catalog.jsonl", [], at_ms - 100_000),
            (events, "events.jsonl", broken, at_ms),
        ):
            lines = [*(folder / file).read_bytes().splitlines(), *more]
            sent = [await producer.send(topic, each, b"k", 0, timestamp_ms=at) for each in lines]
            await asyncio.gather(*sent)


def words_of(folder: Path) -> set[str]:
    """Raw shopper ids, queries, titles and product ids of the shop, and what was planted."""
    found = {E_MAIL, PHRASE}
    for line in (folder / "events.jsonl").read_bytes().splitlines():
        event = json.loads(line)
        found |= {str(event.get(name, "")) for name in ("client_id", "user_query", "product_id")}
        found.add(str((event.get("event_attributes") or {}).get("object", {}).get("object_id", "")))
    for line in (folder / "catalog.jsonl").read_bytes().splitlines():
        product = json.loads(line)
        found |= {str(product.get(name, "")) for name in ("id", "title")}
    return {each for each in found if len(each) > 3}


def page(port: int) -> Page:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as told:
        families = text_string_to_metric_families(told.read().decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def answer(port: int, path: str) -> tuple[int, dict]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as told:
        return told.status, json.loads(told.read())


def values(seen: Seen, name: str, **labels: str) -> dict[tuple[tuple[str, str], ...], float]:
    """All samples of a metric with at least these labels."""
    return {
        told: value
        for samples in seen.pages.values()
        for (each, told), value in samples.items()
        if each == name and labels.items() <= dict(told).items()
    }


def by(seen: Seen, name: str, *labels: str) -> dict[tuple[str, ...], float]:
    """Samples of a metric that are not 0, under the values of these labels."""
    found = {
        tuple(dict(told)[each] for each in labels): n for told, n in values(seen, name).items()
    }
    return {key: n for key, n in found.items() if n}


def test_probes_say_that_all_is_ready(seen: Seen):
    assert {stage for stage, _ in seen.probes} == set(STAGES)
    for (_, path), (status, told) in seen.probes.items():
        assert status == 200
        assert told["ready" if path == "/readyz" else "alive"] is True
    assert set(values(seen, "cartograph_ready").values()) == {1.0}


def test_at_rest_nobody_is_behind_and_every_topic_says_so(seen: Seen, settings: Settings):
    for name in ("cartograph_lag_records", "cartograph_lag_seconds"):
        found = values(seen, name)
        assert {dict(labels)["topic"] for labels in found} >= set(settings.sources)
        assert {dict(labels)["stage"] for labels in found} == set(STAGES)
        assert set(found.values()) == {0.0}


def test_the_watermark_is_told_by_those_who_see_event_times(seen: Seen):
    found = values(seen, "cartograph_watermark_delay_seconds")
    assert {dict(labels)["stage"] for labels in found} == {"route", "shoppers"}
    delays = list(found.values())
    assert max(delays) - min(delays) < 60, "each shopper partition has its own"
    assert min(delays) > 0


@pytest.mark.parametrize("stage", STAGES)
def test_where_the_time_went_adds_up(seen: Seen, stage: str):
    steps = {
        dict(labels)["step"]: seconds
        for labels, seconds in values(seen, "cartograph_step_seconds_sum", stage=stage).items()
    }
    (batches,) = values(seen, "cartograph_batch_seconds_count", stage=stage).values()
    (records,) = values(seen, "cartograph_batch_records_sum", stage=stage).values()
    ended = sum(values(seen, "cartograph_records_total", stage=stage).values())
    assert batches > 0
    assert records == ended
    assert steps["apply"] > 0
    assert steps["send"] > 0
    asks = stage in ("queries", "products", "graph")
    assert (steps["models"] > 0) == asks
    if stage != "route":
        (committed,) = values(seen, "cartograph_commit_seconds_sum", stage=stage).values()
        assert steps["commit"] == committed > 0
        (behind,) = values(seen, "cartograph_commit_records_sum", stage=stage).values()
        assert behind >= records


def test_facts_are_counted_by_relation_status_and_reason(seen: Seen, settings: Settings):
    facts = facts_of(settings).values()
    wanted = Counter((fact.relation, fact.status) for fact in facts)
    assert by(seen, "cartograph_facts", "relation", "status") == wanted
    reasons = values(seen, "cartograph_fact_reasons")
    assert sum(reasons.values()) == len(facts)
    assert "other" not in {dict(labels)["reason"] for labels in reasons}
    held = {fact.relation.partition(":")[0] for fact in facts if fact.status == "held"}
    ages = values(seen, "cartograph_held_age_seconds")
    assert {dict(labels)["relation"] for labels in ages} == held
    assert all(0 <= age < 2 * 3_600 + 600 for age in ages.values())


def test_the_catalog_is_covered_and_compared_with_its_titles(seen: Seen):
    products = values(seen, "cartograph_catalog_text_products", attribute="product_type")
    assert 0 < sum(products.values()) <= SIZES.products
    assert sum(values(seen, "cartograph_coverage_products").values()) > 0
    outcomes = {dict(labels)["outcome"] for labels in values(seen, "cartograph_coverage_values")}
    assert outcomes == {"filled", "missing"}


def test_the_command_reads_from_the_stores_what_the_metrics_say(
    seen: Seen, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CARTOGRAPH_PREFIX", settings.prefix)
    monkeypatch.setenv("CARTOGRAPH_PARTITIONS", str(settings.partitions))
    monkeypatch.setenv("CARTOGRAPH_DATA_DIR", str(settings.data_dir))
    ran = CliRunner().invoke(app, ["graph", "quality", "--json"])
    assert ran.exit_code == 0, ran.output
    told = msgspec.json.decode(ran.stdout, type=Quality)
    assert by(seen, "cartograph_fact_reasons", "relation", "status", "reason") == {
        (relation, status, code): n
        for relation, by_status in told.reasons.items()
        for status, codes in by_status.items()
        for code, n in codes.items()
    }
    assert by(seen, "cartograph_catalog_text_products", "attribute", "outcome") == {
        (name, outcome): n
        for name, outcomes in told.catalog_text.items()
        for outcome, n in outcomes.items()
    }
    assert by(seen, "cartograph_coverage_products", "department") == {
        (name,): counts["products"] for name, counts in told.coverage.items()
    }
    assert set(told.held_since) == {
        dict(k)["relation"] for k in values(seen, "cartograph_held_age_seconds")
    }
    for_people = CliRunner().invoke(app, ["graph", "quality"])
    assert for_people.exit_code == 0
    assert "what decided" in for_people.output


def test_stores_say_what_they_hold(seen: Seen):
    for name in ("table_reader", "memtable", "live", "block_cache", "block_cache_limit"):
        found = values(seen, f"cartograph_rocksdb_{name}_bytes")
        assert {dict(labels)["stage"] for labels in found} == set(STAGES) - {"route"}
    assert sum(values(seen, "cartograph_rocksdb_background_errors").values()) == 0
    assert sum(values(seen, "cartograph_store_rows", stage="graph", table="facts").values()) > 0
    for cache in ("inbox", "outbox", "rows"):
        assert sum(values(seen, "cartograph_cache_lookups_total", cache=cache).values()) > 0


def test_a_served_fact_tells_when_its_event_was(seen: Seen):
    known = {at: n for at, n in seen.served.items() if at is not None}
    assert set(known) <= seen.times, "of the shop's own records, through five stages"
    assert set(known) == seen.times, "some facts follow from the catalog alone"
    print(f"facts that changed with a source time: {sum(known.values())}, {seen.served[None]} not")
    assert sum(known.values()) > seen.served[None]


def test_no_word_of_the_shop_is_logged_or_stands_in_a_dead_letter(seen: Seen):
    lines = [json.loads(line) for line in seen.log.splitlines() if line.startswith("{")]
    assert {line["stage"] for line in lines} == set(STAGES)
    assert all(line["level"] in ("info", "warning", "error") for line in lines)
    assert len(seen.letters) == 3, "an action that nobody knows is passed over"
    said = seen.log + b"\n".join(seen.letters).decode()
    spoken = re.compile("|".join(rf"\b{re.escape(word)}\b" for word in seen.words))
    assert not spoken.findall(said)


def test_labels_are_few(seen: Seen):
    for stage, samples in seen.pages.items():
        series = Counter(name for name, _ in samples)
        assert len(samples) < 3_000, stage
        assert series.most_common(1)[0][1] < 500, (stage, series.most_common(3))
