"""A worker with a slow tagger or a bad clock: `python -m tests.faults.odd_worker STAGE SLOT`.

Everything else is the worker that users run. `CARTOGRAPH_TEST_TAG_MS`: how long a text takes;
`CARTOGRAPH_TEST_CLOCK_S`: every so often the wall clock jumps a day ahead, back, and a day behind.
"""

import asyncio
import os
import sys
import time
from collections.abc import Sequence

from models_onnx.spans import Tagged, Text
from models_onnx.tagging.tagger import Tagger
from streams.registry import new_run
from streams.worker.process import exit_now, main

SLOWNESS, JUMPS = "CARTOGRAPH_TEST_TAG_MS", "CARTOGRAPH_TEST_CLOCK_S"
_DAY_S = 86_400.0


def command(stage: str, number: int) -> Sequence[str]:
    """How a supervisor starts one."""
    return [sys.executable, "-m", "tests.faults.odd_worker", stage, str(number)]


def slow_down(seconds: float) -> None:
    """Let every text of this process wait so long before it is tagged."""
    tag = Tagger.tag_async

    async def slow(self: Tagger, texts: Sequence[Text]) -> list[Tagged]:
        await asyncio.sleep(seconds * len(texts))
        return await tag(self, texts)

    Tagger.tag_async = slow  # type: ignore[method-assign]


def jump(every_s: float) -> None:
    """Let the wall clock of this process jump; what only rises goes on."""
    real = time.time

    def jumping() -> float:
        turn = int(time.monotonic() / every_s) % 4
        return real() + (0.0, _DAY_S, 0.0, -_DAY_S)[turn]

    time.time = jumping


if __name__ == "__main__":
    slow_down(float(os.environ.get(SLOWNESS, "0")) / 1000)
    if every_s := float(os.environ.get(JUMPS, "0")):
        jump(every_s)
    exit_now(main(new_run, sys.argv[1:]))
