"""Which facts are drawn to be judged, and what their verdicts come to."""

import pytest

from streams.sources.said import RawProduct
from tests.kafka import sampled_facts
from tests.kafka.kept_facts import Kept, file_of, keep, kept, sets_in
from tests.kafka.sampled_facts import draw, facts_per_product, share_of, to_judge
from topology.facts import Evidence, Fact, fact_id


def fact(number, relation, source, status="accepted"):
    head, tail = f"product:{number}", f"value:color/{number}"
    id_ = fact_id(head, relation, tail)
    return Fact(id_, head, relation, tail, status, 1.0, "", {}, (source,), 0, 0, Evidence())


def product(number, *facts):
    return Kept(f"product:{number}", f"mug {number}", {}, list(facts))


COLOURED = [product(n, fact(n, "has_attribute:color", "text")) for n in range(300)]
TYPED = [product(n, fact(n, "has_type", "catalog")) for n in range(300, 900)]


def test_half_of_the_facts_drawn_are_those_that_texts_alone_tell():
    drawn = draw([*COLOURED, *TYPED], 40, 1)
    assert sum(one.fact.sources == ("text",) for one in drawn) == 20
    assert sum(one.weight for one in drawn) == pytest.approx(900)


def test_every_relation_of_some_share_is_drawn():
    few = [product(n, fact(n, "has_attribute:scent", "text")) for n in range(1000, 1005)]
    relations = {one.fact.relation for one in draw([*COLOURED, *few], 10, 1)}
    assert relations == {"has_attribute:color", "has_attribute:scent"}


def test_graphs_that_share_facts_draw_them_alike():
    ids = {one.fact.id for one in draw(COLOURED, 30, 1)}
    others = {one.fact.id for one in draw(COLOURED[:200], 30, 1)}
    shared = {row.facts[0].id for row in COLOURED[:200]}
    assert ids & shared <= others


def test_held_facts_are_neither_drawn_nor_counted():
    rows = [product(1, fact(1, "has_type", "text", "held"))]
    assert draw(rows, 10, 1) == []
    assert facts_per_product(rows) == (1, {})


def test_facts_of_the_catalog_and_of_titles_are_counted_apart():
    rows = [
        product(1, fact(1, "has_type", "catalog"), fact(1, "has_attribute:color", "text")),
        product(2),
    ]
    assert facts_per_product(rows) == (2, {"has_attribute:color": (0, 1), "has_type": (1, 0)})


def test_a_fact_counts_for_those_it_stands_for():
    assert share_of([(True, 3.0), (False, 1.0)]).right_weight == 3.0
    assert str(share_of([(True, 1.0), (False, 1.0)])).startswith("0.500 [0.095, 0.905]  1/2")


def test_a_fact_is_judged_once(tmp_path, monkeypatch):
    monkeypatch.setattr(sampled_facts, "VERDICTS", tmp_path / "verdicts.tsv")
    records = {row.product: RawProduct(row.product, row.title) for row in COLOURED}
    for name in ("before", "after"):
        facts = [one for row in COLOURED for one in row.facts]
        keep(file_of(tmp_path / name, "mugs"), records, facts)
    folders = [tmp_path / "before", tmp_path / "after"]
    assert sets_in(folders[0]) == ["mugs"]
    assert next(kept(file_of(folders[0], "mugs"))).title.startswith("mug")
    rows = list(to_judge(folders, 20, 1))
    assert len(rows) == 20
    for row in rows:
        row.right = row.id < "8"
    verdicts = tmp_path / "verdicts.tsv"
    assert sampled_facts.write_verdicts(rows, verdicts) == 20
    assert sampled_facts.read_verdicts(verdicts) == {("mugs", r.id): r.right for r in rows}
