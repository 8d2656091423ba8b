"""Best-sellers and thin evidence do not win; between the thresholds a fact is held."""

from math import exp, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topology.facts import ACCEPTED, HELD, REJECTED
from topology.scoring import (
    Judgement,
    Partners,
    ScoringSettings,
    entropy,
    is_promiscuous,
    judge_concept,
    judge_together,
    judge_type,
    judge_types_together,
    lift_interval,
    ochiai_interval,
    spread_of,
    step,
    wilson,
)

S = ScoringSettings()
COUNTS = st.integers(0, 10**7)
Z = st.floats(0.5, 4)


@given(st.integers(0, 2**70), st.integers(1, 10))
def test_a_step_is_a_little_below_and_never_above(n, bits):
    assert 0 <= n - step(n, bits) <= n / 2 ** (bits - 1)
    assert step(step(n, bits), bits) == step(n, bits)
    assert step(n, bits) <= step(n + 1, bits)


def test_a_count_that_doubles_moves_32_steps():
    assert [step(n) for n in range(64)] == list(range(64))
    assert len({step(n) for n in range(1024, 2048)}) == 32


@given(st.integers(0, 1000), st.integers(1, 1000), Z)
def test_wilson_holds_the_share_and_narrows_with_evidence(part, whole, z):
    part = min(part, whole)
    low, high = wilson(part, whole, z)
    assert 0 <= low <= part / whole <= high <= 1
    more_low, more_high = wilson(part * 4, whole * 4, z)
    assert more_low >= low - 1e-12
    assert more_high <= high + 1e-12


def test_wilson_is_the_published_interval():
    # Newcombe 1998, table I: 81 of 263 at 95 % is 0.2553 to 0.3662.
    low, high = wilson(81, 263, 1.959964)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    assert wilson(0, 0, 3.0) == (0.0, 1.0)


@given(st.lists(st.integers(0, 10**6), max_size=20), st.randoms(use_true_random=False))
def test_spread_adds_up_to_the_same_in_any_order_and_gives_the_entropy(counts, rng):
    total, spread = sum(counts), sum(map(spread_of, counts))
    rng.shuffle(counts)
    assert sum(map(spread_of, counts)) == spread
    expected = -sum(n / total * log(n / total) for n in counts if n) if total else 0.0
    assert entropy(total, spread) == pytest.approx(expected, abs=1e-3)


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_a_lift_has_its_estimate_between_its_bounds_whatever_arrived_first(x, i, v, n):
    # Totals travel separately: a part may be there before its whole.
    estimate, low, high = lift_interval(x, i, v, n, prior=2.0, z=3.0)
    assert low <= estimate <= high


def test_no_effect_is_a_lift_of_one():
    estimate, low, high = lift_interval(200, 1000, 2000, 10_000, prior=2.0, z=3.0)
    assert exp(estimate) == pytest.approx(1.0, abs=0.01)
    assert low < 0 < high


# An intent of a concept: T bought 10,000 times; with the value; asked; both.


def test_a_tied_value_is_accepted():
    found = judge_concept(both=60, asked=100, value=1500, bought=10_000, settings=S)
    assert found.status == ACCEPTED
    assert found.low >= S.lift_accept
    assert found.reason.startswith("lift ")
    assert "over 60 shoppers" in found.reason


def test_a_best_selling_value_is_not_accepted_however_often_it_is_bought():
    found = judge_concept(both=600, asked=1000, value=6000, bought=10_000, settings=S)
    assert found.status != ACCEPTED
    assert found.score < 0.5


def test_a_frequent_intent_is_not_accepted_for_a_value_it_is_not_tied_to():
    found = judge_concept(both=750, asked=5000, value=1500, bought=10_000, settings=S)
    assert found.status == REJECTED


def test_thin_evidence_is_held():
    assert judge_concept(3, 3, 100, 10_000, S).status == HELD
    assert judge_concept(3, 3, 100, 10_000, S).because == "thin"
    assert judge_concept(4, 10, 2000, 10_000, S).status == HELD
    wide = judge_concept(5, 12, 2500, 10_000, S)  # the estimate would do, its lower bound does not
    assert wide.estimate > S.lift_accept > wide.low
    assert wide.status == HELD


@given(st.integers(1, 200), st.integers(0, 500), st.integers(0, 5000))
def test_the_same_share_on_more_shoppers_never_scores_lower_where_it_is_tied(x, more, v):
    i = x + more // 10
    once = judge_concept(x, i, v, 10_000, S)
    often = judge_concept(2 * x, 2 * i, v, 10_000, S)
    if once.estimate > 1:
        assert often.low >= once.low


def test_an_avoided_value_is_rejected():
    assert judge_concept(5, 400, 3000, 10_000, S).status == REJECTED


# An intent of a type.


def test_a_share_of_buyers_is_accepted_held_or_rejected_by_its_bounds():
    assert judge_type(1500, 10_000, 0, 0, S).status == ACCEPTED
    assert judge_type(300, 10_000, 0, 0, S).status == HELD
    assert judge_type(10, 10_000, 0, 0, S).status == REJECTED
    assert judge_type(3, 4, 0, 0, S).status == HELD


def test_what_is_asked_by_many_and_true_of_every_value_falls():
    counts = [100] * 40
    spread = sum(map(spread_of, counts))
    found = judge_type(4000, 10_000, sum(counts), spread, S)
    assert (found.status, found.because) == (REJECTED, "generic")
    assert "true of everything" in found.reason
    focused = judge_type(4000, 10_000, 4000, spread_of(4000), S)
    assert focused.status == ACCEPTED


# Co-purchases.


def partners(together: int = 2000, popularity: int = 20_000, bought: int = 200) -> Partners:
    return Partners(bought, together, popularity, promiscuous=False)


def test_products_that_belong_together_are_accepted():
    assert judge_together(80, 150, partners(), S).status == ACCEPTED


def test_two_best_sellers_are_not_accepted_for_being_popular():
    found = judge_together(1000, 10_000, partners(2000, 20_000, 9000), S)
    assert (found.status, found.because) == (HELD, "popular")


def test_a_product_that_goes_with_everything_falls():
    found = judge_together(80, 150, partners()._replace(promiscuous=True), S)
    assert (found.status, found.because) == (REJECTED, "promiscuous")


def test_promiscuous_is_many_types_evenly_and_not_few_or_one_mostly():
    even, one_mostly = [10] * 20, [2000, *[1] * 19]
    for counts, expected in ((even, True), (one_mostly, False), ([1] * 5, False)):
        spread = sum(map(spread_of, counts))
        assert is_promiscuous(sum(counts), spread, S) == expected
    assert not is_promiscuous(0, 0, S)


@given(st.integers(1, 1000), st.integers(0, 1000), st.integers(0, 1000), Z)
def test_ochiai_holds_its_estimate_and_is_symmetric(both, left, right, z):
    estimate, low, high = ochiai_interval(both, left, right, z)
    assert 0 <= low <= estimate + 1e-12
    assert estimate <= high + 1e-12 <= 1 + 1e-9
    assert ochiai_interval(both, right, left, z) == pytest.approx((estimate, low, high))


def test_types_go_by_share_or_by_ochiai_where_the_other_is_known():
    assert judge_types_together(300, 1000, 5000, 0, S).status == ACCEPTED
    assert judge_types_together(300, 1000, 5000, 0, S).because == "together by type"
    assert judge_types_together(2, 3000, 5000, 0, S).status == REJECTED
    assert judge_types_together(300, 1000, 400, 500, S).because == "together"


@given(st.floats(0, 1), st.sampled_from([HELD, REJECTED]))
def test_only_an_accepted_fact_is_published_for_its_score_alone(score, status):
    assert Judgement(status, score, "lift").mark(20) == Judgement(status, 0.5, "lift").mark(20)
    marks = {Judgement(ACCEPTED, n / 20 + 0.01, "lift").mark(20) for n in range(20)}
    assert len(marks) == 20
    assert not marks & {Judgement(each, score, "lift").mark(20) for each in (HELD, REJECTED)}
    assert 0 not in marks


@pytest.mark.parametrize(
    "wrong",
    [
        {"z": 0},
        {"lift_reject": 2.0},
        {"share_reject": 0.2},
        {"score_steps": 0},
        {"min_products": 4},
        {"type_support": 0},
    ],
)
def test_settings_that_contradict_each_other_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ScoringSettings(**wrong)
