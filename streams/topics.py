"""The contract of the `graph.*` topics: what each is keyed by, how long it keeps, how it is cut.

Pure. `plan` says how topics should be, `differences` what about real ones is not so; making and
reading them is `broker/admin.py`. `graph` is a prefix, so that several graphs share one broker.
"""

import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

MAX_MESSAGE_BYTES = 11 * 1024 * 1024
"""Largest batch a topic takes: 10 MB values of a source must be able to pass."""

DAY_MS = 24 * 60 * 60 * 1000
HOUR_MS = 60 * 60 * 1000

DEAD_LETTER_DAYS = 180
"""They hold coordinates, reason and hash, no bytes: small, and asked for long afterwards."""

TOMBSTONE_DAYS = 7
"""How long a compacted topic keeps a tombstone. A replica that was away longer rebuilds itself."""

_SEGMENT_BYTES = 64 * 1024 * 1024
_MAX_NAME = 249
_PREFIX = re.compile(r"[A-Za-z0-9]+([.-][A-Za-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Topic:
    """One line of the contract.

    Attributes:
        name: without the prefix: `events`.
        holds: what a record is.
        owner: whose partition a record goes to (`partition_of`); None: the topic has one.
        key: the record key, of which a compacted topic keeps the last record.
        compacted: True: the last record of a key is kept for ever. False: all, for a time.
        retention_days: of a topic that is not compacted; None: the setting decides.
    """

    name: str
    holds: str
    owner: str | None
    key: str
    compacted: bool = True
    retention_days: int | None = None


_SENT = "(sending partition, incarnation, key)"

TOPICS: tuple[Topic, ...] = (
    Topic("events", "an event in native form", "shopper", "shopper", compacted=False),
    Topic("catalog", "a product's catalog record", "product", "(product, ROUTE process)"),
    Topic("searched", "totals: searched, then bought", "query", _SENT),
    Topic("bought", "totals: bought; bought with", "product", _SENT),
    Topic("asked", "a query's totals and spans, by product bought", "product", _SENT),
    Topic("together", "co-purchases with A's type, by B", "product", _SENT),
    Topic("claims", "totals of candidates", "head of the triple", _SENT),
    Topic("facts", "a fact with its status", "fact id", _SENT),
    Topic("control", "claims of partitions, generations", None, "(stage, partition)"),
    Topic("verdicts", "a person's decision on a fact", "head of the triple", "fact, person"),
    Topic("erasures", "a shopper to be forgotten, up to when", None, "(shopper, event time)"),
    Topic(
        "dead-letters",
        "coordinates, reason and hash of what cannot be read",
        None,
        "(topic, partition, offset)",
        compacted=False,
        retention_days=DEAD_LETTER_DAYS,
    ),
)


LIVE = "live"
"""The name of the first generation, whose topics have no name of their own."""

SHARED = frozenset(("events", "catalog", "verdicts", "erasures"))
"""Topics that every generation of a graph reads and none but ROUTE and people write."""

REMAIN = SHARED | {"control", "dead-letters"}
"""Topics of the first generation that stay when its stages are dropped."""

TOTALS = frozenset(("searched", "bought"))
"""Topics of the base that a generation built from totals reads besides."""


@dataclass(frozen=True, slots=True)
class Names:
    """Full topic names of one graph, or of one generation of it.

    Attributes:
        prefix: of the graph.
        generation: name of a graph beside the first: its own topics are `graph.g2.claims`, ...;
            "": the first.
        shared: topics that are those of the graph all the same.

    Raises:
        ValueError: a prefix that Kafka refuses or confuses: letters and digits, joined by single
            `.` or `-` (Kafka's metrics cannot tell `a_b` from `a.b`).
    """

    prefix: str = "graph"
    generation: str = ""
    shared: frozenset[str] = SHARED

    def __post_init__(self) -> None:
        longest = max(len(topic.name) for topic in TOPICS)
        longest += len(self.generation) + 1 if self.generation else 0
        if not _PREFIX.fullmatch(self.prefix) or len(self.prefix) + 1 + longest > _MAX_NAME:
            raise ValueError(
                f"topic prefix {self.prefix!r}: use letters and digits, joined by single '.' or "
                f"'-', at most {_MAX_NAME - 1 - longest} characters, for example 'graph'"
            )

    def of(self, name: str) -> str:
        """The full name of a topic of the contract: `events` -> `graph.events`."""
        return f"{self.prefix if name in self.shared else self.own}.{name}"

    @property
    def own(self) -> str:
        """What is this generation's alone begins with it: "graph", "graph.g2"."""
        return f"{self.prefix}.{self.generation}" if self.generation else self.prefix

    def owned(self) -> tuple[str, ...]:
        """Logical topics that are this generation's alone; of the first: all."""
        shared = self.shared if self.generation else ()
        return tuple(topic.name for topic in TOPICS if topic.name not in shared)

    @property
    def events(self) -> str:
        return self.of("events")

    @property
    def catalog(self) -> str:
        return self.of("catalog")

    @property
    def searched(self) -> str:
        return self.of("searched")

    @property
    def bought(self) -> str:
        return self.of("bought")

    @property
    def asked(self) -> str:
        return self.of("asked")

    @property
    def together(self) -> str:
        return self.of("together")

    @property
    def claims(self) -> str:
        return self.of("claims")

    @property
    def facts(self) -> str:
        return self.of("facts")

    @property
    def control(self) -> str:
        return self.of("control")

    @property
    def verdicts(self) -> str:
        return self.of("verdicts")

    @property
    def erasures(self) -> str:
        return self.of("erasures")

    @property
    def dead_letters(self) -> str:
        return self.of("dead-letters")


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """How one topic should be: full name, partitions, replication, Kafka settings as text."""

    topic: Topic
    name: str
    partitions: int
    replication: int
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ActualTopic:
    """How a topic of a broker is.

    Attributes:
        config: every setting that the broker told; a managed Kafka may keep some to itself.
        topic_id: 32 hexadecimal digits, another one after the topic was deleted and made again;
            None where the broker is too old to say (before Kafka 2.8).
    """

    name: str
    partitions: int
    replication: int
    config: Mapping[str, str]
    topic_id: str | None


@dataclass(frozen=True, slots=True)
class Difference:
    """What about a topic is not as planned.

    Attributes:
        topic: full name.
        words: one sentence with what to do.
        blocking: True: the graph cannot run on it. False: an operator may want it so.
    """

    topic: str
    words: str
    blocking: bool


def plan(
    names: Names, partitions: int, replication: int, retention_days: int = 30
) -> tuple[TopicSpec, ...]:
    """All topics of a graph.

    Args:
        names: the graph's topic names.
        partitions: of every topic that is cut by owner, for the life of the graph, 1 or more.
        replication: copies of each partition, 1 or more; from 3 on, two must have a record before
            it counts as sent.
        retention_days: how long `events` are kept, 1 or more.

    Raises:
        ValueError: a number is below 1.
    """
    for what, number in (
        ("partitions", partitions),
        ("replication", replication),
        ("retention_days", retention_days),
    ):
        if number < 1:
            raise ValueError(f"{what} is {number}: use 1 or more")
    return tuple(
        TopicSpec(
            topic,
            names.of(topic.name),
            partitions if topic.owner is not None else 1,
            replication,
            _config(topic, replication, retention_days),
        )
        for topic in TOPICS
    )


def _config(topic: Topic, replication: int, retention_days: int) -> dict[str, str]:
    config = {
        "compression.type": "producer",  # lz4 as it comes: the broker does not pack it again
        "max.message.bytes": str(MAX_MESSAGE_BYTES),
        "min.insync.replicas": "2" if replication >= 3 else "1",
        "unclean.leader.election.enable": "false",
        # Only whole segments but the newest are compacted or deleted: roll in a day at the latest.
        "segment.bytes": str(_SEGMENT_BYTES),
        "segment.ms": str(DAY_MS),
    }
    if topic.compacted:
        return config | {
            "cleanup.policy": "compact",
            "delete.retention.ms": str(TOMBSTONE_DAYS * DAY_MS),
            # A key that changes every second is compacted hourly, a quiet one within a day.
            "min.compaction.lag.ms": str(HOUR_MS),
            "max.compaction.lag.ms": str(DAY_MS),
        }
    days = retention_days if topic.retention_days is None else topic.retention_days
    return config | {
        "cleanup.policy": "delete",
        "retention.ms": str(days * DAY_MS),
        "retention.bytes": "-1",
        # By arrival: a replay of 2010 stamped with event time would be deleted at once.
        "message.timestamp.type": "LogAppendTime",
    }


_BLOCKING_CONFIG = {
    "cleanup.policy": "records would be lost, or kept for ever",
    "max.message.bytes": "large records would be refused",
}
"""Setting -> what another value does to the graph."""


def differences(
    planned: Iterable[TopicSpec], actual: Mapping[str, ActualTopic]
) -> tuple[Difference, ...]:
    """What about real topics is not as planned, in the order of the plan; empty: nothing.

    Args:
        planned: from `plan`.
        actual: full name -> the topic, without those that do not exist.
    """
    found: list[Difference] = []
    for spec in planned:
        topic = actual.get(spec.name)
        if topic is None:
            words = "does not exist: create it with `cartograph topics apply`"
            found.append(Difference(spec.name, words, blocking=True))
        else:
            found.extend(_of_one(spec, topic))
    return tuple(found)


def _of_one(spec: TopicSpec, topic: ActualTopic) -> Iterable[Difference]:
    if topic.partitions != spec.partitions:
        yield Difference(
            spec.name,
            f"has {topic.partitions} partitions, the graph wants {spec.partitions}: "
            "another partition count is another graph, replay into a new prefix",
            blocking=True,
        )
    if topic.replication != spec.replication:
        yield Difference(
            spec.name,
            f"has {topic.replication} copies of each partition, planned are {spec.replication}",
            blocking=False,
        )
    for name, wanted in spec.config.items():
        value = topic.config.get(name)
        if value is None or value == wanted:
            continue
        harm = _BLOCKING_CONFIG.get(name)
        if name == "max.message.bytes" and value.isdigit() and int(value) > int(wanted):
            harm = None
        words = f"{name} is {value}, planned is {wanted}"
        yield Difference(
            spec.name,
            words if harm is None else f"{words}: {harm}; set it with your Kafka's tools",
            blocking=harm is not None,
        )


def recreated(
    known: Mapping[str, str], actual: Mapping[str, ActualTopic]
) -> tuple[Difference, ...]:
    """Topics that were deleted and made again since their ids were noted.

    Args:
        known: full name -> topic id when the state was written.
        actual: full name -> the topic now; one without an id is taken for the same.
    """
    return tuple(
        Difference(
            name,
            f"was deleted and made again (id {topic.topic_id}, before {known[name]}): its offsets "
            "mean other records now; rebuild the state that was read from it, or use a new prefix",
            blocking=True,
        )
        for name, topic in sorted(actual.items())
        if name in known and topic.topic_id is not None and topic.topic_id != known[name]
    )


def partition_of(owner: bytes, partitions: int) -> int:
    """The partition that keeps all that is known about `owner`, 0 <= result < `partitions`.

    CRC-32 (IEEE 802.3, `zlib.crc32`) modulo the partition count. Every sender passes the number
    to the producer: no client library's own partitioner (murmur2, murmur3) is relied upon, and a
    record's key, which may hold more than the owner, has no part in it.

    Raises:
        ValueError: no partitions.
    """
    if partitions < 1:
        raise ValueError(f"partitions is {partitions}: use 1 or more")
    return zlib.crc32(owner) % partitions
