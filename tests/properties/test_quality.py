"""Counts of quality are what a look at everything gives, after any order, crash or withdrawal."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from streams.graph.facts import Verdict
from streams.graph.quality import HOUR_MS, FactQuality
from streams.graph.stage import GraphStage, build_graph
from streams.products.quality import ProductQuality
from streams.products.rows import Reading, decode_row
from streams.products.stage import Products
from streams.shoppers.rows import LEDGER, SHOPPERS
from streams.state.counted import TABLE, Counted, rows
from tests.one_partition import OnePartition, small_ontology
from tests.properties import test_graph as of_graph
from tests.properties import test_products as of_products
from tests.properties.test_shoppers_sets import play, shuffled
from tests.serve_graph import a_fact
from tests.strategies_events import LOOSE, TIGHT, Partition, event_sets
from topology.facts import ACCEPTED, HELD, REJECTED, Fact, decode_fact
from topology.graph import Graph
from topology.reasons import CODES, code_of
from topology.store.memory import MemoryStore

ONTOLOGY = small_ontology()
RANDOMS = st.randoms(use_true_random=False)


def of_facts(facts: list[Fact]) -> Counter[str]:
    """By looking at every fact."""
    found: Counter[str] = Counter()
    for fact in facts:
        family = fact.relation.partition(":")[0]
        found[f"facts.{fact.relation}.{fact.status}"] += 1
        found[f"reasons.{family}.{fact.status}.{code_of(fact.reason)}"] += 1
    return found


def kept(stage: OnePartition, group: str) -> dict[str, int]:
    """The counts as they stand in the store."""
    prefix = b"count\0" + group.encode() + b"\0"
    found = {key: n for key, n in stage.store.durable[TABLE].items() if key.startswith(prefix)}
    assert found.pop(prefix) == b"0", "it says that it was counted"
    return {key[len(prefix) :].decode(): int(n) for key, n in found.items()}


def without_counts(stage: OnePartition, group: str) -> dict[str, dict[bytes, bytes]]:
    """The store as a version that did not count left it."""
    tables = {name: dict(table) for name, table in stage.store.durable.items()}
    prefix = b"count\0" + group.encode()
    tables[TABLE] = {key: n for key, n in tables[TABLE].items() if not key.startswith(prefix)}
    return tables


@settings(max_examples=60)
@given(of_graph.SENT, RANDOMS, st.booleans())
def test_facts_by_relation_status_and_reason_are_those_of_the_graph(sent, rng, decided: bool):
    names = sorted(of_graph.Oracle(sent).facts)[:3] if decided else []
    verdicts = [Verdict(name, REJECTED, "ann", 1) for name in names]
    stage = of_graph.run(sent, rng, verdicts)
    graph = of_graph.graph_of(stage)
    facts = [decode_fact(row) for row in graph.facts.graph.facts()]
    wanted = of_facts(facts)
    assert +Counter(graph.quality()) == wanted
    assert not any("other" in name for name in wanted)
    assert kept(stage, "reasons") == {
        name.removeprefix("reasons."): n for name, n in wanted.items() if "reasons." in name
    }
    again = stage.crashed()
    assert +Counter(of_graph.graph_of(again).quality()) == wanted
    old = OnePartition(
        "graph",
        build_graph(of_graph.SETTINGS, of_graph.ONTOLOGY),
        ["facts"],
        without_counts(stage, "reasons"),
    )
    assert +Counter(of_graph.graph_of(old).quality()) == wanted, "of a store that has no counts"


STEPS = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.sampled_from([ACCEPTED, HELD, REJECTED, None]),
        st.integers(0, 3),
        st.sampled_from(["stay", "stay", "flush", "crash"]),
    ),
    max_size=40,
)


@given(STEPS)
def test_a_held_fact_is_as_old_as_the_input_that_made_it_held(steps):
    store, since, now_ms = MemoryStore(), dict[str, int](), HOUR_MS
    graph = Graph(store)
    quality = FactQuality(store, graph)
    graph.moved = quality.moved
    quality.read(now_ms)
    for number, status, hours, then in steps:
        now_ms += hours * HOUR_MS
        quality.read(now_ms)
        fact = a_fact(f"product:{number}", "has_type", "type:shoes")
        if status is None:
            graph.withdraw(fact.id)
        else:
            graph.upsert(Fact(**{**fields(fact), "status": status, "score": hours / 4}))
        if status == HELD:
            since.setdefault(fact.id, now_ms)
        else:
            since.pop(fact.id, None)
        if then != "stay":
            quality.flush()
            store.commit()
        if then == "crash":
            store = MemoryStore(store.durable)
            graph = Graph(store)
            quality = FactQuality(store, graph)
            graph.moved = quality.moved
            quality.read(now_ms)
        wanted = {"has_type": min(since.values())} if since else {}
        assert quality.oldest_ms() == wanted
    quality.flush()
    store.commit()
    kept = dict(rows(store, "held_since"))
    assert {key.hex() for key in kept} == set(since), "no row stays behind"


def fields(fact: Fact) -> dict:
    return {name: getattr(fact, name) for name in fact.__struct_fields__}


@settings(max_examples=60)
@given(of_products.INPUT, RANDOMS)
def test_what_is_counted_of_products_is_what_their_readings_say(given_input, rng: Random):
    stage = of_products.run(given_input, rng)
    products = stage.owner.stage
    assert isinstance(products, Products)
    readings = [
        reading
        for _, row in rows(stage.store, "products")
        if (reading := decode_row(row).reading) is not None
    ]
    wanted = by_hand(readings)
    assert +Counter(products.quality()) == wanted
    assert kept(stage, "quality") == wanted
    again = stage.crashed().owner.stage
    assert isinstance(again, Products)
    assert +Counter(again.quality()) == wanted
    old = MemoryStore(without_counts(stage, "quality"))
    assert +Counter(ProductQuality(old, of_products.ONTOLOGY).counts()) == wanted


def by_hand(readings: list[Reading]) -> Counter[str]:
    ontology, found = of_products.ONTOLOGY, Counter[str]()
    for reading in readings:
        for attribute in ["product_type", *ontology.attributes]:
            told = {
                source: {
                    tail
                    for relation, tail, by in reading.facts
                    if by == source
                    and relation
                    == ("has_type" if attribute == "product_type" else f"has_attribute:{attribute}")
                }
                for source in ("catalog", "text")
            }
            if told["catalog"] and told["text"]:
                same = any(
                    one == other
                    or (
                        attribute == "product_type"
                        and (
                            one[5:] in (other[5:], *ontology.ancestors(other[5:]))
                            or other[5:] in ontology.ancestors(one[5:])
                        )
                    )
                    for one in told["catalog"]
                    for other in told["text"]
                )
                found[f"catalog_text.{attribute}.{'agree' if same else 'differ'}"] += 1
            elif told["catalog"] or told["text"]:
                only = "catalog_only" if told["catalog"] else "text_only"
                found[f"catalog_text.{attribute}.{only}"] += 1
        for department in (ontology.departments(reading.type) or ["none"]) * bool(reading.type):
            found[f"coverage.{department}.products"] += 1
            for attribute in ontology.attributes_of(reading.type):
                has = any(node.startswith(f"value:{attribute}/") for node in reading.used)
                found[f"coverage.{department}.{'filled' if has else 'missing'}"] += 1
    return found


@pytest.mark.parametrize("windows", [TIGHT, LOOSE], ids=["tight", "loose"])
@settings(max_examples=60)
@given(found=event_sets(40, most=40), seed=st.integers(0, 1 << 30))
def test_open_visits_and_ledger_rows_are_the_rows_that_there_are(windows, found, seed: int):
    rng = Random(seed)
    partition = play(shuffled(found, windows, rng), windows, rng)
    before = counted(partition)
    assert partition.owner.stage.gauges() == before
    if found:  # a year later all that was open is closed, and what was kept has expired
        year_ms = 365 * 86_400_000
        last_ms = max(event.at_ms for event in found)
        last = structs.replace(found[0], id="last", shopper="last", at_ms=last_ms + year_ms)
        partition.take([last])
        for _ in range(3):
            partition.owner.commit()
        after = counted(partition)
        assert partition.owner.stage.gauges() == after
        assert after["open_visits"] == 1
        assert after["ledger_rows"] < max(before["ledger_rows"], 1)
        partition.open()
        assert partition.owner.stage.gauges() == after


def counted(partition: Partition) -> dict[str, int]:
    """By looking at every row."""
    return {
        "open_visits": sum(1 for _ in rows(partition.store, SHOPPERS)),
        "ledger_rows": sum(1 for _ in rows(partition.store, LEDGER)),
    }


MOVES = st.lists(st.tuples(st.sampled_from("abc"), st.integers(-3, 5), st.booleans()), max_size=30)


@given(MOVES)
def test_counts_are_kept_with_the_state_and_no_zero_is(moves):
    store = MemoryStore()
    counted, wanted = Counted(store, "x", lambda: [("a", 2), ("a", 1)]), Counter({"a": 3})
    for name, delta, crash in moves:
        counted.add(name, delta)
        wanted[name] += delta
        if crash:
            counted.flush()
            store.commit()
            store = MemoryStore(store.durable)
            counted = Counted(store, "x", lambda: [("never", 1)])
            assert set(counted.counts) == {each for each, n in wanted.items() if n}
        told = {each: n for each, n in counted.counts.items() if n}
        assert told == {each: n for each, n in wanted.items() if n}


def test_two_groups_of_one_store_do_not_see_each_other():
    store = MemoryStore()
    one, other = Counted(store, "x", list), Counted(store, "xy", list)
    one.add("a", 1)
    other.add("b", 2)
    one.flush()
    other.flush()
    assert Counted(store, "x", list).counts == {"a": 1}
    assert Counted(store, "xy", list).counts == {"b": 2}


def test_every_code_has_its_words():
    assert all(words for words in CODES.values())
    assert code_of("a sentence that nobody wrote") == "other"
    assert isinstance(of_graph.graph_of(of_graph.run([], Random(1))), GraphStage)
