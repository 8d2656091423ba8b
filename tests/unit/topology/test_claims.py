"""Catalog and text are weighed against each other; a disagreement is seen, not overwritten."""

from hypothesis import given
from hypothesis import strategies as st

from topology.claims import Told, weigh
from topology.facts import ACCEPTED, HELD, REJECTED

RED, BLUE = "value:color/red", "value:color/blue"


def weighed(*told, clash=True):
    return weigh([Told(*one) for one in told], clash=lambda *_: clash, agree_accept=0.75)


def test_one_source_has_the_cleaners_verdict():
    for verdict in (ACCEPTED, HELD, REJECTED):
        assert weighed((RED, "text", 0.6, verdict))[RED].status == verdict


def test_two_sources_that_agree_are_stronger_than_each():
    both = weighed((RED, "catalog", 0.6, HELD), (RED, "text", 0.6, HELD))[RED]
    assert (both.status, both.score) == (ACCEPTED, 0.84)
    assert both.reason == "catalog and text agree"
    assert weighed((RED, "catalog", 0.3, HELD), (RED, "text", 0.3, HELD))[RED].status == HELD


def test_two_values_of_a_single_valued_attribute_are_held_and_name_each_other():
    found = weighed((RED, "catalog", 0.9, ACCEPTED), (BLUE, "text", 0.9, ACCEPTED))
    assert found[RED][::2] == (HELD, f"conflict: {BLUE}")
    assert found[BLUE][::2] == (HELD, f"conflict: {RED}")


def test_a_value_the_cleaner_rejects_is_no_conflict():
    found = weighed((RED, "catalog", 0.9, ACCEPTED), (BLUE, "text", 0.1, REJECTED))
    assert (found[RED].status, found[BLUE].status) == (ACCEPTED, REJECTED)


def test_a_value_with_both_sources_stands_against_one_with_a_single_source():
    found = weighed(
        (RED, "catalog", 0.9, ACCEPTED), (RED, "text", 0.9, ACCEPTED), (BLUE, "text", 0.9, ACCEPTED)
    )
    assert (found[RED].status, found[BLUE].status) == (ACCEPTED, HELD)


def test_values_that_may_stand_together_do():
    found = weighed((RED, "catalog", 0.9, ACCEPTED), (BLUE, "text", 0.9, ACCEPTED), clash=False)
    assert {one.status for one in found.values()} == {ACCEPTED}


def test_a_value_rejected_from_one_source_and_accepted_from_the_other_is_held():
    found = weighed((RED, "catalog", 0.9, ACCEPTED), (RED, "text", 0.1, REJECTED))
    assert found[RED].status == HELD


TOLD = st.lists(
    st.tuples(
        st.sampled_from([RED, BLUE, "value:color/green"]),
        st.sampled_from(["catalog", "text"]),
        st.sampled_from([0.2, 0.6, 0.9]),
        st.sampled_from([ACCEPTED, HELD, REJECTED]),
    ),
    unique_by=lambda one: one[:2],
)


@given(TOLD, st.randoms(use_true_random=False))
def test_the_order_of_claims_does_not_matter_and_scores_are_shares(told, rng):
    before = weighed(*told)
    rng.shuffle(told)
    assert weighed(*told) == before
    assert all(0 <= one.score <= 1 for one in before.values())
