"""A worker process whose tagger takes its time: `python -m tests.faults.slow_worker STAGE SLOT`.

Everything else is the worker that users run; `CARTOGRAPH_TEST_TAG_MS` says how long a text takes.
"""

import asyncio
import os
import sys
from collections.abc import Sequence

from models_onnx.spans import Tagged, Text
from models_onnx.tagging.tagger import Tagger
from streams.registry import new_run
from streams.worker_process import exit_now, main

SLOWNESS = "CARTOGRAPH_TEST_TAG_MS"


def command(stage: str, number: int) -> Sequence[str]:
    """How a supervisor starts one."""
    return [sys.executable, "-m", "tests.faults.slow_worker", stage, str(number)]


def slow_down(seconds: float) -> None:
    """Let every text of this process wait so long before it is tagged."""
    tag = Tagger.tag_async

    async def slow(self: Tagger, texts: Sequence[Text]) -> list[Tagged]:
        await asyncio.sleep(seconds * len(texts))
        return await tag(self, texts)

    Tagger.tag_async = slow  # type: ignore[method-assign]


if __name__ == "__main__":
    slow_down(float(os.environ.get(SLOWNESS, "0")) / 1000)
    exit_now(main(new_run, sys.argv[1:]))
