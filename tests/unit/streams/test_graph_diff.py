"""Reasons of differences: the likeliest by what is known of both graphs."""

import msgspec
import pytest

from streams.replay.diff import Grounds, bundles_in, reason_of, report, settings_that_differ
from streams.settings import Settings
from tests.serve_graph import a_fact
from topology.diff import Difference, differences
from topology.facts import Evidence, Fact
from topology.graph import Graph
from topology.keys import FACTS
from topology.store.memory import MemoryStore

OLD, NEW = ("tagging@1",), ("tagging@2",)
FACT = msgspec.structs.replace(
    a_fact("type:shoes", "used_for_aud", "intent:audience/nurses"),
    counts={"both": 9},
    sources=("behaviour",),
    evidence=Evidence(bundles=OLD),
)
OTHER_MODELS = Grounds(bundles=(OLD, NEW))
SCORING = Grounds(settings={"scoring": ({}, {"floor": 9.0})})
WINDOWS = Grounds(settings={"session_gap_ms": (1, 2)})


def fact(**changes: object) -> Fact:
    return msgspec.structs.replace(FACT, **changes)


FEWER = fact(counts={"both": 4})
HELD = fact(status="held")
BY_PERSON = fact(status="rejected", sources=("behaviour", "person"))
NEWER = fact(score=0.1, evidence=Evidence(bundles=NEW))


@pytest.mark.parametrize(
    ("before", "after", "grounds", "reason"),
    [
        (FACT, BY_PERSON, OTHER_MODELS, "verdict"),
        (BY_PERSON, None, SCORING, "verdict"),
        (FACT, NEWER, SCORING, "bundle"),
        (FACT, None, OTHER_MODELS, "bundle"),
        (None, NEWER, OTHER_MODELS, "bundle"),
        (FACT, HELD, SCORING, "settings"),
        (FACT, None, SCORING, "settings"),
        (FACT, FEWER, WINDOWS, "settings"),
        (FACT, FEWER, SCORING, "totals"),
        (FACT, FEWER, OTHER_MODELS, "bundle"),
        (FACT, FEWER, Grounds(erased=True), "erasure"),
        (FACT, None, Grounds(erased=True), "erasure"),
        (FEWER, FACT, Grounds(erased=True), "totals"),
        (FACT, FEWER, Grounds(), "totals"),
        (None, FACT, Grounds(), "totals"),
    ],
)
def test_the_likeliest_reason_comes_first(before, after, grounds, reason):
    assert reason_of(Difference("changed", before, after), grounds) == reason


def test_settings_that_mean_nothing_to_the_graph_are_no_reason():
    one = Settings(scoring={"floor": 3.0}, flush_ms=100)
    other = Settings(session_gap_ms=5_000, flush_ms=900, data_dir="elsewhere")
    assert settings_that_differ(one, other) == {
        "scoring": ({"floor": 3.0}, {}),
        "session_gap_ms": (1_800_000, 5_000),
    }
    assert settings_that_differ(one, one) == {}


def rows(*found: Fact):
    graph = Graph(MemoryStore())
    for each in found:
        graph.upsert(each)
    return [graph.rows(FACTS)]


def test_a_report_counts_by_relation_kind_and_reason_and_shows_some():
    colours = [
        fact(id=each.id, head=each.head, relation=each.relation, tail=each.tail)
        for each in (
            a_fact(f"product:{n}", "has_attribute:color", "value:color/red") for n in range(9)
        )
    ]
    told = report(differences(rows(FACT, *colours), rows(HELD)), SCORING, limit=4)
    assert told.differ == 10
    assert [msgspec.structs.astuple(line) for line in told.lines] == [
        ("has_attribute:color", "removed", "settings", 9),
        ("used_for_aud", "status", "settings", 1),
    ]
    kinds = [sample.kind for sample in told.samples]
    assert kinds == ["removed"] * 4 + ["status"]
    assert (told.samples[-1].before.status, told.samples[-1].after.status) == ("accepted", "held")
    only = report(differences(rows(FACT, *colours), rows(HELD)), SCORING, relation="has_attribute")
    assert only.differ == 9
    held = report(differences(rows(FACT, *colours), rows(HELD)), SCORING, status="held")
    assert [line.relation for line in held.lines] == ["used_for_aud"]


def test_the_bundles_of_a_graph_are_those_that_its_facts_name():
    assert bundles_in(rows(FACT, NEWER)) == {"tagging@2"}
    other = a_fact("product:1", "has_type", "type:shoes")
    judged = msgspec.structs.replace(other, evidence=Evidence(bundles=("cleaning@1",)))
    assert bundles_in(rows(FACT, judged)) == {"tagging@1", "cleaning@1"}
