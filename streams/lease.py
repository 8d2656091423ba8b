"""How long a worker may still write: until Kafka could give its partitions to another.

The broker counts a session from the heartbeat that it received last; the worker counts it from
the *sending* of the last heartbeat that was answered well, so it always stops first.
"""

import asyncio
from collections.abc import Callable

_POLL_S = 0.02


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
