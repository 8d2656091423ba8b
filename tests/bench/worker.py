"""A real worker process that also notes how it is doing, for the benches.

    python -m tests.bench.worker STAGE SLOT FILE   (settings as JSON on standard input)

It is `streams.worker_main` with one more task in its loop: every 20 ms it looks at how far the
worker is, and writes a line to FILE when something has changed. That costs well under 1 % of a
core.
"""

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import IO, Any

import msgspec

from streams import registry
from streams.monitoring import metrics
from streams.route.agent import RouteRun
from streams.settings import Settings
from streams.worker.app import StageRun
from streams.worker.process import exit_now, main
from streams.worker.runs import Run
from tests.bench.watch import Sample

_EVERY_S = 0.02
_PAGE = os.sysconf("SC_PAGE_SIZE")
_encode = msgspec.json.Encoder().encode


class Probe:
    """Looks into a run; the names it uses are those of `worker/app.py` and `route/agent.py`."""

    def __init__(self, run: Run, stage: str, file: IO[bytes]) -> None:
        self._run, self._stage, self._file = run, stage, file
        self._last: Sample | None = None

    async def watch(self) -> None:
        """Until the process ends."""
        while True:
            sample = self.look()
            if self._last is None or sample.differs(self._last):
                self._file.write(_encode(sample) + b"\n")
                self._file.flush()
                self._last = sample
            await asyncio.sleep(_EVERY_S)

    def look(self) -> Sample:
        """How the worker is now."""
        done, clean = self._progress()
        return Sample(
            at=time.time(),
            ready=self._run.ready,
            done=done,
            clean=clean,
            cpu_s=time.process_time(),
            rss=int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE,
            sent=int(metrics.MESSAGES.labels(self._stage)._value.get()),
            answers={
                f"{task}.{source}": int(metrics.ANSWERS.labels(task, source)._value.get())
                for task in ("tagging", "cleaning")
                for source in ("memory", "store", "model")
            },
        )

    def _progress(self) -> tuple[dict[str, int], bool]:
        """Records read by topic, and whether all that follows from them is written and sent."""
        run: Any = self._run
        done: dict[str, int] = {}
        if isinstance(run, RouteRun):
            holdings = run._holdings
            if holdings is None:
                return done, False
            for tp, offset in holdings.positions().items():
                done[tp.topic] = done.get(tp.topic, 0) + offset
            return done, all(task.done() for task in holdings._under_way)
        if not isinstance(run, StageRun) or run._holdings is None:
            return done, False
        clean = True
        for partition in list(run._holdings.partitions.values()):
            owner = partition.owner
            for topic, offset in owner.kept.offsets.items():
                done[topic] = done.get(topic, 0) + offset
            clean = clean and partition._dirty_since is None and owner.outbox.idle
        return done, clean and run.ready


def new_run(settings: Settings, stage: str, slot: int) -> Run:
    """The real run of a stage, watched."""
    run = registry.new_run(settings, stage, slot)
    file = Path(sys.argv[3]).open("ab")  # noqa: SIM115 - open until the process ends
    probe = Probe(run, stage, file)
    watching.add(asyncio.get_running_loop().create_task(probe.watch()))
    return run


watching: set["asyncio.Task[None]"] = set()
"""Kept, or the loop would lose the task."""

if __name__ == "__main__":
    exit_now(main(new_run, sys.argv[1:3]))
