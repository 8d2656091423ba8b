"""Which events of a shopper are forgotten: the rule of `windows.remembered`, event by event. Pure.

A visit that began in the erasure's last minute, or before it, is forgotten whole. So of a
forgotten shopper it is enough to know that minute, and the minute of the last event that is
forgotten: what comes within reach of it goes on with a forgotten visit.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from streams.shoppers.rows import Week
from streams.shoppers.sessions import Step
from streams.shoppers.windows import MINUTE_MS

TABLE: Final = "erased"
_NEVER: Final = -(1 << 40)


class Erased(Struct, array_like=True):
    """A forgotten shopper; a row of `erased`, under the pseudonym.

    Attributes:
        until: minute up to which visits that began are forgotten.
        last: minute of the last event known that is forgotten.
    """

    until: int
    last: int = _NEVER

    def cut(self, steps: Sequence[Step], reach_minutes: int) -> int:
        """How many of these steps, which are in order, are forgotten: the first ones; moves `last`.

        `reach_minutes`: as in `WindowSettings`.
        """
        for place, step in enumerate(steps):
            minute = step.at // MINUTE_MS
            if minute > self.until and minute - self.last > reach_minutes:
                return place
            self.last = max(self.last, minute)
        return len(steps)

    @property
    def bound(self) -> int:
        """Minute up to which all that is not settled is forgotten."""
        return max(self.until, self.last)


class TakenBack(NamedTuple):
    """What an erasure took back: sessions, changed weeks of the ledger, totals less by one."""

    sessions: int = 0
    weeks: int = 0
    totals: int = 0


def without(week: Week, until: int) -> Week:
    """What of a week of the ledger is of visits that began after the minute."""
    asked = {key: since for key, since in week.asked.items() if since > until}
    return Week(asked, [basket for basket in week.baskets if basket.since > until])


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Erased).decode
