"""What `cartograph worker` runs, and what it removes, without a Kafka."""

import asyncio
from pathlib import Path

import pytest

from streams.fleet import Fleet, _Unit, folders_of
from streams.generations import (
    LIVE,
    Generation,
    Generations,
    Serving,
    generation_record,
    serving_record,
    settings_of,
)
from streams.settings import Settings
from streams.worker import Slot, Supervisor
from streams.worker_process import BROKE


def known(*records: tuple[bytes, bytes]) -> Generations:
    found = Generations()
    for record in records:
        assert found.take(*record)
    return found


def test_a_generation_that_was_dropped_while_nothing_ran_here_is_removed_at_the_next_start(
    tmp_path: Path,
):
    """Its stores hold shoppers, and nobody would ever remove them."""
    settings = Settings(data_dir=tmp_path)
    states = ("dropped", "dropping", "built")
    gone, going, stays = (Generation(name=f"g{n}", state=each) for n, each in enumerate(states))
    folders = {
        each.name: folders_of(settings_of(settings, each), each) for each in (gone, going, stays)
    }
    for folder in (each for some in folders.values() for each in some):
        (folder / "shoppers" / "0").mkdir(parents=True)
    of_live = [tmp_path / "graph" / name / "0" for name in ("shoppers", "graph", "replica")]
    for folder in (*of_live, tmp_path / "graph" / "checkpoints"):
        folder.mkdir(parents=True)
    records = [generation_record(each) for each in (gone, going, stays)]
    fleet = Fleet(settings, ["shoppers"])
    found = known(*records, serving_record(Serving("g2", ())))
    asyncio.run(fleet._adjust(found))
    assert {name: {each.exists() for each in some} for name, some in folders.items()} == {
        "g0": {False},
        "g1": {True},
        "g2": {True},
    }
    assert all(each.exists() for each in of_live)

    assert found.take(*generation_record(Generation(name=LIVE, state="dropped")))
    asyncio.run(fleet._adjust(found))
    assert not any(each.parent.exists() for each in of_live)
    assert (tmp_path / "graph" / "checkpoints").exists()


def test_a_supervisor_that_breaks_ends_all_and_is_told(tmp_path: Path, monkeypatch):
    """Else the others would go on, and nobody would hear that its stages do not run."""

    async def start(*_: object, **__: object) -> None:
        raise BlockingIOError("no more processes")

    async def work() -> list[int]:
        told: list[int] = []
        monkeypatch.setattr(asyncio, "create_subprocess_exec", start)
        supervisor = Supervisor(Settings(data_dir=tmp_path), [Slot("graph", 0)])
        unit = _Unit(supervisor, tmp_path / "lock", told.append)
        with pytest.raises(ExceptionGroup):
            await unit.task
        return told

    assert asyncio.run(work()) == [BROKE]
