"""The whole graph from a checkpoint: the digest of never having stopped, and that of then."""

import asyncio
import json
import shutil
from pathlib import Path
from random import Random

import pytest
import typer
from typer.testing import CliRunner

from streams import demo
from streams.checkpoint.travel import open_graph_partitions
from streams.cli import checkpoint as checkpoint_cli
from streams.cli import query as query_cli
from streams.cli.state import digested
from streams.inbox import Inbox
from streams.play import CATALOG, EVENTS, Played
from streams.playing import Producing
from streams.sample.make import Sizes, make
from streams.settings import Settings
from tests.kafka.exactness import Plan, sample_records, settings_of
from tests.kafka.running import Stages
from topology.digest import Digest
from topology.graph import Graph

PLAN = Plan("checkpoint")


@pytest.fixture
def settings(kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    found = settings_of(kafka, tmp_path, "data", PLAN, prefix="cp").with_(
        checkpoint_url=str(tmp_path / "checkpoints"), partitions=2
    )
    for module in (checkpoint_cli, query_cli):
        monkeypatch.setattr(module, "settings", lambda: found)
    asyncio.run(demo.make_topics(found))
    return found


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


def test_a_graph_restored_and_caught_up_is_the_graph_that_never_stopped(
    settings: Settings, tmp_path: Path
):
    make(tmp_path / "sample", 5, Sizes(products=60, shoppers=60, days=7))
    records = sample_records(tmp_path / "sample", PLAN, Random(5))
    half = len(records) * 2 // 3
    with Stages(settings) as stages:
        play(settings, records[:half])
        then = rest(settings, stages)
        made = json.loads(command(checkpoint_cli.checkpoint, "create", "--json"))
        assert (made["complete"], made["parts"]) == (True, 8)
        play(settings, records[half:])
        now = rest(settings, stages)
        command(checkpoint_cli.checkpoint, "restore", "latest", code=2)  # workers run
        assert stages.stop() == 0
    assert now != then
    assert made["id"] in command(checkpoint_cli.checkpoint, "list")
    command(checkpoint_cli.checkpoint, "verify", made["id"])

    # As it was: the digest of then, and the same questions as to the graph of now.
    assert digest_at(settings, made["id"]) == then
    asked = command(query_cli.query, "facts", "--at", "latest", "--status", "all", "--json")
    fact = json.loads(asked)[0]
    assert command(query_cli.query, "why", fact["id"], "--at", made["id"])
    node = json.loads(command(query_cli.query, "node", fact["head"], "--at", "latest", "--json"))
    assert made["created_ms"][0] <= node["as_of"]["newest_ms"] <= made["created_ms"][1]

    # Two stages by hand, two when their workers find nothing; all read on from there.
    command(checkpoint_cli.checkpoint, "restore", "latest", code=2)  # folders are not empty
    shutil.move(settings.data_dir / settings.prefix, tmp_path / "away")
    command(checkpoint_cli.checkpoint, "restore", "latest", "--stages", "shoppers,products")
    with Stages(settings) as stages:
        assert rest(settings, stages) == now
        assert stages.stop() == 0

    # Without any checkpoint: what reads compacted topics alone is built again from them.
    for stage in ("queries", "products", "graph"):
        shutil.rmtree(settings.data_dir / settings.prefix / stage)
    plain = settings.with_(checkpoint_url="")
    with Stages(plain) as stages:
        assert rest(plain, stages) == now
        assert stages.stop() == 0
