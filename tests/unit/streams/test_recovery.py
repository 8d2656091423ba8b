"""Where a worker finds the state of a partition that comes without it."""

import asyncio
from pathlib import Path

import pytest

from streams.checkpoint import recovery as recoveries
from streams.checkpoint.copying import GivenUpError, Hashes, save
from streams.checkpoint.manifest import Manifest, new_id
from streams.checkpoint.place import Place
from streams.checkpoint.recovery import Recovery
from streams.errors import CheckpointError, DamagedCheckpointError
from tests.unit.streams.test_checkpoints import NOON, SETTINGS, keeper, partition, place_in


def save_one(folder: Path, number: int = 0, *, checkpoint: str = new_id(NOON * 1000)) -> Manifest:
    one = partition(folder / "source", number)
    kept = asyncio.run(one.snapshot(folder / f"copy-{number}-{checkpoint}"))
    assert kept is not None
    manifest = keeper(folder, {})._manifest(checkpoint, kept)
    place = place_in(folder)
    token = f"{number:08x}"
    copy = folder / f"copy-{number}-{checkpoint}"
    saved = save(place, copy, manifest, hashes=Hashes(), token=token).manifest
    one.close()
    return saved


def recovery(folder: Path, *, rebuilds: bool, place=None) -> Recovery:
    return Recovery(
        "products",
        SETTINGS.graph,
        place=place or (lambda: place_in(folder)),
        settings={},
        rebuilds=rebuilds,
    )


def restored(found: Recovery, folder: Path, **more) -> bool:
    return asyncio.run(found.restore(0, folder, more.pop("wanted", lambda: True), **more))


def test_a_checkpoint_of_another_graph_is_passed_over(tmp_path: Path):
    save_one(tmp_path)
    found = Recovery(
        "products", "graph/8", place=lambda: place_in(tmp_path), settings={}, rebuilds=True
    )
    assert not restored(found, tmp_path / "0")
    assert restored(recovery(tmp_path, rebuilds=True), tmp_path / "0")


class Flaky(Place):
    """A place that does not answer the first times."""

    fails = 2

    def ids(self) -> list[str]:
        Flaky.fails -= 1
        if Flaky.fails >= 0:
            raise CheckpointError("no answer")
        return super().ids()


def test_a_place_that_does_not_answer_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(recoveries, "_PAUSE_S", 0.0)
    save_one(tmp_path)
    Flaky.fails = 2
    found = recovery(
        tmp_path, rebuilds=False, place=lambda: Flaky(str(tmp_path / "place"), "graph")
    )
    assert restored(found, tmp_path / "0")
    assert [each.source for each in found.under_way] == ["checkpoint"]
    found.behind(0, 5)
    assert found.under_way[0].behind == 5
    found.behind(0, 0)
    assert found.under_way == ()


@pytest.mark.parametrize("rebuilds", [True, False])
def test_without_an_answer_only_a_stage_that_can_be_built_again_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rebuilds: bool
):
    monkeypatch.setattr(recoveries, "_PAUSE_S", 0.0)
    Flaky.fails = 100
    found = recovery(
        tmp_path, rebuilds=rebuilds, place=lambda: Flaky(str(tmp_path / "place"), "graph")
    )
    if rebuilds:
        assert not restored(found, tmp_path / "0")
    else:
        with pytest.raises(CheckpointError, match="no answer"):
            restored(found, tmp_path / "0")
    assert found.under_way == ()


def test_all_damaged_is_told_at_once_and_a_partition_taken_away_is_left(tmp_path: Path):
    manifest = save_one(tmp_path)
    with pytest.raises(GivenUpError):
        restored(recovery(tmp_path, rebuilds=False), tmp_path / "0", wanted=lambda: False)
    place_in(tmp_path).remove_file(manifest.files[0].stored)
    with pytest.raises(DamagedCheckpointError, match="missing"):
        restored(recovery(tmp_path, rebuilds=False), tmp_path / "0")
    assert not (tmp_path / "0").exists()


class Revoked(Place):
    """Partitions are taken away while a file of one is on its way."""

    forget = staticmethod(lambda: None)

    def fetch_file(self, stored: str, target: Path) -> None:
        super().fetch_file(stored, target)
        self.forget()


def test_a_partition_taken_away_while_a_file_comes_is_given_up_and_breaks_nothing(tmp_path: Path):
    save_one(tmp_path)
    place, held = Revoked(str(tmp_path / "place"), "graph"), [True]
    found = recovery(tmp_path, rebuilds=False, place=lambda: place)

    def forget() -> None:
        held.clear()
        found.forget()

    place.forget = forget  # type: ignore[assignment,method-assign]
    with pytest.raises(GivenUpError):
        restored(found, tmp_path / "0", wanted=lambda: bool(held))
    assert found.under_way == ()
    place.forget = lambda: None  # type: ignore[assignment,method-assign]
    assert restored(found, tmp_path / "0")
    found.behind(0, 0)
    assert found.under_way == ()


def test_a_checkpoint_that_has_read_no_further_is_not_taken(tmp_path: Path):
    save_one(tmp_path)  # it has read nothing
    found = recovery(tmp_path, rebuilds=False)
    assert not restored(found, tmp_path / "0", beyond={"bought": 1})
