"""The least rights on Kafka; that they are enough is `tests/kafka/test_secured.py`."""

import json

import pytest
from typer.testing import CliRunner

from streams.cli.setup import topics
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


@pytest.mark.parametrize("name", ["", "g1"])
def test_who_tidies_may_read_which_graphs_there_are(name: str):
    told = rights(Settings(generation=name))
    may = {(each.name, each.operation) for each in told if each.part == TIDY}
    assert {("graph.control", "READ"), ("graph.control", "DESCRIBE_CONFIGS")} <= may
    assert not [each for each in may if each[0] == "graph.control" and each[1] == "WRITE"]
