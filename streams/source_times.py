"""How a message tells when the shop's events behind it were, from ROUTE to a replica.

A header on the first record of every record batch that a stage produces: the lowest Kafka
timestamp, in the shop's own topics, of the records that the batch's messages may follow from. A
stage takes the lowest of all that it read since its last commit, so a message may say an earlier
time than its own event's, by at most what two flushes are apart, and never a later one. What
follows from no input (sent again after a start, released by a calm) has an empty header.

A header and no part of the message: no state, no total and no digest depends on it (DESIGN, rules
4 and 6), a record in the middle of a batch costs nothing, and a program that does not know it
passes it over. Compaction may take a batch's first record away: then its time is unknown.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, Final

HEADER: Final = "source-ms"
_BYTES: Final = 8
Headers = Sequence[tuple[str, bytes]]


def header_of(source_ms: int | None) -> Headers:
    """The headers of a batch's first record."""
    told = b"" if source_ms is None else max(source_ms, 0).to_bytes(_BYTES, "big")
    return [(HEADER, told)]


def source_of(headers: Iterable[tuple[str, bytes | None]]) -> int | None:
    """The time that headers tell, ms since 1970; None if they tell none that can be read."""
    for name, value in headers:
        if name == HEADER and value is not None and len(value) == _BYTES:
            return int.from_bytes(value, "big")
    return None


def earlier(one: int | None, other: int | None) -> int | None:
    """The earlier of two times, of which either may be unknown."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def stretches(records: Iterable[Any], before: int | None) -> Iterator[tuple[int | None, list[Any]]]:
    """Consecutive records with the time that their batch tells.

    Args:
        records: of one partition in offset order, each with `headers`.
        before: the time of the batch that the first of them may still belong to.
    """
    now = before

    def time_of(record: Any) -> int | None:
        nonlocal now
        if record.headers:
            now = source_of(record.headers)
        return now

    for source_ms, some in groupby(records, time_of):
        yield source_ms, list(some)
