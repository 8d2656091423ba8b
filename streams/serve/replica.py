"""A copy of the graph, built from `graph.facts` alone: any number of them may read along. Pure.

Facts and the offsets they were read up to are written in one batch, so a replica that is killed
goes on where its last batch ended. It obeys the same protocol as the stages (`inbox.Inbox`): the
newest of every sender counts, a marker ends what older incarnations left.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from streams.errors import StoreOwnerError
from streams.ports import Record, State
from streams.totals.inbox import Inbox
from streams.totals.wire import FACTS, BadMessageError, Marker, Sent, decode
from topology.errors import BadFactError
from topology.facts import Fact, decode_fact
from topology.graph import TABLES as GRAPH_TABLES
from topology.graph import Graph

TABLES = (*GRAPH_TABLES, "held", "meta")
_KEPT = b"replica"
_MAX_STAMP = 1 << 63


class Counts(NamedTuple):
    """What became of the records of one batch.

    Attributes:
        changed: facts that were written or taken away; a marker may change many.
        stale: records that said nothing new, tombstones and markers among them.
        unreadable: records that no sender of ours wrote.
    """

    changed: int = 0
    stale: int = 0
    unreadable: int = 0


class Kept(msgspec.Struct):
    """What a replica's store says of itself; one row, written with every commit.

    Attributes:
        graph: identity of the graph (prefix and partition count).
        topic_id: of the topic it was read from, "" where the broker tells none.
        offsets: partition -> where to read on.
        newest_ms: Kafka timestamp of the newest record that was read, 0: none.
        seen_ms: wall time at which the replica last knew that it had read everything, 0: never.
    """

    graph: str
    topic_id: str = ""
    offsets: dict[int, int] = {}
    newest_ms: int = 0
    seen_ms: int = 0


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Kept).decode


class Replica:
    """Facts as their owners published them.

    Args:
        state: with the tables `TABLES`.
        graph: identity of the graph.

    Raises:
        StoreOwnerError: the store is a replica of another graph.
    """

    def __init__(self, state: State, *, graph: str) -> None:
        self._state = state
        self._inbox = Inbox(state)
        self.graph = Graph(state)
        row = state.get("meta", _KEPT)
        self.kept = Kept(graph) if row is None else _decode(row)
        if self.kept.graph != graph:
            raise StoreOwnerError(
                f"this replica is of graph {self.kept.graph!r} (prefix/partitions), the settings "
                f"say {graph!r}: point CARTOGRAPH_DATA_DIR elsewhere, or remove the replica's "
                "folder and it is built again from the topic of facts"
            )

    @property
    def offsets(self) -> Mapping[int, int]:
        """Partition -> where to read on; a partition never read is not there."""
        return self.kept.offsets

    def read(self, partition: int, records: Sequence[Record], next_offset: int) -> Counts:
        """Take a batch of one partition; not durable before `commit`.

        Args:
            partition: of the topic of facts.
            records: in offset order; what stands before the stored offset is passed over.
            next_offset: where the partition is to be read on after them.
        """
        changed = stale = unreadable = 0
        done = self.kept.offsets.get(partition, 0)
        newest_ms = self.kept.newest_ms
        for record in records:
            if record.offset < done:
                stale += 1
                continue
            newest_ms = max(newest_ms, record.at_ms)
            if record.key is None or record.value is None:
                stale += 1  # a tombstone never means anything (DESIGN)
                continue
            try:
                moved = self._take(record.key, record.value)
            except (BadMessageError, BadFactError):
                unreadable += 1
                continue
            changed, stale = changed + moved, stale + (not moved)
        self.kept.newest_ms = newest_ms
        self.kept.offsets[partition] = max(next_offset, done)
        return Counts(changed, stale, unreadable)

    def commit(self) -> None:
        """Make facts and offsets durable together."""
        self._inbox.flush()
        self._state.put("meta", _KEPT, _encode(self.kept))
        self._state.commit()

    def _take(self, key: bytes, value: bytes) -> int:
        told = decode(FACTS, key, value)
        if isinstance(told, Marker):
            _check_stamp(told.version, told.floor)
            return self._end(told)
        fact = _fact_of(told)
        # The inbox keeps a hash for the payload: the fact itself stands in the graph's table.
        mark = blake2b(told.payload, digest_size=8).digest() if fact else b""
        change = self._inbox.receive(FACTS, told._replace(payload=mark))
        if change is None:
            return 0
        if fact is not None:
            return int(self.graph.upsert(fact))
        return int(change.after == 0 and self.graph.withdraw(told.key.decode()) is not None)

    def _end(self, marker: Marker) -> int:
        """What older incarnations of the sender left goes, unless another sender says it too."""
        gone = [change.key for change in self._inbox.end(FACTS, marker) if not change.after]
        return sum(self.graph.withdraw(key.decode()) is not None for key in gone)


def _fact_of(told: Sent) -> Fact | None:
    """The fact a total tells, None where it is withdrawn; refuses what no GRAPH stage writes.

    Raises:
        BadMessageError: the numbers are out of range.
        BadFactError: the key is no fact id, or the payload is another fact or none.
    """
    _check_stamp(told.version, told.n)
    try:
        if len(bytes.fromhex(told.key.decode("ascii"))) != 16:
            raise BadFactError(f"{told.key!r} is no fact id")
    except (ValueError, UnicodeDecodeError) as error:
        raise BadFactError(f"{told.key!r} is no fact id") from error
    if not told.n:
        return None
    fact = decode_fact(told.payload)
    if fact.id.encode() != told.key:
        raise BadFactError(f"fact {fact.id} came under the key {told.key!r}")
    return fact


def _check_stamp(*numbers: int) -> None:
    """JSON has numbers of any size, our rows 64 bits."""
    for number in numbers:
        if not 0 <= number < _MAX_STAMP:
            raise BadMessageError(f"facts: {number} is out of range")
