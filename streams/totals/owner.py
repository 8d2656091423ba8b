"""One owner partition: a stage, its totals and its offsets, committed together.

This is DESIGN's rules 1 and 2 as code, without Kafka or RocksDB: `kafka/partition.py` runs it on a
real broker, `tests/simulation` through random faults.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from streams.dead_letters import TOPIC as DEAD_LETTERS
from streams.dead_letters import dead_letter
from streams.erasures import Erasure
from streams.errors import StateError
from streams.outcomes import DEAD_LETTER, STALE, USED
from streams.ports import Answers, Forgets, Message, Questions, Record, Stage, State
from streams.totals.inbox import Change, Inbox
from streams.totals.messages import is_key
from streams.totals.outbox import Outbox
from streams.totals.wire import BadMessageError, Marker, Sent, decode
from topology.store.layout import LAYOUT_VERSION as LAYOUT_VERSION

KEPT = b"kept"
"""Key, in the table `meta`, of what a store says of itself."""


class Kept(msgspec.Struct):
    """What an owner's store says of itself; one row, written with every commit.

    Attributes:
        was: incarnation before it was taken out of a copy; every later claim is newer than that.
    """

    layout: int
    stage: str
    partition: int
    graph: str
    boot: str = ""
    incarnation: int = -1
    version: int = 0
    offsets: dict[str, int] = {}
    until: dict[str, int] = {}
    tally: dict[str, int] = {}
    was: int = -1

    @property
    def newest_claim(self) -> int:
        """Offset of the newest claim that it knows to be its own."""
        return max(self.was, self.incarnation)


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Kept).decode


def kept_of(state: State) -> Kept | None:
    """What a store says of itself; None for an empty one."""
    row = state.get("meta", KEPT)
    return None if row is None else _decode(row)


def without_incarnation(row: bytes) -> bytes:
    """The row of a store as a checkpoint keeps it: whoever restores it sends everything again."""
    kept = _decode(row)
    kept.was, kept.incarnation = kept.newest_claim, -1
    return _encode(kept)


def with_layout(state: State, layout: int) -> None:
    """Note, without a commit, that all rows of a store are of a layout now."""
    if (kept := kept_of(state)) is not None:
        kept.layout = layout
        state.put("meta", KEPT, _encode(kept))


class Start(NamedTuple):
    """What an owner learns when it claims its partition.

    Attributes:
        claim: offset of its own claim record, its new incarnation.
        last_claim: offset of the claim before it for the same partition, or None.
        ends: input topic -> end offset at the time of the claim.
        boot: identity of this run of the machine; writes since another boot may be lost.
        allow_empty: the operator says that an empty store may take over a claimed partition.
    """

    claim: int
    last_claim: int | None
    ends: Mapping[str, int]
    boot: str = ""
    allow_empty: bool = False


class Wiring(NamedTuple):
    """What a stage is built from; `cache_rows`: about how many rows of its own it may keep."""

    state: State
    inbox: Inbox
    outbox: Outbox
    tally: Counter[str]
    read: Callable[[str, int, Sequence[Record]], Iterator[Change]]
    reject: Callable[[str, int, Record, str, str], None]
    cache_rows: int


class Owner:
    """A partition of a stage: applies batches, commits, and says what is to be sent.

    Args:
        name: the stage, e.g. "shoppers".
        graph: identity of the graph (prefix and partition count); another one is refused.
        build: makes the stage from its wiring.
        destinations: output topic -> partition count.
        topics: logical input topic -> full name, for dead letters.
        cache_rows: totals kept decoded in memory, each way, between commits, and rows of the stage.
    """

    def __init__(
        self,
        name: str,
        partition: int,
        state: State,
        build: Callable[[Wiring], Stage],
        destinations: Mapping[str, int],
        *,
        graph: str,
        topics: Mapping[str, str] | None = None,
        cache_rows: int = 200_000,
    ) -> None:
        self.name, self.partition = name, partition
        self._state = state
        self._topics = dict(topics or {})
        row = state.get("meta", KEPT)
        self._empty = row is None
        self.kept = Kept(LAYOUT_VERSION, name, partition, graph) if row is None else _decode(row)
        self._check(graph)
        self.tally: Counter[str] = Counter(self.kept.tally)
        self.inbox = Inbox(state, cache_size=cache_rows, is_key=is_key)
        self.outbox = Outbox(state, destinations, partition, cache_size=cache_rows)
        self._stamp()
        self._wiring = Wiring(
            state, self.inbox, self.outbox, self.tally, self.changes, self.reject, cache_rows
        )
        self.build = build
        self.stage = build(self._wiring)

    def restage(self, build: Callable[[Wiring], Stage]) -> None:
        """Make the stage anew, right after a `commit`: what it knows is in the store."""
        self.build = build
        self.stage = build(self._wiring)

    def start(self, start: Start) -> bool:
        """Take the incarnation of a claim and commit it; True if everything is sent again.

        Raises:
            StateError: the store is empty but the partition was claimed before, or the claim is
                no newer than the one that the store knows.
        """
        kept = self.kept
        if self._empty and start.last_claim is not None and not start.allow_empty:
            raise StateError(
                f"{self.name}/{self.partition}: the store is empty, but this partition has run "
                "before. Restore its folder or a checkpoint (`cartograph checkpoint restore`, or "
                "CARTOGRAPH_CHECKPOINT_URL, where there is one); to build it again from what its "
                "input topics still keep, start once with CARTOGRAPH_ALLOW_EMPTY_STORE=1"
            )
        if start.claim <= kept.newest_claim:
            raise StateError(
                f"{self.name}/{self.partition}: its claim is record {start.claim} of the control "
                f"topic, the one before was {kept.newest_claim}: the topic was deleted and made "
                "again, or lost its end. All that would be sent now would pass for older than what "
                "was sent before: build the graph again under a new prefix"
            )
        again = kept.incarnation != start.last_claim or kept.boot != start.boot
        # Of a partition that nobody ever claimed nothing was ever told: there is nothing to end.
        is_first = self._empty and start.last_claim is None
        if again := (again or kept.incarnation < 0) and not is_first:
            self.outbox.sweep(start.claim)
            kept.until = dict(start.ends)
        self._empty = False
        kept.incarnation, kept.boot = start.claim, start.boot
        self._stamp()
        self.commit()
        return again

    def next_offset(self, topic: str) -> int | None:
        """Where to read on in an input topic; None: from its beginning."""
        return self.kept.offsets.get(topic)

    def read(self, topic: str, records: Sequence[Record], next_offset: int) -> None:
        """Apply one fetched batch; what stands before the stored offset is passed over."""
        done = self.kept.offsets.get(topic, -1)
        if records and records[0].offset < done:
            records = [record for record in records if record.offset >= done]
        if records:
            self.stage.apply(topic, self.partition, records)
        self.kept.offsets[topic] = max(next_offset, done)

    def forget(self, erasures: Sequence[Erasure]) -> None:
        """Hand erasures to a stage that keeps shoppers; they are durable with the next commit."""
        if erasures and isinstance(self.stage, Forgets):
            self.stage.forget(erasures)

    def wants(self) -> Questions:
        """What the models must answer before `commit`."""
        return self.stage.wants()

    def learn(self, answers: Answers) -> None:
        """Take the answers to `wants`."""
        self.stage.learn(answers)

    def commit(self) -> None:
        """Write state, keys to send and offsets in one batch."""
        if self.outbox.must_sweep and not self.behind:
            self.stage.calm()  # what waits was told before: without it, totals would fall and rise
        self.stage.flush()
        self.kept.version += 1
        self.inbox.flush()
        self.outbox.flush(self.kept.version)
        self.kept.tally = dict(self.tally)
        self._state.put("meta", KEPT, _encode(self.kept))
        self._state.commit()

    def take(self, limit: int) -> list[Message]:
        """Messages to produce, right after a `commit`; none while inputs are caught up first."""
        return [] if self.behind else self.outbox.take(limit)

    @property
    def behind(self) -> int:
        """Records of its inputs that it still has to read before it may send."""
        offsets = self.kept.offsets
        return sum(max(0, end - offsets.get(each, 0)) for each, end in self.kept.until.items())

    def settled(self) -> None:
        """All messages taken were acknowledged."""
        self.outbox.settled()

    def changes(self, topic: str, partition: int, records: Sequence[Record]) -> Iterator[Change]:
        """The totals that change by these records; markers and bad records are dealt with."""
        tally, receive = self.tally, self.inbox.receive
        used, stale = f"{topic}.{USED}", f"{topic}.{STALE}"
        for record in records:
            if record.value is None or record.key is None:
                tally[stale] += 1  # a tombstone never means anything (DESIGN)
                continue
            try:
                sent = decode(topic, record.key, record.value)
                change = receive(topic, sent) if type(sent) is Sent else None
            except BadMessageError as error:
                self.reject(topic, partition, record, "bad_total", str(error))
                continue
            if change is not None:
                tally[used] += 1
                yield change
                continue
            tally[stale] += 1
            if isinstance(sent, Marker):
                yield from self.inbox.end(topic, sent)

    def reject(self, topic: str, partition: int, record: Record, reason: str, detail: str) -> None:
        """Note a record that cannot be read as a dead letter."""
        self.tally[f"{topic}.{DEAD_LETTER}"] += 1
        self.tally[f"dead.{reason}"] += 1
        full = self._topics.get(topic, topic)
        self.outbox.note(DEAD_LETTERS, *dead_letter(full, partition, record, reason, detail))

    def _stamp(self) -> None:
        self.outbox.incarnation = self.kept.incarnation
        self.outbox.version = self.kept.version

    def _check(self, graph: str) -> None:
        from_disk = (self.kept.stage, self.kept.partition, self.kept.graph)
        if from_disk != (self.name, self.partition, graph):
            raise StateError(
                f"the store belongs to {from_disk[0]}/{from_disk[1]} of graph {from_disk[2]!r}, "
                f"not to {self.name}/{self.partition} of {graph!r}: point CARTOGRAPH_DATA_DIR at "
                "another folder"
            )
        if self.kept.layout != LAYOUT_VERSION:
            raise StateError(
                f"{self.name}/{self.partition}: its rows are of layout {self.kept.layout}, this "
                f"program reads {LAYOUT_VERSION}: `cartograph state migrate` brings older ones up; "
                "with newer ones run the version that wrote them, or restore a checkpoint"
            )
