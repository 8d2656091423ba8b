"""A store in memory with the same rules as the real one: nothing is durable before `commit`."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator


class MemoryStore:
    """Tables of bytes in key order; `durable` is what would survive a crash.

    Args:
        durable: table -> key -> value, as an earlier store left it; copied.
    """

    def __init__(self, durable: dict[str, dict[bytes, bytes]] | None = None) -> None:
        self.durable = {table: dict(rows) for table, rows in (durable or {}).items()}
        self._pending: dict[str, dict[bytes, bytes | None]] = {}
        self._sorted: dict[str, list[bytes]] = {}

    def get(self, table: str, key: bytes) -> bytes | None:
        pending = self._pending.get(table)
        if pending is not None and key in pending:
            return pending[key]
        return self.durable.get(table, {}).get(key)

    def put(self, table: str, key: bytes, value: bytes) -> None:
        self._pending.setdefault(table, {})[key] = value
        self._sorted.pop(table, None)

    def delete(self, table: str, key: bytes) -> None:
        self._pending.setdefault(table, {})[key] = None
        self._sorted.pop(table, None)

    def scan(
        self,
        table: str,
        prefix: bytes = b"",
        *,
        after: bytes | None = None,
        limit: int | None = None,
    ) -> list[tuple[bytes, bytes]]:
        """Entries whose key starts with `prefix` and is greater than `after`, in key order."""
        keys = self._keys(table)
        place = bisect_left(keys, prefix)
        if after is not None:
            place = max(place, bisect_right(keys, after))
        found: list[tuple[bytes, bytes]] = []
        for key in keys[place:]:
            if not key.startswith(prefix) or (limit is not None and len(found) >= limit):
                break
            value = self.get(table, key)
            if value is not None:
                found.append((key, value))
        return found

    def commit(self) -> None:
        for table, rows in self._pending.items():
            kept = self.durable.setdefault(table, {})
            for key, value in rows.items():
                if value is None:
                    kept.pop(key, None)
                else:
                    kept[key] = value
        self._pending.clear()

    def damage(self) -> Iterator[tuple[str, str]]:
        """Nothing: memory has no blocks that could not be read."""
        return iter(())

    def close(self) -> None:
        """Forget what was not committed."""
        self._pending.clear()
        self._sorted.clear()

    def _keys(self, table: str) -> list[bytes]:
        keys = self._sorted.get(table)
        if keys is None:
            pending = self._pending.get(table, {})
            live = self.durable.get(table, {}).keys() | pending.keys()
            keys = sorted(key for key in live if pending.get(key, b"") is not None)
            self._sorted[table] = keys
        return keys
