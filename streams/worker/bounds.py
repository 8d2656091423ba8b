"""Between which offsets a partition is read: what its topics still hold, and what it was told to.

A partition reads each of its inputs from the beginning of the log to its growing end. Of a
generation (`control/generations.py`) an input may begin later, and end for good.
"""

from collections.abc import Mapping
from typing import NamedTuple

from streams.control.claims import Claim
from streams.kafka.fetch import Span


class Stretch(NamedTuple):
    """What of its inputs a stage is to read; empty: all.

    Attributes:
        starts, ends: logical topic -> partition -> offset, the end exclusive.
    """

    starts: Mapping[str, Mapping[int, int]] = {}
    ends: Mapping[str, Mapping[int, int]] = {}

    def start(self, logical: str, number: int) -> int:
        """Where reading begins, 0 or more."""
        return self.starts.get(logical, {}).get(number, 0)

    def end(self, logical: str, number: int) -> int | None:
        """Where it ends for good; None: never."""
        return self.ends.get(logical, {}).get(number)

    def within(self, logical: str, number: int, end: int) -> int:
        """How far of a log that ends here is to be read."""
        told = self.end(logical, number)
        return end if told is None else min(end, told)

    def clip(self, logical: str, number: int, span: Span) -> Span | None:
        """What of a span is to be read; None: nothing, it lies behind the end."""
        end = self.end(logical, number)
        if end is None or span.next <= end:
            return span
        if span.start >= end:
            return None
        records = [record for record in span.records if record.offset < end]
        return span._replace(next=end, records=records)


class Begin(NamedTuple):
    """A claim, and logical input topic -> first offset and end of the log after the claim."""

    claim: Claim
    bounds: Mapping[str, tuple[int, int]]
