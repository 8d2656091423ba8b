"""Checkpoints of a graph that was dropped go as a whole, and nothing of any other graph does."""

import os
import secrets
import time
from pathlib import Path

import pytest

from streams.checkpoint.copying import Hashes, save
from streams.checkpoint.manifest import Completed, Manifest
from streams.checkpoint.place import Place
from streams.checkpoint.pruning import LetGo, Pruned, remove_all
from streams.checkpoint.restoring import check_files
from tests.contracts.test_checkpoint_place import HOUR_MS, fresh, manifest

IDS = ("20261105T120000Z", "20261105T130000Z")


@pytest.fixture
def graph(url: str) -> str:
    return f"graph{secrets.token_hex(3)}"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The same bytes for every graph: only the names of their places keep them apart."""
    folder = tmp_path / "store"
    folder.mkdir()
    for name in ("CURRENT", "000001.sst", "000002.sst"):
        (folder / name).write_bytes(name.encode() * 100)
    return folder


def filled(place: Place, store: Path) -> list[Manifest]:
    made = []
    for each in IDS:
        told = manifest(checkpoint=each)
        made.append(save(place, store, told, hashes=Hashes(), token=fresh()).manifest)
    place.put_completed(Completed(IDS[0], 1, 1))
    return made


def later(hours: int = 2) -> int:
    return time.time_ns() // 10**6 + hours * HOUR_MS


def contents(place: Place) -> tuple[list[str], dict[str, int]]:
    return place.ids(), {name: stored.size for name, stored in place.files().items()}


def test_all_of_it_goes_and_graphs_beside_it_and_of_longer_names_stay(
    url: str, graph: str, store: Path
):
    dropped, live, longer = (
        Place(url, name) for name in (f"{graph}.try", graph, f"{graph}.try-again")
    )
    filled(dropped, store)
    kept = {place: (filled(place, store), contents(place)) for place in (live, longer)}
    size = sum(stored.size for stored in dropped.files().values())
    count = len(dropped.files())
    done = remove_all(LetGo(dropped, later(-2)), now_ms=later(), grace_ms=HOUR_MS)
    assert done == Pruned(IDS, count, size)
    assert contents(dropped) == ([], {})
    for place, (made, before) in kept.items():
        assert contents(place) == before
        assert check_files(place, made) == []
    assert remove_all(LetGo(dropped, later(-2)), now_ms=later(), grace_ms=HOUR_MS) == Pruned(
        (), 0, 0
    )


def test_the_first_one_goes_without_those_beside_it(url: str, graph: str, store: Path):
    live, heir = Place(url, graph), Place(url, f"{graph}.heir")
    filled(live, store)
    made, before = filled(heir, store), contents(heir)
    assert remove_all(LetGo(live, later(-2)), now_ms=later(), grace_ms=HOUR_MS)
    assert contents(live) == ([], {})
    assert contents(heir) == before
    assert check_files(heir, made) == []


def test_while_anything_there_is_young_all_of_it_stays(url: str, graph: str, store: Path):
    """Who writes there may name old files again: one young thing is enough."""
    place = Place(url, f"{graph}.try")
    filled(place, store)
    before = contents(place)
    assert remove_all(LetGo(place, later(-2)), now_ms=later(0), grace_ms=HOUR_MS) is None
    assert contents(place) == before


def test_it_stays_for_the_grace_after_it_was_let_go(store: Path, tmp_path: Path):
    """However old it is: whoever dropped the graph has that long to think again."""
    place, now_ms = Place(str(tmp_path / "place"), "graph.try"), later(48)
    filled(place, store)
    before = contents(place)
    assert remove_all(LetGo(place, now_ms - HOUR_MS + 1), now_ms=now_ms, grace_ms=HOUR_MS) is None
    assert contents(place) == before
    assert remove_all(LetGo(place, now_ms - HOUR_MS), now_ms=now_ms, grace_ms=HOUR_MS)
    assert contents(place) == ([], {})


@pytest.mark.parametrize("young", ["manifest", "file"])
def test_a_young_manifest_or_file_alone_keeps_the_rest(store: Path, tmp_path: Path, young: str):
    place = Place(str(tmp_path / "place"), "graph.try")
    filled(place, store)
    root = tmp_path / "place" / "graph.try"
    chosen = next(root.glob("manifests/*/*-0.json" if young == "manifest" else "files/*"))
    old_s = time.time() - 7_200
    for file in root.rglob("*"):
        if file.is_file() and file != chosen:
            os.utime(file, (old_s, old_s))
    before = contents(place)
    assert remove_all(LetGo(place, later(-2)), now_ms=later(0), grace_ms=HOUR_MS) is None
    assert contents(place) == before
    os.utime(chosen, (old_s, old_s))
    assert remove_all(LetGo(place, later(-2)), now_ms=later(0), grace_ms=HOUR_MS)
    assert not root.exists(), "no empty folders are left"
    assert root.parent.exists()


def test_what_another_graph_has_written_there_since_stays(store: Path, tmp_path: Path):
    """Of a name that was dropped there is nobody left who writes: "graph.try" is a prefix, too."""
    place = Place(str(tmp_path / "place"), "graph.try")
    filled(place, store)
    before = contents(place)
    since_ms = later(-25)
    assert remove_all(LetGo(place, since_ms), now_ms=later(48), grace_ms=HOUR_MS) is None
    assert contents(place) == before


class EndedError(Exception):
    """Whatever ends it in the middle."""


class Ending(Place):
    """A place whose user ends after so many removals."""

    left = 0

    def _remove(self, name: str) -> None:
        self.left -= 1
        if self.left < 0:
            raise EndedError
        super()._remove(name)


@pytest.mark.parametrize("after", [0, 1, 3, 5, 7])
def test_cut_short_anywhere_it_goes_on_and_never_lists_what_is_not_whole(
    store: Path, tmp_path: Path, after: int
):
    place = Ending(str(tmp_path / "place"), "graph.try")
    place.left = 10**6
    filled(place, store)
    place.left = after
    with pytest.raises(EndedError):
        remove_all(LetGo(place, later(-2)), now_ms=later(), grace_ms=HOUR_MS)
    whole = Place(place.url, "graph.try")
    left = [whole.manifest(each, "shoppers", 0) for each in whole.ids()]
    assert check_files(whole, [each for each in left if each]) == []
    assert remove_all(LetGo(whole, later(-2)), now_ms=later(), grace_ms=HOUR_MS)
    assert contents(whole) == ([], {})
