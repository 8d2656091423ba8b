"""A replica is found by its file and known by its answer; what it answers is what it means."""

import asyncio
import os
import threading

import msgspec
import pytest

from models_onnx.fakes import FakeTagger
from streams.errors import BrokerError
from streams.serve import running
from streams.serve.answers import Alive
from streams.serve.api import build_api
from streams.serve.ask import Remote
from streams.serve.problems import ProblemError
from streams.serve.reader import Readiness
from streams.serve.running import Running
from streams.serve.server import _listen, _server, readiness
from streams.settings import Settings
from tests.one_partition import LEXICON, small_ontology
from tests.serve_graph import MemoryReader, a_fact

CONCEPT = "concept:shoes[feature=slip-resistant]"
FACTS = [
    a_fact(CONCEPT, "used_for_aud", "intent:audience/nurse"),
    a_fact("product:a%20b%2Fc", "has_type", "type:shoes", status="held"),
    *(a_fact(f"product:{n}", "has_type", "type:boots") for n in range(5)),
]


@pytest.fixture
def settings(tmp_path):
    return Settings(data_dir=tmp_path, http_port=0)


@pytest.fixture
def at(settings):
    """A real server on loopback over a graph in memory."""
    about = Alive(settings.graph, os.getpid())
    reader = MemoryReader(FACTS)
    ready = Readiness(True, (), {"0": len(FACTS)})
    tagger = FakeTagger(LEXICON)
    api = build_api(reader, tagger, small_ontology(), lambda: ready, about=about)
    listener = _listen(settings)
    server = _server(api)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    thread.start()
    yield Running(about.pid, *listener.getsockname()[:2], about.graph)
    server.should_exit = True
    thread.join(10)


def test_a_replica_is_found_by_its_file_while_it_answers(settings, at):
    assert running.find(settings) is None
    running.announce(settings, at)
    assert running.find(settings) == at
    running.withdraw(settings)
    assert running.find(settings) is None


def test_a_file_that_tells_of_another_process_or_graph_is_not_believed(settings, at):
    for wrong in (
        msgspec.structs.replace(at, pid=2**22 + 1),  # no such process
        msgspec.structs.replace(at, pid=os.getppid()),  # another program has the number by now
        msgspec.structs.replace(at, graph="other/7"),
        msgspec.structs.replace(at, port=1),
    ):
        running.announce(settings, wrong)
        assert running.find(settings) is None
    running.status_file(settings).write_bytes(b"{nonsense")
    assert running.find(settings) is None


def test_a_process_takes_back_only_what_it_announced_itself(settings, at):
    running.announce(settings, msgspec.structs.replace(at, pid=os.getppid()))
    running.withdraw(settings)
    assert running.status_file(settings).exists()


def test_every_question_goes_over_http_and_comes_back_the_same(at):
    graph = Remote(at)
    assert graph.node(CONCEPT).id == CONCEPT
    assert graph.node("product:a%20b%2Fc").name == "a b/c"
    parameters = {"relation": "", "direction": "in", "min_score": 0.0, "limit": 3, "cursor": ""}
    page = graph.neighbors("type:boots", status="accepted", **parameters)
    rest = graph.neighbors("type:boots", status="accepted", **{**parameters, "cursor": page.next})
    assert [each.node for each in (*page.neighbors, *rest.neighbors)] == [
        f"product:{n}" for n in range(5)
    ]
    assert graph.fact(FACTS[1].id, "held").fact == FACTS[1]
    assert graph.why(FACTS[0].id, "accepted").evidence.queries == ("shoes for nurses",)
    assert graph.intents("shoes für nurses & 100%", 5).read.query == "shoes für nurses & 100%"
    assert sorted(graph.facts(), key=lambda fact: fact.id) == sorted(FACTS, key=lambda f: f.id)
    assert running.readiness(at).offsets == {"0": len(FACTS)}


def test_what_a_replica_refuses_is_told_in_its_words(at):
    graph = Remote(at)
    with pytest.raises(ProblemError, match="this fact is held") as error:
        graph.fact(FACTS[1].id, "accepted")
    assert (error.value.kind, error.value.status) == ("other-status", 404)
    with pytest.raises(ProblemError, match="a node id is"):
        graph.node("nonsense")


def test_a_replica_that_is_gone_is_told(at):
    gone = msgspec.structs.replace(at, port=1)
    with pytest.raises(BrokerError, match="does not answer as it should"):
        Remote(gone).node(CONCEPT)
    with pytest.raises(BrokerError, match="does not answer"):
        running.readiness(gone)


def test_a_replica_whose_model_left_its_gpu_is_ready_and_says_that_it_is_degraded():
    class Here:
        caught_up = asyncio.Event()
        replica = type("R", (), {"offsets": {}})()
        generation = "live"

    class Fallen:
        loaded = is_degraded = True

    Here.caught_up.set()
    told = readiness(Here(), Fallen())  # type: ignore[arg-type]
    assert told.ready
    assert "runs on the CPU" in told.degraded[0].words
    Fallen.is_degraded = False
    assert readiness(Here(), Fallen()).degraded == ()  # type: ignore[arg-type]
    told = readiness(Here(), Fallen(), outdated=1_234)  # type: ignore[arg-type]
    assert told.ready
    assert "mixed: 1,234 things" in told.degraded[0].words
