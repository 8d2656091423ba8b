"""Commands about a generation go by the settings that its stages ran with, not by those of now."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streams import generation_log
from streams.cli import state as state_cli
from streams.errors import StateError
from streams.events import Purchase, Search, encode_event
from streams.generations import Generation, generation_record
from streams.owner import Owner
from streams.ports import Record
from streams.registry import SPECS, window_settings
from streams.settings import Settings
from streams.shoppers import build_shoppers
from streams.status import stage_folder
from tests.kafka.helpers import create_topics, test_settings
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
