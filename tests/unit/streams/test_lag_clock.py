"""Lag in seconds is told truly: an upper bound, near it, and 0 where nothing waits."""

from hypothesis import given
from hypothesis import strategies as st

from streams.monitoring.lag_clock import Behind, LagClock
from streams.source_times import earlier, header_of, source_of, stretches


@given(
    st.lists(st.integers(0, 50_000), min_size=1, max_size=30).map(sorted),
    st.lists(st.tuples(st.integers(1, 5), st.integers(0, 3_000)), min_size=1, max_size=20),
)
def test_the_oldest_unread_record_waits_no_longer_than_is_told(stamps, steps):
    """Records appear in order of their time; a reader takes some, now and then, and looks."""
    clock, position, now_ms = LagClock[str](), 0, stamps[0]
    for count, passes_ms in steps:
        now_ms += passes_ms
        end = sum(at_ms <= now_ms for at_ms in stamps)
        position = min(position + count, end)
        if position:
            clock.applied("p", stamps[position - 1])
        told = clock.behind({"p": end}, {"p": position}, now_ms)["p"]
        assert told.records == end - position
        if position == end:
            assert told.seconds == 0
        elif position:
            assert told.seconds is not None
            assert told.seconds >= (now_ms - stamps[position]) / 1000


def test_a_record_after_a_quiet_hour_has_not_waited_an_hour():
    clock = LagClock[str]()
    clock.applied("p", 0)
    assert clock.behind({"p": 5}, {"p": 5}, 3_600_000)["p"] == Behind(0, 0.0)
    assert clock.behind({"p": 6}, {"p": 5}, 3_601_000)["p"] == Behind(1, 1.0)


def test_what_is_not_known_is_not_told():
    clock = LagClock[str]()
    assert clock.behind({}, {"p": 5}, 1_000) == {}
    assert clock.behind({"p": 7}, {"p": 5}, 1_000)["p"] == Behind(2, None)


class Told:
    def __init__(self, headers=()) -> None:
        self.headers = headers


def test_a_time_stands_for_its_whole_batch_and_for_no_other():
    first, second, unknown = Told(header_of(7)), Told(header_of(9)), Told(header_of(None))
    records = [Told(), first, Told(), second, unknown, Told()]
    found = [(at, len(some)) for at, some in stretches(records, 3)]
    assert found == [(3, 1), (7, 2), (9, 1), (None, 2)]


@given(st.none() | st.integers(0, 1 << 60))
def test_a_header_tells_what_it_was_given(at_ms):
    assert source_of(header_of(at_ms)) == at_ms


def test_other_headers_say_nothing():
    assert source_of([("source-ms", b"short"), ("trace", b"12345678"), ("source-ms", None)]) is None
    assert [earlier(None, 5), earlier(5, None), earlier(9, 5)] == [5, 5, 5]
    assert earlier(None, None) is None
