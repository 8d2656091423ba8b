"""The supervisor, with workers that only say how they were asked to end."""

import asyncio
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from streams.process import status
from streams.settings import Settings
from streams.worker.supervisor import Slot, Supervisor

_SAYS = """\
import pathlib, signal, sys, threading
said = pathlib.Path(sys.argv[1])
ended = threading.Event()
def note(number, frame):
    said.write_text(signal.Signals(number).name)
    ended.set()
signal.signal(signal.SIGTERM, note)
signal.signal(signal.SIGUSR1, note)
said.write_text("up")
while not ended.wait(0.02):
    pass
"""


@pytest.mark.parametrize(
    ("for_good", "number"), [(False, signal.SIGTERM), (True, signal.SIGUSR1)], ids=["stop", "leave"]
)
def test_workers_are_asked_to_stop_or_to_leave(for_good: bool, number: signal.Signals, tmp_path):
    file: Path = tmp_path / "said"

    def command(stage: str, slot: int) -> list[str]:
        return [sys.executable, "-c", _SAYS, str(file)]

    async def work() -> int:
        supervisor = Supervisor(Settings(data_dir=tmp_path), [Slot("graph", 0)], command=command)
        running = asyncio.create_task(supervisor.run())
        async with asyncio.timeout(20):
            while not file.exists() or file.read_text() != "up":
                await asyncio.sleep(0.02)
            supervisor.stop(for_good=for_good)
            return await running

    assert asyncio.run(work()) == 0
    assert file.read_text() == number.name


_AWAY = """\
import pathlib, sys, time
stage, file, first = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
if stage == "graph":
    file.parent.mkdir(parents=True, exist_ok=True)
    whole = file.with_suffix(".new")
    whole.write_text('{"stage":"graph","slot":0,"pid":1,"ready":true,"ready_at":1.0}')
    whole.replace(file)
else:
    while not file.exists():
        time.sleep(0.02)
    if not first.exists():
        first.touch()
        sys.exit(3)
    first.with_suffix(".again").touch()
time.sleep(30)
"""


def test_a_worker_that_starts_while_kafka_is_away_is_started_again_if_others_have_seen_it(
    tmp_path: Path,
):
    settings, first = Settings(data_dir=tmp_path), tmp_path / "first"
    file = status.status_file(settings, "graph", 0)

    def command(stage: str, slot: int) -> list[str]:
        return [sys.executable, "-c", _AWAY, stage, str(file), str(first)]

    async def work() -> int:
        wanted = [Slot("graph", 0), Slot("queries", 0)]
        supervisor = Supervisor(settings, wanted, command=command)
        running = asyncio.create_task(supervisor.run())
        async with asyncio.timeout(20):
            while not first.with_suffix(".again").exists():
                assert not running.done(), "it gave up"
                await asyncio.sleep(0.02)
            supervisor.stop()
            return await running

    assert asyncio.run(work()) == 0


_TELLS = """\
import os, pathlib, sys, time
told, go = map(pathlib.Path, sys.argv[1:])
go.with_suffix(".up").touch()
while not go.exists():
    time.sleep(0.02)
row = '{"stage":"graph","slot":0,"pid":%d,"ready":true,"rests":true,"ready_at":7.0}'
told.with_suffix(".new").write_text(row % os.getpid())
told.with_suffix(".new").replace(told)
time.sleep(30)
"""


def test_what_an_earlier_process_said_is_not_what_the_one_that_starts_says(tmp_path: Path):
    """Else a replay that goes on after a kill would be at rest before its workers have begun."""
    settings, go = Settings(data_dir=tmp_path), tmp_path / "go"
    earlier = status.Status(
        stage="graph", slot=0, pid=1, ready=True, rests=True, ready_at=5.0, error="broke"
    )
    file = status.status_file(settings, "graph", 0)
    status.write(file, earlier)

    def command(stage: str, slot: int) -> list[str]:
        return [sys.executable, "-c", _TELLS, str(file), str(go)]

    async def until(true: Callable[[], bool]) -> None:
        while not true():
            await asyncio.sleep(0.02)

    async def work() -> None:
        supervisor = Supervisor(settings, [Slot("graph", 0)], command=command)
        running = asyncio.create_task(supervisor.run())
        async with asyncio.timeout(20):
            await until(go.with_suffix(".up").exists)
            (told,) = supervisor.status()
            assert (told.ready, told.rests, told.ready_at, told.error) == (False, False, 0.0, "")
            go.touch()
            await until(lambda: supervisor.status()[0].ready_at == 7.0)
            assert supervisor.status()[0].rests
            supervisor.stop()
            await running

    asyncio.run(work())


class Starting:
    """A process that is ready only after its supervisor was asked to stop."""

    pid, stdin = 1, None

    def __init__(self) -> None:
        self.signals: list[int] = []

    def send_signal(self, number: int) -> None:
        self.signals.append(number)

    async def wait(self) -> int:
        return 0


def test_a_worker_that_is_being_started_is_asked_likewise(tmp_path: Path, monkeypatch):
    process, begun = Starting(), asyncio.Event()

    async def start(*_: object, **__: object) -> Starting:
        begun.set()
        await asyncio.sleep(0.05)
        return process

    async def work() -> None:
        supervisor = Supervisor(Settings(data_dir=tmp_path), [Slot("graph", 0)])
        monkeypatch.setattr(asyncio, "create_subprocess_exec", start)
        running = asyncio.create_task(supervisor.run())
        await begun.wait()
        supervisor.stop(for_good=True)
        await running

    asyncio.run(work())
    assert process.signals == [signal.SIGUSR1]
