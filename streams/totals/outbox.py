"""What a partition tells the next stages: absolute totals, and which are still to be sent."""

import struct
from collections.abc import Mapping

import msgspec

from streams.errors import StateError
from streams.ports import Message, State
from streams.telling import hint_of
from streams.totals.cache_count import CacheCount
from streams.totals.tables import CODES
from streams.totals.wire import Marker, Sent, encode_marker, encode_total, owner, partition_of

_N = struct.Struct(">q")
_VERSION = struct.Struct(">Q")
_keys_encode = msgspec.msgpack.Encoder().encode
decode_keys = msgspec.msgpack.Decoder(list[bytes]).decode


class _Row(msgspec.Struct, gc=False):
    """A total that is kept decoded; no garbage collector's business, as there are so many."""

    n: int = 0
    payload: bytes = b""


class Outbox:
    """What one partition of a stage says, in absolute totals.

    Args:
        state: the partition's state; tables `totals`, `to_send`, `notes`, `meta`.
        destinations: output topic (logical name) -> its partition count.
        sender: number of the sending partition.
        cache_size: totals kept decoded in memory between commits.

    A *cycle* takes every key that was to be sent when it began. `take` may be called only when
    everything is committed, so that nothing is sent that is not written.
    """

    def __init__(
        self,
        state: State,
        destinations: Mapping[str, int],
        sender: int,
        *,
        cache_size: int = 200_000,
    ) -> None:
        self.sender = sender
        self.incarnation = -1
        self.version = 0
        self._state = state
        self._destinations = dict(destinations)
        self._topic_of = {CODES[topic]: topic for topic in destinations if topic in CODES}
        self._cache_size = cache_size
        self._rows: dict[bytes, _Row] = {}
        self._dirty: set[bytes] = set()
        self._cached = 0
        self.cache = CacheCount()
        self._pending_row: list[bytes] = []
        self._unsent: set[bytes] = set()
        self._row_versions: list[int] = []
        self._notes: set[bytes] = set()
        self._cycle: _Cycle | None = None
        floor = state.get("meta", b"sweep")
        self._sweep: int | None = None if floor is None else int(floor)
        for key, value in state.scan("to_send"):
            self._row_versions.append(_VERSION.unpack(key)[0])
            self._unsent.update(decode_keys(value))
        self._notes.update(key for key, _ in state.scan("notes"))

    def add(self, topic: str, key: bytes, delta: int) -> int:
        """Move a total by `delta`; returns the new total, which may not be negative."""
        name = CODES[topic] + key
        row = self._rows.get(name) or self._load(name)
        row.n += delta
        self._dirty.add(name)
        return row.n

    def set(self, topic: str, key: bytes, n: int, payload: bytes = b"") -> None:
        """Make a total `n`; is to be sent only if it, or its payload, changes."""
        name = CODES[topic] + key
        row = self._rows.get(name) or self._load(name)
        if row.n != n or row.payload != payload:
            row.n, row.payload = n, payload
            self._dirty.add(name)

    def describe(self, topic: str, key: bytes, payload: bytes) -> None:
        """Give a total a payload without changing its count."""
        name = CODES[topic] + key
        row = self._rows.get(name) or self._load(name)
        if row.payload != payload:
            row.payload = payload
            self._dirty.add(name)

    def get(self, topic: str, key: bytes) -> tuple[int, bytes]:
        """Total and payload as they now stand."""
        name = CODES[topic] + key
        row = self._rows.get(name) or self._load(name)
        return row.n, row.payload

    def scan(self, topic: str, prefix: bytes) -> list[tuple[bytes, int, bytes]]:
        """Totals that are not zero and whose key starts with `prefix`: (key, n, payload)."""
        self._write_rows()
        rows = self._state.scan("totals", CODES[topic] + prefix)
        return [(name[1:], _N.unpack_from(row)[0], row[_N.size :]) for name, row in rows]

    def note(self, topic: str, key: bytes, value: bytes) -> None:
        """Send a plain record once; sent again after a crash until it is acknowledged."""
        name = topic.encode() + b"\0" + key
        self._state.put("notes", name, value)
        self._notes.add(name)

    def flush(self, version: int) -> None:
        """Write what changed, and that it is to be sent, to the state; `version` only rises."""
        self.version = version
        changed = self._write_rows()
        if self._pending_row:
            self._state.put("to_send", _VERSION.pack(version), _keys_encode(self._pending_row))
            self._row_versions.append(version)
            self._unsent.update(self._pending_row)
            self._pending_row = []
        if len(self._rows) > self._cache_size:
            self._rows = {name: self._rows[name] for name in changed}
            self._cached = len(changed)

    def _write_rows(self) -> list[bytes]:
        changed = sorted(self._dirty)
        # By key that changes between two writes: to count calls would cost SHOPPERS a hundredth.
        loaded, self._cached = len(self._rows) - self._cached, len(self._rows)
        self.cache.misses += loaded
        self.cache.hits += max(len(changed) - loaded, 0)
        for name in changed:
            row = self._rows[name]
            n = row.n
            if n < 0:
                raise StateError(
                    f"total {hint_of(name)} would be {n!r}: a bug, please report it; "
                    "restore a checkpoint or rebuild the partition"
                )
            if n == 0:
                self._state.delete("totals", name)
            else:
                self._state.put("totals", name, _N.pack(n) + row.payload)
        self._dirty.clear()
        self._pending_row = self._pending_row + changed
        return changed

    def sweep(self, floor: int) -> None:
        """Everything is to be sent again, then markers that end incarnations before `floor`."""
        self._sweep = floor
        self._cycle = None
        self._state.put("meta", b"sweep", b"%d" % floor)

    @property
    def idle(self) -> bool:
        """Nothing is left to send or to be acknowledged."""
        return not (self._unsent or self._notes or self._cycle or self._sweep is not None)

    @property
    def under_way(self) -> bool:
        """A cycle has begun and not ended: what is taken next was to be sent when it began."""
        return self._cycle is not None

    @property
    def must_sweep(self) -> bool:
        """Everything is to be sent again, and none of it was taken yet."""
        return self._sweep is not None and self._cycle is None

    @property
    def waiting(self) -> int:
        """How many keys are to be sent, not counting a sweep."""
        return len(self._unsent)

    def take(self, limit: int) -> list[Message]:
        """The next messages to produce, in order per partition; empty at the end of a cycle.

        Raises:
            StateError: something is not committed yet.
        """
        if self._dirty or self._pending_row:
            raise StateError("take before flush: only what is written may be sent")
        if self._cycle is None:
            if self.idle:
                return []
            self._cycle = _Cycle(self._sweep, sorted(self._unsent), self._row_versions, self._notes)
            self._unsent, self._row_versions, self._notes = set(), [], set()
        return self._next(self._cycle, limit)

    def settled(self) -> None:
        """All that was taken has been acknowledged; ends the cycle if all of it was taken."""
        cycle = self._cycle
        if cycle is None or not cycle.done:
            return
        for version in cycle.row_versions:
            self._state.delete("to_send", _VERSION.pack(version))
        for name in cycle.notes:
            if name not in self._notes:
                self._state.delete("notes", name)
        if cycle.floor is not None and self._sweep == cycle.floor:
            self._sweep = None
            self._state.delete("meta", b"sweep")
        self._cycle = None

    def _next(self, cycle: "_Cycle", limit: int) -> list[Message]:
        messages: list[Message] = []
        if cycle.floor is not None and not cycle.swept:
            rows = self._state.scan("totals", after=cycle.after, limit=limit)
            messages += [self._message(name, row) for name, row in rows]
            if len(rows) == limit:
                cycle.after = rows[-1][0]
                return messages
            cycle.swept = True
        end = cycle.place + max(limit - len(messages), 1)
        for name in cycle.names[cycle.place : end]:
            row = self._state.get("totals", name)
            if row is None or cycle.floor is None:  # a sweep has sent all but the zeros already
                messages.append(self._message(name, row))
        cycle.place = end
        if end >= len(cycle.names) and not cycle.done:
            for name in sorted(cycle.notes):
                topic, _, key = name.partition(b"\0")
                value = self._state.get("notes", name)
                if value is not None:
                    messages.append(Message(topic.decode(), None, key, value))
            if cycle.floor is not None:
                messages += self._markers(cycle.floor)
            cycle.done = True
        return messages

    def _message(self, name: bytes, row: bytes | None) -> Message:
        topic, key = self._topic_of[name[:1]], name[1:]
        n, payload = (0, b"") if row is None else (_N.unpack_from(row)[0], row[_N.size :])
        sent = Sent(self.sender, self.incarnation, self.version, key, n, payload)
        partition = partition_of(owner(key), self._destinations[topic])
        return Message(topic, partition, *encode_total(topic, sent))

    def _markers(self, floor: int) -> list[Message]:
        marker = Marker(self.sender, self.incarnation, self.version, floor)
        return [
            Message(topic, partition, *encode_marker(topic, marker))
            for topic, partitions in self._destinations.items()
            if topic in CODES
            for partition in range(partitions)
        ]

    def _load(self, name: bytes) -> _Row:
        value = self._state.get("totals", name)
        row = _Row() if value is None else _Row(_N.unpack_from(value)[0], value[_N.size :])
        self._rows[name] = row
        return row


def total_of(state: State, topic: str, key: bytes) -> tuple[int, bytes]:
    """Total and payload as a partition's store has them; (0, b"") where there is none."""
    row = state.get("totals", CODES[topic] + key)
    return (0, b"") if row is None else (_N.unpack_from(row)[0], row[_N.size :])


class _Cycle:
    """One pass over what was to be sent when it began."""

    def __init__(
        self, floor: int | None, names: list[bytes], row_versions: list[int], notes: set[bytes]
    ) -> None:
        self.floor = floor
        self.names = names
        self.row_versions = row_versions
        self.notes = notes
        self.after: bytes | None = None
        self.swept = False
        self.place = 0
        self.done = False
