"""The sample shop: one seed one shop, other seeds other knowledge, and a scorer that can fail."""

from itertools import pairwise
from pathlib import Path
from random import Random

import msgspec
import pytest

from streams.errors import SourceError
from streams.sample.lexicon import attribute_of, load
from streams.sample.make import Sizes, make, read_about
from streams.sample.score import read_planted, score
from streams.sample.shop import COSMO, plant
from topology.canonical import intent_of, value_of
from topology.facts import Evidence, Fact, fact_id
from topology.ontology import default_ontology

SMALL = Sizes(products=240, shoppers=60, days=14)


def test_a_seed_makes_the_same_bytes_and_another_seed_other_knowledge(tmp_path: Path):
    for name, seed in ("a", 7), ("b", 7), ("c", 8):
        make(tmp_path / name, seed, SMALL)
    for file in "catalog.jsonl", "events.jsonl", "planted.json":
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    a, c = read_planted(tmp_path / "a"), read_planted(tmp_path / "c")
    assert len(set(a.planted) & set(c.planted)) < 15
    assert COSMO in a.planted
    assert COSMO in c.planted


def test_fifty_of_each_and_no_pair_is_both(tmp_path: Path):
    for seed in range(20):
        planted, decoys = plant(load(), Random(seed))
        assert len(set(planted)) == 50
        assert len(set(decoys)) == 50
        assert not set(planted) & set(decoys)


def test_nothing_but_the_answers_names_what_was_planted(tmp_path: Path):
    make(tmp_path, 3, SMALL)
    for line in (tmp_path / "events.jsonl").read_bytes().splitlines():
        assert set(msgspec.json.decode(line)) <= {
            "action_name",
            "event_id",
            "client_id",
            "timestamp",
            "query_id",
            "session_id",
            "user_query",
            "event_attributes",
        }


def test_the_shop_is_as_messy_as_it_says(tmp_path: Path):
    about = make(tmp_path, 5, SMALL._replace(shoppers=400))
    lines = (tmp_path / "events.jsonl").read_bytes().splitlines()
    events = [msgspec.json.decode(row) for row in lines]
    assert about.events == len(events)
    ids = [event["event_id"] for event in events]
    assert 0.005 < 1 - len(set(ids)) / len(ids) < 0.05, "duplicates"
    times = [event["timestamp"] for event in events]
    assert any(b < a for a, b in pairwise(times)), "out of order"
    assert any("session_id" not in event for event in events)
    assert any(event["action_name"] == "return" for event in events)
    lines = (tmp_path / "catalog.jsonl").read_bytes().splitlines()
    records = [msgspec.json.decode(row) for row in lines]
    shoes = [record for record in records if record["category"][-1] == "Shoes"]
    assert any("features" not in record for record in shoes), "missing values"


def test_every_word_of_the_shop_is_known_to_the_ontology():
    ontology, lexicon = default_ontology(), load()
    for kind in lexicon.kinds:
        slug = ontology.type_of(kind.name.replace("-", " "))
        assert slug, kind.name
        for noun in (*kind.query, *kind.title, kind.category[-1]):
            found = ontology.type_of(noun)
            assert found == slug or slug in ontology.ancestors(found or ""), (
                kind.name,
                noun,
                found,
            )
        for intent, phrase in kind.intents:
            assert intent_of(ontology, intent, phrase), phrase
        for name in kind.attributes:
            found = ontology.attribute_of(lexicon.fields[name])
            assert found is not None, name
            assert found.name == attribute_of(name), name
            for value in lexicon.values[name]:
                assert value_of(ontology, attribute_of(name), value), value


def fact(bond, status, both=10):
    ontology = default_ontology()
    head = value_of(ontology, bond.attribute, bond.value).narrows(ontology.type_of(bond.kind))
    tail = intent_of(ontology, bond.intent, bond.phrase)
    parts = head, "used_for_aud", tail
    return Fact(
        fact_id(*parts), *parts, status, 0.5, "", {"both": both}, ("behaviour",), 0, 0, Evidence()
    )


def test_the_scorer_counts_accepted_facts_only(tmp_path: Path):
    make(tmp_path, 9, SMALL)
    answers = read_planted(tmp_path)
    held = score([fact(COSMO, "held")], answers, default_ontology())
    assert (held.found, held.believed, held.accepted) == (0, 0, 0)
    right = score([fact(COSMO, "accepted")], answers, default_ontology())
    assert (right.found, right.believed, right.accepted) == (1, 0, 1)
    decoy = score([fact(answers.decoys[0], "accepted")], answers, default_ontology())
    assert (decoy.found, decoy.believed) == (0, 1)
    assert len(decoy.wrong) == 1
    assert len(decoy.missed) == 50


def test_counts_alone_take_the_most_frequent_pairs(tmp_path: Path):
    make(tmp_path, 9, SMALL)
    answers = read_planted(tmp_path)
    facts = [fact(COSMO, "accepted", both=3), fact(answers.decoys[0], "held", both=90)]
    marked = score(facts, answers, default_ontology())
    assert (marked.found, marked.believed) == (1, 0)
    assert (marked.counts_found, marked.counts_believed) == (0, 1)


def test_a_folder_of_another_seed_is_not_overwritten(tmp_path: Path):
    make(tmp_path, 1, SMALL)
    with pytest.raises(SourceError, match="another seed"):
        make(tmp_path, 2, SMALL)
    with pytest.raises(SourceError, match="sample make"):
        read_about(tmp_path / "nowhere")


def test_a_shop_is_built_on_titles_and_queries_of_a_file(tmp_path: Path):
    titles = tmp_path / "titles.jsonl"
    rows = [
        {
            "id": str(n),
            "title": f"Brand {color} Shoes {n}",
            "articleType": "Shoes",
            "baseColour": color,
            "season": "Summer",
            "usage": ("Casual", "Formal", "Sports")[n % 3],
        }
        for n, color in enumerate(["Red", "Blue", "Green", "Black"] * 40)
    ]
    titles.write_bytes(b"\n".join(msgspec.json.encode(row) for row in rows))
    queries = tmp_path / "queries.jsonl"
    queries.write_text('{"tokens": ["red", "running", "shoes"]}\n{"query": "blue hat"}\n')
    about = make(tmp_path / "out", 4, Sizes(100, 300, 14), titles=titles, queries=queries)
    assert about.products == 100
    events = (tmp_path / "out" / "events.jsonl").read_text()
    assert "red running shoes" in events
    assert (tmp_path / "out" / "catalog.jsonl").read_text().count("Brand ") == 100
    assert read_planted(tmp_path / "out").planted
    with pytest.raises(SourceError, match="no product type"):
        make(tmp_path / "none", 4, SMALL, titles=queries)
