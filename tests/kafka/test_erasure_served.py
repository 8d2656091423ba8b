"""A shopper is forgotten while graphs are replayed and swapped: no replica serves it again."""

import asyncio
import json
import os
import re
import secrets
import signal
import threading
import time
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import pytest
from typer.testing import CliRunner

from streams.__main__ import app
from streams.cli.state import digested
from streams.privacy import pseudonym
from streams.serve import running
from streams.settings import Settings
from streams.shoppers.erasures import TABLE as ERASED
from tests.kafka.counts import at_rest
from tests.kafka.generations import begin, beside, call, environment, told
from tests.kafka.helpers import wait_until
from tests.kafka.running import write
from tests.kafka.test_backfill import HOUR_MS, graph
from tests.kafka.test_erasure import in_stores
from tests.kafka.test_replay import Workers, get, ready

pytestmark = pytest.mark.kafka

ANN, WORD = "ann@example.org", "astronaut"
QUERY = f"shoes for {WORD}s"


@pytest.fixture
def live(kafka: str, tmp_path: Path) -> Iterator[Settings]:
    """A graph that runs and rests, in which one shopper alone asked for something."""
    prefix = f"t{secrets.token_hex(4)}"
    settings = graph(kafka, prefix, tmp_path / "data", scoring={"floor": 1.0})  # type: ignore[arg-type]
    events_topic, _ = settings.sources
    write(settings, events_topic, visit())
    process = begin(settings, "worker")
    try:
        wait_until(lambda: len(ready(settings)) == 5, "the workers", 90)
        asyncio.run(at_rest(settings, Workers(settings)))  # type: ignore[arg-type]
        yield settings
    finally:
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=40)
    assert process.returncode == 0, said


def visit() -> list[tuple[bytes, bytes]]:
    """What Ann did: asked, and bought three of what the others buy too."""
    at_ms = int(time.time() * 1000) - 2 * HOUR_MS
    asked = {"user_query": QUERY, "query_id": "qa", "client_id": ANN, "timestamp": at_ms}
    rows = [(b"s", json.dumps(asked).encode())]
    for number, product in enumerate(("p0", "p2", "p5")):
        took = {"action_name": "purchase", "client_id": ANN, "product_id": product}
        query = {"query_id": "qa", "timestamp": at_ms + 1_000 * (number + 1)}
        rows.append((b"s", json.dumps({**took, **query}).encode()))
    return rows


class Asking:
    """Asks a replica all the while: what it last answered, and whether it ever named the word.

    Attributes:
        named: generations whose answers have named it since `watch`.
        last: generation, facts of the last answer, and how many of them name the word.
    """

    def __init__(self, at: running.Running) -> None:
        self._at, self._ended = at, threading.Event()
        self.named: set[str] = set()
        self.last: tuple[str, int, int] = ("", 0, 0)
        self.answers = 0
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def _ask(self) -> None:
        while not self._ended.is_set():
            page = get(self._at, "/v1/facts?status=all&limit=1000")
            assert page["next"] is None
            generation, facts = page["as_of"]["generation"], page["facts"]
            naming = [each for each in facts if WORD in json.dumps(each)]
            if naming:
                self.named.add(generation)
            self.last = generation, len(facts), len(naming)
            self.answers += 1
            time.sleep(0.01)

    def forget(self) -> None:
        """From the next answer on nobody may name it."""
        before = self.answers
        wait_until(lambda: self.answers > before + 1, "another answer")
        self.named.clear()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join(30)
        assert not self._thread.is_alive()


@contextmanager
def served(settings: Settings) -> Iterator[tuple[running.Running, Asking]]:
    """A process of `cartograph serve` that is ready, and asked."""
    process = begin(settings, "serve", "--port", "0")
    try:
        wait_until(lambda: running.find(settings) is not None, "the replica", 60)
        at = running.find(settings)
        assert at is not None
        wait_until(lambda: running.readiness(at).ready, "the replica's graph", 60)
        asking = Asking(at)
        try:
            yield at, asking
        finally:
            asking.stop()
    finally:
        process.kill()
        process.communicate(timeout=30)


def status_of(at: running.Running, path: str) -> int:
    try:
        get(at, path)
    except urllib.error.HTTPError as error:
        return error.code
    return 200


def missing(settings: Settings) -> list[str]:
    """The graphs that have not obeyed the one erasure that there is."""
    with mock.patch.dict(os.environ, environment(settings), clear=True):
        ended = CliRunner().invoke(app, ["forget", ANN, "--check", "--json"])
    (found,) = json.loads(ended.stdout)
    return found["missing"]


def test_what_hung_on_a_forgotten_shopper_is_served_by_no_replica_of_any_graph_again(
    live: Settings,
):
    told(live, "replay", "--generation", "shadow")
    shadow = beside(live, "shadow")
    assert digested(shadow) == digested(live)
    name = pseudonym(live.key(), ANN)
    with served(live) as (at, asking):
        wait_until(lambda: asking.last[2] > 0, "facts that hang on her")
        page = get(at, "/v1/facts?status=all&limit=1000")
        hers = [each["id"] for each in page["facts"] if WORD in json.dumps(each)]
        assert {status_of(at, f"/v1/facts/{each}?status=all") for each in hers} == {200}
        said = call(live, "forget", ANN, "--wait", "3", code=1)
        assert re.search("within 3 s by (live, )?shadow", said), "no graph answers for another"
        wait_until(lambda: missing(live) == ["shadow"], "the graph that runs obeys", 60)
        wait_until(lambda: asking.last[2] == 0, "the replica forgets", 60)
        asking.forget()
        assert {status_of(at, f"/v1/facts/{each}?status=all") for each in hers} == {404}
        assert in_stores(shadow, name) - {ERASED}, "its workers do not run"
        assert "1 erasures are not obeyed" in call(live, "graph", "swap", "shadow", code=2)

        told(live, "replay", "--generation", "shadow")
        asyncio.run(at_rest(live, Workers(live)))  # type: ignore[arg-type]
        assert digested(shadow) == digested(live)
        assert in_stores(shadow, name) == in_stores(live, name) == {ERASED}
        (found,) = told(live, "forget", ANN, "--check")
        assert (found["obeyed"], found["missing"]) == (True, [])
        for to in ("shadow", "live"):
            call(live, "graph", "swap", to)
            wait_until(lambda to=to: asking.last[0] == to, f"{to} answers", 60)
            assert {status_of(at, f"/v1/facts/{each}?status=all") for each in hers} == {404}
        assert asking.named == set(), "it came back"
        assert asking.last[1] > 100
        later = told(live, "replay", "--generation", "later")
        assert later["digest"]["digest"] == digested(live).digest
        assert in_stores(beside(live, "later"), name) == {ERASED}
