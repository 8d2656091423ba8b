"""What a lag is held against: all that was true between two looks, and no more."""

from tests.faults.pressure import Moment, true_between


def look(end: int, behind: int) -> Moment:
    return Moment(at=0.0, told=0, end=end, behind=behind, stored=behind, rss=0)


def test_a_lag_may_grow_between_two_looks_by_what_came_and_by_no_more():
    assert true_between(look(459, 432), look(461, 384)) == (382, 434)
    assert true_between(look(459, 432), look(459, 384)) == (384, 432)
