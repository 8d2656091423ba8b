"""Between which offsets a partition is read: what its topics still hold, and what it was told to.

A partition reads each of its inputs from the beginning of the log to its growing end. Of a
generation (`generations.py`) an input may begin later, and end for good.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from streams import metrics
from streams.control import Claim
from streams.errors import TopicError
from streams.fetch import Span
from streams.owner import Owner
from streams.ports import State

log = logging.getLogger(__name__)

_ids = msgspec.json.Decoder(dict[str, str])


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


def check_topics(store: State, topic_ids: Mapping[str, str], where: str) -> None:
    """Note the ids of the input topics in the store; refuse topics that were made again.

    Raises:
        TopicError: one was.
    """
    row = store.get("meta", b"topics")
    known = {} if row is None else _ids.decode(row)
    again = sorted(name for name, told in topic_ids.items() if known.get(name, told) != told)
    if again:
        raise TopicError(
            f"{where}: {', '.join(again)} was deleted and made again since this store was written; "
            "its offsets mean other records now. Move the store away and start once with "
            "CARTOGRAPH_ALLOW_EMPTY_STORE=1, or use a new prefix"
        )
    store.put("meta", b"topics", msgspec.json.encode({**known, **topic_ids}))


def check_offset(owner: Owner, logical: str, bounds: tuple[int, int], start: int) -> None:
    """Where the owner goes on must be within the log, or what it says is not true any more.

    Args:
        owner: of a partition, before it reads.
        logical: the input topic.
        bounds: first offset and end of the log.
        start: where it was to begin, if it has not read anything.

    Raises:
        TopicError: the log ends before that.
    """
    first, end = bounds
    where = f"{owner.name}/{owner.partition}"
    at = owner.next_offset(logical)
    if at is not None and at > end:
        raise TopicError(
            f"{where}: the store has read {logical} up to {at}, but the topic ends at {end}: it "
            "was deleted and made again, or lost its end. Move the store away and start once with "
            "CARTOGRAPH_ALLOW_EMPTY_STORE=1, or use a new prefix"
        )
    wanted = start if at is None else at
    # Who begins at the beginning has lost nothing, wherever that is by now.
    if wanted < first and (at is not None or start):
        metrics.LOST.labels(owner.name, logical).inc(first - wanted)
        log.error(
            "%s: %d records of %s were deleted before they were read",
            where,
            first - wanted,
            logical,
        )
    if at is None or at < first:
        empty: Sequence[object] = ()
        owner.read(logical, empty, max(first, wanted))  # type: ignore[arg-type]
