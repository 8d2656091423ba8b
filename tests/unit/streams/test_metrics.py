"""Metrics keep the house's rules; tallies become counters; too many dead letters stop a worker."""

import re
import subprocess
import sys
import urllib.request
from collections import Counter
from pathlib import Path

import prometheus_client
import pytest
from prometheus_client import REGISTRY

from streams import metrics
from streams.checkpoint import metrics as of_checkpoints
from streams.errors import DeadLetterLimitError, SettingsError
from streams.limits import DeadLetterLimit
from streams.outcomes import OUTCOMES
from streams.settings import Settings

DECLARED = {
    name: thing
    for module in (metrics, of_checkpoints)
    for name, thing in vars(module).items()
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
        assert metric._name.endswith("_seconds")
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
    }
    assert set(metric._labelnames) <= allowed | {"version", "python", "bundle", "sha256"}


def test_metrics_are_declared_for_workers_in_one_place_and_for_replicas_in_one():
    folder = Path(metrics.__file__).parent
    files = sorted(folder.rglob("*.py"))
    users = [str(f.relative_to(folder)) for f in files if "prometheus_client" in f.read_text()]
    assert users == ["checkpoint/metrics.py", "metrics.py", "serve/metrics.py"]


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
    metrics.report_gauges("t2", told)
    assert sample("cartograph_items", stage="t2", what="waiting") == 7
    assert sample("cartograph_facts", relation="used_for_func", status="held") == 3


def test_the_page_is_on_loopback_and_a_taken_port_is_said():
    port = metrics.serve_metrics(0, version="1.2")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as page:
        assert b'cartograph_build_info{python="' in page.read()
    with pytest.raises(SettingsError, match="CARTOGRAPH_METRICS_PORT"):
        metrics.serve_metrics(port, version="1.2")


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
