"""The door of a real server on loopback: credentials, rates, sizes, slow clients, headers."""

import asyncio
import http.client
import json
import os
import socket
import threading
import time
from contextlib import contextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_onnx.fakes import FakeTagger
from streams.errors import SettingsError
from streams.serve import guard, patience, running, server, tokens
from streams.serve.answers import Alive
from streams.serve.api import MAX_BATCH_INTENTS, build_api
from streams.serve.ask import Remote
from streams.serve.guard import SECURITY_HEADERS, Gate, Refused
from streams.serve.limits import MAX_BODY_BYTES, MAX_HEADERS, Buckets
from streams.serve.problems import MEDIA_TYPE
from streams.serve.reader import Readiness
from streams.serve.running import Running
from streams.settings import Settings
from tests.one_partition import LEXICON, small_ontology
from tests.serve_graph import MemoryReader, a_fact

FACT = a_fact("product:1", "has_type", "type:shoes")
HELD = a_fact("product:2", "has_type", "type:shoes", status="held")
OWN = "own-token-of-the-process"
READY = Readiness(True, (), {})


@contextmanager
def serving(settings: Settings, **limits):
    """A real server with the gate of these settings."""
    api = build_api(
        MemoryReader([FACT, HELD]),
        FakeTagger(LEXICON),
        small_ontology(),
        lambda: READY,
        about=Alive(settings.graph, os.getpid()),
        gate=Gate(settings, own=OWN, **limits),
    )
    listener = server._listen(settings)
    http_server = server._server(api)
    thread = threading.Thread(target=lambda: asyncio.run(http_server.serve(sockets=[listener])))
    thread.start()
    host, port = listener.getsockname()[:2]
    try:
        yield Running(os.getpid(), host, port, settings.graph, OWN)
    finally:
        http_server.should_exit = True
        thread.join(15)
        assert not thread.is_alive()


def send(at: Running, path: str, method: str = "GET", body=None, **headers: str):
    connection = http.client.HTTPConnection(at.host, at.port, timeout=10)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body=body, headers=named)
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


def rest(client: socket.socket) -> bytes:
    """What comes until the other end closes."""
    found = b""
    with suppress(ConnectionResetError):
        while part := client.recv(4_096):
            found += part
    return found


def kind(answer) -> str:
    _, headers, body = answer
    assert headers["content-type"] == MEDIA_TYPE
    return json.loads(body)["type"].removeprefix("urn:cartograph:problem:")


@pytest.fixture
def settings(tmp_path):
    return Settings(data_dir=tmp_path, http_port=0)


@pytest.fixture
def with_tokens(settings):
    file = tokens.file_of(settings)
    made = {
        role: tokens.create(file, role, role, now_ms=0)[1]
        for role in ("reader", "reviewer", "admin")
    }
    return settings.with_(api_mode="token"), made


def test_only_loopback_is_served_to_anybody(settings):
    for host in ("0.0.0.0", "::"):
        with pytest.raises(SettingsError, match="CARTOGRAPH_API_MODE=token"):
            server._listen(settings.with_(http_host=host))
    server._listen(settings.with_(http_host="localhost")).close()
    server._listen(settings.with_(http_host="0.0.0.0", api_mode="token")).close()


def test_without_authentication_a_browser_is_not_led_here_under_another_name(settings):
    with serving(settings) as at:
        assert send(at, "/v1/facts")[0] == 200
        answer = send(at, "/v1/facts", Host="evil.example")
        assert (answer[0], kind(answer)) == (421, "host")


def test_a_token_opens_what_its_role_may_and_revoking_it_closes_that(with_tokens):
    settings, made = with_tokens
    held = f"/v1/facts/{HELD.id}?status=held"
    with serving(settings) as at:
        for path in ("/livez", "/readyz"):
            assert send(at, path)[0] == 200
        for path in ("/v1/facts", "/metrics", "/openapi.json", "/nowhere", held):
            answer = send(at, path)
            assert (answer[0], kind(answer)) == (401, "no-token"), path
            assert answer[1]["www-authenticate"].startswith("Bearer")
        wrong = send(at, "/v1/facts", Authorization="Bearer cg_0123456789ab_" + "a" * 43)
        assert (wrong[0], kind(wrong)) == (401, "bad-token")
        reader = {"Authorization": f"Bearer {made['reader']}"}
        for path in ("/v1/facts", "/metrics", "/openapi.json"):
            assert send(at, path, **reader)[0] == 200
        assert (send(at, held, **reader)[0], kind(send(at, held, **reader))) == (403, "role")
        for role in ("reviewer", "admin"):
            assert send(at, held, Authorization=f"Bearer {made[role]}")[0] == 200
        assert send(at, "/v1/facts", Host="shop.example", **reader)[0] == 200
        tokens.revoke(tokens.file_of(settings), "reader")
        assert send(at, "/v1/facts", **reader)[0] == 401


def test_tokens_that_cannot_be_read_let_nobody_in(with_tokens, caplog):
    settings, made = with_tokens
    with serving(settings) as at:
        tokens.file_of(settings).write_text("{")
        answer = send(at, "/v1/facts", Authorization=f"Bearer {made['admin']}")
    assert (answer[0], kind(answer)) == (503, "no-tokens")
    assert "restore the file" in caplog.text
    assert made["admin"] not in caplog.text


def test_a_command_of_this_machine_needs_no_token_of_its_own(with_tokens):
    settings, _ = with_tokens
    with serving(settings) as at:
        running.announce(settings, at)
        file = running.status_file(settings)
        assert file.stat().st_mode & 0o777 == 0o600
        found = running.find(settings)
        assert found is not None
        assert Remote(found).fact(HELD.id, "held").fact == HELD
        assert OWN not in found.address + repr(found)


def test_a_proxy_is_believed_from_its_network_alone(settings):
    proxied = settings.with_(api_mode="proxy-header", api_proxies=("127.0.0.0/8",))
    user = {"X-Forwarded-User": "ann", "X-Forwarded-Role": "reader"}
    with serving(proxied) as at:
        assert send(at, "/v1/facts", **user)[0] == 200
        assert kind(send(at, "/v1/facts?status=all", **user)) == "role"
        assert kind(send(at, "/v1/facts")) == "no-user"
        assert send(at, "/livez")[0] == 200
        # A user's own bearer token is the proxy's affair; one of ours is not.
        assert send(at, "/v1/facts", Authorization="Bearer eyJ0", **user)[0] == 200
        assert kind(send(at, "/v1/facts", Authorization="Bearer cg_x", **user)) == "bad-token"
    elsewhere = settings.with_(api_mode="proxy-header", api_proxies=("10.9.0.0/16",))
    with serving(elsewhere) as at:
        answer = send(at, "/v1/facts", X_Forwarded_For="10.9.0.1", **user)
        assert (answer[0], kind(answer)) == (403, "not-the-proxy")


def test_who_asks_too_often_is_told_when_to_ask_again(with_tokens):
    settings, made = with_tokens
    now = [0.0]
    limited = settings.with_(api_rate=2.0, api_burst=50)
    with serving(limited, clock_s=lambda: now[0]) as at:
        one, other = ({"Authorization": f"Bearer {made[r]}"} for r in ("reader", "admin"))
        assert [send(at, "/v1/facts", **one)[0] for _ in range(51)] == [200] * 50 + [429]
        answer = send(at, "/v1/facts", **one)
        assert kind(answer) == "too-often"
        assert answer[1]["retry-after"] == "1"
        assert send(at, "/v1/facts", **other)[0] == 200
        assert send(at, "/livez")[0] == 200
        assert send(at, "/v1/facts", Authorization=f"Bearer {OWN}")[0] == 200
        now[0] += 0.5
        assert send(at, "/v1/facts", **one)[0] == 200
        # Whoever guesses tokens is held back too, and does not use up what others may ask.
        tried = [send(at, "/v1/facts", Authorization="Bearer x")[0] for _ in range(52)]
        assert tried[-1] == 429
        assert send(at, "/v1/facts", **other)[0] == 200


@given(
    st.floats(0.1, 1_000),
    st.integers(50, 500),
    st.lists(st.tuples(st.floats(0, 5), st.sampled_from((1, 2, 20))), max_size=300),
)
def test_no_schedule_gets_more_than_the_burst_and_the_rate(rate, burst, asked):
    buckets, now, taken = Buckets(rate, burst), 0.0, 0.0
    for pause, cost in asked:
        now += pause
        wait = buckets.take("a", now, cost)
        taken += 0 if wait else cost
        assert taken <= burst + rate * now + 1e-6
        if wait:
            now += wait + 1e-6
            assert buckets.take("a", now, cost) == 0, "what it is told to wait is enough"
            taken += cost


def test_clients_are_forgotten_so_that_memory_has_an_end():
    buckets = Buckets(1.0, 50, clients=10)
    for number in range(1_000):
        buckets.take(str(number), 0.0)
    assert len(buckets._left) == 10
    assert Buckets(0.0, 50).take("a", 0.0, 10_000) == 0


def test_a_request_has_bounds(settings):
    with serving(settings) as at:
        assert kind(send(at, "/v1/nodes/" + "a" * 5_000)) == "too-long"
        assert kind(send(at, "/v1/facts?cursor=" + "a" * 17_000)) == "too-long"
        many = {f"X-H{n}": "1" for n in range(MAX_HEADERS)}
        assert kind(send(at, "/v1/facts", **many)) == "too-many-headers"
        for length in (str(MAX_BODY_BYTES + 1), "9" * 5_000):
            answer = send(at, "/v1/intents:batch", "POST", b"", Content_Length=length)
            assert answer[0] in (400, 413), length
        chunks = iter([b"x" * 65_536] * 17)
        assert send(at, "/v1/intents:batch", "POST", chunks)[0] == 413
        big = json.dumps({"queries": ["a"] * 100, "limit": MAX_BATCH_INTENTS // 100 + 1})
        answer = send(at, "/v1/intents:batch", "POST", big)
        assert (answer[0], kind(answer)) == (400, "bad-body")


def test_every_answer_says_what_a_browser_may_do_with_it_and_none_is_for_other_sites(settings):
    with serving(settings) as at:
        told = {name.decode(): value.decode() for name, value in SECURITY_HEADERS.items()}
        for path in ("/v1/facts", "/livez", "/nowhere", "/v1/nodes/" + "a" * 5_000):
            _, headers, _ = send(at, path, Origin="https://evil.example")
            assert told.items() <= headers.items()
            assert not [name for name in headers if name.startswith("access-control")]
            assert "server" not in headers
        status, headers, _ = send(
            at,
            "/v1/facts",
            "OPTIONS",
            Origin="https://evil.example",
            Access_Control_Request_Method="GET",
        )
        assert status == 405
        assert not [name for name in headers if name.startswith("access-control")]


def test_who_does_not_send_what_it_began_is_let_go(settings, monkeypatch):
    monkeypatch.setattr(patience.ImpatientProtocol, "head_s", 0.2)
    with serving(settings) as at:
        for begun in (b"", b"GET /livez HTTP/1.1\r\nHost: localh"):
            with socket.create_connection((at.host, at.port), timeout=10) as client:
                client.sendall(begun)
                assert rest(client) == b""
        # A connection that is kept alive has the same patience for its next head.
        monkeypatch.setattr(patience.ImpatientProtocol, "head_s", 10.0)
        with socket.create_connection((at.host, at.port), timeout=10) as client:
            client.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = b""
            while not answer.endswith(b"}"):
                part = client.recv(4_096)
                assert part, answer
                answer += part
            assert answer.startswith(b"HTTP/1.1 200")
            monkeypatch.setattr(patience.ImpatientProtocol, "head_s", 0.2)
            client.sendall(b"GET /livez")
            assert rest(client) == b""


def test_a_body_that_does_not_come_is_not_waited_for(settings, monkeypatch):
    monkeypatch.setattr(guard.Guarded.__init__, "__kwdefaults__", {"body_s": 0.2, "answer_s": 60.0})
    with (
        serving(settings) as at,
        socket.create_connection((at.host, at.port), timeout=10) as client,
    ):
        client.sendall(
            b"POST /v1/intents:batch HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{"
        )
        assert client.recv(4_096).startswith(b"HTTP/1.1 408")


def test_who_does_not_take_its_answer_is_let_go(settings, monkeypatch):
    monkeypatch.setattr(patience.ImpatientProtocol, "answer_s", 0.3)

    async def endless(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(1_000):
            await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})

    listener = server._listen(settings)
    http_server = server._server(endless)
    thread = threading.Thread(target=lambda: asyncio.run(http_server.serve(sockets=[listener])))
    thread.start()
    try:
        with socket.create_connection(listener.getsockname(), timeout=10) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert client.recv(10)
            deadline = time.monotonic() + 10
            while http_server.server_state.connections:
                assert time.monotonic() < deadline
                time.sleep(0.02)
    finally:
        http_server.should_exit = True
        thread.join(15)


def test_the_gate_asks_nothing_of_an_open_path_and_everything_of_others(settings):
    gate = Gate(settings.with_(api_mode="token"))
    assert gate.admit("/livez", "", [], "") is None
    with pytest.raises(Refused) as error:
        gate.admit("/v1/facts", "", [], "")
    assert error.value.problem.status == 401
