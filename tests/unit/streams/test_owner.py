"""One batch: state, keys to send and offsets move together, and a store knows whose it is."""

from collections.abc import Sequence

import msgspec
import pytest

from streams.errors import StateError
from streams.ports import Answers, Questions, Record
from streams.totals.owner import KEPT, Owner, Start, Wiring, without_incarnation
from streams.totals.wire import Marker, Sent, decode, encode_total
from topology.store.memory import MemoryStore

WEEK = b"\0b\x0002880"


class Counting:
    """Counts each key it is told and tells it on."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring

    def apply(self, topic: str, partition: int, records: Sequence[Record]) -> None:
        for change in self._wiring.read(topic, partition, records):
            self._wiring.outbox.set("claims", change.key, change.after)

    def wants(self) -> Questions:
        return Questions()

    def learn(self, answers: Answers) -> None:
        del answers

    def flush(self) -> None:
        pass

    is_idle = True

    def calm(self) -> None:
        pass


def opened(store: MemoryStore, graph: str = "graph/2") -> Owner:
    return Owner("products", 0, store, Counting, {"claims": 2, "dead-letters": 1}, graph=graph)


def told(offset: int, key: bytes, n: int, version: int = 1) -> Record:
    return Record(offset, 0, *encode_total("bought", Sent(0, 1, version, key + WEEK, n, b"")))


def started(store: MemoryStore, claim: int = 1, last: int | None = None, **more) -> Owner:
    owner = opened(store)
    owner.start(Start(claim, last, more.pop("ends", {}), "boot", **more))
    return owner


def totals(owner: Owner) -> dict[bytes, int]:
    messages = [decode(m.topic, m.key, m.value) for m in owner.take(100) if m.topic == "claims"]
    return {m.key.removesuffix(WEEK): m.n for m in messages if isinstance(m, Sent)}


def test_what_was_read_before_a_crash_but_not_committed_is_read_again():
    store = MemoryStore()
    owner = started(store)
    owner.read("bought", [told(0, b"a", 3)], 1)
    owner.commit()
    owner.read("bought", [told(1, b"a", 9, 2)], 2)
    after = started(MemoryStore(store.durable), 2, 1)
    assert after.next_offset("bought") == 1
    after.read("bought", [told(0, b"a", 3), told(1, b"a", 9, 2)], 2)
    after.commit()
    assert totals(after) == {b"a": 9}
    assert after.tally["bought.used"] == 2, "the first record is passed over the second time"


def test_the_store_of_the_last_claim_goes_on_and_any_other_sends_everything_again():
    store = MemoryStore()
    owner = started(store)
    owner.read("bought", [told(0, b"a", 3)], 1)
    owner.commit()
    totals(owner)
    owner.settled()
    owner.commit()
    durable = store.durable
    assert totals(started(MemoryStore(durable), 2, 1)) == {}
    assert totals(started(MemoryStore(durable), 3, 2)) == {b"a": 3}, "another store claimed since"
    booted = opened(MemoryStore(durable))
    assert booted.start(Start(2, 1, {}, "another boot")), "its last writes may be lost"
    copy = {table: dict(rows) for table, rows in durable.items()}
    copy["meta"][b"kept"] = without_incarnation(copy["meta"][b"kept"])
    assert totals(started(MemoryStore(copy), 2, 1)) == {b"a": 3}, "a checkpoint"


def test_a_store_that_sends_again_reads_its_inputs_to_their_ends_first():
    owner = started(MemoryStore(), 2, 1, ends={"bought": 2}, allow_empty=True)
    owner.read("bought", [told(0, b"a", 3)], 1)
    owner.commit()
    assert owner.take(100) == []
    owner.read("bought", [told(1, b"b", 1)], 2)
    owner.commit()
    messages = owner.take(100)
    last = [decode(m.topic, m.key, m.value) for m in messages][-2:]
    assert all(isinstance(each, Marker) for each in last)
    assert len(messages) == 4


def test_a_partition_that_nobody_ever_claimed_tells_at_once_and_ends_nothing():
    owner = started(MemoryStore(), ends={"bought": 2})
    owner.read("bought", [told(0, b"a", 3)], 1)
    owner.commit()
    messages = [decode(m.topic, m.key, m.value) for m in owner.take(100)]
    assert [type(each) for each in messages] == [Sent]


def test_an_empty_store_is_refused_where_a_claim_exists_unless_the_operator_says_so():
    with pytest.raises(StateError, match="CARTOGRAPH_ALLOW_EMPTY_STORE"):
        started(MemoryStore(), 2, 1)
    started(MemoryStore(), 2, 1, allow_empty=True)


def test_a_copy_without_its_incarnation_still_knows_that_the_control_topic_was_made_again():
    """All that it would send under the lower claim passed for older than what was sent before."""
    store = MemoryStore()
    started(store, 500)
    row = without_incarnation(without_incarnation(store.durable["meta"][KEPT]))
    copy = {**store.durable, "meta": {**store.durable["meta"], KEPT: row}}
    with pytest.raises(StateError, match="the one before was 500"):
        started(MemoryStore(copy), 3, 2)
    restored = started(MemoryStore(copy), 501, 500)
    assert restored.kept.incarnation == 501
    assert restored.outbox.must_sweep, "it sends everything again"


def test_a_store_of_another_partition_stage_or_graph_is_refused():
    store = MemoryStore()
    started(store)
    with pytest.raises(StateError, match="another folder"):
        opened(MemoryStore(store.durable), graph="graph/4")
    with pytest.raises(StateError, match="products/0"):
        Owner("graph", 0, MemoryStore(store.durable), Counting, {}, graph="graph/2")


def test_a_bad_total_is_a_dead_letter_and_the_rest_goes_on():
    owner = started(MemoryStore())
    strange = Record(2, 0, *encode_total("bought", Sent(0, 1, 1, b"a\0b\0week", 1, b"")))
    owner.read("bought", [Record(0, 0, b"??", b"garbage"), told(1, b"a", 2), strange], 3)
    owner.commit()
    messages = owner.take(100)
    letters = [msgspec.json.decode(m.value) for m in messages if m.topic == "dead-letters"]
    assert [(each["offset"], each["reason"]) for each in letters] == [
        (0, "bad_total"),
        (2, "bad_total"),
    ]
    assert b"garbage" not in b"".join(m.value for m in messages)
    assert (owner.tally["bought.dead_letter"], owner.tally["bought.used"]) == (2, 1)


def test_every_record_of_a_totals_topic_ends_in_one_outcome():
    owner = started(MemoryStore())
    records = [told(0, b"a", 2), told(1, b"a", 2), Record(2, 0, b"x" * 11, None), told(3, b"b", 1)]
    owner.read("bought", records, 4)
    assert sum(n for name, n in owner.tally.items() if name.startswith("bought.")) == len(records)


def test_a_claim_that_is_no_newer_than_the_last_is_refused():
    store = MemoryStore()
    started(store, 7)
    for claim in (0, 7):
        with pytest.raises(StateError, match="new prefix"):
            opened(store).start(Start(claim, None, {}, "boot"))
    assert not opened(store).start(Start(8, 7, {}, "boot"))
