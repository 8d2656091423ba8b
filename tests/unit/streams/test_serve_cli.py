"""`cartograph query`: answers for people and for programs, and what to do where there is none."""

import contextlib
import json

import pytest
from typer.testing import CliRunner

from models_onnx.fakes import FakeTagger
from streams.cli import graph as cli_graph
from streams.cli import query as cli
from streams.serve import ask
from streams.settings import Settings
from tests.one_partition import LEXICON, small_ontology
from tests.serve_graph import MemoryReader, a_fact

CONCEPT = "concept:shoes[feature=slip-resistant]"
NURSE = "intent:audience/nurse"
FACT = a_fact(CONCEPT, "used_for_aud", NURSE, score=0.8)
HELD = a_fact("type:shoes", "used_with", "type:mug", status="held")


@pytest.fixture(autouse=True)
def graph(monkeypatch):
    reader = MemoryReader([FACT, HELD])

    @contextlib.contextmanager
    def asking(settings, note=None):
        assert settings.kafka == "127.0.0.1:1"
        yield ask.Local(settings, reader)

    monkeypatch.setenv("CARTOGRAPH_KAFKA", "127.0.0.1:1")
    monkeypatch.setattr(cli, "asking", asking)
    monkeypatch.setattr(cli_graph, "asking", asking)
    monkeypatch.setattr(ask, "ontology_of", lambda settings: small_ontology())
    monkeypatch.setattr(ask, "load_tagger", lambda settings: FakeTagger(LEXICON))
    return reader


def run(*arguments: str, code: int = 0):
    found = CliRunner().invoke(cli.query, arguments)
    assert found.exit_code == code, found.output
    return found


def as_json(*arguments: str):
    return json.loads(run(*arguments, "--json").stdout)


def test_every_question_is_answered_as_json_with_how_fresh_it_is():
    assert as_json("node", CONCEPT)["facts"] == {"out": {"used_for_aud": {"accepted": 1}}}
    page = as_json("neighbors", NURSE)
    assert [each["node"] for each in page["neighbors"]] == [CONCEPT]
    assert page["as_of"]["lag"] == 0
    assert as_json("fact", FACT.id)["status"] == "accepted"
    assert as_json("why", FACT.id)["evidence"]["queries"] == ["shoes for nurses"]
    found = as_json("intents", "shoes for nurses", "--limit", "1")
    assert [each["concept"] for each in found["intents"]] == [CONCEPT]


def test_every_question_is_answered_for_people():
    assert "shoes, feature slip resistant" in run("node", CONCEPT).stdout
    assert CONCEPT in run("neighbors", NURSE).stdout
    assert "lift 2.41" in run("fact", FACT.id).stdout
    why = run("why", FACT.id).stdout
    assert "used for aud: nurse: accepted, score 0.80" in why
    assert "400: purchases of the type" in why
    intents = run("intents", "shoes for nurses").stdout
    assert f"0.80  {CONCEPT} --used_for_aud--> {NURSE}" in intents
    assert "asked for as: shoes for nurses" in intents


def test_held_facts_are_listed_only_when_they_are_asked_for():
    assert as_json("neighbors", "type:mug")["neighbors"] == []
    assert len(as_json("neighbors", "type:mug", "--status", "held")["neighbors"]) == 1
    assert "held" in run("fact", HELD.id).stdout


def test_facts_of_a_relation_and_a_status_are_listed_by_a_count(graph, monkeypatch):
    node = "value:product_type/{}".format
    new = [
        a_fact(node(name), "is_a", "type:mug", status=status, counts={"products": n})
        for name, n, status in (("a", 2, "held"), ("b", 9, "held"), ("c", 12, "rejected"))
    ]
    monkeypatch.setattr(ask, "_PAGE", 2)
    graph.tell(new)
    held = as_json("facts", "--relation", "is_a", "--status", "held", "--by", "products")
    assert [each["head"] for each in held] == [node("b"), node("a")]
    first = as_json("facts", "--status", "all", "--by", "products", "--limit", "1")
    assert [each["head"] for each in first] == [node("c")]
    said = run("facts", "--relation", "is_a", "--status", "held").stdout
    assert f"{new[0].id}  {node('a')} --is_a--> type:mug" in said
    assert [each["id"] for each in as_json("facts")] == [FACT.id]
    assert as_json("facts", "--relation", "xWant") == []


def test_pages_lead_on():
    page = as_json("neighbors", NURSE, "--limit", "1", "--direction", "in")
    assert page["next"] is None
    first = as_json("neighbors", "type:shoes", "--status", "all", "--limit", "1")
    assert len(first["neighbors"]) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("node", "value:color/red"), "no fact names value:color/red"),
        (("node", "red"), "a node id is"),
        (("fact", "red"), "no fact id"),
        (("facts", "--relation", "is a"), "a relation is"),
        (("why", "0" * 32), "there is no fact"),
        (("neighbors", NURSE, "--cursor", "x"), "ask again without `cursor`"),
        (("fact", HELD.id, "--status", "accepted"), "this fact is held"),
    ],
)
def test_what_cannot_be_answered_ends_with_code_2_and_what_to_do(arguments, says):
    assert says in run(*arguments, code=2).stderr


def test_all_facts_are_those_of_every_status():
    found = list(cli_graph.all_facts(Settings(kafka="127.0.0.1:1")))
    assert {fact.id for fact in found} == {FACT.id, HELD.id}
