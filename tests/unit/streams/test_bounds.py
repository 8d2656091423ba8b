"""A stretch of a partition is read as if nothing stood before or behind it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import TopicError
from streams.kafka.fetch import Span
from streams.monitoring import metrics
from streams.ports import Record
from streams.totals.owner import Owner
from streams.worker.bounds import Stretch
from streams.worker.holding_checks import begin_within_log
from tests.unit.streams.test_owner import Counting
from topology.store.memory import MemoryStore


def spans(sizes: list[int], gaps: list[int]) -> list[Span]:
    """Spans that follow each other; a gap stands at the end of each, as compaction leaves it."""
    found, at = [], 0
    for size, gap in zip(sizes, gaps, strict=False):
        records = [Record(at + place, 0, b"k", b"v") for place in range(size)]
        found.append(Span(at, at + size + gap, records, 1))
        at += size + gap
    return found


@given(
    st.lists(st.integers(0, 5), max_size=8), st.lists(st.integers(0, 3), min_size=8), st.integers()
)
def test_what_is_read_ends_where_it_was_told_to_and_leaves_no_hole(sizes, gaps, end):
    whole = spans(sizes, gaps)
    last = whole[-1].next if whole else 0
    end = end % (last + 3)
    stretch = Stretch(ends={"events": {0: end}})
    read = [cut for span in whole if (cut := stretch.clip("events", 0, span)) is not None]
    offsets = [record.offset for span in read for record in span.records]
    assert offsets == [r.offset for span in whole for r in span.records if r.offset < end]
    at = 0
    for span in read:
        assert span.start == at
        at = span.next
    assert at == min(end, last)
    assert stretch.within("events", 0, last) == min(end, last)
    assert all(stretch.clip("events", 1, span) == span for span in whole)
    assert all(stretch.clip("catalog", 0, span) == span for span in whole)


def owner() -> Owner:
    return Owner("shoppers", 0, MemoryStore(), Counting, {"searched": 1}, graph="graph/1")


def test_an_owner_begins_where_it_was_told_to_unless_it_has_read_already():
    fresh = owner()
    begin_within_log(fresh, "events", (3, 90), 40)
    assert fresh.next_offset("events") == 40
    begin_within_log(fresh, "events", (3, 90), 10)
    assert fresh.next_offset("events") == 40
    late = owner()
    begin_within_log(late, "events", (50, 90), 40)
    assert late.next_offset("events") == 50, "Kafka has deleted the first of them"


def lost(name: str) -> float:
    return metrics.LOST.labels("shoppers", name)._value.get()


def test_a_stretch_that_kafka_has_deleted_since_can_be_opened_again_and_again():
    """What stands behind its end is none of its own: it is neither lost nor read."""
    done, before = owner(), lost("events")
    begin_within_log(done, "events", (0, 40), 10)
    done.read("events", (), 40)
    for first in (40, 55, 55, 70):
        begin_within_log(done, "events", (first, 40), 10)
        assert done.next_offset("events") == first
    assert lost("events") == before
    half = owner()
    begin_within_log(half, "events", (0, 40), 10)
    begin_within_log(half, "events", (55, 40), 10)
    assert lost("events") == before + 30
    with pytest.raises(TopicError, match="deleted and made again"):
        begin_within_log(half, "events", (0, 40), 10)
