"""The HTTP API: every path, its bounds, its errors, and its description of itself."""

import asyncio
import threading
from typing import Any
from urllib.parse import quote

import httpx
import jsonschema
import msgspec
import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from models_onnx.fakes import FakeTagger
from streams.process.probes import Reason
from streams.serve import answers
from streams.serve.answers import MAX_QUERIES, Alive, schemas
from streams.serve.api import build_api
from streams.serve.problems import MEDIA_TYPE, Problem
from streams.serve.reader import Readiness
from tests.one_partition import LEXICON, small_ontology
from tests.serve_graph import MemoryReader, a_fact
from tests.strategies_topology import NODES
from topology.facts import Fact

CONCEPT = "concept:shoes[feature=slip-resistant]"
INTENT = "intent:audience/pregnant-woman"
FACT = a_fact(CONCEPT, "used_for_aud", INTENT)
HELD = a_fact("type:shoes", "used_with", "type:mug", status="held")
RED = a_fact("product:a%20b", "has_attribute:color", "value:color/red")
FACTS = (FACT, HELD, RED)
READY = Readiness(True, (), {"0": 3})
WAITING = Readiness(
    False, (Reason("reading", "the topic of facts is still being read: 7 records are left"),), {}
)


def client_of(facts: tuple[Fact, ...] = FACTS, ready: Readiness = READY, tagger=None) -> TestClient:
    api = build_api(
        MemoryReader(facts),
        tagger or FakeTagger(LEXICON),
        small_ontology(),
        lambda: ready,
        about=Alive("test/1", 42),
    )
    return TestClient(api, raise_server_exceptions=False)


@pytest.fixture(scope="module")
def client() -> TestClient:
    return client_of()


def get(client: TestClient, path: str, kind: type[msgspec.Struct], status: int = 200):
    """The answer, which must be of the form that OpenAPI says."""
    response = client.get(path)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    schema = {"$ref": f"#/components/schemas/{kind.__name__}", "components": {"schemas": schemas()}}
    jsonschema.validate(response.json(), schema)
    return msgspec.json.decode(response.content, type=kind)


def problem(response, status: int, kind: str) -> Problem:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == MEDIA_TYPE
    told = msgspec.json.decode(response.content, type=Problem)
    assert told.status == status
    assert told.type == f"urn:cartograph:problem:{kind}"
    assert told.title
    assert len(told.detail) > 15, "says what to do"
    return told


def as_served(facts: tuple[Fact, ...], *paths: str) -> list[dict[str, Any]]:
    """Answers as a real server gives them: `TestClient` decodes a path twice, servers once."""
    api = build_api(MemoryReader(facts), FakeTagger(LEXICON), small_ontology(), lambda: READY)

    async def ask() -> list[dict[str, Any]]:
        transport = httpx.ASGITransport(app=api)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            found = [await client.get(path) for path in paths]
        assert [each.status_code for each in found] == [200] * len(found), found[-1].text
        return [each.json() for each in found]

    return asyncio.run(ask())


@pytest.mark.parametrize("safe", ["", "/:[]=", "/"])
@pytest.mark.parametrize("node", [CONCEPT, INTENT, "product:a%20b", "value:color/red"])
def test_a_node_is_found_however_its_id_is_percent_encoded(node, safe):
    path = f"/v1/nodes/{quote(node, safe=safe)}"
    found, page = as_served(FACTS, path, f"{path}/neighbors")
    assert found["id"] == node
    assert len(page["neighbors"]) == 1


@given(st.lists(NODES, min_size=2, max_size=8, unique=True))
def test_every_id_of_the_grammar_can_stand_in_a_path(nodes):
    facts = tuple(a_fact(nodes[0], "used_for_aud", tail) for tail in nodes[1:])
    found = as_served(facts, *(f"/v1/nodes/{quote(node, safe='')}" for node in nodes))
    assert [each["id"] for each in found] == nodes


def test_a_node_that_is_called_neighbors_is_not_taken_for_the_path():
    node = "intent:location/neighbors"
    facts = (a_fact("type:shoes", "used_in_loc", node),)
    for path in (f"/v1/nodes/{quote(node)}", f"/v1/nodes/{quote(node, safe='')}"):
        found, page = as_served(facts, path, f"{path}/neighbors")
        assert found["id"] == node
        assert page["neighbors"][0]["node"] == "type:shoes"


def test_neighbors_take_all_filters_and_lead_from_page_to_page():
    facts = tuple(
        a_fact("type:shoes", "used_with", f"type:t{n}", score=n / 10, status=status)
        for n, status in enumerate(["accepted", "held", "accepted", "accepted", "rejected"])
    )
    client, found, path = client_of(facts), [], "/v1/nodes/type:shoes/neighbors"
    query = "?relation=used_with&direction=out&status=accepted&min_score=0.2&limit=1"
    page = get(client, path + query, answers.NeighborsAnswer)
    while True:
        found += [each.node for each in page.neighbors]
        if page.next is None:
            break
        page = get(client, f"{path}{query}&cursor={page.next}", answers.NeighborsAnswer)
    assert found == ["type:t2", "type:t3"]


def test_a_fact_and_its_why(client):
    assert get(client, f"/v1/facts/{FACT.id}", answers.FactAnswer).fact == FACT
    why = get(client, f"/v1/facts/{FACT.id}/why", answers.WhyAnswer)
    assert why.says == "shoes, feature slip resistant: used for aud: pregnant woman"
    assert why.evidence.queries == ("shoes for nurses",)


def test_held_facts_are_served_only_when_they_are_asked_for(client):
    told = problem(client.get(f"/v1/facts/{HELD.id}"), 404, "other-status")
    assert "status=held" in told.detail
    for status in ("held", "all"):
        path = f"/v1/facts/{HELD.id}?status={status}"
        assert get(client, path, answers.FactAnswer).fact == HELD
    page = get(client, "/v1/nodes/type:mug/neighbors", answers.NeighborsAnswer)
    assert page.neighbors == ()
    listed = {fact.id for fact in get(client, "/v1/facts", answers.FactsAnswer).facts}
    assert listed == {FACT.id, RED.id}


def test_every_answer_says_how_fresh_it_is(client):
    for path in (
        f"/v1/nodes/{CONCEPT}",
        f"/v1/nodes/{CONCEPT}/neighbors",
        "/v1/facts",
        f"/v1/facts/{FACT.id}",
        f"/v1/facts/{FACT.id}/why",
        "/v1/intents?q=shoes",
    ):
        as_of = client.get(path).json()["as_of"]
        assert as_of == {
            "records": 3,
            "lag": 0,
            "newest_ms": 1_700_000_000_000,
            "heard_ms": 1_700_000_000_000,
            "generation": "live",
        }


def test_intents_of_one_query_and_of_a_batch_are_the_same(client):
    query = "Shoes for pregnant women"
    one = get(client, f"/v1/intents?q={quote(query)}", answers.IntentsAnswer)
    assert [each.concept for each in one.intents] == [CONCEPT]
    response = client.post("/v1/intents:batch", json={"queries": [query, "mug", query]})
    assert response.status_code == 200
    many = msgspec.json.decode(response.content, type=answers.BatchAnswer)
    assert many.answers[0] == many.answers[2] == one
    assert many.answers[1].read.query == "mug"


def test_a_query_is_tagged_off_the_event_loop_and_others_are_answered_meanwhile():
    entered, go_on = threading.Event(), threading.Event()

    class Slow(FakeTagger):
        async def tag_async(self, texts):
            def work():
                entered.set()
                assert go_on.wait(10)
                return self.tag(texts)

            return await asyncio.to_thread(work)

    found = []
    with client_of(tagger=Slow(LEXICON)) as client:
        asking = threading.Thread(target=lambda: found.append(client.get("/v1/intents?q=shoes")))
        asking.start()
        assert entered.wait(10)
        assert client.get("/livez").status_code == 200
        go_on.set()
        asking.join(10)
    assert found[0].status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"x"',
        b'{"queries": "shoes"}',
        b'{"queries": []}',
        b'{"queries": [1]}',
        b'{"queries": ["a"], "limit": 0}',
        b'{"queries": ["a"], "limit": 1001}',
        b'{"queries": ["a"], "more": 1}',
        msgspec.json.encode({"queries": ["a"] * (MAX_QUERIES + 1)}),
        msgspec.json.encode({"queries": ["a" * 1_001]}),
        msgspec.json.encode({"queries": [""]}),
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_a_batch_that_is_none_is_told_what_to_send(client, body):
    response = client.post("/v1/intents:batch", content=body)
    assert "queries" in problem(response, 400, "bad-body").detail


def test_a_body_that_is_too_large_is_not_read_to_its_end(client):
    response = client.post("/v1/intents:batch", content=b" " * (2 << 20))
    problem(response, 413, "too-large")


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/nothing", 404, "no-such-path"),
        ("/v1/nodes/value:color/blue", 404, "no-such-node"),
        ("/v1/nodes/value:color/blue/neighbors", 404, "no-such-node"),
        ("/v1/nodes/blue", 400, "bad-id"),
        ("/v1/nodes/product:a b", 400, "bad-id"),
        ("/v1/nodes/type:shoes/neighbors?relation=a+b", 400, "bad-id"),
        ("/v1/nodes/type:shoes/neighbors?cursor=nonsense", 400, "bad-cursor"),
        ("/v1/nodes/type:shoes/neighbors?limit=0", 422, "bad-parameter"),
        ("/v1/nodes/type:shoes/neighbors?limit=1001", 422, "bad-parameter"),
        ("/v1/nodes/type:shoes/neighbors?direction=up", 422, "bad-parameter"),
        ("/v1/nodes/type:shoes/neighbors?status=true", 422, "bad-parameter"),
        ("/v1/nodes/type:shoes/neighbors?min_score=2", 422, "bad-parameter"),
        ("/v1/nodes/type:shoes/neighbors?min_score=nan", 422, "bad-parameter"),
        ("/v1/facts/xyz", 400, "bad-id"),
        (f"/v1/facts/{'0' * 32}", 404, "no-such-fact"),
        (f"/v1/facts/{'0' * 32}/why", 404, "no-such-fact"),
        ("/v1/facts?cursor=nonsense", 400, "bad-cursor"),
        ("/v1/intents", 422, "bad-parameter"),
        ("/v1/intents?q=", 422, "bad-parameter"),
        (f"/v1/intents?q={'x' * 1_001}", 422, "bad-parameter"),
        ("/docs", 404, "no-such-path"),
    ],
)
def test_what_cannot_be_answered_is_a_problem_that_says_what_to_do(client, path, status, kind):
    told = problem(client.get(path), status, kind)
    assert told.instance == path.partition("?")[0]


def test_another_method_is_told_the_right_one(client):
    response = client.post("/v1/facts")
    assert "GET" in problem(response, 405, "method-not-allowed").detail
    assert response.headers["allow"] == "GET"


def test_a_bug_is_a_problem_that_tells_no_data(client):
    class Broken(MemoryReader):
        def as_of(self):
            raise RuntimeError("secret query text")

    api = build_api(Broken(FACTS), FakeTagger(LEXICON), small_ontology(), lambda: READY)
    response = TestClient(api, raise_server_exceptions=False).get(f"/v1/facts/{FACT.id}")
    assert "secret" not in problem(response, 500, "bug").detail


def test_ready_says_why_not(client):
    assert get(client, "/livez", Alive) == Alive("test/1", 42)
    assert get(client, "/readyz", Readiness).ready
    waiting = get(client_of(ready=WAITING), "/readyz", Readiness, 503)
    assert waiting.reasons == WAITING.reasons


def test_metrics_count_by_path_and_never_by_id_or_query(client):
    client.get(f"/v1/nodes/{CONCEPT}")
    client.get("/v1/intents?q=secret+words")
    client.get("/no/such/path")
    text = client.get("/metrics").text
    assert 'cartograph_http_requests_total{path="/v1/nodes/{node_id:path}",status="200"}' in text
    assert 'path="other",status="404"' in text
    assert "cartograph_replica_lag_records 0.0" in text
    assert "cartograph_replica_ready 1.0" in text
    assert "slip-resistant" not in text
    assert "secret" not in text


def test_openapi_describes_every_path_and_every_answer(client):
    found = client.get("/openapi.json").json()
    assert set(found["paths"]) == {
        "/v1/nodes/{node_id}",
        "/v1/nodes/{node_id}/neighbors",
        "/v1/facts",
        "/v1/facts/{fact_id}",
        "/v1/facts/{fact_id}/why",
        "/v1/intents",
        "/v1/intents:batch",
        "/livez",
        "/readyz",
    }
    text = client.get("/openapi.json").text
    names = set(found["components"]["schemas"])
    referred = {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert referred <= names
    assert {"Fact", "Evidence", "AsOf", "Problem"} <= names
    for path in found["paths"].values():
        for method in path.values():
            assert method["responses"]["200"]["content"]["application/json"]["schema"]
