"""Faults that end or stop processes: workers, the broker, both."""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import time
from pathlib import Path

from tests.faults.scene import Fault, Scene, until


def workers_killed(times: int) -> Fault:
    """SIGKILL random workers, each once its last victim is back."""

    async def fault(scene: Scene) -> None:
        back = []
        for turn in range(times):
            scene.feed((turn + 1) / (times + 1))
            await asyncio.sleep(scene.rng.uniform(0.1, 1.0))
            back.append(await scene.until_back(scene.kill_worker()))
        _tell(scene, back)

    return fault


def broker_killed(times: int, *, with_worker: bool = False, away_s: float = 0.0) -> Fault:
    """SIGKILL the broker, and a worker with it; start it again on the same data and port.

    Args:
        times: kills.
        with_worker: a random worker dies in the same moment.
        away_s: how long the broker stays away besides what its start takes.
    """

    async def fault(scene: Scene) -> None:
        back = []
        for turn in range(times):
            scene.feed((turn + 1) / (times + 1))
            await asyncio.sleep(scene.rng.uniform(0.1, 1.0))
            async with scene.playing:
                await asyncio.to_thread(scene.place.kill)
                if with_worker:
                    scene.kill_worker()
                await asyncio.sleep(away_s)
                await asyncio.to_thread(scene.place.start)
                await scene.sources_answer()
            began = time.monotonic()
            await scene.until_ready()
            back.append(time.monotonic() - began)
        _tell(scene, back)
        scene.told["restarts"] = sum(scene.supervisor.restarts.values())

    return fault


def worker_stopped(seconds: float) -> Fault:
    """SIGSTOP a worker for longer than its session, then let it wake up: a zombie."""

    async def fault(scene: Scene) -> None:
        scene.feed(0.5)
        told = scene.rng.choice([e for e in scene.supervisor.status() if e.stage != "route"])
        os.kill(told.pid, signal.SIGSTOP)
        await asyncio.sleep(seconds)
        os.kill(told.pid, signal.SIGCONT)

    return fault


def stopped_before_sending(stage: str, seconds: float) -> Fault:
    """Wake a worker that stopped itself between a commit and its sending (`stopping_worker`).

    By then others have its partitions, and what it sends is a zombie's.
    """

    async def fault(scene: Scene) -> None:
        scene.feed(0.5)
        told = scene.worker(stage)
        assert told is not None
        await until(lambda: _is_stopped(told.pid), "the stop between commit and send", 60.0)
        await asyncio.sleep(seconds)
        before = scene.supervisor.restarts.copy()
        os.kill(told.pid, signal.SIGCONT)
        scene.feed(0.8)
        await asyncio.sleep(1.0)
        await scene.until_ready()
        after = scene.supervisor.restarts
        scene.told["restarts"] = sum(after.values()) - sum(before.values())

    return fault


def _is_stopped(pid: int) -> bool:
    state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return state == "T"


def _tell(scene: Scene, back: list[float]) -> None:
    scene.told["kills"] = len(back)
    scene.told["back_s"] = round(statistics.median(back), 2)
    scene.told["back_max_s"] = round(max(back), 2)
