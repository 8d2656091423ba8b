"""What `cartograph worker` runs, and what it removes, without a Kafka."""

import asyncio
import sys
from pathlib import Path

import pytest

from streams.control import generation_note
from streams.control.generations import (
    LIVE,
    Generation,
    Generations,
    Serving,
    generation_record,
    serving_record,
    settings_of,
)
from streams.settings import Settings
from streams.worker.fleet import Fleet, _Unit, folders_of
from streams.worker.process import BROKE
from streams.worker.supervisor import Slot, Supervisor


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
    noted = generation_note.read(settings)
    assert noted is not None
    assert (noted.serving, noted.all) == (found.serving, found.all), "for commands without Kafka"

    assert found.take(*generation_record(Generation(name=LIVE, state="dropped")))
    asyncio.run(fleet._adjust(found))
    assert not any(each.parent.exists() for each in of_live)
    assert (tmp_path / "graph" / "checkpoints").exists()


_TELLS = """\
import os, pathlib, signal, sys, time
for number in (signal.SIGTERM, signal.SIGUSR1):
    signal.signal(number, lambda *_: sys.exit(0))
folder, stage, of = pathlib.Path(sys.argv[1]), sys.argv[2], (sys.argv[3:] or ["first"])[0]
told = folder / f"{stage}.{of}.{os.getpid()}"
told.write_text(sys.stdin.read())
told.rename(told.with_name(told.name + ".json"))
time.sleep(60)
"""


def test_the_ports_that_prometheus_asks_are_those_of_the_graph_that_took_the_firsts_place(
    tmp_path: Path,
):
    """Else nothing is heard of its workers once the first one is dropped; no other is disturbed."""
    fleet = Fleet(
        Settings(data_dir=tmp_path / "data", metrics_port=20_000),
        ["route", "graph"],
        command=lambda stage, _: [sys.executable, "-c", _TELLS, str(tmp_path), stage],
    )
    heirs = [generation_record(Generation(name=f"g{n}", state="built")) for n in (1, 2)]
    gone = generation_record(Generation(name=LIVE, state="dropped"))

    async def started(count: int) -> dict[str, int]:
        """Worker -> its port, of those that started since this was asked last."""
        async with asyncio.timeout(20):
            while len(found := list(tmp_path.glob("*.json"))) < count:
                await asyncio.sleep(0.02)
        told = {
            ".".join(each.name.split(".")[:2]): Settings.from_json(each.read_bytes()).metrics_port
            for each in found
        }
        for each in found:
            each.unlink()
        return told

    async def work() -> None:
        await fleet._adjust(known(*heirs, serving_record(Serving("g1", (LIVE, "g1", "g2")))))
        first = {"route.first": 20_000, "graph.first": 20_001, "graph.g1": 0, "graph.g2": 0}
        assert await started(4) == first
        await fleet._adjust(known(*heirs, gone, serving_record(Serving("g1", ("g1", "g2")))))
        assert await started(1) == {"graph.g1": 20_001}
        await fleet._adjust(known(*heirs, gone, serving_record(Serving("g2", ("g1", "g2")))))
        assert await started(2) == {"graph.g1": 0, "graph.g2": 20_001}
        fleet.stop()
        for unit in fleet._units.values():
            unit.stop(for_good=False)
            await unit.task
        assert not list(tmp_path.glob("*.json"))

    asyncio.run(work())


def test_a_supervisor_that_breaks_ends_all_and_is_told(tmp_path: Path, monkeypatch):
    """Else the others would go on, and nobody would hear that its stages do not run."""

    async def start(*_: object, **__: object) -> None:
        raise BlockingIOError("no more processes")

    async def work() -> list[int]:
        told: list[int] = []
        monkeypatch.setattr(asyncio, "create_subprocess_exec", start)
        supervisor = Supervisor(Settings(data_dir=tmp_path), [Slot("graph", 0)])
        of = (Settings(data_dir=tmp_path), ["graph"])
        unit = _Unit(supervisor, tmp_path / "lock", told.append, of)
        with pytest.raises(ExceptionGroup):
            await unit.task
        return told

    assert asyncio.run(work()) == [BROKE]
