"""Commands that ask no Kafka: which generation they are about, where nobody names one."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from streams.__main__ import app
from streams.cli import which
from streams.control import generation_note
from streams.control.generations import (
    LIVE,
    Generation,
    Generations,
    Serving,
    generation_record,
    serving_record,
    settings_of,
)
from streams.errors import StateError
from streams.events import Purchase, Search, encode_event
from streams.ports import Record
from streams.process.status import stage_folder
from streams.registry import SPECS, window_settings
from streams.settings import Settings
from streams.shoppers.stage import build_shoppers
from streams.totals.owner import Owner
from tests.strategies_events import DESTINATIONS, MONDAY_MS
from topology.store.rocksdb import RocksStore

MINUTE_MS = 60_000
G2 = Generation(name="g2", state="built", changes={"session_gap_ms": MINUTE_MS // 2})
GONE = Generation(name=LIVE, state="dropped")


def known(serving: Serving, *generations: Generation) -> Generations:
    found = Generations()
    for record in (serving_record(serving), *map(generation_record, generations)):
        assert found.take(*record)
    return found


@pytest.fixture
def base(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", partitions=1, checkpoint_url=str(tmp_path / "kept"))


Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(base: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """A command where no Kafka is: its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    names = {name: value for name, value in os.environ.items() if "CARTOGRAPH" not in name}
    names |= {
        "CARTOGRAPH_DATA_DIR": str(base.data_dir),
        "CARTOGRAPH_PARTITIONS": "1",
        "CARTOGRAPH_CHECKPOINT_URL": base.checkpoint_url,
    }

    def run(*words: str, generation: str = "") -> tuple[int, str, str]:
        with mock.patch.dict(os.environ, names | {"CARTOGRAPH_GENERATION": generation}, clear=True):
            done = CliRunner().invoke(app, words)
        return done.exit_code, done.stdout, done.stderr

    return run


def stored(base: Settings, generation: Generation, minutes: int = 1) -> Settings:
    """A store of SHOPPERS: a search, and a purchase some minutes later."""
    own = settings_of(base, generation)
    with RocksStore(stage_folder(own, "shoppers") / "0", SPECS["shoppers"].all_tables) as store:
        build = build_shoppers(window_settings(own))
        owner = Owner("shoppers", 0, store, build, DESTINATIONS, graph=own.graph)
        events = (
            Search("s", MONDAY_MS, "ann", "shoes"),
            Purchase("p", MONDAY_MS + minutes * MINUTE_MS, "ann", "p1"),
        )
        lines = (Record(n, e.at_ms, None, encode_event(e)) for n, e in enumerate(events))
        owner.read("events", list(lines), minutes + 1)
        owner.stage.calm()
        owner.commit()
    return own


def test_a_graph_whose_first_generation_was_dropped_is_the_one_that_answers(
    base: Settings, call: Call
):
    generation_note.write(base, known(Serving("g2", ("g2",)), GONE, G2))
    stored(base, G2)
    code, said, about = call("state", "show", "--json")
    assert (code, [each["stage"] for each in json.loads(said)]) == (0, ["shoppers"])
    assert "of g2, which answers" in about
    # With the windows that it was made with: with those of the first it would find problems.
    code, said, _ = call("state", "check", "--json")
    assert (code, json.loads(said)["partitions"]) == (0, 1)
    code, _, about = call("state", "digest")
    assert (code, "graph.g2" in about) == (2, True), "SHOPPERS alone has no graph"
    code, _, about = call("graph", "quality")
    assert (code, "graph.g2" in about) == (2, True)


def test_while_another_is_tried_the_first_is_meant_and_the_other_can_be_named(
    base: Settings, call: Call
):
    generation_note.write(base, known(Serving(), G2))
    stored(base, Generation(name=LIVE), minutes=2)
    stored(base, G2)
    for name, offset in (("", 3), (LIVE, 3), ("g2", 2)):
        code, said, about = call("state", "show", "--json", generation=name)
        assert code == 0
        assert [row["offsets"] for row in json.loads(said)] == [{"events": offset}], name
        assert ("of live, which answers" in about, "g2 too" in about) == (not name, not name)


def test_where_nobody_noted_which_one_answers_a_command_says_what_is_there(
    base: Settings, call: Call
):
    for each in (Generation(name=LIVE), G2):
        stored(base, each)
    for words in (("state", "show"), ("state", "check"), ("state", "digest"), ("graph", "quality")):
        code, _, about = call(*words)
        assert code == 2
        assert "there are live, g2" in about
        assert "CARTOGRAPH_GENERATION=NAME" in about
    assert call("state", "show", generation=LIVE)[0] == 0
    code, said, _ = call("state", "migrate", "--json")
    assert (code, [row["generation"] for row in json.loads(said)]) == (0, [LIVE, "g2"])
    code, said, _ = call("state", "migrate", "--json", generation="g2")
    assert (code, [row["generation"] for row in json.loads(said)]) == (0, ["g2"])


def test_what_a_generation_was_set_to_is_not_guessed(base: Settings, call: Call):
    """No worker noted it, and no Kafka can be asked."""
    stored(base, G2)
    code, _, about = call("state", "check")
    assert code == 2
    assert "CARTOGRAPH_KAFKA" in about
    assert call("state", "show")[0] == 0


@pytest.mark.parametrize("words", [("list",), ("verify", "latest"), ("restore", "latest")])
def test_checkpoints_are_those_of_the_generation_that_answers(
    base: Settings, call: Call, words: tuple[str, ...]
):
    for own in ("graph", "graph.g2", "graph.g3", "graphs", "graph.x/y"):
        folder = Path(base.checkpoint_url) / own / "manifests" / "20260101T000000Z-0a0b0c"
        if own == "graph.g3":
            folder = folder.parent  # it has none yet
        folder.mkdir(parents=True)
    code, _, about = call("checkpoint", *words)
    assert code == 2
    assert "there are live, g2, and none noted which one answers" in about
    generation_note.write(base, known(Serving("g2", ("g2",)), GONE, G2))
    _, _, about = call("checkpoint", *words)
    assert "of g2, which answers" in about
    _, _, about = call("checkpoint", *words, generation=LIVE)
    assert "which answers" not in about


def test_a_note_that_is_not_ours_says_nothing(base: Settings):
    assert generation_note.read(base) is None
    file = generation_note.note_file(base)
    file.parent.mkdir(parents=True)
    for told in (b"", b"{}", b"\xff", b'{"serving": {"name": 3}}', b"[" * 100_000):
        file.write_bytes(told)
        assert generation_note.read(base) is None


def test_a_folder_that_takes_no_note_stops_nobody(base: Settings, caplog: pytest.LogCaptureFixture):
    base.data_dir.mkdir()
    (base.data_dir / "run").write_text("no folder")
    generation_note.write(base, known(Serving()))
    assert "is not written" in caplog.text
    assert generation_note.read(base) is None


NAMES = st.sampled_from([LIVE, "g1", "g2"])


@given(st.lists(NAMES, unique=True), st.none() | NAMES, st.sampled_from(["", LIVE, "g1", "g2"]))
def test_the_generation_that_is_meant_is_named_or_answers_or_is_the_only_one(
    tmp_path_factory: pytest.TempPathFactory, there: list[str], serving: str | None, named: str
):
    settings = Settings(data_dir=tmp_path_factory.mktemp("n"), generation=named)
    if serving:
        generation_note.write(settings, known(Serving(serving), G2))
    said: list[str] = []
    if not named and len(there) > 1 and serving not in there:
        with pytest.raises(StateError, match=f"here there are {', '.join(there)}, and "):
            generation_note.chosen(settings, there, "here", said.append)
        return
    own = generation_note.chosen(settings, there, "here", said.append)
    name = own.generation or LIVE
    wanted = named or (serving if serving in there or not there else there[0]) or LIVE
    assert name == wanted
    assert (own.session_gap_ms == MINUTE_MS // 2) == (name == "g2" and serving is not None)
    assert bool(said) == (not named and (name != LIVE or len(there) > 1))


def test_a_graph_of_another_prefix_is_no_generation(base: Settings):
    for own in ("graph", "graph.g2", "graph.G3", "graph2", "graph.g4.x"):
        (base.data_dir / own / "graph" / "0").mkdir(parents=True)
    (base.data_dir / "graph.g5" / "checkpoints" / "0").mkdir(parents=True)
    assert generation_note.here(base) == [LIVE, "g2"]
    assert [each.generation for each in which.every_stored(base)] == ["", "g2"]
