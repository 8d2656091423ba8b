"""What a partition was told by those before it: the newest total of every sender, added up."""

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from streams.ports import State
from streams.totals.cache_count import CacheCount
from streams.totals.tables import CODES
from streams.totals.wire import BadMessageError, Marker, Sent

_ENTRY = struct.Struct(">HQQqI")


class Change(NamedTuple):
    """A total that a receiver keeps has changed: summed over senders, before and after."""

    key: bytes
    before: int
    after: int
    payload: bytes


class Entry(NamedTuple):
    """What one sender said last of a key."""

    sender: int
    incarnation: int
    version: int
    n: int
    payload: bytes


class Inbox:
    """The newest total of every sender, and their sums; tables `held` and `meta`.

    Args:
        state: the partition's state.
        cache_size: rows kept decoded in memory between commits, about.
        is_key: whether a topic may hold a key; asked of keys that are not held yet.
    """

    def __init__(
        self,
        state: State,
        *,
        cache_size: int = 100_000,
        is_key: Callable[[str, bytes], bool] = lambda topic, key: True,
    ) -> None:
        self._is_key = is_key
        self._state = state
        self._cache_size = cache_size
        self._rows: dict[bytes, tuple[Entry, ...]] = {}
        self._older: dict[bytes, tuple[Entry, ...]] = {}  # not asked for since the last turn
        self._dirty: set[bytes] = set()
        self.cache = CacheCount()
        self._floors: dict[tuple[str, int], int] = {}
        for key, value in state.scan("meta", b"floor\0"):
            _, topic, sender = key.split(b"\0")
            self._floors[topic.decode(), int(sender)] = int(value)

    def receive(self, topic: str, sent: Sent) -> Change | None:
        """Keep a total if it is the newest of its sender; None if nothing changes by it.

        Raises:
            BadMessageError: its key is none of the topic's.
        """
        sender, incarnation, version, key, n, payload = sent
        if self._floors and incarnation < self._floors.get((topic, sender), -1):
            return None
        name = CODES[topic] + key
        row = self._rows.get(name)
        if row is None:
            row = self._load(name)
        else:
            self.cache.hits += 1
        if not row and not self._is_key(topic, key):
            raise BadMessageError(f"{topic}: no key of ours")
        entry = _new(Entry, (sender, incarnation, version, n, payload))
        before = 0
        old: Entry | None = None
        for each in row:
            before += each.n
            if each.sender == sender:
                old = each
        if old is None:
            self._rows[name] = (*row, entry)
            after = before + n
        elif (incarnation, version) < (old.incarnation, old.version):
            return None
        else:
            many = len(row) > 1
            self._rows[name] = tuple(entry if e is old else e for e in row) if many else (entry,)
            after = before - old.n + n
        self._dirty.add(name)
        if before == after and old is not None and old.payload == payload:
            return None
        return _new(Change, (key, before, after, payload))

    def end(self, topic: str, marker: Marker) -> Iterator[Change]:
        """Drop what incarnations of the sender before the marker's floor left, and refuse it."""
        if marker.floor <= self._floors.get((topic, marker.sender), -1):
            return
        self._floors[topic, marker.sender] = marker.floor
        name = b"floor\0%s\0%d" % (topic.encode(), marker.sender)
        self._state.put("meta", name, b"%d" % marker.floor)
        self._write_rows()
        after: bytes | None = None
        while chunk := self._state.scan("held", CODES[topic], after=after, limit=5_000):
            after = chunk[-1][0]
            for name, value in chunk:
                row, gone = _entries(value), (marker.sender, marker.floor)
                left = tuple(e for e in row if e.sender != gone[0] or e.incarnation >= gone[1])
                if len(left) < len(row):
                    self._rows[name] = left
                    self._dirty.add(name)
                    yield Change(name[1:], _sum(row), _sum(left), left[0].payload if left else b"")

    def total(self, topic: str, key: bytes) -> int:
        """Sum over senders; 0 when nobody has said anything."""
        return _sum(self.entries(topic, key))

    def entries(self, topic: str, key: bytes) -> tuple[Entry, ...]:
        """What each sender said last."""
        name = CODES[topic] + key
        row = self._rows.get(name)
        return self._load(name) if row is None else row

    def scan(self, topic: str, prefix: bytes) -> Iterator[tuple[bytes, int, tuple[Entry, ...]]]:
        """(key, sum, entries) of every key that starts with `prefix`, zeros included."""
        self._write_rows()
        for name, value in self._state.scan("held", CODES[topic] + prefix):
            row = _entries(value)
            yield name[1:], _sum(row), row

    def flush(self) -> None:
        """Write what changed to the state."""
        self._write_rows()
        if len(self._rows) > self._cache_size // 2:
            self._older, self._rows = self._rows, {}

    def _write_rows(self) -> None:
        for name in self._dirty:
            row = self._rows[name]
            if row:
                self._state.put("held", name, _packed(row))
            else:
                self._state.delete("held", name)
        self._dirty.clear()

    def _load(self, name: bytes) -> tuple[Entry, ...]:
        if (row := self._older.pop(name, None)) is not None:
            self.cache.hits += 1
        else:
            self.cache.misses += 1
            row = _entries(self._state.get("held", name) or b"")
        self._rows[name] = row
        return row


_new = tuple.__new__  # half the time of calling the class, once a record


def _sum(row: tuple[Entry, ...]) -> int:
    return sum(each.n for each in row)


def _packed(row: tuple[Entry, ...]) -> bytes:
    if len(row) == 1:  # one sender, as nearly always
        sender, incarnation, version, n, payload = row[0]
        return _ENTRY.pack(sender, incarnation, version, n, len(payload)) + payload
    return b"".join([_ENTRY.pack(*each[:4], len(each.payload)) + each.payload for each in row])


def entries_of(value: bytes) -> tuple[Entry, ...] | None:
    """The entries of a row of `held`; None if it is damaged."""
    try:
        entries = _entries(value)
    except struct.error:
        return None
    return entries if _packed(entries) == value else None


def _entries(value: bytes) -> tuple[Entry, ...]:
    row, place = [], 0
    while place < len(value):
        sender, incarnation, version, n, size = _ENTRY.unpack_from(value, place)
        place += _ENTRY.size
        row.append(Entry(sender, incarnation, version, n, value[place : place + size]))
        place += size
    return tuple(row)
