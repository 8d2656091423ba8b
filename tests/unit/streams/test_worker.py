"""The supervisor, with workers that only say how they were asked to end."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from streams.settings import Settings
from streams.worker import Slot, Supervisor

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
