"""Another bundle, and a backfill that is killed on the way: the graph of a clean replay."""

import json
import os
import shutil
import signal
import time
from pathlib import Path
from unittest import mock

import msgspec
import pytest
from typer.testing import CliRunner

from models_onnx import bundle, publish
from streams.__main__ import app
from streams.cli.state import digested
from streams.process import status
from streams.process.status import ModelStatus
from streams.settings import Settings
from tests.kafka.helpers import wait_until
from tests.kafka.running import Stages, create_all_topics, facts_of, shop_settings, write

pytestmark = pytest.mark.kafka

BRANDS = ("Nordwind", "Nordwinds", "Seaside")
COLOURS = ("red", "blue", "green", "black")
QUERIES = ("red shoes for nurses", "waterproof boots for hiking", "shoes for pregnant women")
HOUR_MS = 3_600_000
START_MS = (int(time.time() * 1000) - 40 * HOUR_MS) // (24 * HOUR_MS) * 24 * HOUR_MS
"""Taken once: two graphs of one test have the same events, whatever the hour."""


def catalog() -> list[tuple[bytes, bytes]]:
    rows = []
    for number in range(24):
        brand, colour = BRANDS[number % 3], COLOURS[number % 4]
        kind = ("Leather Clogs", "Waterproof Boots", "Running Shoes")[number % 5 % 3]
        told = {
            "product_id": f"p{number}",
            "title": f"{brand} {colour} {kind} for Women",
            "brand": brand,
            "color": colour,
        }
        rows.append((b"p%d" % number, json.dumps(told).encode()))
    return rows


def events() -> list[tuple[bytes, bytes]]:
    rows = []
    for number in range(60):
        at_ms, who = START_MS + number * 60_000, f"s{number}"
        asked = {"user_query": QUERIES[number % 3], "query_id": f"q{number}", "client_id": who}
        took = {"action_name": "purchase", "client_id": who, "product_id": f"p{number % 24}"}
        rows.append((b"s", json.dumps({**asked, "timestamp": at_ms}).encode()))
        query = {"query_id": f"q{number}", "timestamp": at_ms + 1_000}
        rows.append((b"s", json.dumps({**took, **query}).encode()))
    return rows


def next_bundle(task: str, folder: Path, **thresholds: float) -> Path:
    """The shipped bundle under another version, with other thresholds: other answers."""
    shutil.copytree(bundle.shipped(task), folder)
    (folder / "golden.jsonl").unlink(missing_ok=True)
    manifest = bundle.read_manifest(folder)
    changed = {**manifest.thresholds, **thresholds}
    files = {name: sha for name, sha in manifest.files.items() if name != "golden.jsonl"}
    publish.write_manifest(
        folder,
        msgspec.structs.replace(manifest, version="9.9.9", thresholds=changed, files=files),
    )
    return folder


def graph(kafka: str, prefix: str, folder: Path, **bundles: Path) -> Settings:
    found = shop_settings(
        kafka, prefix, folder, k_shoppers=1, device="cpu", model_threads=1, **bundles
    )
    create_all_topics(found)
    events_topic, catalog_topic = found.sources
    write(found, catalog_topic, catalog())
    write(found, events_topic, events())
    return found


def models(settings: Settings) -> dict[str, ModelStatus]:
    return {each.stage: each.models for each in status.read_all(settings) if each.models.bundles}


def backfill(settings: Settings, *words: str):
    names = {
        "CARTOGRAPH_KAFKA": settings.kafka,
        "CARTOGRAPH_PREFIX": settings.prefix,
        "CARTOGRAPH_PARTITIONS": str(settings.partitions),
        "CARTOGRAPH_DATA_DIR": str(settings.data_dir),
    }
    with mock.patch.dict(os.environ, names):
        return CliRunner().invoke(app, ["model", "backfill", *words, "--json"])


def kill(settings: Settings, stage: str) -> None:
    (pid,) = {each.pid for each in status.read_all(settings) if each.stage == stage}
    os.kill(pid, signal.SIGKILL)
    wait_until(
        lambda: any(
            each.stage == stage and each.pid != pid and each.ready and each.models.bundles
            for each in status.read_all(settings)
        ),
        f"{stage} again",
        60,
    )


def test_a_backfill_that_is_killed_ends_in_the_graph_of_a_clean_replay(
    kafka: str, topic_prefix: str, tmp_path: Path
):
    new = {
        "tagging_bundle": next_bundle("tagging", tmp_path / "tagging", min_score=0.97),
        "synonyms_bundle": next_bundle("synonyms", tmp_path / "synonyms", accept=0.9999),
    }
    clean = graph(kafka, f"{topic_prefix}.clean", tmp_path / "clean", **new)
    with Stages(clean) as stages:
        stages.rest()
        assert {stage: each.outdated for stage, each in models(clean).items()} == {
            "queries": 0,
            "products": 0,
            "graph": 0,
        }
    wanted = digested(clean)

    old = graph(kafka, f"{topic_prefix}.live", tmp_path / "live")
    with Stages(old) as stages:
        stages.rest()
    before = digested(old)
    same = [fact for (_, relation, _), fact in facts_of(old).items() if relation == "same_as"]
    assert [(fact.status, fact.evidence.bundles[0][:8]) for fact in same] == [
        ("accepted", "synonyms")
    ]
    live = old.with_(**new)
    with Stages(live) as stages:
        stages.rest()
        left = {stage: each.outdated for stage, each in models(live).items()}
        assert min(left.values()) > 0
        assert digested(live).digest == before.digest  # nothing is read again without an order

        told = backfill(live, "--rate", "8", "--wait", "0")
        assert told.exit_code == 0, told.output
        wait_until(lambda: models(live)["products"].outdated < left["products"], "a beginning", 60)
        for stage in ("products", "graph", "queries"):
            kill(live, stage)
        told = backfill(live, "--rate", "1000", "--wait", "90")
        assert told.exit_code == 0, told.output
        assert {row["outdated"] for row in json.loads(told.stdout)} == {0}
        stages.rest()
    assert digested(live) == wanted
    assert wanted.digest != before.digest
