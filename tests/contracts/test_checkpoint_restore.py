"""A restore by hand that was interrupted goes on where it stopped, and replaces nothing else."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streams.checkpoint.copying import Hashes, save
from streams.checkpoint.manifest import Completed, Manifest
from streams.checkpoint.place import Place
from streams.checkpoint.restoring import restore_all
from streams.cli import checkpoint as cli
from streams.errors import CheckpointError, StateError
from streams.settings import Settings
from streams.totals.owner import KEPT, Owner, Start, without_incarnation
from streams.totals.tables import TABLES
from tests.contracts.test_checkpoint_place import fresh, manifest
from tests.s3 import serving
from tests.unit.streams.test_owner import Counting, told
from topology.store.layout import ROCKSDICT_FILE
from topology.store.rocksdb import RocksStore

PARTITIONS = 3
ID, OTHER = "20261105T120000Z", "20261105T130000Z"


def settings_in(folder: Path, url: str) -> Settings:
    return Settings(
        prefix="graph", partitions=PARTITIONS, data_dir=folder / "data", checkpoint_url=url
    )


def owner(store: RocksStore, number: int, *, claim: int, last: int | None) -> Owner:
    made = Owner("shoppers", number, store, Counting, {"claims": 1}, graph=f"graph/{PARTITIONS}")
    made.start(Start(claim, last, {"bought": 0}, "boot"))
    return made


def put(place: Place, folder: Path, checkpoint: str, rows: int) -> list[Manifest]:
    """Checkpoints of partitions that have read so many records, as a worker makes them."""
    made = []
    for number in range(PARTITIONS):
        with RocksStore(folder / f"{checkpoint}-{number}", TABLES) as store:
            one = owner(store, number, claim=7 + number, last=None)
            records = [told(each, b"%d" % each, 3, each + 1) for each in range(rows)]
            one.read("bought", records, rows)
            one.commit()
            row = store.get("meta", KEPT)
            assert row is not None
            store.put("meta", KEPT, without_incarnation(row))
            store.commit()
            copy = folder / f"{checkpoint}-{number}.copy"
            store.checkpoint(copy)
        told_of = manifest(number, checkpoint, graph=f"graph/{PARTITIONS}")
        made.append(save(place, copy, told_of, hashes=Hashes(), token=fresh()).manifest)
    place.put_completed(Completed(checkpoint, 1, PARTITIONS))
    return made


@pytest.fixture(scope="module", params=["folder", "moto"])
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Place, list[Manifest]]]:
    folder = tmp_path_factory.mktemp("made")
    if request.param == "folder":
        place = Place(str(folder / "place"), "graph")
        yield place, put(place, folder, ID, 40)
        return
    with serving(request.param, folder) as url:
        place = Place(url, "graph")
        yield place, put(place, folder, ID, 40)


@pytest.fixture
def folder(tmp_path: Path) -> Place:
    return Place(str(tmp_path / "place"), "graph")


def target(settings: Settings, number: int) -> Path:
    return settings.data_dir / "graph" / "shoppers" / str(number)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def are_whole(settings: Settings, parts: list[Manifest]) -> None:
    for part in parts:
        found = target(settings, part.partition)
        assert {path.name: path.stat().st_size for path in found.iterdir()} == {
            file.name: file.size for file in part.files
        }
        with RocksStore(found, TABLES, read_only=True) as store:
            assert store.scan("totals")
    assert not list(settings.data_dir.glob("graph/*/*.restoring"))


def marks(folder: Path) -> set[tuple[str, int, int]]:
    """Which files these are: one that was written again is another."""
    return {(path.name, path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.iterdir()}


class EndedError(Exception):
    """Whatever ends a command in the middle."""


def test_it_goes_on_with_the_partition_at_which_it_was_ended(
    made: tuple[Place, list[Manifest]], tmp_path: Path
):
    place, parts = made
    settings = settings_in(tmp_path, place.url)
    left = [parts[0].size + parts[1].files[0].size]

    def ending(size: int) -> None:
        left[0] -= size
        if left[0] <= 0:
            raise EndedError

    with pytest.raises(EndedError):
        restore_all(settings, place, parts, note=ending)
    before = marks(target(settings, 0))
    assert not target(settings, 2).exists()
    came: list[int] = []
    assert restore_all(settings, place, parts, note=came.append) == 1
    assert sum(came) == sum(part.size for part in parts), "progress counts what stood there"
    assert marks(target(settings, 0)) == before, "it is kept, not fetched again"
    are_whole(settings, parts)
    assert restore_all(settings, place, parts) == PARTITIONS, "once more changes nothing"


KILLED = """
import os, signal, sys
from pathlib import Path
from streams.checkpoint import copying
from streams.checkpoint.place import Place
from streams.checkpoint.pruning import manifests
from streams.checkpoint.restoring import restore_all
from tests.contracts.test_checkpoint_restore import ID, settings_in
copying._AT_ONCE = 1
left, rename, fetch = int(sys.argv[4]), Path.rename, Place.fetch_file
def die():
    os.kill(os.getpid(), signal.SIGKILL)
def fetching(self, stored, target):
    global left
    left -= 1
    if sys.argv[3] == "file" and left == 0:
        target.write_bytes(b"half")
        die()
    fetch(self, stored, target)
def renaming(self, to):
    if sys.argv[3] == "before":
        die()
    rename(self, to)
    if sys.argv[3] == "behind":
        die()
Place.fetch_file, Path.rename = fetching, renaming
place = Place(sys.argv[2], "graph")
restore_all(settings_in(Path(sys.argv[1]), sys.argv[2]), place, manifests(place, ID))
"""


@pytest.mark.parametrize(
    ("at", "done", "stood"),
    [("file", 0, 0), ("file", 1, 1), ("before", 0, 0), ("behind", 0, 1)],
)
def test_a_kill_at_any_file_or_rename_costs_nothing(
    folder: Place, tmp_path: Path, at: str, done: int, stood: int
):
    parts = put(folder, tmp_path, ID, 40)
    files = sum(len(part.files) for part in parts[:done]) + 2
    words = [sys.executable, "-c", KILLED, str(tmp_path), folder.url, at, str(files)]
    assert subprocess.run(words, timeout=60).returncode == -signal.SIGKILL
    settings = settings_in(tmp_path, folder.url)
    assert restore_all(settings, folder, parts) == stood
    are_whole(settings, parts)


def test_a_place_that_went_away_is_waited_for_by_giving_the_command_again(
    folder: Place, tmp_path: Path
):
    parts = put(folder, tmp_path, ID, 40)
    settings, away = settings_in(tmp_path, folder.url), tmp_path / "away"
    came: list[int] = []

    def going(size: int) -> None:
        came.append(size)
        if sum(came) == parts[0].size:
            shutil.move(folder.url, away)

    with pytest.raises(CheckpointError):
        restore_all(settings, folder, parts, note=going)
    shutil.move(away, folder.url)
    assert restore_all(settings, folder, parts) == 1
    are_whole(settings, parts)


FULL = """
import resource, sys
from pathlib import Path
from streams.checkpoint.place import Place
from streams.checkpoint.pruning import manifests
from streams.checkpoint.restoring import restore_all
from streams.errors import CheckpointError
from tests.contracts.test_checkpoint_restore import ID, settings_in
limit = int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
place = Place(sys.argv[2], "graph")
try:
    restore_all(settings_in(Path(sys.argv[1]), sys.argv[2]), place, manifests(place, ID))
except CheckpointError as error:
    print(error)
"""


def test_a_disk_that_takes_no_more_is_told_as_such_and_the_rest_follows(
    folder: Place, tmp_path: Path
):
    parts = put(folder, tmp_path, ID, 40)
    limit = max(file.size for file in parts[0].files) - 1
    words = [sys.executable, "-c", FULL, str(tmp_path), folder.url, str(limit)]
    said = subprocess.run(words, timeout=60, capture_output=True, text=True, check=True).stdout
    assert "make room on its disk" in said
    assert "CARTOGRAPH_CHECKPOINT_URL" not in said, "nothing is wrong there"
    settings = settings_in(tmp_path, folder.url)
    restore_all(settings, folder, parts)
    are_whole(settings, parts)


def add(found: Path) -> None:
    (found / "note.txt").write_text("mine")


def take(found: Path) -> None:
    next(found.glob("*.sst")).unlink()


def change(found: Path) -> None:
    table = next(found.glob("*.sst"))
    data = bytearray(table.read_bytes())
    data[len(data) // 2] ^= 1
    table.write_bytes(data)


def open_once(found: Path) -> None:
    RocksStore(found, TABLES).close()


def run_worker(found: Path) -> None:
    with RocksStore(found, TABLES) as store:
        assert owner(store, 1, claim=20, last=8).kept.incarnation == 20


def run_worker_and_copy(found: Path) -> None:
    """As it left it, but for what RocksDB itself adds: RocksDB's own checkpoint."""
    with RocksStore(found, TABLES) as store:
        owner(store, 1, claim=20, last=8)
        store.checkpoint(found.with_name("copy"))
    shutil.rmtree(found)
    found.with_name("copy").rename(found)


def be_a_file(found: Path) -> None:
    shutil.rmtree(found)
    found.write_text("no folder")


@pytest.mark.parametrize(
    "spoil", [add, take, change, open_once, run_worker, run_worker_and_copy, be_a_file]
)
def test_what_is_not_the_checkpoint_byte_for_byte_is_refused_and_nothing_is_begun(
    folder: Place, tmp_path: Path, spoil: Callable[[Path], None]
):
    """Above all a store that a worker has had since: it holds a claim, and what it told then."""
    parts = put(folder, tmp_path, ID, 40)
    settings = settings_in(tmp_path, folder.url)
    restore_all(settings, folder, parts[:2])
    spoil(target(settings, 1))
    before = None if target(settings, 1).is_file() else bytes_of(target(settings, 1))
    with pytest.raises((StateError, CheckpointError), match="move it away"):
        restore_all(settings, folder, parts)
    assert not target(settings, 2).exists()
    if before is not None:
        assert bytes_of(target(settings, 1)) == before


def test_a_look_at_what_was_restored_leaves_it_as_it_is(folder: Place, tmp_path: Path):
    parts = put(folder, tmp_path, ID, 40)
    settings = settings_in(tmp_path, folder.url)
    restore_all(settings, folder, parts[:1])
    with RocksStore(target(settings, 0), TABLES, read_only=True) as store:
        assert store.scan("totals")
    assert restore_all(settings, folder, parts) == 1


def test_what_a_look_leaves_where_a_store_was_is_no_store(folder: Place, tmp_path: Path):
    """A look that was killed, or one of an older program: it takes that away itself otherwise."""
    parts = put(folder, tmp_path, ID, 40)
    settings = settings_in(tmp_path, folder.url)
    target(settings, 0).mkdir(parents=True)
    (target(settings, 0) / ROCKSDICT_FILE).write_text("{}")
    assert restore_all(settings, folder, parts) == 0
    are_whole(settings, parts)


def test_of_another_checkpoint_nothing_is_taken_for_this_one(folder: Place, tmp_path: Path):
    parts, others = (put(folder, tmp_path, each, rows) for each, rows in ((ID, 40), (OTHER, 50)))
    settings = settings_in(tmp_path, folder.url)
    restore_all(settings, folder, others[:1])
    with pytest.raises(StateError, match=f"not as {ID} has it"):
        restore_all(settings, folder, parts)
    shutil.rmtree(target(settings, 0))

    def racing(size: int) -> None:
        """Another process restores the other one while this one is at its first partition."""
        if not target(settings, 2).exists():
            restore_all(settings, folder, others[2:])

    with pytest.raises(StateError, match=f"not as {ID} has it"):
        restore_all(settings, folder, parts, note=racing)


def test_the_command_says_which_one_it_takes_and_what_stood_there(
    folder: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    parts = put(folder, tmp_path, ID, 40)
    settings = settings_in(tmp_path, folder.url)
    monkeypatch.setattr(cli, "settings", lambda: settings)
    restore_all(settings, folder, parts[:2])
    done = CliRunner().invoke(cli.checkpoint, ["restore", "latest"])
    assert done.exit_code == 0, done.output
    assert f"restoring 3 partitions of {ID}" in done.output
    assert "(2 of them stood there already)" in done.output
