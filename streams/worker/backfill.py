"""Derives again, at a limited rate, what older bundles said: the backfill after an exchange.

What is left to do stands in the stores (`state/derived.py`), so it goes on where it was after a
crash or a rebalance; how fast stands on `graph.control` (`control/claims.py`), so a worker that
starts knows that it was ordered.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable

from streams.control.claims import BackfillOrder
from streams.kafka.partition import Partition

_TURN_S = 0.2
_MOST_AT_ONCE = 256
"""Things of one partition and turn: its own records wait meanwhile."""

log = logging.getLogger(__name__)


class Backfill:
    """The backfill of one worker.

    Args:
        partitions: those that are open now.
    """

    def __init__(self, partitions: Callable[[], Iterable[Partition]]) -> None:
        self._partitions = partitions
        self.rate = 0.0

    @property
    def outdated(self) -> int:
        """How many things of the open partitions older bundles derived."""
        return sum(each.outdated for each in self._partitions())

    def order(self, order: BackfillOrder) -> None:
        """From now on derive so many a second again; the order stands until the next one."""
        if order.rate != self.rate:
            log.info("backfill: %g a second", order.rate)
        self.rate = order.rate

    async def run(self) -> None:
        """Work until cancelled."""
        allowed = 0.0
        while True:
            await asyncio.sleep(_TURN_S)
            # What was not used is not saved up, but for the part of one thing.
            allowed = self.rate * _TURN_S + allowed % 1.0
            allowed = await self._turn(allowed)

    async def _turn(self, allowed: float) -> float:
        """Derive at most so many again; what is left of the allowance."""
        for partition in list(self._partitions()):
            limit = min(int(allowed), _MOST_AT_ONCE)
            if limit and partition.outdated:
                allowed -= await partition.reread(limit)
        return allowed
