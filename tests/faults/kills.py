"""Faults that end or stop processes: workers, the broker, both."""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import time

from tests.faults.scene import Fault, Scene


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


def _tell(scene: Scene, back: list[float]) -> None:
    scene.told["kills"] = len(back)
    scene.told["back_s"] = round(statistics.median(back), 2)
    scene.told["back_max_s"] = round(max(back), 2)
