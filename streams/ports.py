"""What the pure stages need from the edges: records in, a state to keep, models to ask."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from models_onnx.spans import Claim, Judged, Senses, Tagged, Term, Text, ValuePair
from streams.erasures import Erasure


class Record(NamedTuple):
    """One Kafka record. `at_ms` is the record's own Kafka timestamp, not event time."""

    offset: int
    at_ms: int
    key: bytes | None
    value: bytes | None


class State(Protocol):
    """What one partition of a stage keeps: tables of bytes, written in one atomic batch.

    Reads see what was put since the last `commit`. Nothing is durable before `commit`.
    In tables that are scanned by prefix a key begins with its owner and a NUL byte.
    """

    def get(self, table: str, key: bytes) -> bytes | None: ...

    def put(self, table: str, key: bytes, value: bytes) -> None: ...

    def delete(self, table: str, key: bytes) -> None: ...

    def scan(
        self,
        table: str,
        prefix: bytes = b"",
        *,
        after: bytes | None = None,
        limit: int | None = None,
    ) -> list[tuple[bytes, bytes]]:
        """Entries whose key starts with `prefix` and is greater than `after`, in key order."""
        ...

    def commit(self) -> None:
        """Make all puts and deletes since the last commit durable, all or none."""
        ...


class Stage(Protocol):
    """One owner's work, as a function of its input records in order.

    The caller applies batches, then settles what the stage asks of models, then flushes; only
    then is the state committed together with the input offsets.
    """

    def apply(self, topic: str, partition: int, records: Sequence[Record]) -> None:
        """Take a fetched batch of one input topic (logical name without prefix, e.g. "events")."""
        ...

    def wants(self) -> Questions:
        """What the models must answer before `flush`; empty when nothing is open."""
        ...

    def learn(self, answers: Answers) -> None:
        """Take the answers to `wants`; may lead to new questions."""
        ...

    def flush(self) -> None:
        """Write everything that is only in memory to the state (not durable yet)."""
        ...

    def calm(self) -> None:
        """Nothing has arrived for a while, or a minute is over: release what may wait."""
        ...

    @property
    def is_idle(self) -> bool:
        """Whether another `calm` would release nothing more."""
        ...


@runtime_checkable
class Rereads(Protocol):
    """A stage that asks models: it can derive again what older bundles said."""

    @property
    def outdated(self) -> int:
        """How many things were derived with other bundles than those that answer now."""
        ...

    def reread(self, limit: int) -> int:
        """Take up to `limit` of them to be derived again, as `wants` and `flush` do; how many.

        What was taken is outdated until the next `flush`, so that a crash loses nothing.
        """
        ...


@runtime_checkable
class Forgets(Protocol):
    """A stage that keeps shoppers: it can forget them."""

    def forget(self, erasures: Sequence[Erasure]) -> None:
        """Take back what these shoppers stand for, now and whatever comes of it later.

        Handed over before the first record after any start, and again whenever there are more;
        the same ones may come again.
        """
        ...


class Erasures(Protocol):
    """Who asked to be forgotten, as a worker hears of it."""

    async def catch_up(self) -> None:
        """Read all that was asked until now."""
        ...

    def known(self, partition: int) -> Sequence[Erasure]:
        """What was read so far for a partition of SHOPPERS."""
        ...


class Questions(NamedTuple):
    """Texts to tag, claims to judge, pairs of values to match, values whose senses are wanted.

    Each at most once.
    """

    texts: Sequence[Text] = ()
    claims: Sequence[Claim] = ()
    pairs: Sequence[ValuePair] = ()
    terms: Sequence[Term] = ()

    def __bool__(self) -> bool:
        return any(map(bool, self))


class Answers(NamedTuple):
    """Answers by question; the bundles that gave them are in the settings of the stage."""

    tagged: Mapping[Text, Tagged]
    judged: Mapping[Claim, Judged]
    matched: Mapping[ValuePair, Judged] = {}
    senses: Mapping[Term, Senses] = {}


class Tagger(Protocol):
    """Strings in, spans out; the same answer for the same text whatever else is asked."""

    def tag(self, texts: Sequence[Text]) -> Sequence[Tagged]: ...


class Cleaner(Protocol):
    """Claims in, verdicts out."""

    def judge(self, claims: Sequence[Claim]) -> Sequence[Judged]: ...


class Total(NamedTuple):
    """What one sending partition says of one key; `n` is absolute, zero is a value."""

    topic: str
    key: bytes
    n: int
    payload: bytes = b""


class Message(NamedTuple):
    """A record to produce. `partition` None: keyed by the producer's default (plain topics)."""

    topic: str
    partition: int | None
    key: bytes
    value: bytes


Batch = Iterable[Record]
