"""A store that is looked at stays as it was when it was opened, whatever its writer does."""

import time
from pathlib import Path

from topology.store.rocksdb import RocksStore

TABLES = tuple(f"table{number}" for number in range(12))
"""More files than RocksDB opens at once by itself: 16 of all tables together."""


def write(store: RocksStore, value: bytes) -> None:
    """A file for each table."""
    for table in TABLES:
        store.put(table, b"key", value)
        store.put(table, value, value)
    store.commit()
    store.flush()


def files(folder: Path) -> set[str]:
    return {file.name for file in folder.glob("*.sst")}


def test_files_that_a_compaction_removes_are_read_by_who_opened_the_store_before(tmp_path: Path):
    with RocksStore(tmp_path, TABLES) as store:
        write(store, b"1")
        write(store, b"2")
        before = files(tmp_path)
        assert len(before) > 16
        with RocksStore(tmp_path, TABLES, read_only=True) as seen:
            for number in range(3, 9):
                write(store, b"%d" % number)
            deadline = time.monotonic() + 60
            while before & files(tmp_path):
                assert time.monotonic() < deadline, "nothing was compacted"
                time.sleep(0.02)
            for table in TABLES:
                assert seen.get(table, b"key") == b"2"
                assert [key for key, _ in seen.scan(table)] == [b"1", b"2", b"key"]
                assert list(seen.damage()) == []
