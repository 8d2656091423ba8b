"""A store that is removed is whole or gone, whoever looks at it or dies meanwhile."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from rocksdict import Rdict

from topology.errors import StoreError
from topology.store import patience, rocksdb
from topology.store.layout import write_layout
from topology.store.removal import remove
from topology.store.rocksdb import RocksStore

LOOK = """
import sys
from contextlib import suppress
from pathlib import Path
from topology.errors import StoreError
from topology.store.rocksdb import RocksStore
print("looks", flush=True)
while True:
    with suppress(StoreError), RocksStore(Path(sys.argv[1]), ("rows",), read_only=True) as store:
        store.get("rows", b"key")
"""


def made(folder: Path) -> Path:
    with RocksStore(folder, ("rows",)) as store:
        store.put("rows", b"key", b"value")
        store.commit()
    return folder


def test_a_removal_cut_short_leaves_no_half_of_a_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = made(tmp_path / "0")

    def killed(path: Path, ignore_errors: bool = False) -> None:
        for file in list(path.glob("MANIFEST-*")):
            file.unlink()
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            remove(folder)
    assert not folder.exists()
    with RocksStore(folder, ("rows",)) as store:
        assert store.get("rows", b"key") is None
    remove(folder)
    assert list(tmp_path.iterdir()) == []
    remove(folder)


def test_a_look_leaves_nothing_in_a_folder_without_a_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(patience, "_WAIT_S", 0.0)
    write_layout(tmp_path)
    with pytest.raises(StoreError, match="damaged"):
        RocksStore(tmp_path, ("rows",), read_only=True)
    assert [file.name for file in tmp_path.iterdir()] == ["cartograph-layout"]


def test_what_a_look_left_where_a_store_was_is_in_nobodys_way(tmp_path: Path):
    folder = tmp_path / "0"
    folder.mkdir()
    (folder / "rocksdict-config.json").write_text("{}")
    assert made(folder) == folder


def test_a_look_that_a_removal_overtakes_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = made(tmp_path / "0")

    class Overtaken:
        def __new__(cls, *args: object, **options: object) -> Rdict:  # type: ignore[misc]
            return Rdict(*args, **options)

        @staticmethod
        def list_cf(path: str, options: object) -> list[str]:
            found = list(Rdict.list_cf(path, options))
            remove(folder)
            return found

    monkeypatch.setattr(rocksdb, "Rdict", Overtaken)
    with pytest.raises(StoreError, match="No such file"):
        RocksStore(folder, ("rows",), read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_renamed_is_told(tmp_path: Path):
    folder = made(tmp_path / "0")
    (tmp_path / "0.removed").write_text("a file of this name")
    with pytest.raises(StoreError, match="cannot be removed"):
        remove(folder)
    assert made(folder) == folder


@pytest.mark.slow
def test_stores_come_and_go_while_another_process_looks_at_them(tmp_path: Path):
    folder = tmp_path / "0"
    command = [sys.executable, "-c", LOOK, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as looks:
        try:
            assert looks.stdout is not None
            assert looks.stdout.readline() == b"looks\n"
            for _ in range(30):
                remove(made(folder))
            assert looks.poll() is None
        finally:
            looks.kill()
