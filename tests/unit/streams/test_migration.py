"""Stores of older layouts: brought up to date whole, or refused with what to do."""

import json
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from streams.__main__ import app
from streams.errors import StateError
from streams.layout.derived_rows import derived_things
from streams.layout.migration import open_store
from streams.layout.steps import STEPS, bring_up
from streams.ports import State
from streams.registry import SPECS
from streams.stages import Bundles
from streams.state.derived import Derived
from streams.totals.inbox import Inbox
from streams.totals.owner import LAYOUT_VERSION, Owner, kept_of, with_layout
from tests.in_process import STAGES, InProcess, settings
from topology.digest import Digest
from topology.errors import StoreLayoutError
from topology.graph import TABLES as GRAPH_TABLES
from topology.graph import Graph
from topology.store.layout import LAYOUT_FILE, OLDEST_LAYOUT, write_layout
from topology.store.memory import MemoryStore
from topology.store.rocksdb import RocksStore

GOLDEN = Path(__file__).parents[2] / "golden" / "stores"
NOW_MS = 1_743_000_000_000


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The sample shop as the code of layout 1 left it, and its input."""
    with tarfile.open(GOLDEN / "layout-1.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


def digest(graph: State) -> tuple[str, int]:
    """Of facts and their totals."""
    found, facts = Digest(), 0
    for fact in Graph(graph).facts():
        found.add_fact(fact)
        facts += 1
    for key, n, _ in Inbox(graph).scan("claims", b""):
        found.add_total("claims", key, n)
    return found.hex, facts


@pytest.fixture
def stores(old: Path) -> Iterator[dict[str, RocksStore]]:
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(open_store(old / "stores" / name / "0", spec.all_tables))
            for name, spec in SPECS.items()
        }


def test_stores_of_layout_1_end_in_the_graph_of_a_clean_replay(old: Path, stores: Any):
    clean = InProcess({name: MemoryStore() for name in STAGES}, NOW_MS)
    for name, form in (("catalog", "native-catalog"), ("events", "native")):
        clean.feed((old / "input" / f"{name}.jsonl").read_bytes().splitlines(), form)
    clean.settle()
    wanted = digest(clean.stores["graph"])

    stages = InProcess(stores, NOW_MS)
    stages.settle()
    before = digest(stores["graph"])
    assert before != wanted  # or the fixture shows nothing
    outdated = {name: stages.owners[name].stage.outdated for name in ("products", "graph")}
    assert outdated["products"] == 60
    assert outdated["graph"] > 0
    stages.settle(reread=50)
    assert digest(stores["graph"]) == wanted
    assert wanted[1] > 250
    assert {name: stages.owners[name].stage.outdated for name in outdated} == {
        "products": 0,
        "graph": 0,
    }


def test_what_was_brought_up_has_the_new_layout_and_opens_again(old: Path, stores: Any):
    for name, store in stores.items():
        assert (store.path / LAYOUT_FILE).read_text() == f"{LAYOUT_VERSION}\n"
        kept = kept_of(store)
        assert kept is not None
        assert (kept.stage, kept.layout) == (name, LAYOUT_VERSION)
        assert bring_up(store) is None
        store.close()
        with RocksStore(store.path, ("meta",), read_only=True) as again:
            assert again.layout == LAYOUT_VERSION


@pytest.mark.parametrize("stage", STAGES)
def test_the_index_by_bundle_is_what_the_rows_say(stores: Any, stage: str):
    store, things = stores[stage], list(derived_things(stores[stage], stage))
    rows = [key for key, _ in store.scan("derived", b"d")] if stage != "shoppers" else []
    assert sorted(rows) == sorted(b"d%s\0%s" % (b.encode(), thing) for thing, b in things)
    if things:
        assert Derived(store, "none of these").older == len(things)


def test_a_kill_at_any_moment_of_it_is_made_good(old: Path, monkeypatch: pytest.MonkeyPatch):
    folder = old / "stores" / "products" / "0"
    tables = SPECS["products"].all_tables

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    moments: list[Callable[[pytest.MonkeyPatch], None]] = [
        lambda patch: patch.setattr(RocksStore, "commit", killed),
        lambda patch: patch.setattr("streams.layout.migration.bring_up", killed),
        lambda patch: patch.setattr(
            "streams.layout.migration.write_layout", _second(killed, original=write_layout)
        ),
    ]
    for moment in moments:
        with monkeypatch.context() as patch:
            moment(patch)
            with pytest.raises(KeyboardInterrupt):
                open_store(folder, tables)
        assert (folder / LAYOUT_FILE).read_text() == "1>2\n"
        with pytest.raises(StoreLayoutError, match="state migrate"):
            RocksStore(folder, tables)
    with open_store(folder, tables) as store:
        wanted = sorted(b"d%s\0%s" % (b.encode(), t) for t, b in derived_things(store, "products"))
        assert [key for key, _ in store.scan("derived", b"d")] == wanted
    assert (folder / LAYOUT_FILE).read_text() == "2\n"


def _second(then: Any, original: Any) -> Any:
    calls: list[int] = []

    def call(*arguments: Any) -> None:
        calls.append(1)
        (original if len(calls) == 1 else then)(*arguments)

    return call


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ("99", "newer version"),
        ("2>3", "newer version"),
        ("0", "at the oldest"),
        ("", "at the oldest"),
        ("two", "at the oldest"),
        ("\udcff", "at the oldest"),
    ],
)
def test_a_layout_that_is_not_known_is_refused(tmp_path: Path, told: str, says: str):
    (tmp_path / LAYOUT_FILE).write_bytes(told.encode(errors="surrogateescape"))
    with pytest.raises(StoreLayoutError, match=says) as refused:
        open_store(tmp_path, ("meta",))
    assert "checkpoint" in str(refused.value)
    assert "rebuild" in str(refused.value) or "Run that version" in str(refused.value)


def test_an_old_store_is_not_read_before_it_is_brought_up(old: Path):
    with pytest.raises(StoreLayoutError, match="cartograph state migrate"):
        RocksStore(old / "stores" / "graph" / "0", GRAPH_TABLES, read_only=True)


def new_owner(store: MemoryStore) -> Owner:
    return Owner(
        "shoppers", 0, store, SPECS["shoppers"].build(settings(), Bundles()), {}, graph="g/1"
    )


def a_store(layout: int) -> MemoryStore:
    store = MemoryStore()
    new_owner(store).commit()
    with_layout(store, layout)
    store.commit()
    return store


def test_steps_are_taken_one_after_the_other_in_one_commit():
    store = a_store(3)
    commits: list[dict[bytes, bytes]] = []
    commit = store.commit

    def counted() -> None:
        commit()
        commits.append(dict(store.durable.get("t", {})))

    store.commit = counted  # type: ignore[method-assign]
    told: list[str] = []
    steps = {
        3: lambda state, stage: (told.append(f"3 {stage}"), state.put("t", b"a", b"1"))[0],
        4: lambda state, stage: (told.append("4"), state.put("t", b"b", state.get("t", b"a")))[0],
    }
    assert bring_up(store, steps=steps, to=5) == 3
    assert told == ["3 shoppers", "4"]
    assert commits == [{b"a": b"1", b"b": b"1"}]
    assert bring_up(store, steps=steps, to=5) is None


def test_a_gap_in_the_steps_or_newer_rows_are_refused_and_nothing_is_changed():
    store = a_store(3)
    with pytest.raises(StateError, match="nothing is known of layout 4"):
        bring_up(store, steps={3: lambda state, stage: state.put("t", b"a", b"")}, to=5)
    assert store.get("t", b"a") is None
    with pytest.raises(StateError, match="run the version"):
        bring_up(store, to=2)
    with pytest.raises(StateError, match="state migrate"):
        new_owner(store)


def test_every_layout_since_the_oldest_has_a_step():
    assert sorted(STEPS) == list(range(OLDEST_LAYOUT, LAYOUT_VERSION))


_KILLED = """
import os, sys, pathlib
from streams.totals.owner import Owner, Start
from streams.registry import SPECS
from streams.stages import Bundles
from tests.in_process import settings
from topology.store.rocksdb import RocksStore

shoppers = SPECS["shoppers"]
store = RocksStore(pathlib.Path(sys.argv[1]), shoppers.all_tables)
built = shoppers.build(settings(), Bundles())
owner = Owner("shoppers", 0, store, built, {}, graph="g/1")
owner.start(Start(7, None, {}, "boot"))
for _ in range(20):
    store.put("ledger", b"row", bytes(1_000))
    owner.commit()
print(owner.kept.version)
sys.stdout.flush()
os._exit(0)
"""


def test_a_store_that_lost_commits_is_a_restored_one_for_whoever_opens_it_next(tmp_path: Path):
    """The next to open it finds a sound log: a worker after a kill, or after `state migrate`."""
    tables, killed = SPECS["shoppers"].all_tables, tmp_path / "killed"
    written = subprocess.run(
        [sys.executable, "-c", _KILLED, str(killed)], check=True, capture_output=True, text=True
    )
    log = max(killed.glob("*.log"), key=lambda file: file.stat().st_size)
    data = bytearray(log.read_bytes())
    data[-3_000] ^= 0xFF
    log.write_bytes(data)
    with open_store(killed, tables) as store:
        assert store.lost_commits  # or the test shows nothing
    with open_store(killed, tables) as store:
        assert not store.lost_commits
        kept = kept_of(store)
    assert kept is not None
    assert (kept.incarnation, kept.graph) == (-1, "g/1")
    assert 1 < kept.version < int(written.stdout)


def test_products_without_their_records_are_refused_with_what_to_do(old: Path):
    folder = old / "stores" / "products" / "0"
    with RocksStore(folder, ("records",), oldest=1) as store:
        (key, _), *_ = store.scan("records", limit=1)
        store.delete("records", key)
        store.commit()
    with pytest.raises(StateError, match="CARTOGRAPH_ALLOW_EMPTY_STORE=1"):
        open_store(folder, SPECS["products"].all_tables)


def test_the_commands_bring_up_check_and_say_what_is_wrong(
    old: Path, monkeypatch: pytest.MonkeyPatch
):
    (old / "stores").rename(old / "golden")
    monkeypatch.chdir(old)
    for name, value in (("PREFIX", "golden"), ("PARTITIONS", "1"), ("DATA_DIR", str(old))):
        monkeypatch.setenv(f"CARTOGRAPH_{name}", value)
    monkeypatch.setenv("CARTOGRAPH_ALLOWANCE_MS", str(settings().allowance_ms))

    def call(*words: str) -> Any:
        return CliRunner().invoke(app, ["state", *words])

    early = call("check")
    assert early.exit_code == 2
    assert "cartograph state migrate" in early.output
    rows = json.loads(call("migrate", "--json").stdout)
    assert [(row["stage"], row["before"], row["now"]) for row in rows] == [
        (stage, 1, LAYOUT_VERSION) for stage in STAGES
    ]
    assert "0 of 4 brought up" in call("migrate").output
    healthy = call("check", "--json")
    assert healthy.exit_code == 0, healthy.output
    found = json.loads(healthy.stdout)
    assert (found["partitions"], found["count"], found["problems"]) == (4, 0, [])
    assert found["facts"] > 250
    with RocksStore(old / "golden" / "graph" / "0", GRAPH_TABLES) as store:
        store.delete("by_head", store.scan("by_head", limit=1)[0][0])
        store.commit()
    wrong = call("check")
    assert wrong.exit_code == 1
    assert "by_head" in wrong.output
    assert "restore its newest checkpoint" in wrong.output
