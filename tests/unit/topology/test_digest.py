"""The digest names a graph, whatever the order and the partitions."""

from hypothesis import given
from hypothesis import strategies as st

from topology.digest import Digest, digest_of

FACTS = st.lists(st.binary(max_size=8), max_size=8)
TOTALS = st.lists(
    st.tuples(st.sampled_from(["claims", "asked"]), st.binary(max_size=4), st.integers(0, 3)),
    max_size=8,
)


@given(FACTS, TOTALS, st.randoms(use_true_random=False))
def test_neither_order_nor_partitions_change_it(facts, totals, rng):
    whole = digest_of(facts, totals)
    rng.shuffle(facts)
    rng.shuffle(totals)
    cut, cut_too = rng.randrange(len(facts) + 1), rng.randrange(len(totals) + 1)
    one = digest_of(facts[:cut], totals[:cut_too])
    other = digest_of(facts[cut:], totals[cut_too:])
    assert one.merge(other) == whole
    assert other.merge(one).hex == whole.hex
    assert len(whole.hex) == 64


@given(FACTS, st.binary(max_size=8))
def test_one_more_fact_is_another_digest_even_if_it_is_there(facts, more):
    assert digest_of([*facts, more]) != digest_of(facts)
    assert digest_of([*facts, more, more]) != digest_of(facts)


def test_a_total_is_told_from_a_fact_and_from_other_totals():
    total = ("claims", b"k", 1)
    assert digest_of([], [total]) != digest_of([b"total\0claims\x001\0k"])
    assert digest_of([], [total]) != digest_of([], [("claims", b"k", 2)])
    assert digest_of([], [total]) != digest_of([], [("asked", b"k", 1)])


def test_a_total_of_zero_is_as_if_it_were_not_there():
    assert digest_of([], [("claims", b"k", 0)]) == Digest()
