"""Clusters are a function of the links that stand: order and undone merges leave no trace."""

import random

from hypothesis import given
from hypothesis import strategies as st

from models_onnx.synonyms.clusters import Link, cluster, couple

VALUES = st.sampled_from([f"v{i}" for i in range(14)])
LINKS = st.lists(
    st.builds(Link, VALUES, VALUES, st.sampled_from([0.5, 0.7, 0.8, 0.9, 0.95])), max_size=40
)
LIMITS = st.integers(1, 6)
COUNTS = st.dictionaries(VALUES, st.integers(0, 3))


@given(LINKS, LIMITS, COUNTS, st.randoms(use_true_random=False))
def test_order_direction_and_repeats_do_not_matter(links, limit, counts, rng):
    expected = cluster(links, counts=counts, limit=limit)
    other = [Link(x.b, x.a, x.score) if rng.random() < 0.5 else x for x in links + links[:3]]
    rng.shuffle(other)
    assert cluster(other, counts=counts, limit=limit) == expected


@given(LINKS, LIMITS, COUNTS)
def test_no_cluster_is_over_the_limit_and_no_value_is_in_two(links, limit, counts):
    found = cluster(links, counts=counts, limit=limit)
    members = [value for one in found for value in one.members]
    assert len(members) == len(set(members))
    assert all(2 <= len(one.members) <= limit for one in found)
    assert all(one.canonical in one.members for one in found)


@given(LINKS, LIMITS, VALUES, VALUES)
def test_an_undone_merge_is_as_if_it_had_never_been(links, limit, a, b):
    never = [link for link in links if couple(link.a, link.b) != couple(a, b)]
    merged = [*links, Link(a, b, 0.99)]
    undone = [link for link in merged if couple(link.a, link.b) != couple(a, b)]
    assert cluster(undone, limit=limit) == cluster(never, limit=limit)
    apart = [couple(a, b)] if a != b else []
    assert cluster(merged, apart=apart, limit=limit) == cluster(never, apart=apart, limit=limit)


@given(LINKS, LIMITS, st.sets(st.tuples(VALUES, VALUES).filter(lambda p: p[0] < p[1]), max_size=4))
def test_what_a_person_set_apart_is_never_together(links, limit, apart):
    for one in cluster(links, apart=apart, limit=limit):
        assert not any(a in one.members and b in one.members for a, b in apart)


@given(LINKS, COUNTS)
def test_without_a_limit_clusters_are_the_connected_values(links, counts):
    together = {value: {value} for value in (f"v{i}" for i in range(14))}
    for link in links:
        joined = together[link.a] | together[link.b]
        for value in joined:
            together[value] = joined
    expected = {frozenset(group) for group in together.values() if len(group) > 1}
    assert {frozenset(one.members) for one in cluster(links, counts=counts, limit=99)} == expected


def test_the_most_frequent_the_shortest_and_then_the_first_stands_for_all():
    links = [Link("grey", "gray", 0.9), Link("gray", "gry", 0.8)]
    assert cluster(links)[0].canonical == "gry"
    assert cluster(links, counts={"grey": 5, "gray": 5})[0].canonical == "gray"
    assert cluster(links, counts={"grey": 6, "gray": 5})[0].canonical == "grey"


def test_the_surest_links_win_where_room_is_short():
    links = [Link("a", "b", 0.6), Link("b", "c", 0.9), Link("c", "d", 0.7)]
    assert [one.members for one in cluster(links, limit=2)] == [("b", "c")]
    shuffled = random.Random(3).sample(links, 3)
    assert [one.members for one in cluster(shuffled, limit=3)] == [("b", "c", "d")]
