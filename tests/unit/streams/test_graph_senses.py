"""Values that look different meet where the synonym model says that they may mean the same."""

from hypothesis import given, settings
from hypothesis import strategies as st

from models_onnx.fakes import FakeMatcher
from tests.brute_blocks import judged_pairs
from tests.unit.streams.told_graph import Told, use
from topology.facts import Fact
from topology.scoring import ScoringSettings

ALIKE = 0.8
FIRST = FakeMatcher(
    bundle_id="synonyms@1",
    sets={"seat": frozenset({"couch", "sofa", "settee"}), "hue": frozenset({"red", "crimson"})},
)
SECOND = FakeMatcher(
    accept=0.8,
    bundle_id="synonyms@2",
    sets={"seat": frozenset({"sofa", "settee", "bench"}), "tint": frozenset({"red", "scarlet"})},
)
VALUES = [
    *("couch", "couchs", "sofa", "settee", "bench", "red-couch", "crimson-sofa", "sofa-crimson"),
    *("scarlet-settee", "sofa-2", "couch-2", "settee-without-red", "red-settee"),
]


def judged(matcher: FakeMatcher = FIRST, durable=None, **more) -> Told:
    told = Told(durable, synonyms=matcher.bundle_id, alike=ALIKE, **more)
    told.partition.matcher = matcher
    return told


def same(graph: Told) -> dict[tuple[str, str], Fact]:
    found = graph.facts().items()
    return {(h[12:], t[12:]): fact for (h, relation, t), fact in found if relation == "same_as"}


def test_values_of_one_set_are_judged_though_they_look_different():
    graph = judged()
    use(graph, "couch", "sofa", "crimson-sofa", "red-couch", "bench")
    assert {pair for pair, fact in same(graph).items() if fact.status == "accepted"} == {
        ("couch", "sofa"),
        ("crimson-sofa", "red-couch"),
    }
    use(graph, "sofa", n=0)
    assert ("couch", "sofa") not in same(graph)


def test_numbers_and_opposites_keep_values_of_one_set_apart():
    graph = judged()
    use(graph, "couch-2", "sofa-3", "settee-without-arms", "couch-with-arms")
    assert same(graph) == {}


def test_without_a_model_only_the_spelling_counts():
    graph = Told(alike=ALIKE)
    use(graph, "couch", "couchs", "sofa")
    assert set(same(graph)) == {("couch", "couchs")}
    assert not graph.partition.owner.wants()


def test_a_value_is_asked_about_once_while_it_is_used():
    graph, asked = judged(), []

    class Counting(FakeMatcher):
        def senses(self, terms):
            asked.extend(term.text for term in terms)
            return super().senses(terms)

    graph.partition.matcher = Counting(bundle_id="synonyms@1")
    for n in (3, 4, 0, 2):
        use(graph, "couch", n=n)
        graph.partition.commit()
    assert asked == ["couch", "couch"]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(VALUES), st.integers(0, 1)), max_size=25),
    st.randoms(use_true_random=False),
    st.sampled_from([2, 3, 200]),
)
def test_which_pairs_there_are_follows_from_the_set_of_values_in_use(steps, rng, block):
    graph = judged(block=block)
    for value, n in steps:
        use(graph, value, n=n)
        if rng.random() < 0.4:
            graph.partition.commit()
    left = [f"value:brand/{value}" for value, n in dict(steps).items() if n]
    wanted = judged_pairs(left, FIRST, ScoringSettings(alike=ALIKE, block=block))
    found = {(fact.head, fact.tail): fact.status for fact in same(graph).values()}
    assert found == wanted


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(VALUES), st.integers(0, 1)), max_size=15),
    st.lists(st.tuples(st.sampled_from(VALUES), st.integers(0, 1), st.integers(0, 4)), max_size=8),
    st.sampled_from([2, 200]),
)
def test_read_again_with_another_bundle_all_is_as_if_it_had_been_the_first(before, after, block):
    old = judged(block=block)
    for value, n in before:
        use(old, value, n=n)
    old.partition.commit()
    new = judged(SECOND, old.partition.store.durable, block=block)
    for value, n, count in after:
        use(new, value, n=n)
        new.stage.reread(count)
        new.partition.commit()
    while new.stage.reread(3):
        new.partition.commit()
    assert new.stage.outdated == 0
    clean = judged(SECOND, block=block)
    last = dict(before) | {value: n for value, n, _ in after}
    use(clean, *(value for value, n in last.items() if n))
    assert new.facts() == clean.facts()
    assert kept(new) == kept(clean)


def test_until_it_is_read_again_a_value_stands_where_the_older_bundle_put_it():
    old = judged()
    use(old, "couch", "sofa")
    old.partition.commit()
    new = judged(SECOND, old.partition.store.durable)
    use(new, "bench")
    assert new.stage.outdated == 3  # two values and their pair
    assert set(same(new)) == {("couch", "sofa"), ("bench", "couch"), ("bench", "sofa")}
    new.stage.reread(1)
    new.partition.commit()
    assert new.stage.outdated < 3
    while new.stage.reread(1):
        new.partition.commit()
    assert set(same(new)) == {("bench", "sofa")}


def kept(graph: Told) -> dict[str, dict[bytes, bytes]]:
    """What the stage keeps of values and pairs."""
    durable = graph.partition.store.durable
    return {name: durable.get(name, {}) for name in ("blocks", "links", "derived", "sums", "facts")}
