"""Rows of a table in key order, or an error: never fewer rows than there are."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from topology.store.failures import explained


def committed_rows(
    path: Path, family: Any, start: bytes, options: Any, limit: int | None = None
) -> Iterator[tuple[bytes, bytes]]:
    """Committed entries from `start` on.

    rocksdict's `items` ends at a block that it cannot read as if that were the end of the table;
    only the cursor's status tells the two apart.

    Args:
        path: folder of the store, for the message.
        family: column family of the table.
        start: first key that may come.
        options: ReadOptions with the upper bound; must outlive the iterator.
        limit: rows at most.

    Raises:
        StoreError: a row cannot be read.
    """
    cursor = family.iter(options)
    cursor.seek(start)
    valid, key, value, step = cursor.valid, cursor.key, cursor.value, cursor.next
    left = -1 if limit is None else limit
    while left and valid():
        yield key(), value()
        left -= 1
        if left:
            step()
    try:
        cursor.status()
    except Exception as error:  # rocksdict raises nothing narrower
        raise explained(path, error, "read") from error
