"""`check` finds what is wrong with a store, and says where."""

from tests.unit.topology.test_graph import SHOES, fact
from topology.check import check
from topology.facts import encode_fact
from topology.graph import Graph
from topology.keys import BY_HEAD, BY_TAIL, COUNTERS, FACTS, id_key, index_key, index_row
from topology.store.memory import MemoryStore


def damaged() -> tuple[MemoryStore, Graph]:
    store = MemoryStore()
    graph = Graph(store)
    graph.upsert(fact())
    return store, graph


def whats(graph: Graph) -> list[str]:
    return [problem.what for problem in check(graph).sample]


def test_a_whole_graph_has_no_problems():
    _, graph = damaged()
    assert check(graph) == (1, 0, ())


def test_a_fact_under_another_id_is_found():
    store, graph = damaged()
    other = id_key(fact(tail="intent:audience/nurse").id)
    store.put(FACTS, other, b"a" + encode_fact(fact()))
    assert f"holds fact {fact().id}" in whats(graph)


def test_a_fact_whose_parts_do_not_hash_to_its_id_is_found():
    store, graph = damaged()
    key = id_key(fact().id)
    row = store.get(FACTS, key)
    store.put(FACTS, key, row.replace(b"pregnant", b"pregnanT"))
    assert any("parts of another fact" in what for what in whats(graph))


def test_a_fact_filed_under_another_status_is_found():
    store, graph = damaged()
    store.put(FACTS, id_key(fact().id), b"h" + encode_fact(fact()))
    assert "is filed as held, says accepted" in whats(graph)


def test_a_node_that_breaks_the_grammar_is_found():
    _, graph = damaged()
    graph.upsert(fact(head="concept:Shoes"))
    assert any("a concept is concept:" in what for what in whats(graph))


def test_an_entry_without_its_fact_is_found():
    store, graph = damaged()
    missing = fact(tail="intent:audience/nurse")
    store.put(
        BY_TAIL, index_key(missing.tail, "xIs_a", SHOES), index_row("held", id_key(missing.id))
    )
    assert whats(graph) == ["there is no such fact"]


def test_an_entry_that_points_at_another_fact_is_found():
    store, graph = damaged()
    store.put(BY_HEAD, index_key(SHOES, "xIs_a", "type:mug"), index_row("held", id_key(fact().id)))
    assert whats(graph) == [f"points at fact {fact().id}"]


def test_a_counter_that_is_wrong_is_found():
    store, graph = damaged()
    store.put(COUNTERS, b"used_for_aud\0accepted", b"7")
    assert whats(graph) == ["says 7, there are 1"]


def test_the_sample_is_short_and_the_number_is_not():
    store, graph = damaged()
    for number in range(30):
        missing = fact(tail=f"intent:audience/{number}")
        entry = index_row("held", id_key(missing.id))
        store.put(BY_HEAD, index_key(SHOES, "used_for_aud", missing.tail), entry)
    report = check(graph, sample=5)
    assert (report.facts, report.problems, len(report.sample)) == (1, 30, 5)
