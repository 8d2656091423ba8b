"""The least rights on Kafka; that they are enough is `tests/kafka/test_secured.py`."""

import json

import pytest
from typer.testing import CliRunner

from streams.cli.setup import topics
from streams.control.generations import Generation, Generations, generation_record
from streams.control.tidying import TOPICS, owners
from streams.rights import ORDERS, PARTS, REPLAY, RETRY, SERVE, SHOP, SWAP, TIDY, rights
from streams.settings import STAGES, Settings


def test_rights_are_told_for_every_part():
    told = json.loads(CliRunner().invoke(topics, ["rights", "--json"]).stdout)
    assert {each["part"] for each in told} == {*PARTS} - {SHOP, REPLAY}
    assert len(told) == len({tuple(each.items()) for each in told})


@pytest.mark.parametrize(
    ("base", "without"), [("events", {"route"}), ("totals", {"route", "shoppers"})]
)
def test_rights_of_a_graph_beside_the_first_are_those_of_its_own_topics(base, without):
    settings = Settings(generation="g1", generation_base=base)
    told = rights(settings)
    assert {each.part for each in told} == {
        *(*STAGES, SERVE, TIDY, RETRY, ORDERS, REPLAY, SWAP)
    } - without
    assert len(told) == len(set(told))
    changed = {each.name for each in told if each.operation in ("CREATE", "DELETE")}
    owned = {settings.topic(name) for name in settings.names.owned()}
    stages = {*STAGES} - without
    assert changed == owned | {settings.group(stage) for stage in stages}
    assert all(name.startswith("graph.g1.") for name in changed)


@pytest.mark.parametrize("base", ["events", "totals"])
def test_who_tidies_one_graph_may_write_all_that_it_tidies(base):
    known, settings = Generations(), Settings(generation="g1", generation_base=base)
    assert known.take(*generation_record(Generation(name="g1", base=base, state="built")))
    tidied = {own.topic(topic) for _, own, topic in owners(settings, known, TOPICS)}
    assert tidied
    assert tidied <= {
        each.name for each in rights(settings) if (each.part, each.operation) == (TIDY, "WRITE")
    }


@pytest.mark.parametrize("name", ["", "g1"])
def test_who_tidies_may_read_which_graphs_there_are(name: str):
    told = rights(Settings(generation=name))
    may = {(each.name, each.operation) for each in told if each.part == TIDY}
    assert {("graph.control", "READ"), ("graph.control", "DESCRIBE_CONFIGS")} <= may
    assert not [each for each in may if each[0] == "graph.control" and each[1] == "WRITE"]
