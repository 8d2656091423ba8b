"""GRAPH: what totals become facts, how they fall again, and that people have the last word."""

import json

import pytest

from streams.graph.stage import row_of
from streams.totals.messages import Why, With, encode
from tests.one_partition import small_ontology
from tests.unit.streams.told_graph import Told, use
from topology.facts import fact_id

ONTOLOGY = small_ontology()
WEEK, LATER = b"02000", b"02003"
SHOES, SLIP, RED = b"type:shoes", b"value:feature/slip-resistant", b"value:color/red"
AUD, PREGNANT = b"used_for_aud", b"intent:audience/pregnant-woman"
CONCEPT = "concept:shoes[feature=slip-resistant]"
WHY = encode(Why(("shoes for pregnant women",), ("product:1", "product:2"), ("tagging@1",)))


@pytest.fixture
def graph() -> Told:
    return Told()


def test_what_buyers_with_an_intent_prefer_becomes_an_accepted_fact_with_its_evidence(graph):
    graph.shoppers(both=40, asked=60, value=150, bought=1000)
    fact = graph.intent()
    assert fact is not None
    assert fact.status == "accepted"
    assert fact.counts == {"both": 80, "asked": 120, "value": 148, "type": 992}  # steps
    assert fact.evidence.queries == ("shoes for pregnant women",)
    assert fact.evidence.products == ("product:1", "product:2")
    assert fact.evidence.weeks == (2000,)
    assert fact.reason.startswith("lift ")
    assert fact.sources == ("behaviour",)


def test_a_best_seller_does_not_win(graph):
    graph.shoppers(both=40, asked=60, value=700, bought=1000)
    assert graph.intent().status != "accepted"


def test_a_fact_falls_when_a_marginal_grows_and_rises_again_when_it_falls(graph):
    graph.shoppers(both=40, asked=60, value=150, bought=1000)
    assert graph.intent().status == "accepted"
    graph.total(SHOES, b"v", SLIP, WEEK, n=700)
    assert graph.intent().status != "accepted"
    graph.total(SHOES, b"v", SLIP, WEEK, n=150)
    assert graph.intent().status == "accepted"


def test_one_product_alone_cannot_tell_which_of_its_values_is_the_reason(graph):
    alone = encode(Why(("q",), ("product:1",), ()))
    graph.shoppers(both=40, asked=60, value=150, bought=1000, why=alone)
    assert graph.intent().status == "held"
    assert "one product" in graph.intent().reason
    graph.total(SHOES, b"x", SLIP, AUD, PREGNANT, LATER, n=4, payload=WHY)
    graph.partition.commit()
    graph.stage.calm()
    assert graph.intent().status == "accepted"


def test_a_fact_without_support_is_withdrawn_and_said_so(graph):
    graph.shoppers(both=40, asked=60, value=150, bought=1000)
    name = graph.intent().id
    graph.total(SHOES, b"x", SLIP, AUD, PREGNANT, WEEK, n=0)
    assert graph.intent() is None
    assert graph.stage.facts.graph.fact(name) is None
    (sent,) = [m for m in graph.partition.owner.take(100) if name.encode() in m.key]
    told = json.loads(sent.value)
    assert (told["n"], told["fact"]) == (0, None)


def test_below_two_shoppers_there_is_no_fact(graph):
    graph.shoppers(both=1, asked=60, value=150, bought=1000)
    assert graph.intent() is None
    graph.total(SHOES, b"x", SLIP, AUD, PREGNANT, LATER, n=2, payload=WHY)
    assert graph.intent() is not None


def test_weeks_and_senders_add_up_and_the_first_and_last_seen_follow_the_totals(graph):
    graph.shoppers(both=20, asked=30, value=75, bought=500)
    graph.shoppers(both=20, asked=30, value=75, bought=500, week=LATER)
    graph.total(SHOES, b"x", SLIP, AUD, PREGNANT, LATER, n=10, payload=WHY, sender=3)
    graph.stage.calm()
    fact = graph.intent()
    assert (fact.first_week, fact.last_week, fact.counts["both"]) == (2000, 2003, 90)
    graph.total(SHOES, b"x", SLIP, AUD, PREGNANT, WEEK, n=0)
    graph.stage.calm()
    assert graph.intent().first_week == 2003


def test_an_intent_of_the_whole_type_stands_on_its_share(graph):
    graph.shoppers(both=0, asked=200, value=150, bought=1000)
    fact = graph.facts()["type:shoes", "used_for_aud", PREGNANT.decode()]
    assert (fact.status, fact.counts) == ("accepted", {"asked": 400, "type": 992})


def test_a_change_that_moves_no_step_waits_for_calm(graph):
    graph.shoppers(both=400, asked=600, value=1500, bought=10_000)
    before = graph.intent()
    graph.total(SHOES, b"x", SLIP, AUD, PREGNANT, WEEK, n=802, payload=WHY)
    assert graph.intent() == before
    assert not graph.stage.is_idle
    graph.stage.calm()
    assert graph.intent().counts["both"] == 802
    assert graph.stage.is_idle


def test_what_waits_for_calm_outlives_a_crash(graph):
    graph.shoppers(both=400, asked=600, value=1500, bought=10_000)
    graph.facts()
    graph.total(SHOES, b"x", SLIP, AUD, PREGNANT, WEEK, n=802, payload=WHY)
    graph.partition.commit()
    again = Told(graph.partition.store.durable)
    again.stage.calm()
    assert again.intent().counts["both"] == 802


# Products.


def test_both_sources_stand_side_by_side(graph):
    graph.claim(b"value:brand/nordwind")
    graph.claim(b"value:brand/nordwind", b"catalog", field="Marke")
    fact = graph.brand(b"value:brand/nordwind")
    assert (fact.status, fact.sources) == ("accepted", ("catalog", "text"))
    assert fact.evidence.fields == ("catalog:Marke", "title")
    assert fact.counts == {"catalog": 1, "text": 1}


def test_a_disagreement_is_held_and_ends_when_one_side_is_taken_back(graph):
    graph.claim(b"value:brand/nordwind")
    graph.claim(b"value:brand/seaside", b"catalog")
    for one, other in ((b"nordwind", "seaside"), (b"seaside", "nordwind")):
        fact = graph.brand(b"value:brand/" + one)
        assert (fact.status, fact.reason) == ("held", f"conflict: value:brand/{other}")
    graph.claim(b"value:brand/seaside", b"catalog", n=0)
    assert graph.brand(b"value:brand/seaside") is None
    assert graph.brand(b"value:brand/nordwind").status == "accepted"


def test_an_attribute_with_several_values_has_no_disagreement(graph):
    graph.claim(RED, relation=b"has_attribute:color")
    graph.claim(b"value:color/blue", b"catalog", relation=b"has_attribute:color")
    assert {fact.status for fact in graph.facts().values()} == {"accepted"}


@pytest.mark.parametrize(
    ("other", "status"), [(b"type:running-shoes", "accepted"), (b"type:mug", "held")]
)
def test_types_disagree_unless_one_is_above_the_other(graph, other, status):
    graph.claim(SHOES, relation=b"has_type")
    graph.claim(other, b"catalog", relation=b"has_type")
    assert {fact.status for fact in graph.facts().values()} == {status}


def buy(graph: Told, both: int, tail: int = 120, other: bytes = b"product:2", kind="mug") -> None:
    graph.total(b"product:1", b"b", WEEK, n=150)
    payload = encode(With("shoes", kind, 2, tail))
    graph.total(b"product:1", b"c", other, WEEK, n=both, payload=payload if both else b"")


def test_products_bought_together_are_used_with_each_other(graph):
    buy(graph, 60)
    buy(graph, 2, 5000, b"product:3")
    statuses = {fact.tail: fact.status for fact in graph.facts().values()}
    assert statuses == {"product:2": "accepted", "product:3": "rejected"}
    buy(graph, 0)
    assert [fact.tail for fact in graph.facts().values()] == ["product:3"]


def test_a_product_that_goes_with_everything_loses_its_partners(graph):
    buy(graph, 60)
    assert graph.facts()["product:1", "used_with", "product:2"].status == "accepted"
    for number in range(20):
        buy(graph, 60, 120, b"product:%d" % (10 + number), f"kind-{number}")
    fact = graph.facts()["product:1", "used_with", "product:2"]
    assert fact.status == "rejected"
    assert "goes with everything" in fact.reason


def test_types_bought_together_are_used_with_each_other(graph):
    graph.total(SHOES, b"n", WEEK, n=5000)
    graph.total(SHOES, b"t", b"type:mug", WEEK, n=3000)
    graph.total(SHOES, b"t", b"type:boots", WEEK, n=2)
    fact = graph.facts()["type:shoes", "used_with", "type:mug"]
    assert (fact.status, fact.counts["both"]) == ("accepted", 3000)
    assert graph.facts()["type:shoes", "used_with", "type:boots"].status == "rejected"


# Synonyms.


def test_a_verdict_outranks_the_model_and_can_be_taken_back(graph):
    graph.claim(b"value:brand/nordwind", verdict="held")
    name = graph.brand(b"value:brand/nordwind").id
    graph.verdict(name, "accepted")
    fact = graph.brand(b"value:brand/nordwind")
    assert (fact.status, fact.score, fact.sources) == ("accepted", 1.0, ("person", "text"))
    assert fact.reason.startswith("accepted by ann")
    graph.verdict(name, "withdrawn", at_ms=6)
    assert graph.brand(b"value:brand/nordwind").status == "held"


def test_the_latest_verdict_counts_and_of_two_at_once_always_the_same(graph):
    graph.claim(b"value:brand/nordwind")
    name = graph.brand(b"value:brand/nordwind").id
    graph.verdict(name, "rejected", at_ms=9)
    graph.verdict(name, "accepted", at_ms=8)
    assert graph.brand(b"value:brand/nordwind").status == "rejected"
    found = set()
    for order in (["accepted", "rejected"], ["rejected", "accepted"]):
        other = Told()
        other.claim(b"value:brand/nordwind")
        for verdict in order:
            other.verdict(name, verdict)
        found.add(other.brand(b"value:brand/nordwind").status)
    assert len(found) == 1


def test_a_verdict_waits_for_its_fact_and_outlives_a_crash(graph):
    name = fact_id(CONCEPT, "used_for_aud", PREGNANT.decode())
    graph.verdict(name, "rejected")
    graph.partition.commit()
    again = Told(graph.partition.store.durable)
    again.shoppers(both=40, asked=60, value=150, bought=1000)
    assert again.intent().status == "rejected"


@pytest.mark.parametrize(
    "value",
    [
        b"{}",
        b"\xff",
        b'{"fact_id":"shoes","verdict":"accepted","by":"ann","at_ms":1}',
        b'{"fact_id":"' + b"0" * 32 + b'","verdict":"maybe","by":"ann","at_ms":1}',
        b'{"fact_id":"' + b"0" * 32 + b'","verdict":"accepted","by":"ann","at_ms":3600001}',
    ],
)
def test_what_is_no_verdict_is_a_dead_letter_and_counted_once(graph, value):
    graph.partition.read("verdicts", (b"key", value), (b"key", None))
    graph.partition.commit()
    tally = graph.partition.owner.tally
    assert tally["verdicts.dead_letter"] == tally["dead.bad_verdict"] == 1
    assert tally["verdicts.stale"] == 1
    assert sum(n for name, n in tally.items() if name.startswith("verdicts.")) == 2


def test_every_family_of_facts_is_made_of_the_row_its_verdict_is_applied_to(graph):
    graph.shoppers(both=40, asked=60, value=150, bought=1000)
    graph.total(SHOES, b"t", b"type:mug", WEEK, n=900)
    graph.claim(b"value:brand/nordwind")
    buy(graph, 60)
    use(graph, "nordwind", "nord-wind")
    facts = graph.facts().values()
    assert len(facts) == 6
    for fact in facts:
        assert graph.partition.store.get("sums", row_of(fact)) is not None
        graph.verdict(fact.id, "rejected")
    assert {fact.status for fact in graph.facts().values()} == {"rejected"}
