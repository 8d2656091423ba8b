"""Whether a store and the topics that it has read still belong together, asked at every start."""

import logging
from collections.abc import Mapping, Sequence

import msgspec

from streams.errors import START_EMPTY, TopicError
from streams.monitoring import metrics
from streams.ports import State
from streams.totals.owner import Owner

log = logging.getLogger(__name__)

_ids = msgspec.json.Decoder(dict[str, str])


def check_topic_ids(store: State, topic_ids: Mapping[str, str], where: str) -> None:
    """Note the ids of the input topics in the store; refuse topics that were made again."""
    row = store.get("meta", b"topics")
    known = {} if row is None else _ids.decode(row)
    again = sorted(name for name, told in topic_ids.items() if known.get(name, told) != told)
    if again:
        raise TopicError(
            f"{where}: {', '.join(again)} was deleted and made again since this store was written; "
            f"its offsets mean other records now. Move the store away and {START_EMPTY}; or use a "
            "new prefix"
        )
    store.put("meta", b"topics", msgspec.json.encode({**known, **topic_ids}))


def begin_within_log(owner: Owner, logical: str, bounds: tuple[int, int], start: int) -> None:
    """Where the owner goes on must be within the log, or what it says is not true any more.

    Args:
        owner: of a partition, before it reads.
        logical: the input topic.
        bounds: first offset of the log, and its end, or an earlier one up to which it is read.
        start: where it was to begin, if it has not read anything.

    Raises:
        TopicError: the log ends before that.
    """
    first, end = bounds
    where = f"{owner.name}/{owner.partition}"
    at = owner.next_offset(logical)
    # Of a stretch that ends, the log may be deleted beyond the end: reading stands at `first` then.
    if at is not None and at > max(first, end):
        raise TopicError(
            f"{where}: the store has read {logical} up to {at}, but the topic ends at {end}: it "
            f"was deleted and made again, or lost its end. Move the store away and {START_EMPTY}; "
            "or use a new prefix"
        )
    wanted = start if at is None else at
    # Who begins at the beginning has lost nothing, wherever that is by now.
    lost = min(first, end) - wanted
    if lost > 0 and (at is not None or start):
        metrics.LOST.labels(owner.name, logical).inc(lost)
        log.error("%s: %d records of %s were deleted before they were read", where, lost, logical)
    if at is None or at < first:
        empty: Sequence[object] = ()
        owner.read(logical, empty, max(first, wanted))  # type: ignore[arg-type]
