"""The whole graph from a checkpoint: the digest of never having stopped, and that of then."""

import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest
import typer
from typer.testing import CliRunner

from streams import demo
from streams.cli import checkpoint as checkpoint_cli
from streams.cli import generations as generations_cli
from streams.cli import query as query_cli
from streams.cli.state import digested
from streams.play import CATALOG, EVENTS, Played
from streams.playing import Producing
from streams.sample.make import Sizes, make
from streams.serve.past import open_graph_partitions
from streams.settings import Settings
from streams.totals.inbox import Inbox
from tests.kafka.exactness import Plan, sample_records, settings_of
from tests.kafka.helpers import wait_until
from tests.kafka.running import Stages
from topology.digest import Digest
from topology.graph import Graph

PLAN = Plan("checkpoint")


class Run(NamedTuple):
    """A graph that never stopped: its settings, its checkpoint, and its digests then and now."""

    settings: Settings
    records: list[Played]
    made: dict[str, object]
    then: str
    now: str


def new_settings(kafka: str, folder: Path, name: str) -> Settings:
    found = settings_of(kafka, folder, name, PLAN, prefix="cp").with_(
        checkpoint_url=str(folder / "checkpoints"), partitions=2
    )
    asyncio.run(demo.make_topics(found))
    return found


@pytest.fixture(scope="module")
def run(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("checkpoint")
    settings = new_settings(kafka, folder, "data")
    make(folder / "sample", 5, Sizes(products=60, shoppers=60, days=7))
    records = sample_records(folder / "sample", PLAN, Random(5))
    half = len(records) * 2 // 3
    with pytest.MonkeyPatch.context() as patch, Stages(settings) as stages:
        for module in (checkpoint_cli, generations_cli, query_cli):
            patch.setattr(module, "settings", lambda: settings)
        play(settings, records[:half])
        then = rest(settings, stages)
        made = json.loads(command(checkpoint_cli.checkpoint, "create", "--json"))
        play(settings, records[half:])
        now = rest(settings, stages)
        refused = command(checkpoint_cli.checkpoint, "restore", "latest", code=2)
        assert "stop its workers" in refused
        assert stages.stop() == 0
        assert now != then
        yield Run(settings, records, made, then, now)


def command(cli: typer.Typer, *words: str, code: int = 0) -> str:
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == code, done.output
    return done.output


def play(settings: Settings, records: list[Played]) -> None:
    async def work() -> None:
        events, catalog = settings.sources
        async with Producing(settings, {EVENTS: events, CATALOG: catalog}) as producing:
            await producing.play(iter(records))

    asyncio.run(work())


def rest(settings: Settings, stages: Stages) -> str:
    assert stages.supervisor is not None
    asyncio.run(demo.at_rest(settings, stages.supervisor, lambda _: None))
    return digested(settings).digest


def digest_at(settings: Settings, checkpoint: str) -> str:
    digest = Digest()
    for store in open_graph_partitions(settings, checkpoint):
        with store:
            for fact in Graph(store).facts():
                digest.add_fact(fact)
            for key, n, _ in Inbox(store).scan("claims", b""):
                digest.add_total("claims", key, n)
    return digest.hex


def test_a_graph_restored_and_caught_up_is_the_graph_that_never_stopped(run: Run, tmp_path: Path):
    settings, made, stores = run.settings, run.made, run.settings.data_dir / run.settings.prefix
    assert (made["complete"], made["parts"]) == (True, 8)
    assert str(made["id"]) in command(checkpoint_cli.checkpoint, "list")
    command(checkpoint_cli.checkpoint, "verify", str(made["id"]))

    refused = command(checkpoint_cli.checkpoint, "restore", "latest", code=2)
    assert "is not empty" in refused
    shutil.move(stores, tmp_path / "away")
    # Two stages by hand, two when their workers find nothing; all read on from there.
    command(checkpoint_cli.checkpoint, "restore", "latest", "--stages", "shoppers,products")
    with Stages(settings) as stages:
        assert rest(settings, stages) == run.now
        assert stages.stop() == 0

    # Without any checkpoint: what reads compacted topics alone is built again from them.
    for stage in ("queries", "products", "graph"):
        shutil.rmtree(stores / stage)
    plain = settings.with_(checkpoint_url="")
    with Stages(plain) as stages:
        assert rest(plain, stages) == run.now
        assert stages.stop() == 0


def test_a_checkpoint_is_asked_as_the_graph_of_then(run: Run):
    made = str(run.made["id"])
    assert digest_at(run.settings, made) == run.then
    asked = command(query_cli.query, "facts", "--at", "latest", "--status", "all", "--json")
    fact = json.loads(asked)[0]
    assert command(query_cli.query, "why", fact["id"], "--at", made)
    node = json.loads(command(query_cli.query, "node", fact["head"], "--at", "latest", "--json"))
    first, last = run.made["created_ms"]  # type: ignore[misc]
    assert first <= node["as_of"]["newest_ms"] <= last
    since = ("diff", f"checkpoint:{made}", str(run.settings.data_dir / run.settings.prefix))
    differs = json.loads(command(generations_cli.graph, *since, "--json"))
    assert differs["differ"] > 0
    same = ("diff", f"checkpoint:{made}", "checkpoint:latest", "--json")
    assert json.loads(command(generations_cli.graph, *same))["differ"] == 0
    refused = command(query_cli.query, "node", fact["head"], "--at", "yesterday", code=2)
    assert "cartograph checkpoint list" in refused


def test_a_machine_takes_over_from_another_under_load(run: Run, kafka: str, tmp_path: Path):
    here = new_settings(kafka, tmp_path, "here").with_(checkpoint_every_s=2)
    there = here.with_(data_dir=tmp_path / "there")
    quarter = len(run.records) // 4
    with Stages(here) as first:
        play(here, run.records[:quarter])
        with Stages(there) as second:
            play(here, run.records[quarter : 2 * quarter])
            assert first.stop() == 0
            play(here, run.records[2 * quarter :])
            wait_until(lambda: len(partitions(second)) == 8, "all moved", 60)
            assert rest(there, second) == run.now
            assert second.stop() == 0
    assert list((there.data_dir / there.prefix / "shoppers").glob("*.lock")), "nothing was fetched"


def partitions(stages: Stages) -> list[str]:
    assert stages.supervisor is not None
    told = [each for each in stages.supervisor.status() if each.stage != "route" and each.ready]
    return [f"{each.stage}/{number}" for each in told for number in each.partitions]
