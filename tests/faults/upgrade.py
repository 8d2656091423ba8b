"""A rolling upgrade: workers of an older commit, replaced one after the other by those of now."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from streams.control.claims import TOPIC, BackfillOrder, backfill_record
from streams.kafka.connection import options
from streams.kafka.producer import Producer
from streams.process.status import stage_folder
from streams.settings import STAGES
from tests.bench.report import REPOSITORY
from tests.faults.scene import Scene, until
from topology.store.layout import OLDEST_LAYOUT, layout_of

_ORDER = tuple(reversed(STAGES))
"""Who reads before who writes: no stage is told what it cannot read (RUNBOOK, "Another layout")."""
_BACKFILL = BackfillOrder(100_000.0)
_BACKFILL_S = 120.0


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


class Rolling:
    """The scene begins with workers of an older commit, which make the stores.

    Args:
        commit: what git knows it by.
        folder: for its checkout.

    Raises:
        NoHistoryError: git does not know it.
    """

    def __init__(self, commit: str, folder: Path) -> None:
        self._checkout = older(commit, folder)
        self._roots = dict.fromkeys(STAGES, self._checkout)

    def command(self, stage: str, number: int) -> Sequence[str]:
        """How a supervisor starts a worker now: from the older checkout until it is replaced."""
        code = f"import sys; sys.path.insert(0, {str(self._roots[stage])!r})"
        run = "import runpy; runpy.run_module('streams.worker_main', run_name='__main__')"
        return [sys.executable, "-P", "-c", f"{code}; {run}", stage, str(number)]

    async def fault(self, scene: Scene) -> None:
        """Replace the stages while records come, then derive again what is no more up to date."""
        scene.feed(1 / (len(_ORDER) + 1))
        await scene.some_read()
        before = _layouts(scene)
        for turn, stage in enumerate(_ORDER):
            scene.feed((turn + 1) / (len(_ORDER) + 1))
            await asyncio.sleep(scene.rng.uniform(0.3, 1.0))
            told = scene.worker(stage)
            assert told is not None
            assert str(self._checkout).encode() in Path(f"/proc/{told.pid}/cmdline").read_bytes()
            self._roots[stage] = REPOSITORY
            os.kill(told.pid, signal.SIGTERM)
            await scene.until_back(told)
        after = _layouts(scene)
        assert before.keys() == after.keys()
        scene.told["replaced"] = len(_ORDER)
        scene.told["layout_before"], scene.told["layout_after"] = _only(before), _only(after)
        scene.told["derived_again"] = await _backfilled(scene)


def _layouts(scene: Scene) -> dict[Path, int]:
    return {
        folder: layout_of(folder, create=False, oldest=OLDEST_LAYOUT)
        for stage in STAGES
        for folder in stage_folder(scene.settings, stage).glob("[0-9]*")
    }


def _only(layouts: dict[Path, int]) -> int:
    (found,) = set(layouts.values())
    return found


async def _backfilled(scene: Scene) -> int:
    """Order a backfill and wait for its end; how many things older rules had derived."""
    producer = Producer(scene.settings.kafka, scene.settings.names, options(scene.settings))
    await producer.start()
    try:
        at_first = sum(each.models.outdated for each in scene.supervisor.status())
        await producer.send_one(TOPIC, *backfill_record(_BACKFILL))
    finally:
        await producer.stop()

    def done() -> bool:
        models = [each.models for each in scene.supervisor.status() if each.models.bundles]
        return all(each.backfill == _BACKFILL.rate and not each.outdated for each in models)

    await until(done, "all derived by the rules of now", _BACKFILL_S)
    return at_first
