"""All rows of a table, in chunks: a store may have more of them than memory."""

from collections.abc import Iterator

from streams.ports import State

_CHUNK = 5_000


def each(state: State, table: str, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
    """Entries whose key starts with `prefix`, in key order."""
    after: bytes | None = None
    while chunk := state.scan(table, prefix, after=after, limit=_CHUNK):
        yield from chunk
        after = chunk[-1][0]
