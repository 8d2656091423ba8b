"""A rolling upgrade: workers of an older commit, replaced one after the other by those of now."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from streams.settings import STAGES
from tests.bench.report import REPOSITORY
from tests.faults.scene import Fault, Scene

_OLDER: dict[str, Path] = {}
"""Stage -> checkout that its worker runs from; the supervisor asks `command` at every start."""


class NoHistoryError(Exception):
    """There is no older commit here, or no git."""


def older(commit: str, folder: Path) -> Path:
    """A checkout of an older commit, without its history.

    Raises:
        NoHistoryError: git does not know it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    packed = subprocess.run(
        ["git", "archive", commit], cwd=REPOSITORY, capture_output=True, check=False
    )
    if packed.returncode:
        raise NoHistoryError(packed.stderr.decode(errors="replace").strip())
    subprocess.run(["tar", "-x", "-C", str(folder)], input=packed.stdout, check=True)
    return folder


def command(stage: str, number: int) -> Sequence[str]:
    """How a supervisor starts a worker: from the older checkout as long as that is chosen."""
    root = _OLDER.get(stage, REPOSITORY)
    code = f"import sys; sys.path.insert(0, {str(root)!r})"
    run = "import runpy; runpy.run_module('streams.worker_main', run_name='__main__')"
    return [sys.executable, "-P", "-c", f"{code}; {run}", stage, str(number)]


def rolling(commit: str, folder: Path) -> Fault:
    """All stages run an older commit; then each in turn is ended and started from this one."""

    async def fault(scene: Scene) -> None:
        checkout = await asyncio.to_thread(older, commit, folder)
        await scene.stop_workers()
        _OLDER.update(dict.fromkeys(STAGES, checkout))
        scene.start_workers()
        await scene.until_ready()
        for turn, stage in enumerate(STAGES):
            scene.feed((turn + 1) / (len(STAGES) + 1))
            await asyncio.sleep(scene.rng.uniform(0.3, 1.0))
            told = scene.worker(stage)
            assert told is not None
            assert str(checkout).encode() in Path(f"/proc/{told.pid}/cmdline").read_bytes()
            del _OLDER[stage]
            os.kill(told.pid, signal.SIGTERM)
            await scene.until_back(told)
        scene.told["replaced"] = len(STAGES)

    return fault
