"""A worker process that stops itself between a commit and its sending, as SIGSTOP might do.

`CARTOGRAPH_TEST_STOP` is "STAGE/SLOT/N": that worker stops before it sends for the Nth time, when
the lease was looked at already: whoever wakes it up lets a zombie send.
"""

import os
import signal
import sys
from collections.abc import Sequence

from streams.kafka.producer import Producer
from streams.ports import Message
from streams.registry import new_run
from streams.worker.process import exit_now, main

WHERE = "CARTOGRAPH_TEST_STOP"


def command(stage: str, number: int) -> Sequence[str]:
    """How a supervisor starts one."""
    return [sys.executable, "-m", "tests.faults.stopping_worker", stage, str(number)]


def stop_before(turn: int) -> None:
    """Let this process stop before it sends so many times."""
    send, left = Producer.send, [turn]

    async def stopping(
        self: Producer, messages: Sequence[Message], source_ms: int | None = None
    ) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGSTOP)
        await send(self, messages, source_ms)

    Producer.send = stopping  # type: ignore[method-assign]


if __name__ == "__main__":
    where, _, turn = os.environ.get(WHERE, "").rpartition("/")
    if where == f"{sys.argv[1]}/{sys.argv[2]}":
        stop_before(int(turn))
    exit_now(main(new_run, sys.argv[1:]))
