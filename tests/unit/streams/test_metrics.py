"""Metrics keep the house's rules; tallies become counters; too many dead letters stop a worker."""

import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

import prometheus_client
import pytest

import streams.serve.metrics
from streams.checkpoint import metrics as metrics_checkpoints
from streams.errors import DeadLetterLimitError, SettingsError
from streams.monitoring import metrics
from streams.monitoring import quality as metrics_quality
from streams.monitoring import stores as metrics_stores
from streams.monitoring.gauges import GaugeSet
from streams.monitoring.metrics import REGISTRY
from streams.outcomes import OUTCOMES
from streams.process.probes import Health, Ready, Reason
from streams.settings import Settings
from streams.worker.limits import DeadLetterLimit

PLACES = (metrics, metrics_stores, metrics_quality, metrics_checkpoints, streams.serve.metrics)
DECLARED = {
    thing._name: thing
    for place in PLACES
    for thing in vars(place).values()
    if isinstance(thing, prometheus_client.metrics.MetricWrapperBase)
}


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


@pytest.mark.parametrize("name", DECLARED)
def test_a_metric_has_a_unit_a_kind_and_a_sentence(name: str):
    metric = DECLARED[name]
    assert metric._name.startswith("cartograph_")
    assert metric._documentation.rstrip().endswith((".",))
    if isinstance(metric, prometheus_client.Histogram):
        assert metric._name.endswith(("_seconds", "_records"))
    assert not re.search(r"_(ms|mb|kb|minutes)$", metric._name)
    allowed = {
        "stage",
        "topic",
        "outcome",
        "reason",
        "relation",
        "status",
        "what",
        "task",
        "source",
        "device",
        "wanted",
        "step",
        "cache",
        "table",
        "attribute",
        "department",
        "path",
    }
    assert set(metric._labelnames) <= allowed | {"version", "python", "bundle", "sha256"}


def test_metrics_are_declared_in_few_places_and_stand_in_our_registry_alone():
    folder = Path(metrics.__file__).parents[1]
    files = sorted(folder.rglob("*.py"))
    declaring = re.compile(r"(Counter|Gauge|Histogram)\(\s*\"cartograph_")
    users = [str(f.relative_to(folder)) for f in files if declaring.search(f.read_text())]
    assert users == [
        "checkpoint/metrics.py",
        "monitoring/metrics.py",
        "monitoring/quality.py",
        "monitoring/stores.py",
        "serve/metrics.py",
    ]
    for metric in DECLARED.values():
        assert metric in REGISTRY._collector_to_names
    told = prometheus_client.generate_latest(prometheus_client.REGISTRY)
    assert b"cartograph_" not in told
    own = prometheus_client.generate_latest(REGISTRY).decode()
    for name in ("process_cpu_seconds_total", "python_info", "python_gc_collections_total"):
        assert f"# TYPE {name} " in own or f"# TYPE {name.removesuffix('_total')}" in own


def test_a_tally_is_counted_once_however_often_it_is_reported():
    report = metrics.TallyReport("t1", {"events.used": 5})
    tally = Counter(
        {"events.used": 8, "events.dead_letter": 2, "dead.bad_json": 2, "events.out": 9}
    )
    assert report.update(tally) == (5, 2)
    assert report.update(tally) == (0, 0)
    tally["events.late"] += 1
    assert report.update(tally) == (1, 0)
    name = "cartograph_records_total"
    told = {each: sample(name, stage="t1", topic="events", outcome=each) for each in OUTCOMES}
    assert {each: n for each, n in told.items() if n} == {"used": 3, "dead_letter": 2, "late": 1}
    assert sample("cartograph_dead_letters_total", stage="t1", reason="bad_json") == 2


def test_gauges_of_partitions_add_up():
    told = [{"waiting": 2, "facts.used_for_func.held": 3}, {"waiting": 5}]
    gauges = GaugeSet("t2")
    gauges.tell(told)
    assert sample("cartograph_items", stage="t2", what="waiting") == 7
    assert sample("cartograph_facts", relation="used_for_func", status="held") == 3
    gauges.tell([{"waiting": 1, "coverage.shoes.filled": 4, "coverage.shoes.products": 2}])
    assert sample("cartograph_facts", relation="used_for_func", status="held") == 0
    assert sample("cartograph_coverage_values", department="shoes", outcome="filled") == 4
    assert sample("cartograph_coverage_products", department="shoes") == 2


def test_the_page_is_on_loopback_and_a_taken_port_is_said():
    port = metrics.serve_metrics(0, version="1.2")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as page:
        assert b'cartograph_build_info{python="' in page.read()
    with pytest.raises(SettingsError, match="CARTOGRAPH_METRICS_PORT"):
        metrics.serve_metrics(port, version="1.2")


def asked(port: int, path: str) -> tuple[int, dict]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_probes_say_in_json_why_a_worker_is_not_ready_and_whether_its_loop_turns():
    now = [100.0]
    health = Health(clock=lambda: now[0], limit_s=60)
    port = metrics.serve_metrics(0, version="1.2", health=health)
    status, told = asked(port, "/readyz")
    assert (status, told["ready"], told["reasons"][0]["code"]) == (503, False, "starting")
    assert asked(port, "/livez")[0] == 200
    health.beat(Ready(True, (), (Reason("cpu", "tagging runs on the CPU"),)))
    status, told = asked(port, "/healthz")
    assert (status, told["ready"], told["reasons"]) == (200, True, [])
    assert told["degraded"] == [{"code": "cpu", "words": "tagging runs on the CPU"}]
    now[0] += 61
    status, told = asked(port, "/livez")
    assert (status, told) == (503, {"alive": False, "beat_seconds": 61.0})
    assert asked(port, "/metricsz")[0] == 404


def test_too_many_dead_letters_stop_the_worker_and_say_what_to_do():
    limit = DeadLetterLimit("route", ratio=0.1, minimum=50, window=1_000)
    limit.add(100, 49)  # few in number: a bad start is no bad source
    limit.add(900, 1)
    with pytest.raises(DeadLetterLimitError, match=r"route could not read 111 .*RATIO=0\.1"):
        limit.add(100, 61)


def test_a_long_good_past_does_not_hide_a_source_that_turns_bad():
    limit = DeadLetterLimit("route", ratio=0.2, minimum=50, window=1_000)
    for _ in range(1_000):
        limit.add(1_000, 10)
    for _ in range(2):
        limit.add(100, 90)
    with pytest.raises(DeadLetterLimitError):
        limit.add(100, 90)


def test_metrics_are_served_where_the_settings_say_and_nowhere_else():
    port = metrics.serve_metrics(0, version="test", host="127.0.0.2")
    page = urllib.request.urlopen(f"http://127.0.0.2:{port}/metrics").read()
    assert b"cartograph_build_info" in page
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics")


def test_a_worker_that_cannot_serve_metrics_there_says_what_to_change(tmp_path: Path):
    settings = Settings().with_(
        kafka="127.0.0.1:1", data_dir=tmp_path, metrics_host="192.0.2.1", log_json=False
    )
    done = subprocess.run(
        [sys.executable, "-m", "streams.worker_main", "route", "0"],
        input=settings.to_json(),
        capture_output=True,
        cwd=Path(__file__).parents[3],
        timeout=60,
    )
    assert done.returncode == 2, done.stderr
    assert b"192.0.2.1" in done.stdout + done.stderr
    assert b"CARTOGRAPH_METRICS_HOST" in done.stdout + done.stderr
