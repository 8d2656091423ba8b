"""Which partition is read next while a backlog is caught up; how long a worker may write."""

import asyncio

from streams.kafka.alignment import Alignment, Source
from streams.kafka.lease import HeldTime, Lease


def alignment(slack_ms: int, now: list[float] | None = None, now_ms: int = 1 << 40) -> Alignment:
    """An alignment whose clock is the list's first element, in a present far from all events."""
    time = now or [0.0]
    return Alignment(
        slack_ms=slack_ms,
        patience_s=5,
        idle_s=1,
        clock=lambda: time[0],
        now_ms=lambda: now_ms,
    )


def test_the_oldest_goes_first_and_the_newer_waits():
    heads = {name: Source(at, True, True) for name, at in (("a", 100), ("b", 105), ("c", 111))}
    assert alignment(10).choose(heads) == {"a": 115, "b": 110}


def test_a_source_at_its_end_is_waited_for_a_moment_while_times_are_old():
    now = [0.0]
    aligned = alignment(0, now)
    heads = {"a": Source(100, True, True), "b": Source(None, False, False)}
    assert aligned.choose(heads) == {}
    now[0] = 1.1
    assert aligned.choose(heads) == {"a": None}


def test_a_source_that_was_empty_for_long_is_waited_for_when_a_backlog_begins():
    now = [0.0]
    aligned = alignment(0, now)
    empty = Source(None, False, False)
    assert aligned.choose({"a": empty, "b": empty}) == {}
    now[0] = 60.0
    heads = {"a": Source(100, True, True), "b": empty}
    assert aligned.choose(heads) == {}
    now[0] = 60.1
    assert aligned.choose({**heads, "b": Source(50, True, True)}) == {"b": 100}


def test_a_source_that_stays_empty_is_not_waited_for_again_while_the_others_flow():
    now = [60.0]
    aligned = alignment(0, now)
    empty, full = Source(None, False, False), Source(100, True, True)
    assert aligned.choose({"a": full, "b": empty}) == {}
    now[0] = 61.1
    assert aligned.choose({"a": full, "b": empty}) == {"a": None}
    now[0] = 61.2
    assert aligned.choose({"a": empty, "b": empty}) == {}
    now[0] = 61.9
    assert aligned.choose({"a": full, "b": empty}) == {"a": None}


def test_another_process_that_had_nothing_is_waited_for_when_a_backlog_begins():
    now = [60.0]
    aligned = alignment(0, now)
    aligned.others = {"b": None}
    assert aligned.choose({"a": Source(None, False, False)}) == {}
    now[0] = 120.0
    heads = {"a": Source(100, True, True)}
    assert aligned.choose(heads) == {}
    now[0] = 120.9
    aligned.others = {"b": 50}
    assert aligned.choose(heads) == {}
    now[0] = 122.0
    aligned.others = {"b": None}
    assert aligned.choose(heads) == {"a": None}


def test_nobody_waits_for_a_source_at_its_end_when_times_are_recent():
    heads = {"a": Source(100, True, True), "b": Source(None, False, False)}
    assert alignment(10, now_ms=110).choose(heads) == {"a": None}
    assert alignment(10, now_ms=111).choose(heads) == {}


def test_a_source_that_is_behind_is_waited_for_but_not_for_ever():
    now = [0.0]
    aligned = alignment(0, now)
    heads = {"a": Source(100, True, True), "b": Source(None, False, True)}
    assert aligned.choose(heads) == {}
    now[0] = 5.1
    assert aligned.choose(heads) == {"a": None}
    assert aligned.choose({**heads, "b": Source(50, True, True)}) == {"b": 100}
    assert aligned.choose(heads) == {}  # its next fetch is waited for again
    aligned.handed_out(
        "b", 100, 100, 1
    )  # and holds nobody back who is not ahead of what it gave last
    assert aligned.choose(heads) == {"a": 100}


def test_a_record_without_a_time_goes_at_once():
    heads = {"a": Source(None, True, True), "b": Source(7, True, True), "c": Source(9, True, True)}
    assert alignment(0).choose(heads) == {"a": 7, "b": 9}


def test_a_lease_counts_from_the_sending_of_the_heartbeat_and_ends_early():
    now = [0.0]
    lease = Lease(6.0, clock=lambda: now[0], margin_s=0.5)
    assert not lease.is_good
    lease.renew(1.0)
    now[0] = 6.5
    assert lease.is_good
    now[0] = 6.51
    assert not lease.is_good


def test_waiting_for_a_lease_ends_when_the_partition_is_gone():
    lease = Lease(6.0, clock=lambda: 0.0)
    alive = iter((True, True, False))
    assert asyncio.run(lease.wait(lambda: next(alive))) is False


def test_waiting_for_a_lease_goes_on_when_a_heartbeat_comes():
    lease = Lease(6.0, clock=lambda: 0.0)

    def wanted() -> bool:
        lease.renew(0.0)
        return True

    assert asyncio.run(lease.wait(wanted)) is True


def test_while_kafka_is_away_no_patience_runs_out():
    now = [100.0]
    lease = Lease(6.0, clock=lambda: now[0], margin_s=0.5)
    held = HeldTime(lease, clock=lambda: now[0])
    aligned = Alignment(slack_ms=0, patience_s=12.0, idle_s=0.5, clock=held, now_ms=lambda: 1 << 40)
    sources = {
        "a": Source(50, fetched=True, behind=True),
        "b": Source(None, fetched=False, behind=True),
    }

    def passes(seconds: float, *, beats: bool) -> bool:
        """Whether "a" was ever let go ahead of "b", of which more is known to come."""
        went = False
        for _ in range(int(seconds * 2)):
            now[0] += 0.5
            if beats:
                lease.renew(now[0])
            went |= bool(aligned.choose(sources))
        return went

    assert not passes(3.0, beats=True)
    assert not passes(120.0, beats=False)  # the session is good for 5.5 s of them
    assert not passes(2.0, beats=True)
    assert passes(10.0, beats=True)  # Kafka is there and "b" stays away: waiting has an end
