"""How long a worker may still write: until Kafka could give its partitions to another.

The broker counts a session from the heartbeat that it received last; the worker counts it from
the *sending* of the last heartbeat that was answered well, so it always stops first.
"""

import asyncio
from collections.abc import Callable

_POLL_S = 0.02
_STEP_S = 1.0


class Lease:
    """Set by the thread that sends heartbeats, asked by the one that writes.

    Args:
        session_s: session timeout of the consumer group.
        clock: seconds, only rising.
        margin_s: how long before its end the lease is no longer trusted, for the write itself.
    """

    def __init__(
        self, session_s: float, *, clock: Callable[[], float], margin_s: float = 0.5
    ) -> None:
        self._session_s = session_s
        self._margin_s = margin_s
        self._clock = clock
        self._until = float("-inf")

    def renew(self, sent_at: float) -> None:
        """A heartbeat sent at this time was answered well."""
        self._until = sent_at + self._session_s

    @property
    def is_good(self) -> bool:
        """Nobody else can have our partitions yet."""
        return self._clock() <= self._until - self._margin_s

    async def wait(self, wanted: Callable[[], bool]) -> bool:
        """Wait for a good lease as long as `wanted` says so; whether it is good."""
        while wanted():
            if self.is_good:
                return True
            await asyncio.sleep(_POLL_S)
        return False


class HeldTime:
    """A clock that runs while the lease is good: seconds in which Kafka was there.

    What waits for others must not give up because Kafka itself was away: nobody could read then.

    Args:
        lease: of this worker.
        clock: seconds, only rising.
    """

    def __init__(self, lease: Lease, *, clock: Callable[[], float]) -> None:
        self._lease = lease
        self._clock = clock
        self._last = clock()
        self._passed = 0.0

    def __call__(self) -> float:
        """Seconds, only rising; between two calls never more than `_STEP_S` pass."""
        now = self._clock()
        if self._lease.is_good:
            self._passed += min(now - self._last, _STEP_S)
        self._last = now
        return self._passed
