"""One contract for every place of checkpoints: a folder, and S3 as two servers speak it."""

import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.checkpoint.copying import GivenUpError, Hashes, fetch, save
from streams.checkpoint.manifest import Completed, Manifest
from streams.checkpoint.place import Place
from streams.checkpoint.pruning import manifests, prune
from streams.checkpoint.restoring import check_files
from streams.errors import CheckpointError, DamagedCheckpointError
from tests.s3 import serving
from topology.store.layout import LAYOUT_VERSION, ROCKSDICT_FILE
from topology.store.rocksdb import RocksStore

TABLES = ("meta", "totals")
ROWS = 3_000
HOUR_MS = 3_600_000


@pytest.fixture
def place(url: str) -> Place:
    return Place(url, f"graph{secrets.token_hex(3)}")


@pytest.fixture
def folder(tmp_path: Path) -> Place:
    return Place(str(tmp_path / "place"), "graph")


def manifest(number: int = 0, checkpoint: str = "20261105T120000Z", **more: object) -> Manifest:
    told = {
        "checkpoint": checkpoint,
        "stage": "shoppers",
        "partition": number,
        "graph": "graph/2",
        "created_ms": 1,
        "program": "0.1.0",
        "layout": LAYOUT_VERSION,
        "incarnation": 7,
        "offsets": {"events": 5},
        **more,
    }
    return Manifest(**told)  # type: ignore[arg-type]


def fresh() -> str:
    return secrets.token_hex(4)


class Source:
    """A store that grows, and its checkpoints."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = RocksStore(folder / "store", TABLES)
        self.written = self.copies = 0

    def grow(self, rows: int = ROWS) -> Path:
        for number in range(self.written, self.written + rows):
            self.store.put("totals", b"%08d" % number, secrets.token_bytes(50))
        self.written += rows
        self.store.commit()
        self.copies += 1
        copy = self.folder / f"copy-{self.copies}"
        self.store.checkpoint(copy)
        return copy


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Source]:
    made = Source(tmp_path)
    yield made
    made.store.close()


def rows_of(folder: Path) -> list[tuple[bytes, bytes]]:
    with RocksStore(folder, TABLES, read_only=True) as store:
        return store.scan("totals")


def test_what_is_saved_comes_back_and_what_is_unchanged_is_not_copied_again(
    place: Place, source: Source, tmp_path: Path
):
    first = save(place, source.grow(), manifest(), hashes=Hashes(), token=fresh())
    assert first.copied == sum({f.sha256: f.size for f in first.manifest.files}.values())
    assert place.ids() == [first.manifest.checkpoint]
    assert place.manifest(first.manifest.checkpoint, "shoppers", 0) == first.manifest
    later = manifest(checkpoint="20261105T130000Z")
    second = save(place, source.grow(100), later, hashes=Hashes(), token=fresh())
    tables = {f.sha256 for f in first.manifest.files if f.name.endswith(".sst")}
    assert tables <= {f.sha256 for f in second.manifest.files}
    assert second.copied < first.copied / 4
    newest = [each.checkpoint for each in place.newest("shoppers", 0)]  # type: ignore[union-attr]
    assert newest == ["20261105T130000Z", "20261105T120000Z"]
    left = tmp_path / "back" / "20261105T120000Z"
    left.mkdir(parents=True)
    (left / ROCKSDICT_FILE).write_text("of a look at what was here")
    came = []
    for found in (first.manifest, second.manifest):
        fetch(place, found, tmp_path / "back" / found.checkpoint, done=came.append)
    assert sum(came) == first.manifest.size + second.manifest.size
    assert rows_of(tmp_path / "back" / "20261105T120000Z") == source.store.scan("totals")[:ROWS]
    assert rows_of(tmp_path / "back" / "20261105T130000Z") == source.store.scan("totals")
    assert check_files(place, [first.manifest, second.manifest]) == []


def test_complete_is_said_apart_and_a_removed_checkpoint_is_gone(place: Place, source: Source):
    save(place, source.grow(), manifest(), hashes=Hashes(), token=fresh())
    assert place.completed("20261105T120000Z") is None
    place.put_completed(Completed("20261105T120000Z", 5, 1))
    assert place.completed("20261105T120000Z") == Completed("20261105T120000Z", 5, 1)
    assert set(place.parts("20261105T120000Z")) == {("shoppers", 0)}
    place.remove("20261105T120000Z")
    assert place.ids() == []
    place.remove("20261105T120000Z")


def test_a_damaged_and_a_missing_file_are_told_and_leave_no_folder(
    place: Place, source: Source, tmp_path: Path
):
    saved = save(place, source.grow(), manifest(), hashes=Hashes(), token=fresh()).manifest
    table = next(file for file in saved.files if file.name.endswith(".sst"))
    bad = tmp_path / "bad"
    bad.write_bytes(bytes(table.size))
    place.put_file(bad, table.stored)
    with pytest.raises(DamagedCheckpointError, match=f"{table.sha256}.* is damaged"):
        fetch(place, saved, tmp_path / "back")
    assert [table.sha256 in said for said in check_files(place, [saved])] == [True]
    place.remove_file(table.stored)
    with pytest.raises(DamagedCheckpointError, match="missing"):
        fetch(place, saved, tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_prune_keeps_what_a_kept_manifest_names(place: Place, source: Source, tmp_path: Path):
    ids = [f"2026110{day}T120000Z" for day in range(1, 5)]
    for each in ids:
        save(place, source.grow(500), manifest(checkpoint=each), hashes=Hashes(), token=fresh())
        place.put_completed(Completed(each, 1, 1))
    # Nothing is as old as the grace yet.
    now_ms = time.time_ns() // 10**6
    held = prune(place, keep=2, now_ms=now_ms, grace_ms=HOUR_MS)
    assert (held.checkpoints, held.files) == (tuple(ids[:2]), 0)
    done = prune(place, keep=2, now_ms=now_ms + 2 * HOUR_MS, grace_ms=HOUR_MS)
    assert done.checkpoints == ()
    assert done.files > 0
    left = manifests(place)
    assert [each.checkpoint for each in left] == ids[2:]
    assert set(place.files()) == {file.stored for each in left for file in each.files}
    for each in left:
        fetch(place, each, tmp_path / each.checkpoint)


def test_a_file_that_vanishes_before_the_manifest_is_copied_again(
    place: Place, source: Source, monkeypatch: pytest.MonkeyPatch
):
    first = save(place, source.grow(), manifest(), hashes=Hashes(), token=fresh()).manifest
    table = next(file for file in first.files if file.name.endswith(".sst"))
    place.remove_file(table.stored)
    later = manifest(checkpoint="20261105T130000Z")
    second = save(place, source.grow(1), later, hashes=Hashes(), token=fresh())
    assert table.sha256 in {file.sha256 for file in second.manifest.files}
    assert table not in second.manifest.files  # it stands there under another name
    assert second.copied >= table.size
    assert check_files(place, [second.manifest]) == []


def test_who_lost_the_partition_lists_nothing(place: Place, source: Source):
    turns = iter([True] * 4 + [False] * 100)
    with pytest.raises(GivenUpError):
        save(
            place,
            source.grow(),
            manifest(),
            hashes=Hashes(),
            token=fresh(),
            wanted=lambda: next(turns),
        )
    assert place.ids() == []


def test_a_damaged_manifest_is_passed_over_and_stops_the_pruning_of_files(
    folder: Place, source: Source, tmp_path: Path
):
    for hour in (12, 13):
        told = manifest(checkpoint=f"20261105T{hour}0000Z")
        save(folder, source.grow(), told, hashes=Hashes(), token=fresh())
        folder.put_completed(Completed(told.checkpoint, 1, 1))
    file = tmp_path / "place/graph/manifests/20261105T130000Z/shoppers-0.json"
    file.write_text(file.read_text()[:100])
    found = list(folder.newest("shoppers", 0))
    assert isinstance(found[0], DamagedCheckpointError)
    assert isinstance(found[1], Manifest)
    files = set(folder.files())
    with pytest.raises(CheckpointError, match="remove the folder manifests/20261105T130000Z"):
        prune(folder, keep=1, now_ms=10**15, grace_ms=0)
    assert set(folder.files()) == files


KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from streams.checkpoint import copying, place
from tests.contracts.test_checkpoint_place import manifest
copying._AT_ONCE = 1
left, copy = int(sys.argv[3]), shutil.copyfile
def dying(source, target):
    global left
    left -= 1
    if left < 0:
        Path(target).write_bytes(Path(source).read_bytes()[:10])
        os.kill(os.getpid(), signal.SIGKILL)
    return copy(source, target)
shutil.copyfile = dying
found = place.Place(sys.argv[1], "graph")
copying.save(found, Path(sys.argv[2]), manifest(), hashes=copying.Hashes(), token='00000000')
"""


@pytest.mark.parametrize("after", [0, 2, 4])
def test_a_kill_in_the_middle_lists_nothing_and_the_next_try_goes_on(
    folder: Place, source: Source, tmp_path: Path, after: int
):
    copy = source.grow()
    assert len(list(copy.iterdir())) > 4
    words = [sys.executable, "-c", KILLED, folder.url, str(copy), str(after)]
    assert subprocess.run(words, timeout=60).returncode == -signal.SIGKILL
    assert folder.ids() == []
    assert len([name for name in folder.files() if name.startswith(".new-")]) == 1
    again = save(folder, copy, manifest(), hashes=Hashes(), token=fresh())
    assert again.copied == again.manifest.size  # what the other left has another token
    prune(folder, keep=1, now_ms=time.time_ns() // 10**6 + 1_000, grace_ms=0)
    assert set(folder.files()) == {file.stored for file in again.manifest.files}
    fetch(folder, again.manifest, tmp_path / "back")
    assert rows_of(tmp_path / "back") == source.store.scan("totals")


def test_the_next_try_of_who_failed_goes_on_with_what_was_copied(folder: Place, source: Source):
    copy, token = source.grow(), fresh()
    turns = iter([True, True, *[False] * 100])
    with pytest.raises(GivenUpError):
        save(folder, copy, manifest(), hashes=Hashes(), token=token, wanted=lambda: next(turns))
    done = sum(stored.size for stored in folder.files().values())
    assert done > 0
    again = save(folder, copy, manifest(), hashes=Hashes(), token=token)
    assert again.copied == again.manifest.size - done


def test_an_interrupted_fetch_goes_on_with_what_is_right(
    folder: Place, source: Source, tmp_path: Path
):
    saved = save(folder, source.grow(), manifest(), hashes=Hashes(), token=fresh()).manifest
    turns = iter([True, True, *[False] * 100])
    with pytest.raises(GivenUpError):
        fetch(folder, saved, tmp_path / "back", wanted=lambda: next(turns))
    assert not (tmp_path / "back").exists()
    partial = tmp_path / "back.restoring"
    (partial / "of-another-checkpoint.sst").write_bytes(b"x")
    damaged = partial / saved.files[0].name
    damaged.write_bytes(bytes(saved.files[0].size))
    fetch(folder, saved, tmp_path / "back")
    assert {path.name for path in (tmp_path / "back").iterdir()} == {f.name for f in saved.files}
    assert rows_of(tmp_path / "back") == source.store.scan("totals")
    fetch(folder, saved, tmp_path / "back")  # who comes later finds it


def test_a_full_folder_is_never_replaced(folder: Place, source: Source, tmp_path: Path):
    saved = save(folder, source.grow(), manifest(), hashes=Hashes(), token=fresh()).manifest
    (tmp_path / "back").mkdir()
    (tmp_path / "back" / "something").touch()
    with pytest.raises(CheckpointError, match="must be empty"):
        fetch(folder, saved, tmp_path / "back")
    assert [path.name for path in (tmp_path / "back").iterdir()] == ["something"]


def test_a_file_system_that_nobody_knows_is_told():
    with pytest.raises(CheckpointError, match="checkpoint_url 'nosuch://bucket/x'"):
        Place("nosuch://bucket/x", "graph")


@pytest.mark.slow
def test_a_bucket_that_is_not_there_is_no_empty_place(tmp_path: Path):
    with (
        serving("moto", tmp_path),
        pytest.raises(CheckpointError, match="there is no 'no-such-bucket'"),
    ):
        Place("s3://no-such-bucket/x", "graph").ids()


def test_a_server_that_is_not_there_is_no_empty_place(monkeypatch: pytest.MonkeyPatch):
    s3fs = pytest.importorskip("s3fs", reason="the extra s3 is not installed")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(CheckpointError, match="CARTOGRAPH_CHECKPOINT_URL"):
        Place("s3://shop/x", "graph").ids()
    s3fs.S3FileSystem.clear_instance_cache()


def test_two_graphs_at_one_place_do_not_meet(folder: Place, source: Source):
    save(folder, source.grow(), manifest(), hashes=Hashes(), token=fresh())
    other = Place(folder.url, "other")
    assert (other.ids(), dict(other.files())) == ([], {})
    shutil.rmtree(folder.url)
