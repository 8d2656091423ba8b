"""Two names of one thing: proposed, decided by the model, undone by people."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_onnx.fakes import FakeMatcher
from streams.totals.messages import Why, encode
from tests.one_partition import small_ontology
from tests.unit.streams.told_graph import Told, use
from topology.facts import Fact, fact_id

ONTOLOGY = small_ontology()
WEEK, LATER = b"02000", b"02003"
SHOES, SLIP, RED = b"type:shoes", b"value:feature/slip-resistant", b"value:color/red"
AUD, PREGNANT = b"used_for_aud", b"intent:audience/pregnant-woman"
CONCEPT = "concept:shoes[feature=slip-resistant]"
WHY = encode(Why(("shoes for pregnant women",), ("product:1", "product:2"), ("tagging@1",)))


@pytest.fixture
def graph() -> Told:
    return Told()


def test_values_spelled_alike_are_proposed_and_held(graph):
    use(graph, "nordwind", "nord-wind", "seaside", "nordwind-2")
    ((triple, fact),) = graph.facts().items()
    assert triple == ("value:brand/nord-wind", "same_as", "value:brand/nordwind")
    assert (fact.status, fact.reason) == ("held", "synonym model decides")
    use(graph, "nord-wind", n=0)
    assert graph.facts() == {}


@given(
    st.lists(
        st.tuples(st.sampled_from([f"nordwind{end}" for end in "abcdefg"]), st.integers(0, 1)),
        max_size=20,
    ),
    st.randoms(use_true_random=False),
)
def test_a_block_that_is_too_full_has_the_same_pairs_in_any_order(steps, rng):
    one, other = Told(block=3), Told(block=3)
    for brand, n in steps:
        use(one, brand, n=n)
        if rng.random() < 0.5:
            one.partition.commit()
    left = [brand for brand, n in dict(steps).items() if n]
    rng.shuffle(left)
    use(other, *left)
    assert one.facts() == other.facts()


# Synonyms that a model judges.

SYNONYMS = "synonyms@1"


def judged(**settings) -> Told:
    return Told(synonyms=SYNONYMS, alike=0.8, **settings)


def same(graph: Told) -> dict[tuple[str, str], Fact]:
    found = graph.facts().items()
    return {(h[12:], t[12:]): fact for (h, relation, t), fact in found if relation == "same_as"}


def test_the_model_decides_and_its_bundle_stands_in_the_evidence():
    graph = judged()
    use(graph, "nordwind", "nord-wind", "nordwand", "nordwind-2", "nordwind-3")
    found = same(graph)
    assert {pair: fact.status for pair, fact in found.items()} == {
        ("nord-wind", "nordwind"): "accepted",
        ("nord-wind", "nordwand"): "held",
        ("nordwand", "nordwind"): "held",
    }
    fact = found["nord-wind", "nordwind"]
    assert (fact.evidence.bundles, fact.reason) == ((SYNONYMS,), "synonym model: 1.00")
    use(graph, "nordwind", n=0)
    assert set(same(graph)) == {("nord-wind", "nordwand")}


def test_each_pair_is_asked_of_once_and_again_when_it_came_back():
    graph = judged()
    use(graph, "nordwind", "nord-wind")
    graph.partition.commit()
    assert graph.partition.questions == 1
    use(graph, "nordwind", n=4)
    graph.partition.commit()
    assert graph.partition.questions == 1
    use(graph, "nordwind", n=0)
    graph.partition.commit()
    use(graph, "nordwind")
    graph.partition.commit()
    assert graph.partition.questions == 2


SPELLINGS = [f"nordwind-and-seaside{end}" for end in "abcdefghijklmnop"]


def test_a_cluster_has_at_most_twelve_names_whatever_the_order():
    graph = judged()
    use(graph, *SPELLINGS)
    links = [pair for pair, fact in same(graph).items() if fact.status == "accepted"]
    names = {name for pair in links for name in pair}
    clusters = [sorted({b for a, b in links if a == name} | {name}) for name in names]
    assert max(map(len, clusters)) <= 12
    passed = [fact for fact in same(graph).values() if "more than 12 names" in fact.reason]
    assert passed
    assert {fact.status for fact in passed} == {"held"}
    for order in (reversed(SPELLINGS), SPELLINGS[7:] + SPELLINGS[:7]):
        other = judged()
        for name in order:
            use(other, name)
            other.partition.commit()
        assert other.facts() == graph.facts()


@given(
    st.lists(st.tuples(st.sampled_from(SPELLINGS), st.integers(0, 1)), max_size=30),
    st.lists(
        st.tuples(st.sampled_from(SPELLINGS), st.sampled_from(SPELLINGS), st.booleans()), max_size=4
    ),
    st.randoms(use_true_random=False),
)
def test_which_links_stand_follows_from_values_and_verdicts_in_any_order(steps, said, rng):
    one, other = judged(block=6), judged(block=6)
    left = [name for name, n in dict(steps).items() if n]
    verdicts = {
        fact_id(f"value:brand/{min(a, b)}", "same_as", f"value:brand/{max(a, b)}"): yes
        for a, b, yes in said
    }
    waiting = sorted(verdicts.items())
    rng.shuffle(waiting)
    for name, n in steps:
        use(one, name, n=n)
        if waiting and rng.random() < 0.3:
            fact, yes = waiting.pop()
            one.verdict(fact, "accepted" if yes else "rejected")
        if rng.random() < 0.5:
            one.partition.commit()
    for fact, yes in waiting:
        one.verdict(fact, "accepted" if yes else "rejected")
    for fact, yes in verdicts.items():
        other.verdict(fact, "accepted" if yes else "rejected")
    rng.shuffle(left)
    use(other, *left)
    assert one.facts() == other.facts()


def test_a_person_undoes_a_merge_and_keeps_two_names_apart_where_others_tie_them():
    graph = judged()
    use(graph, "nordwind", "nord-wind", "nordwinds")
    assert {fact.status for fact in same(graph).values()} == {"accepted"}
    first = same(graph)["nordwind", "nordwinds"]
    graph.verdict(first.id, "rejected")
    statuses = {pair: fact.status for pair, fact in same(graph).items()}
    assert statuses["nordwind", "nordwinds"] == "rejected"
    assert sorted(statuses.values()) == ["accepted", "held", "rejected"]
    graph.verdict(first.id, "withdrawn", at_ms=6)
    assert {fact.status for fact in same(graph).values()} == {"accepted"}


def test_a_persons_link_counts_where_the_model_was_unsure_and_outlives_a_crash():
    graph = judged()
    use(graph, "nordwind", "nordwand")
    name = same(graph)["nordwand", "nordwind"].id
    graph.verdict(name, "accepted")
    assert same(graph)["nordwand", "nordwind"].status == "accepted"
    again = Told(graph.partition.store.durable, synonyms=SYNONYMS, alike=0.8)
    use(again, "nord-wind")
    statuses = {pair: fact.status for pair, fact in same(again).items()}
    assert statuses["nordwand", "nordwind"] == "accepted"
    assert statuses["nord-wind", "nordwind"] == "accepted"
    assert statuses["nord-wind", "nordwand"] == "held"


def test_pairs_of_an_older_bundle_stay_until_they_are_read_again():
    old = judged()
    use(old, "nordwind", "nord-wind", "nordwand")
    old.facts()
    new = Told(old.partition.store.durable, synonyms="synonyms@2", alike=0.8)
    new.partition.matcher = FakeMatcher(accept=0.8)
    assert new.stage.outdated == 3 + 3  # values and pairs
    use(new, "nordwinds")
    found = same(new)
    assert found["nord-wind", "nordwand"].evidence.bundles == (SYNONYMS,)
    assert found["nordwind", "nordwinds"].evidence.bundles == ("synonyms@2",)
    assert new.stage.reread(5) == 5
    new.partition.commit()
    assert new.stage.outdated == 1
    new.stage.reread(2)
    clean = Told(synonyms="synonyms@2", alike=0.8)
    clean.partition.matcher = FakeMatcher(accept=0.8)
    use(clean, "nordwinds", "nordwand", "nord-wind", "nordwind")
    assert new.facts() == clean.facts()
    assert (new.stage.outdated, new.stage.reread(9)) == (0, 0)


# People.
