"""A damaged store never gives fewer rows than it had: it says so, and what to do."""

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from topology.errors import StoreError
from topology.store.rocksdb import RocksStore

ROWS, COMMITS = 3_000, 10
WRITER = f"""
import os, random, sys
from pathlib import Path
from topology.store.rocksdb import RocksStore
rng, store = random.Random(5), RocksStore(Path(sys.argv[1]), ("rows", "meta"))
for commit in range({COMMITS}):
    for n in range(commit, {ROWS}, {COMMITS}):
        store.put("rows", b"%06d" % n, rng.randbytes(60))
    store.put("meta", b"commits", b"%d" % (commit + 1))
    store.commit()
    if sys.argv[2] == "tables":
        store.flush()
os._exit(0)
"""


def written(folder: Path, where: str) -> Path:
    """A store whose process died without closing it; its rows are in tables or in the log."""
    subprocess.run([sys.executable, "-c", WRITER, str(folder), where], check=True)
    return folder


@pytest.fixture(scope="module")
def in_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("damage") / "tables", "tables")


@pytest.fixture(scope="module")
def in_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("damage") / "log", "log")


def largest(folder: Path, pattern: str) -> Path:
    return max(folder.glob(pattern), key=lambda file: file.stat().st_size)


def flipped(file: Path, at: float) -> None:
    data = bytearray(file.read_bytes())
    place = int(len(data) * at)
    for n in range(place, place + 16):
        data[n] ^= 0xFF
    file.write_bytes(data)


def broken(store: Path, folder: Path, harm: Callable[[Path], object]) -> Path:
    shutil.copytree(store, folder)
    harm(folder)
    return folder


def said(folder: Path, error: StoreError) -> None:
    assert f"{folder} is damaged" in str(error)
    assert "restore a checkpoint" in str(error)
    assert "CARTOGRAPH_ALLOW_EMPTY_STORE=1" in str(error)


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize(
    "read",
    [
        lambda store: store.scan("rows"),
        lambda store: store.scan("rows", limit=ROWS),
        lambda store: [store.get("rows", b"%06d" % n) for n in range(ROWS)],
        lambda store: store.get_many("rows", [b"%06d" % n for n in range(ROWS)]),
    ],
    ids=["scan", "scan-limit", "get", "get_many"],
)
def test_a_damaged_block_is_an_error_for_every_way_to_read(
    in_tables: Path, tmp_path: Path, read: Callable[[RocksStore], object], read_only: bool
):
    folder = broken(in_tables, tmp_path / "s", lambda f: flipped(largest(f, "*.sst"), 0.5))
    with (
        RocksStore(folder, ("rows", "meta"), read_only=read_only) as store,
        pytest.raises(StoreError) as raised,
    ):
        read(store)
    said(folder, raised.value)


def test_a_scan_over_uncommitted_rows_meets_the_damage_too(in_tables: Path, tmp_path: Path):
    folder = broken(in_tables, tmp_path / "s", lambda f: flipped(largest(f, "*.sst"), 0.5))
    with RocksStore(folder, ("rows", "meta")) as store:
        store.put("rows", b"999999", b"new")
        with pytest.raises(StoreError):
            store.scan("rows", limit=ROWS + 1)


def test_after_a_compaction_met_damage_nothing_is_committed(in_tables: Path, tmp_path: Path):
    folder = broken(in_tables, tmp_path / "s", lambda f: flipped(largest(f, "*.sst"), 0.5))
    with RocksStore(folder, ("rows", "meta")) as store:
        store._families["rows"].compact_range(None, None)  # as RocksDB does by itself, later
        store.put("rows", b"x", b"y")
        with pytest.raises(StoreError) as raised:
            store.commit()
    said(folder, raised.value)


@pytest.mark.parametrize(
    "harm",
    [
        lambda f: largest(f, "*.sst").write_bytes(b"\0" * 100),
        lambda f: largest(f, "*.sst").unlink(),
        lambda f: flipped(largest(f, "MANIFEST-*"), 0.5),
        lambda f: (f / "CURRENT").write_bytes(b"MANIFEST-9\n"),
        lambda f: (f / "CURRENT").unlink(),
    ],
    ids=["table-cut", "table-gone", "manifest", "current", "no-current"],
)
def test_a_store_that_cannot_be_whole_is_not_opened_and_loses_no_file(
    in_tables: Path, tmp_path: Path, harm: Callable[[Path], object]
):
    folder = broken(in_tables, tmp_path / "s", harm)
    before = sorted(file.name for file in folder.glob("*.sst"))
    with pytest.raises(StoreError) as raised:
        RocksStore(folder, ("rows", "meta"))
    said(folder, raised.value)
    assert sorted(file.name for file in folder.glob("*.sst")) == before


@pytest.mark.parametrize("at", [0.2, 0.5, 0.98])
def test_a_damaged_log_gives_whole_commits_and_says_that_some_are_lost(
    in_log: Path, tmp_path: Path, at: float
):
    folder = broken(in_log, tmp_path / "s", lambda f: flipped(largest(f, "*.log"), at))
    with RocksStore(folder, ("rows", "meta")) as store:
        assert store.lost_commits
        commits = int(store.get("meta", b"commits") or b"0")
        assert 0 < commits < COMMITS
        assert len(store.scan("rows")) == commits * ROWS // COMMITS


def test_the_process_ended_in_the_middle_of_a_write(in_log: Path, tmp_path: Path):
    def cut(folder: Path) -> None:
        log = largest(folder, "*.log")
        log.write_bytes(log.read_bytes()[:-100])

    folder = broken(in_log, tmp_path / "s", cut)
    with RocksStore(folder, ("rows", "meta")) as store:
        assert not store.lost_commits  # that commit never ended
        assert store.get("meta", b"commits") == b"%d" % (COMMITS - 1)
    with RocksStore(broken(in_log, tmp_path / "t", lambda f: None), ("rows", "meta")) as store:
        assert not store.lost_commits
        assert len(store.scan("rows")) == ROWS


def test_who_may_open_no_more_files_is_not_told_to_restore(tmp_path: Path):
    tables = tuple(f"table{number}" for number in range(12))
    with RocksStore(tmp_path, tables) as store:
        for table in tables:
            store.put(table, b"key", b"value")
        store.commit()
        store.flush()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 6, hard))
    try:
        with pytest.raises(StoreError) as raised:
            RocksStore(tmp_path, tables, read_only=True)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert "ulimit -n" in str(raised.value)
    assert "restore" not in str(raised.value)
