"""A replica is what the topic of facts says, however it was delivered (DESIGN, rules 1 and 2)."""

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import StoreOwnerError
from streams.ports import Message, Record
from streams.serve.replica import Counts, Replica
from streams.totals.outbox import Outbox
from streams.totals.wire import FACTS, Marker, encode_marker
from tests.serve_graph import MemoryReader, a_fact, told
from topology.check import check
from topology.facts import STATUSES, Fact, decode_fact, encode_fact
from topology.store.memory import MemoryStore

PARTITIONS = 2
NODES = [("type:shoes", f"intent:audience/a{number}") for number in range(4)]


def variant(place: int, version: int) -> Fact:
    """Fact number `place` as it may be told: other status, score and counts."""
    head, tail = NODES[place]
    status = STATUSES[version % 3]
    return a_fact(head, "used_for_aud", tail, status=status, score=version / 10, counts={"n": 1})


@dataclass
class Sender:
    """One GRAPH partition with a real outbox: its inputs, its store, and what it has sent.

    `done` are its inputs so far (fact, variant or None): a restored store reads them again.
    """

    number: int
    incarnation: int
    log: list[list[Message]]
    store: MemoryStore = field(default_factory=MemoryStore)
    done: list[tuple[int, int | None]] = field(default_factory=list)
    checkpoint: tuple[dict, int] = field(default_factory=lambda: ({}, 0))

    def __post_init__(self) -> None:
        self.open()

    def open(self) -> None:
        self.outbox = Outbox(self.store, {FACTS: PARTITIONS}, self.number)
        self.outbox.incarnation = self.incarnation
        row = self.store.get("meta", b"version")
        self.outbox.version = int(row) if row else 0

    def say(self, place: int, version: int | None) -> None:
        self.done.append((place, version))
        self._apply(place, version)
        self.commit()

    def _apply(self, place: int, version: int | None) -> None:
        if version is None:
            fact = variant(place, 0)
            self.outbox.set(FACTS, fact.id.encode(), 0)
        else:
            fact = variant(place, version)
            self.outbox.set(FACTS, fact.id.encode(), 1, encode_fact(fact))

    def commit(self) -> None:
        self.outbox.flush(self.outbox.version + 1)
        self.store.put("meta", b"version", b"%d" % self.outbox.version)
        self.store.commit()

    def send(self, limit: int = 1_000, *, acknowledged: bool = True) -> None:
        """Send all there is, or a part of it whose acknowledgement is lost with the process."""
        while messages := self.outbox.take(limit):
            for message in messages:
                assert message.partition is not None
                self.log[message.partition].append(message)
            if not acknowledged:
                return
            self.outbox.settled()

    def restart(self, incarnation: int) -> None:
        """The same store under another claim goes on where it was."""
        self.store = MemoryStore(self.store.durable)
        self.incarnation = incarnation
        self.open()

    def restore(self, incarnation: int) -> "Sender":
        """An older store reads its inputs again, and sends everything; the old one is a zombie."""
        durable, place = self.checkpoint
        new = Sender(self.number, incarnation, self.log, MemoryStore(durable), list(self.done))
        new.checkpoint = self.checkpoint
        new.outbox.sweep(incarnation)
        for each in self.done[place:]:
            new._apply(*each)
        new.commit()
        return new

    def note(self) -> None:
        self.checkpoint = (
            {t: dict(rows) for t, rows in self.store.durable.items()},
            len(self.done),
        )

    def truth(self) -> dict[str, bytes]:
        last = dict(self.done)
        facts = [variant(place, version) for place, version in last.items() if version is not None]
        return {fact.id: encode_fact(fact) for fact in facts}


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["say", "say", "gone", "send", "send", "half", "note", "restart", "restore", "zombie"]
        ),
        st.integers(0, 3),
        st.integers(0, 9),
    ),
    min_size=10,
    max_size=40,
)

SEEDS = st.integers(0, 2**32).map(random.Random)


def run(steps: list[tuple[str, int, int]]) -> tuple[list[list[Message]], dict[str, bytes]]:
    """What two senders left in the topic, and what they hold in the end.

    Every fact has one sender: the owner of its head.
    """
    log: list[list[Message]] = [[] for _ in range(PARTITIONS)]
    senders = [Sender(number, number, log) for number in range(2)]
    zombies: list[Sender] = []
    claim = 10
    for what, place, version in steps:
        sender = senders[place % 2]
        claim += 1
        if what == "say":
            sender.say(place, version)
        elif what == "gone":
            sender.say(place, None)
        elif what == "send":
            sender.send()
        elif what == "half":
            sender.send(2, acknowledged=False)
            sender.restart(claim)
        elif what == "note":
            sender.note()
        elif what == "restart":
            sender.restart(claim)
        elif what == "restore":
            zombies.append(sender)
            senders[place % 2] = sender.restore(claim)
        elif what == "zombie" and zombies:
            zombie = zombies[version % len(zombies)]
            zombie.say(zombie.number + place // 2 * 2, version)  # nobody will ever own this
            zombie.send()
    for sender in senders:
        sender.send()
    return log, {name: data for sender in senders for name, data in sender.truth().items()}


def records(messages: list[Message]) -> list[Record]:
    return [
        Record(offset, offset, message.key, message.value)
        for offset, message in enumerate(messages)
    ]


def held(replica: Replica) -> dict[str, bytes]:
    return {decode_fact(data).id: data for data in replica.graph.facts()}


def read_all(
    log: list[list[Message]], store: MemoryStore, rng: random.Random, *, crashes: bool = False
) -> Replica:
    """Read the partitions in turns of random length, losing the process now and then."""
    replica = Replica(store, graph="g/2")
    topic = [records(messages) for messages in log]
    while left := [
        number
        for number in range(PARTITIONS)
        if replica.offsets.get(number, 0) < len(topic[number])
    ]:
        number = rng.choice(left)
        # Fetches may begin before the stored offset; what is known is passed over.
        begin = max(replica.offsets.get(number, 0) - rng.randrange(3), 0)
        end = begin + 1 + rng.randrange(6)
        batch = topic[number][begin:end]
        replica.read(number, batch, begin + len(batch))
        if crashes and rng.random() < 0.3:
            store = MemoryStore(store.durable)
            replica = Replica(store, graph="g/2")
            continue
        if rng.random() < 0.7:
            replica.commit()
    replica.commit()
    return replica


@given(STEPS, SEEDS)
def test_a_replica_holds_what_the_senders_hold_whatever_was_lost_on_the_way(steps, rng):
    log, truth = run(steps)
    replica = read_all(log, MemoryStore(), rng, crashes=True)
    assert held(replica) == truth
    assert sum(n for by in replica.graph.counts().values() for n in by.values()) == len(truth)
    assert check(replica.graph).problems == 0


@given(STEPS, SEEDS)
def test_order_and_repeats_do_not_matter(steps, rng):
    log, truth = run(steps)
    for messages in log:
        messages.extend(rng.choices(messages, k=len(messages) // 2) if messages else [])
        rng.shuffle(messages)
    replica = read_all(log, MemoryStore(), rng)
    assert held(replica) == truth


@given(STEPS, SEEDS)
def test_a_replica_of_a_compacted_topic_equals_the_live_one(steps, rng):
    log, _ = run(steps)
    live = read_all(log, MemoryStore(), rng)
    compacted = [list({message.key: message for message in each}.values()) for each in log]
    rebuilt = read_all(compacted, MemoryStore(), rng)
    assert list(rebuilt.graph.facts()) == list(live.graph.facts())
    assert rebuilt.graph.counts() == live.graph.counts()


class OneCommit(MemoryStore):
    """A store that may be committed once: a crash after a first of two would be seen."""

    def commit(self) -> None:
        assert not self.durable, "two commits for one batch"
        super().commit()


def test_facts_and_offsets_are_durable_together_or_not_at_all():
    store = OneCommit()
    replica = Replica(store, graph="g/1")
    fact = variant(0, 3)
    assert replica.read(0, [Record(4, 9, *told(fact))], 5) == Counts(changed=1)
    assert store.durable == {}
    replica.commit()
    again = Replica(MemoryStore(store.durable), graph="g/1")
    assert again.offsets == {0: 5}
    assert again.kept.newest_ms == 9
    assert again.graph.fact(fact.id) == fact
    assert again.read(0, [Record(4, 9, *told(fact))], 5) == Counts(stale=1)


def test_a_store_of_another_graph_is_refused():
    store = MemoryStore()
    Replica(store, graph="g/1").commit()
    with pytest.raises(StoreOwnerError, match=r"'g/1'.*'g/2'"):
        Replica(store, graph="g/2")


def test_a_tombstone_says_nothing():
    reader = MemoryReader([variant(0, 3)])
    key, _ = told(variant(0, 3))
    assert reader.replica.read(0, [Record(1, 0, key, None)], 2) == Counts(stale=1)
    assert reader.graph.fact(variant(0, 3).id) is not None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"", b""),
        (b"\0" * 9, b'{"version":1,"n":1,"fact":{}}'),
        (told(variant(0, 1))[0], b"\xff\xfe"),
        (told(variant(0, 1))[0], b"[" * 2_000),
        (told(variant(0, 1))[0], b'{"version":1,"n":1,"fact":null}'),
        (told(variant(0, 1))[0], b'{"version":1,"fact":{}}'),
        (told(variant(0, 1))[0], b'{"version":-1,"n":0,"fact":null}'),
        (told(variant(0, 1))[0], b'{"version":99999999999999999999999,"n":0,"fact":null}'),
        (told(variant(0, 1))[0], b'{"version":1,"n":99999999999999999999999,"fact":null}'),
        (told(variant(0, 1))[0], told(variant(1, 1))[1]),
        (told(variant(0, 1))[0][:10] + b"no fact id", b'{"version":1,"n":0,"fact":null}'),
        (told(variant(0, 1))[0][:10] + b"\xff" * 32, b'{"version":1,"n":0,"fact":null}'),
        (told(variant(0, 1))[0][:10], b'{"version":1,"floor":-99}'),
        (told(variant(0, 1))[0][:10], b'{"version":1,"floor":99999999999999999999999}'),
    ],
)
def test_what_no_sender_wrote_is_counted_and_does_no_harm(key, value):
    reader = MemoryReader([variant(2, 1)])
    counts = reader.replica.read(0, [Record(1, 0, key, value)], 2)
    reader.replica.commit()
    assert counts == Counts(unreadable=1)
    assert reader.replica.offsets == {0: 2}
    assert len(list(reader.graph.facts())) == 1


def test_a_marker_takes_away_what_older_incarnations_left():
    reader = MemoryReader([variant(0, 1), variant(1, 1)])
    key, value = encode_marker(FACTS, Marker(0, 8, 1, 8))
    assert reader.replica.read(0, [Record(2, 0, key, value)], 3) == Counts(changed=2)
    assert list(reader.graph.facts()) == []
    again = reader.replica.read(0, [Record(3, 0, *told(variant(0, 1), version=99))], 4)
    assert again == Counts(stale=1)
