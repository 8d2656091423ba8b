"""A graph beside the one that runs: built, killed, compared, swapped in, and dropped."""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import subprocess
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import psutil  # type: ignore[import-untyped]
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from streams.broker import admin
from streams.cli.state import Shown, digested, shown
from streams.process import status
from streams.process.status import stage_folder
from streams.serve import running
from streams.settings import Settings
from streams.topics import SHARED, TOPICS
from tests.kafka.counts import at_rest
from tests.kafka.generations import begin, beside, call, digest_of, folder_of, told
from tests.kafka.helpers import read_all, wait_until
from tests.kafka.running import Stages, create_all_topics, facts_of, shop_settings, write
from tests.kafka.test_backfill import events, graph

pytestmark = pytest.mark.kafka

STRICT = "scoring.floor=5"
"""Facts of behaviour of fewer shoppers, of which there are some, are none any more."""


class Workers(NamedTuple):
    """The workers of a graph, as far as `at_rest` asks."""

    settings: Settings

    def status(self) -> list[status.Status]:
        return status.read_all(self.settings)


@pytest.fixture(scope="module")
def live(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A graph whose workers run, by `cartograph worker`, and rest."""
    folder = tmp_path_factory.mktemp("live")
    settings = graph(kafka, f"t{secrets.token_hex(4)}", folder / "data")
    process = begin(settings, "worker")
    try:
        wait_until(lambda: len(ready(settings)) == 5, "the workers", 90)
        asyncio.run(at_rest(settings, Workers(settings)))
        yield settings
    finally:
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=40)
    assert process.returncode == 0, said


def ready(settings: Settings) -> dict[str, int]:
    """Stage -> process that runs and is ready."""
    found = status.read_all(settings)
    return {each.stage: each.pid for each in found if each.ready and status.is_alive(each)}


def runs(settings: Settings) -> set[str]:
    """Stages whose process lives."""
    return {each.stage for each in status.read_all(settings) if status.is_alive(each)}


def test_a_replay_that_is_killed_again_and_again_is_the_graph_that_runs(live: Settings):
    wanted = digested(live)
    assert wanted.facts > 100
    shadow = beside(live, "again")
    words = ("replay", "--generation", "again", "--from", "earliest")

    def has_begun(stage: str) -> bool:
        return stage in ready(shadow)

    for stage in ("", "shoppers", "graph"):
        process = begin(live, *words)
        if stage:
            wait_until(lambda stage=stage: has_begun(stage), f"{stage} of the replay", 60)
            for pid in ready(shadow).values():
                os.kill(pid, signal.SIGKILL)
        else:
            wait_until(lambda: "again" in call(live, "graph", "list"), "its record", 60)
        process.kill()
        process.communicate(timeout=30)
    assert told(live, *words)["digest"]["digest"] == wanted.digest
    assert digested(live) == wanted, "the graph that runs was not touched"
    assert told(live, "replay", "--generation", "again")["replayed"]["records"] == 0
    said = call(live, "replay", "--generation", "again", "--set", STRICT, code=2)
    assert "choose another --generation" in said
    only_one_runs_it(live, shadow)


def only_one_runs_it(live: Settings, shadow: Settings) -> None:
    """Of two workers of a generation on a machine the second waits until the first has ended."""
    with (
        ending(begin(live, "worker", "--generation", "again")) as first,
        ending(begin(live, "worker", "--generation", "again")) as second,
    ):
        wait_until(lambda: len(ready(shadow)) == 4, "the first of them", 60)
        pids = set(ready(shadow).values())
        one, other = (first, second) if _parent(pids) == first.pid else (second, first)
        one.send_signal(signal.SIGTERM)
        assert one.wait(40) == 0
        wait_until(lambda: len(ready(shadow)) == 4, "the second of them", 60)
        assert _parent(set(ready(shadow).values())) == other.pid


@contextlib.contextmanager
def ending(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """A process that is ended with the block."""
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=40)


def _parent(pids: set[int]) -> int:
    (parent,) = {psutil.Process(pid).ppid() for pid in pids}
    return parent


def test_a_stretch_is_the_graph_of_a_shop_that_opened_then(
    live: Settings, kafka: str, tmp_path: Path
):
    """Nothing before it counts, nor makes anything late; nor does anything after it."""
    found = read_all(live, "events")
    ends = Counter(number for number, _ in found)
    starts = {number: end // 3 for number, end in ends.items()}
    places = [
        ",".join(f"{number}:{at}" for number, at in sorted(offsets.items()))
        for offsets in (starts, {number: end - 5 for number, end in ends.items()})
    ]
    cut = told(live, "replay", "--from", places[0], "--to", places[1], "--generation", "cut")
    assert "would never learn more" in call(live, "graph", "swap", "cut", code=2)
    books = [each for each in shown(beside(live, "cut")) if each.stage == "shoppers"]
    assert {each.partition: sum(_ended(each, "events")) for each in books} == {
        number: end - 5 - starts[number] for number, end in ends.items()
    }

    fresh = shop_settings(kafka, f"t{secrets.token_hex(4)}", tmp_path / "fresh")
    fresh = fresh.with_(k_shoppers=1, device="cpu", model_threads=1)
    create_all_topics(fresh)
    rows: dict[tuple[str, int], list[tuple[bytes | None, bytes | None]]] = {}
    for topic in ("events", "catalog"):
        for number, record in read_all(live, topic):
            if topic == "catalog" or starts[number] <= record.offset < ends[number] - 5:
                rows.setdefault((topic, number), []).append((record.key, record.value))
    for (topic, number), told_rows in rows.items():
        write(fresh, fresh.topic(topic), told_rows, partition=number)
    with Stages(fresh, ("shoppers", "queries", "products", "graph")) as stages:
        stages.rest()
    assert cut["digest"] == msgspec.to_builtins(digested(fresh))
    assert cut["digest"]["digest"] != digested(live).digest


def _ended(each: Shown, topic: str) -> list[int]:
    """How many records of a topic ended in each way (rule 8)."""
    return [n for name, n in each.outcomes.items() if name.partition(".")[0] == topic]


def test_totals_alone_make_the_same_graph(live: Settings):
    found = told(live, "replay", "--base", "totals", "--to", "now")
    assert found["replayed"]["generation"] == "g1"
    assert found["digest"]["digest"] == digested(live).digest
    assert not (folder_of(live, "g1") / "shoppers").exists()
    named = live.with_(generation="g1")  # what its record says besides, commands read there
    assert told(named, "state", "check")["count"] == 0
    tidied = {each["topic"] for each in told(named, "topics", "tidy")}
    assert "claims" in tidied
    assert not tidied & {"searched", "bought"}, "those are the first one's"
    said = call(live, "replay", "--base", "totals", "--set", "session_gap_ms=5000", code=2)
    assert "--base events" in said


def test_other_settings_are_the_reason_of_what_differs_then_it_answers_then_it_is_dropped(
    live: Settings,
):
    told(live, "replay", "--generation", "strict", "--set", STRICT)
    assert digest_of(live, "strict") != digested(live).digest
    found = told(live, "graph", "diff", "live", "strict")
    assert found["grounds"]["settings"]["scoring"][1] == {"floor": 5.0}
    mine = {fact.id for fact in facts_of(live).values()}
    others = {fact.id for fact in facts_of(beside(live, "strict")).values()}
    assert {each["reason"] for each in found["lines"]} == {"settings"}
    removed = [each["facts"] for each in found["lines"] if each["kind"] == "removed"]
    assert sum(removed) == len(mine - others) > 0
    assert not others - mine
    places = (stage_folder(live, "graph"), stage_folder(beside(live, "strict"), "graph"))
    by_folder = told(live, "graph", "diff", *map(str, places))
    assert by_folder["differ"] == found["differ"]
    assert {each["reason"] for each in by_folder["lines"]} == {"totals"}, "no record, no settings"

    assert "is the generation that answers" in call(live, "graph", "drop", "live", code=2)
    with serving(live) as (process, seen):
        wait_until(lambda: ("live", len(mine)) in seen, "answers of the first")
        swap = begin(live, "graph", "swap", "strict")
        swap.kill()  # before or after its record: given again it ends alike
        swap.communicate(timeout=30)
        call(live, "graph", "swap", "strict")
        wait_until(lambda: ("strict", len(others)) in seen, "answers of the second", 60)
        wait_until(lambda: len(ready(beside(live, "strict"))) == 4, "its workers", 60)
        call(live, "graph", "swap", "live")
        wait_until(lambda: seen[-1] == ("live", len(mine)), "the first again", 60)
        process.kill()
    assert set(seen) == {("live", len(mine)), ("strict", len(others))}, "never half a graph"

    drop = begin(live, "graph", "drop", "strict")
    wait_until(lambda: len(ready(beside(live, "strict"))) < 4, "the drop", 60)
    drop.kill()
    drop.communicate(timeout=30)
    call(live, "graph", "drop", "strict")
    call(live, "graph", "drop", "strict")
    assert asyncio.run(left_of(live, "strict")) == []
    assert not folder_of(live, "strict").exists()
    assert "strict" not in {each["name"] for each in told(live, "graph", "list")}
    assert "no name is given twice" in call(live, "replay", "--generation", "strict", code=2)
    all_of_them = {"route", "shoppers", "queries", "products", "graph"}
    wait_until(lambda: ready(live).keys() == all_of_them, "all of the first are ready")


def test_the_first_ones_stages_can_be_dropped_while_route_and_the_events_go_on(live: Settings):
    told(live, "replay", "--generation", "heir")
    heir = beside(live, "heir")
    call(live, "graph", "swap", "heir")
    for each in told(live, "graph", "list"):
        if each["base"] == "totals":
            needed = call(live, "graph", "drop", "live", code=2)
            assert f"{each['name']} is built from the totals of live" in needed
            call(live, "graph", "drop", each["name"])
    wait_until(lambda: len(ready(heir)) == 4, "the heir's workers", 60)
    call(live, "graph", "drop", "live")
    wait_until(lambda: runs(live) == ready(live).keys() == {"route"}, "ROUTE alone runs")
    assert not stage_folder(live, "graph").exists()
    left = asyncio.run(admin.describe(live.kafka, [live.topic(topic.name) for topic in TOPICS]))
    assert left.keys() == {live.topic(name) for name in (*SHARED, "control", "dead-letters")}
    assert told(live, "topics", "apply")["created"] == [], "what was dropped stays away"
    assert {each["topic"] for each in told(live, "topics", "show")} == left.keys()
    assert "dropped is generation 'live'" in call(live, "graph", "swap", "live", code=2)

    before = _used(heir)
    events_topic, _ = live.sources
    write(live, events_topic, events()[-2:])
    wait_until(lambda: _used(heir) == before + 2, "what is sold since", 60)


def _used(settings: Settings) -> int:
    """Records of events that ended somehow in the stores of SHOPPERS."""
    stores = [each for each in shown(settings) if each.stage == "shoppers"]
    return sum(sum(_ended(each, "events")) for each in stores)


@contextlib.contextmanager
def serving(settings: Settings) -> Iterator[tuple[object, list[tuple[str, int]]]]:
    """`cartograph serve`, asked all the while: (generation, facts) of every answer, in order."""
    process = begin(settings, "serve", "--port", "0")
    seen: list[tuple[str, int]] = []
    ended = threading.Event()

    def ask(at: running.Running) -> None:
        while not ended.is_set():
            page = get(at, "/v1/facts?status=all&limit=1000")
            assert page["next"] is None
            seen.append((page["as_of"]["generation"], len(page["facts"])))
            time.sleep(0.01)

    try:
        wait_until(lambda: running.find(settings) is not None, "the replica", 60)
        at = running.find(settings)
        assert at is not None
        wait_until(lambda: running.readiness(at).ready, "the replica's graph", 60)
        asking = threading.Thread(target=ask, args=(at,))
        asking.start()
        yield StopAfter(process, ended, asking), seen
    finally:
        ended.set()
        process.kill()
        process.communicate(timeout=30)


class StopAfter(NamedTuple):
    """A process that is asked; it is killed once nobody asks any more."""

    process: object
    ended: threading.Event
    asking: threading.Thread

    def kill(self) -> None:
        self.ended.set()
        self.asking.join(30)
        assert not self.asking.is_alive()


def get(at: running.Running, path: str) -> dict:
    with urllib.request.urlopen(at.address + path, timeout=20) as response:
        return json.load(response)


async def left_of(settings: Settings, name: str) -> list[str]:
    """Topics and consumer groups of a generation."""
    own = beside(settings, name)
    topics = [own.topic(each) for each in own.names.owned()]
    assert not SHARED & {each.rpartition(".")[2] for each in topics}
    found = list(await admin.describe(settings.kafka, topics))
    client = AIOKafkaAdminClient(bootstrap_servers=settings.kafka)
    await client.start()
    try:
        groups = [group for group, *_ in await client.list_consumer_groups()]
    finally:
        await client.close()
    return found + [each for each in groups if each.startswith(f"{own.names.own}.")]
