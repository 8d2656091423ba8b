"""QUERIES at rest is a function of what its inbox was told, in any order, through any crash."""

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from models_onnx.spans import Text
from streams.queries import QuerySettings, asked_of, build_queries
from streams.totals.messages import encode
from streams.totals.wire import join
from tests.one_partition import OnePartition, Tell, Totals, left, small_ontology

K = 3
ONTOLOGY = small_ontology()
TEXTS = {b"q1": "shoes for nurses", b"q2": "red boots hiking"}
WEEKS = st.sampled_from([b"02000", b"02001"])
QUERIES = st.sampled_from(sorted(TEXTS))
KEYS = st.one_of(
    st.tuples(QUERIES, st.just(b"a"), WEEKS),
    st.tuples(QUERIES, st.sampled_from([b"b", b"c"]), st.sampled_from([b"p1", b"p2"]), WEEKS),
)


@st.composite
def tells(draw: st.DrawFn) -> Tell:
    """A total or a marker; the same stamp always says the same of the same key."""
    sender, incarnation = draw(st.integers(0, 1)), draw(st.integers(0, 2))
    if draw(st.integers(0, 7)) == 0:
        return Tell("searched", sender, incarnation, 0, None)
    key, version = draw(KEYS), draw(st.integers(0, 3))
    n = Random(repr((sender, incarnation, version, key))).choice([0, 1, 2, 3, 5])
    payload = TEXTS[key[0]].encode() if key[1] == b"a" and n else b""
    return Tell("searched", sender, incarnation, version, key, n, payload)


SENT = st.lists(tells(), max_size=40)


def run(sent: list[Tell], rng: Random) -> OnePartition:
    stage = OnePartition("queries", build_queries(QuerySettings(K, "t"), ONTOLOGY), ["asked"])
    for tell in sent:
        stage.read("searched", tell.record())
        match rng.randrange(8):
            case 0:
                stage.commit()
            case 1:
                stage.commit()
                stage = stage.crashed()
    stage.commit()
    return stage


def oracle(sent: list[Tell], stage: OnePartition) -> Totals:
    sums = left(sent)
    totals: Totals = {}
    for query, text in TEXTS.items():
        busiest = max(
            (n for (_, key), (n, _) in sums.items() if key[:2] == (query, b"a")), default=0
        )
        if busiest < K:
            continue
        (tagged,) = stage.tagger.tag([Text(text, "query")])
        payload = encode(asked_of(text, tagged, ONTOLOGY, "t"))
        for (_, key), (n, _) in sums.items():
            if key[0] == query and key[1] != b"a":
                totals["asked", join(key[2], query, key[1], key[3])] = n, payload
    return totals


@given(SENT, st.randoms(use_true_random=False))
def test_what_is_told_is_what_the_inbox_says(sent: list[Tell], rng: Random):
    stage = run(sent, rng)
    assert stage.told() == oracle(sent, stage)


@given(SENT, st.randoms(use_true_random=False))
def test_neither_order_nor_repeats_nor_crashes_change_it(sent: list[Tell], rng: Random):
    other = [*sent, *sent[:5]]
    rng.shuffle(other)
    one, two = run(sent, rng), run(other, rng)
    for table in ("totals", "queries", "waiting"):
        assert one.store.durable.get(table, {}) == two.store.durable.get(table, {}), table
    assert one.owner.stage.gauges() == two.owner.stage.gauges()


@given(SENT, st.randoms(use_true_random=False))
def test_waiting_queries_are_those_somebody_asked_behind_a_closed_gate(
    sent: list[Tell], rng: Random
):
    busiest: Counter[bytes] = Counter()
    for (_, key), (n, _) in left(sent).items():
        if key[1] == b"a":
            busiest[key[0]] = max(busiest[key[0]], n)
    waiting = sum(0 < n < K for n in busiest.values())
    stage = run(sent, rng)
    assert stage.owner.stage.gauges() == {"waiting": waiting}
    assert stage.crashed().owner.stage.gauges() == {"waiting": waiting}
