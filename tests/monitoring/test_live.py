"""A real Prometheus reads loaded workers and a replica: every panel and every rule has an answer.

The sample shop is played in parts, so that counters move while they are watched; what can be
provoked cheaply (dead letters, requests for what there is not) is.
"""

import asyncio
import contextlib
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from streams.play import CATALOG, EVENTS, open_play
from streams.playing import Producing
from streams.process import status
from streams.sample import make as sample
from streams.serve import running
from streams.settings import Settings
from tests.kafka.running import Stages, create_all_topics, shop_settings, write
from tests.kafka.test_serve import serving
from tests.monitoring import files
from tests.monitoring.live import Prometheus
from tests.monitoring.promql import filled, names_in

GRAPH = "g"
WINDOW = "2m"
PATIENCE_S = 60.0
SIZES = sample.Sizes(products=120, shoppers=160, days=28)
PARTS = 3

MAY_BE_EMPTY = {
    "cartograph_lost_records_total": "nothing was deleted before it was read",
    "cartograph_resends_total": "each store made the last claim of its partition",
    "cartograph_model_set_aside_total": "no model raised on a text",
    "cartograph_model_out_of_memory_total": "there is no GPU",
    "cartograph_model_fallbacks_total": "there is no GPU to give up",
    "cartograph_model_reloads_total": "no bundle was exchanged",
    "cartograph_model_score_drift": "a bundle gives 4,000 scores before it has one",
    "cartograph_restores_total": "no partition was restored",
    "cartograph_restore_seconds_bucket": "no partition was restored",
    "cartograph_recovering_partitions": "no partition was restored",
    "cartograph_end_to_end_unknown_total": "every fact followed from an event",
}
"""Metrics without a sample in a healthy run, and why; kminion's are told by another program."""

MAY_BE_EMPTY_WITH = {
    'outcome="failed"': "no call of a model failed",
    'status=~"5.."': "the API did not fail",
    'device="cpu", wanted="cuda"': "nobody wanted a GPU",
}
"""The same of some labels of a metric."""


def may_be_empty(expr: str) -> bool:
    names = names_in(expr)
    return (
        bool(names & MAY_BE_EMPTY.keys())
        or any(name.startswith("kminion_") for name in names)
        or any(part in expr for part in MAY_BE_EMPTY_WITH)
    )


def shown(expr: str) -> str:
    """The query as Grafana would send it."""
    return filled(expr, graph=GRAPH, __rate_interval=WINDOW)


@pytest.fixture(scope="module")
def watched(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("watched")
    settings = shop_settings(
        kafka,
        f"live{int(time.time())}",
        folder / "graph",
        k_shoppers=2,
        model_threads=1,
        checkpoint_url=str(folder / "checkpoints"),
        checkpoint_every_s=5,
    )
    sample.make(folder / "sample", 1, SIZES)
    create_all_topics(settings)
    with (
        Stages(settings) as stages,
        serving(settings.with_(data_dir=folder / "replica")) as (_, replica),
    ):
        targets = {"cartograph-worker": _workers(settings), "cartograph-serve": [_serve(replica)]}
        with Prometheus(folder / "prometheus", targets).running() as prometheus:
            for _ in _played(settings, folder / "sample"):
                _ask(replica)
                time.sleep(2)
            stages.rest()
            _ask(replica)
            yield prometheus


def _workers(settings: Settings) -> list[tuple[str, dict[str, str]]]:
    found = []
    for file in status.run_folder(settings).glob("*-*.json"):
        told = status.read(file)
        assert told is not None
        labels = {"graph": GRAPH, "worker": f"{told.stage}-{told.slot}"}
        found.append((f"127.0.0.1:{told.metrics_port}", labels))
    assert len(found) == 5
    return found


def _serve(replica: running.Running) -> tuple[str, dict[str, str]]:
    return f"127.0.0.1:{replica.port}", {"graph": GRAPH, "worker": "serve"}


def _played(settings: Settings, folder: Path) -> Iterator[None]:
    """The catalog, then the events in parts, with some records that nobody can read."""
    events, catalog = settings.sources
    topics = {EVENTS: events, CATALOG: catalog}

    async def play(kind: str, first: int, last: int | None) -> None:
        file = folder / (sample.CATALOG if kind == CATALOG else sample.EVENTS)
        records = (each for each in open_play("native", [file]) if each.kind == kind)
        async with Producing(settings, topics) as producing:
            await producing.play(islice(records, first, last))

    products = SIZES.products // 2
    for first, last in ((0, products), (products, None)):
        asyncio.run(play(CATALOG, first, last))
        yield
    count = sum(1 for _ in open_play("native", [folder / sample.EVENTS])) // PARTS + 1
    for part in range(PARTS):
        asyncio.run(play(EVENTS, part * count, (part + 1) * count))
        write(settings, events, [(b"k", b"no json, part %d" % part)])
        yield


def _ask(replica: running.Running) -> None:
    for path in ("/v1/facts?limit=5", "/v1/intents?query=shoes", "/v1/facts/0", "/livez"):
        with contextlib.suppress(urllib.error.HTTPError):
            urllib.request.urlopen(replica.address + path, timeout=20).close()
    foreign = urllib.request.Request(replica.address + "/v1/facts", headers={"Host": "a.example"})
    with contextlib.suppress(urllib.error.HTTPError):
        urllib.request.urlopen(foreign, timeout=20).close()


def test_every_panel_has_an_answer(watched: Prometheus):
    wanted = {shown(each.expr): each for each in files.queries()}
    empty = set(wanted)
    deadline = time.monotonic() + PATIENCE_S
    while empty and time.monotonic() < deadline:
        empty = {expr for expr in empty if not watched.values(expr)}
        if all(may_be_empty(wanted[expr].expr) for expr in empty):
            break
        time.sleep(1)
    print(f"{len(wanted) - len(empty)} of {len(wanted)} queries answered; empty:", *sorted(empty))
    assert [str(wanted[e]) for e in sorted(empty) if not may_be_empty(wanted[e].expr)] == []


def test_every_recording_has_an_answer_and_every_rule_could_be_worked_out(watched: Prometheus):
    found = {rule["name"]: rule for rule in watched.rules()}
    assert {rule.name for rule in files.rules()} == set(found)
    assert {name: rule["lastError"] for name, rule in found.items() if rule.get("lastError")} == {}
    assert {rule["health"] for rule in found.values()} == {"ok"}
    recorded = [rule for rule in files.rules() if not rule.is_alert]
    empty = {rule.name for rule in recorded if not watched.values(rule.name)}
    assert {rule.name for rule in recorded if rule.name in empty and not may_be_empty(rule.expr)
            } == set()  # fmt: skip


def test_alerts_of_a_healthy_run_are_silent(watched: Prometheus):
    firing = [
        each["labels"]["alertname"]
        for each in watched.ask("alerts")["alerts"]
        if each["state"] == "firing"
    ]
    assert firing == []


def test_what_was_provoked_is_seen(watched: Prometheus):
    (dead,) = watched.values(f'sum(cartograph_dead_letters_total{{graph="{GRAPH}"}})')
    assert dead >= PARTS
    assert watched.values('cartograph_http_requests_total{status=~"4.."}')


def test_what_may_be_empty_is_still_asked_for():
    queries = [each.expr for each in files.queries()] + [each.expr for each in files.rules()]
    names = {name for expr in queries for name in names_in(expr)}
    assert MAY_BE_EMPTY.keys() <= names
    assert all(any(part in expr for expr in queries) for part in MAY_BE_EMPTY_WITH)


def test_the_workers_page_is_what_the_metrics_say(watched: Prometheus):
    """Every metric that a panel asks for is on some page, but for those that may be empty."""
    names = set(watched.ask("label/__name__/values"))
    asked = {name for each in files.queries() for name in names_in(each.expr)} - {"ALERTS"}
    missing = {name for name in asked - names - MAY_BE_EMPTY.keys() if "kminion" not in name}
    assert missing == set()
