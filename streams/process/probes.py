"""What a process says to `/livez` and `/readyz`: whether it runs, and why it is not ready.

The event loop tells, the thread of the probe's server asks; what is told is replaced as a whole.
"""

import time
from collections.abc import Callable

import msgspec

BEAT_LIMIT_S = 60.0
"""Longer than the longest that a loop may stand still: a garbage collection over hundreds of MB."""


class Reason(msgspec.Struct, frozen=True):
    """Why a process is not ready, or works otherwise than it was set up.

    Attributes:
        code: a word of a short fixed list (`CODES`), for programs.
        words: a sentence for people; nothing of any record stands in it.
    """

    code: str
    words: str


CODES = {
    "starting": "the process has begun and has not asked its broker yet",
    "models": "models are being loaded and checked",
    "broker": "no heartbeat, or no answer, came from the broker lately",
    "unassigned": "Kafka has given no partitions yet",
    "rebalancing": "Kafka is moving partitions",
    "opening": "stores of partitions are being opened and claimed",
    "recovering": "partitions that came without their state are restored, or read again",
    "reading": "a replica has not read all facts that there were at its start",
    "stopping": "the process was asked to end, or has failed",
    "cpu": "a model runs on the CPU because the GPU failed",
    "mixed": "part of the graph was derived with other bundles",
}
"""Every code, and what it means."""


class Ready(msgspec.Struct, frozen=True):
    """The answer to `/readyz`.

    Attributes:
        ready: there is no reason against it.
        reasons: why not.
        degraded: what works, but not as it was set up.
    """

    ready: bool
    reasons: tuple[Reason, ...] = ()
    degraded: tuple[Reason, ...] = ()


class Alive(msgspec.Struct, frozen=True):
    """The answer to `/livez`; `beat_seconds` ago the event loop last turned."""

    alive: bool
    beat_seconds: float


class Health:
    """What one process tells its probes.

    Args:
        clock: seconds, only rising.
        limit_s: without a beat for so long, the process counts as dead.
    """

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, limit_s: float = BEAT_LIMIT_S
    ) -> None:
        self._clock, self._limit_s = clock, limit_s
        self._beat_at = clock()
        self._ready = Ready(False, (Reason("starting", "the process has only just begun"),))

    def beat(self, ready: Ready) -> None:
        """The loop turns; this is how ready the process is."""
        self._ready = ready
        self._beat_at = self._clock()

    @property
    def alive(self) -> Alive:
        """Whether the event loop turns."""
        since = self._clock() - self._beat_at
        return Alive(since < self._limit_s, round(since, 3))

    @property
    def ready(self) -> Ready:
        """As the loop told last."""
        return self._ready
