"""Totals, not deltas: what a partition sends and what a receiver keeps (DESIGN, rule 2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import StateError
from streams.totals.inbox import Inbox
from streams.totals.outbox import Outbox
from streams.totals.wire import Marker, Sent, decode
from topology.store.memory import MemoryStore


def box(store: MemoryStore, **more) -> Outbox:
    outbox = Outbox(store, {"claims": 2, "dead-letters": 2}, 1, **more)
    outbox.incarnation = 5
    return outbox


def commit(outbox: Outbox, store: MemoryStore) -> None:
    outbox.flush(outbox.version + 1)
    store.commit()


def sent(messages) -> dict[bytes, tuple[int, int]]:
    found = {}
    for message in messages:
        told = decode(message.topic, message.key, message.value)
        if isinstance(told, Sent):
            found[told.key] = (told.incarnation, told.n)
    return found


def test_only_what_is_written_is_sent():
    store = MemoryStore()
    outbox = box(store)
    outbox.add("claims", b"a", 1)
    with pytest.raises(StateError):
        outbox.take(10)


def test_a_burst_on_one_key_is_one_message():
    store = MemoryStore()
    outbox = box(store)
    for _ in range(50):
        outbox.add("claims", b"a", 1)
        commit(outbox, store)
    assert [sent([m]) for m in outbox.take(10)] == [{b"a": (5, 50)}]
    outbox.settled()
    assert outbox.idle


def test_what_changes_while_under_way_is_sent_again():
    store = MemoryStore()
    outbox = box(store)
    outbox.add("claims", b"a", 1)
    commit(outbox, store)
    assert sent(outbox.take(10)) == {b"a": (5, 1)}
    outbox.add("claims", b"a", 1)
    commit(outbox, store)
    outbox.settled()
    assert sent(outbox.take(10)) == {b"a": (5, 2)}


def test_a_total_that_is_gone_goes_out_as_zero():
    store = MemoryStore()
    outbox = box(store)
    outbox.add("claims", b"a", 1)
    commit(outbox, store)
    outbox.take(10)
    outbox.settled()
    outbox.add("claims", b"a", -1)
    commit(outbox, store)
    assert sent(outbox.take(10)) == {b"a": (5, 0)}
    assert store.scan("totals") == []


def test_a_total_below_zero_is_a_bug_and_says_so():
    store = MemoryStore()
    outbox = box(store)
    outbox.add("claims", b"a", -1)
    with pytest.raises(StateError, match="bug"):
        outbox.flush(1)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 3)), max_size=30), st.data())
def test_after_a_crash_everything_unacknowledged_is_sent_again(steps, data):
    store = MemoryStore()
    outbox = box(store)
    landed: dict[bytes, int] = {}
    want: dict[bytes, int] = {}
    for name, delta in steps:
        key = name.encode()
        outbox.add("claims", key, delta)
        want[key] = want.get(key, 0) + delta
        commit(outbox, store)
        match data.draw(st.sampled_from(["nothing", "send", "lose", "crash"])):
            case "send":
                landed |= {k: n for k, (_, n) in sent(outbox.take(100)).items()}
                outbox.settled()
                commit(outbox, store)
            case "lose" | "crash" as fault:
                if fault == "lose":
                    outbox.take(100)
                version, store = outbox.version, MemoryStore(store.durable)
                outbox = box(store)
                outbox.version = version
    landed |= {k: n for k, (_, n) in sent(outbox.take(100)).items()}
    assert landed == want


@given(st.integers(1, 7))
def test_a_sweep_sends_all_totals_then_a_marker_to_every_partition(limit):
    store = MemoryStore()
    outbox = box(store)
    for n in range(10):
        outbox.add("claims", b"k%d" % n, n + 1)
    commit(outbox, store)
    outbox.take(100)
    outbox.settled()
    outbox.sweep(9)
    commit(outbox, store)
    outbox = box(MemoryStore(store.durable))
    outbox.incarnation = 9
    messages = []
    while chunk := outbox.take(limit):
        messages += chunk
        outbox.settled()
    markers = [decode(m.topic, m.key, m.value) for m in messages[-2:]]
    assert [m.partition for m in messages[-2:]] == [0, 1]
    assert all(isinstance(marker, Marker) and marker.floor == 9 for marker in markers)
    assert sent(messages[:-2]) == {b"k%d" % n: (9, n + 1) for n in range(10)}
    assert outbox.idle


def test_notes_go_out_until_they_are_acknowledged():
    store = MemoryStore()
    outbox = box(store)
    outbox.note("dead-letters", b"t/0/1", b"why")
    commit(outbox, store)
    again = box(MemoryStore(store.durable))
    again.flush(2)
    assert [(m.topic, m.key, m.value) for m in again.take(10)] == [
        ("dead-letters", b"t/0/1", b"why")
    ]
    again.settled()
    assert again.idle
    assert again.take(10) == []


stamps = st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 5))


def total_of(stamp: tuple[int, int, int]) -> int:
    return stamp[0] + 3 * stamp[1] + 7 * stamp[2]


@given(st.lists(stamps, min_size=1), st.randoms())
def test_order_and_repeats_do_not_change_a_sum(told, rng):
    order = told + told[:3]
    rng.shuffle(order)
    sums = []
    for each in told, order:
        inbox = Inbox(MemoryStore())
        for sender, incarnation, version in each:
            n = total_of((sender, incarnation, version))
            inbox.receive("claims", Sent(sender, incarnation, version, b"k", n, b""))
        sums.append(inbox.total("claims", b"k"))
    newest = {s: max(stamp for stamp in told if stamp[0] == s) for s, _, _ in told}
    assert sums == [sum(map(total_of, newest.values()))] * 2


def test_a_marker_ends_what_is_older_and_what_still_comes_of_it():
    store = MemoryStore()
    inbox = Inbox(store)
    inbox.receive("claims", Sent(0, 1, 1, b"a", 4, b""))
    inbox.receive("claims", Sent(1, 1, 1, b"a", 2, b""))
    inbox.receive("claims", Sent(0, 3, 1, b"b", 1, b""))
    changes = list(inbox.end("claims", Marker(0, 3, 2, 3)))
    assert [(change.key, change.before, change.after) for change in changes] == [(b"a", 6, 2)]
    inbox.flush()
    store.commit()
    for kept in inbox, Inbox(MemoryStore(store.durable)):
        assert kept.receive("claims", Sent(0, 2, 9, b"a", 9, b"")) is None
        assert kept.total("claims", b"a") == 2
        assert kept.total("claims", b"b") == 1


def test_a_zero_is_kept_and_outranks_what_was_before_it():
    inbox = Inbox(MemoryStore())
    inbox.receive("claims", Sent(0, 1, 2, b"a", 0, b""))
    assert inbox.receive("claims", Sent(0, 1, 1, b"a", 5, b"")) is None
    assert inbox.total("claims", b"a") == 0


def test_the_same_total_again_is_no_change_but_another_payload_is():
    inbox = Inbox(MemoryStore())
    inbox.receive("claims", Sent(0, 1, 1, b"a", 5, b"x"))
    assert inbox.receive("claims", Sent(0, 1, 2, b"a", 5, b"x")) is None
    change = inbox.receive("claims", Sent(0, 1, 3, b"a", 5, b"y"))
    assert change is not None
    assert (change.before, change.after, change.payload) == (5, 5, b"y")
