"""One contract for every store: what was put is there, and a commit is all or nothing."""

import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from topology.errors import StoreError, StoreLayoutError, StoreLockedError
from topology.store.memory import MemoryStore
from topology.store.rocksdb import LAYOUT_FILE, RocksStore, StoreMemory

TABLES = ("facts", "totals")

# A small alphabet, so that keys collide, share owners and are prefixes of each other.
PARTS = [b"", b"a", b"ab", b"b", b"\xff", b"c\xff"]
KEYS = [b"\0".join(parts) for n in (1, 2, 3) for parts in product(PARTS, repeat=n) if any(parts)]
PREFIXES = [b"", *KEYS, *(key + b"\0" for key in KEYS)]
OPERATIONS = ["put"] * 12 + ["delete"] * 4 + ["scan"] * 8 + ["get"] * 4 + ["commit", "reopen"]


class Memory:
    """A MemoryStore whose durable rows live on when it is closed."""

    def __init__(self) -> None:
        self.durable: dict[str, dict[bytes, bytes]] = {}

    def open(self) -> MemoryStore:
        store = MemoryStore(self.durable)
        self.durable = store.durable
        return store


class Rocks:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "store"
        self.memory = StoreMemory(cache_bytes=1 << 20, write_buffer_bytes=1 << 20)

    def open(self) -> RocksStore:
        return RocksStore(self.path, TABLES, memory=self.memory)


@pytest.fixture(params=["memory", "rocksdb"])
def make(request: pytest.FixtureRequest) -> Iterator[Callable[[], Any]]:
    """Call it for a folder (or its like) of one's own, with `open()`."""
    with tempfile.TemporaryDirectory() as folder:
        counter = iter(range(10**9))

        def made() -> Any:
            if request.param == "memory":
                return Memory()
            return Rocks(Path(folder) / str(next(counter)))

        yield made


Rows = dict[str, dict[bytes, bytes]]


def expected_scan(
    rows: dict[bytes, bytes], prefix: bytes, after: bytes | None, limit: int | None
) -> list[tuple[bytes, bytes]]:
    found = [
        (key, value)
        for key, value in sorted(rows.items())
        if key.startswith(prefix) and (after is None or key > after)
    ]
    return found if limit is None else found[:limit]


@pytest.mark.parametrize("seed", range(6))
def test_any_operations_equal_a_dict_and_only_commits_last(
    make: Callable[[], Any], seed: int
) -> None:
    rng = random.Random(seed)
    known = rng.sample(KEYS, 25)
    place = make()
    store = place.open()
    live: Rows = {table: {} for table in TABLES}
    durable: Rows = {table: {} for table in TABLES}
    for number in range(500):
        table, key = rng.choice(TABLES), rng.choice(known)
        match rng.choice(OPERATIONS):
            case "put":
                live[table][key] = b"%d" % number
                store.put(table, key, live[table][key])
            case "delete":
                store.delete(table, key)
                live[table].pop(key, None)
            case "get":
                assert store.get(table, key) == live[table].get(key)
            case "scan":
                prefix = rng.choice([b"", rng.choice(PREFIXES), key.partition(b"\0")[0] + b"\0"])
                after, limit = rng.choice([None, key]), rng.choice([None, 1, 3])
                found = store.scan(table, prefix, after=after, limit=limit)
                assert found == expected_scan(live[table], prefix, after, limit)
            case "commit":
                store.commit()
                durable = {name: dict(rows) for name, rows in live.items()}
            case _:
                store.close()
                store = place.open()
                live = {name: dict(rows) for name, rows in durable.items()}
    for table in TABLES:
        assert store.scan(table) == sorted(live[table].items())
    store.close()


def test_a_scan_sees_what_is_pending_and_passes_over_what_is_deleted(
    make: Callable[[], Any],
) -> None:
    store = make().open()
    for number in range(6):
        store.put("facts", b"shoes\0%d" % number, b"old")
    store.put("facts", b"shirts\0x", b"old")
    store.commit()
    store.delete("facts", b"shoes\x001")
    store.put("facts", b"shoes\x002", b"new")
    store.put("facts", b"shoes\x001b", b"new")
    found = store.scan("facts", b"shoes\0", limit=4)
    assert found == [
        (b"shoes\x000", b"old"),
        (b"shoes\x001b", b"new"),
        (b"shoes\x002", b"new"),
        (b"shoes\x003", b"old"),
    ]
    store.close()


@pytest.fixture
def rocks(tmp_path: Path) -> Rocks:
    return Rocks(tmp_path)


def test_many_gets_at_once_equal_single_gets(rocks: Rocks) -> None:
    with rocks.open() as store:
        store.put("facts", b"a", b"1")
        store.put("facts", b"b", b"2")
        store.commit()
        assert store.get_many("facts", [b"a", b"c"]) == [b"1", None]
        store.delete("facts", b"a")
        store.put("facts", b"c", b"3")
        asked = [b"c", b"a", b"b", b"d"]
        assert store.get_many("facts", asked) == [store.get("facts", key) for key in asked]


WRITER = """
import sys
from pathlib import Path
from topology.store.rocksdb import RocksStore
store = RocksStore(Path(sys.argv[1]), ("facts", "totals"))
number = int(store.get("facts", b"number") or 0)
while True:
    number += 1
    for row in range(50):
        store.put("facts", b"row\\0%d" % row, b"%d" % number)
        store.put("totals", b"row\\0%d" % row, b"%d" % number)
    store.put("facts", b"number", b"%d" % number)
    store.commit()
    print(number, flush=True)
"""


def test_kill_9_leaves_whole_commits_over_all_tables(rocks: Rocks) -> None:
    rng = random.Random(3)
    command = [sys.executable, "-c", WRITER, str(rocks.path)]
    for _ in range(3):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            told = 0
            for _ in range(rng.randrange(5, 60)):
                told = int(process.stdout.readline())
            process.send_signal(signal.SIGKILL)
            process.wait()
        with rocks.open() as store:
            number = store.get("facts", b"number")
            assert number is not None
            assert int(number) >= told
            rows = store.scan("facts", b"row\0") + store.scan("totals", b"row\0")
            assert {value for _, value in rows} == {number}
            assert len(rows) == 100


def test_a_store_that_another_process_holds_is_refused_with_what_to_do(rocks: Rocks) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(rocks.path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            with pytest.raises(StoreLockedError, match="stop that process"):
                rocks.open()
            # Looking is allowed, and sees one commit, not half of one.
            with RocksStore(rocks.path, TABLES, read_only=True) as seen:
                assert len({value for _, value in seen.scan("facts", b"row\0")}) == 1
        finally:
            process.kill()
            process.wait()
    rocks.open().close()


def test_close_lets_go_of_the_lock_at_once(rocks: Rocks) -> None:
    for number in range(3):
        store = rocks.open()
        store.put("facts", b"k", b"%d" % number)
        store.commit()
        store.scan("facts", limit=1)
        store.close()
        store.close()
    with rocks.open() as store:
        assert store.get("facts", b"k") == b"2"


def test_another_layout_is_refused(rocks: Rocks) -> None:
    rocks.open().close()
    (rocks.path / LAYOUT_FILE).write_text("99\n")
    with pytest.raises(StoreLayoutError, match="rebuild it by replay"):
        rocks.open()


def test_a_folder_of_somebody_else_is_left_alone(rocks: Rocks) -> None:
    rocks.path.mkdir()
    (rocks.path / "letter.txt").write_text("dear")
    with pytest.raises(StoreLayoutError, match="another folder"):
        rocks.open()
    assert [file.name for file in rocks.path.iterdir()] == ["letter.txt"]


def test_looking_at_a_store_changes_nothing(rocks: Rocks, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no store"):
        RocksStore(tmp_path / "nothing", TABLES, read_only=True)
    assert not (tmp_path / "nothing").exists()
    rocks.open().close()
    with RocksStore(rocks.path, (*TABLES, "later"), read_only=True) as store:
        assert store.scan("later") == []
        assert store.get("later", b"k") is None
        with pytest.raises(StoreError, match="to be read"):
            store.put("facts", b"k", b"v")


def test_a_table_that_was_not_declared_is_an_error(rocks: Rocks) -> None:
    with rocks.open() as store, pytest.raises(StoreError, match="no table 'spans'"):
        store.put("spans", b"k", b"v")
    with pytest.raises(StoreError, match="closed"):
        store.get("facts", b"k")


def test_a_table_is_kept_by_a_program_that_does_not_know_it(rocks: Rocks) -> None:
    with RocksStore(rocks.path, (*TABLES, "other")) as store:
        store.put("other", b"k", b"v")
        store.commit()
    rocks.open().close()
    with RocksStore(rocks.path, (*TABLES, "other")) as store:
        assert store.get("other", b"k") == b"v"


def test_a_checkpoint_is_a_store_of_what_was_committed(rocks: Rocks, tmp_path: Path) -> None:
    with rocks.open() as store:
        store.put("facts", b"a", b"1")
        store.commit()
        store.put("facts", b"b", b"2")
        store.checkpoint(tmp_path / "kept" / "checkpoint")
        store.commit()
        with pytest.raises(StoreError, match="exists"):
            store.checkpoint(tmp_path / "kept" / "checkpoint")
    with RocksStore(tmp_path / "kept" / "checkpoint", TABLES) as copy:
        assert copy.scan("facts") == [(b"a", b"1")]
