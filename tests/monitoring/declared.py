"""Every metric that the code declares, that our rules record, and that kminion tells."""

import importlib
import pkgutil
import sys
from collections.abc import Iterable, Iterator

import prometheus_client
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import Metric

import streams
from tests.monitoring import files
from tests.monitoring.promql import Labels, labels_of

TARGET: Labels = frozenset({"job", "instance", "graph", "worker"})
"""Labels that Prometheus puts on every target of ours (`prometheus.yml`, ServiceMonitors)."""

_SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
_KMINION = {
    "kminion_exporter_up": ("version",),
    "kminion_kafka_broker_info": ("address", "broker_id", "is_controller", "port", "rack_id"),
    "kminion_kafka_consumer_group_members": ("group_id",),
    "kminion_kafka_consumer_group_empty_members": ("group_id",),
    "kminion_kafka_consumer_group_topic_lag": ("group_id", "topic_name"),
    "kminion_kafka_consumer_group_offset_commits_total": ("group_id",),
    "kminion_kafka_topic_high_water_mark_sum": ("topic_name",),
    "kminion_kafka_topic_log_dir_size_total_bytes": ("topic_name",),
    "kminion_end_to_end_roundtrip_latency_seconds_bucket": ("le",),
}
"""Of docs/metrics.md of redpanda-data/kminion; labels that its versions name alike."""


def of_the_code() -> dict[str, Labels]:
    """Name as Prometheus stores it -> labels, of what `streams` declares and its processes tell."""
    found: dict[str, Labels] = {}
    for name, kind, labels in _declared():
        for suffix in _SUFFIXES[kind]:
            found[name + suffix] = frozenset(labels) | ({"le"} if suffix == "_bucket" else set())
    for family in _of_a_process():
        for sample in family.samples:
            found[sample.name] = frozenset(sample.labels)
    return {name: labels | TARGET for name, labels in found.items()}


def everything() -> dict[str, Labels]:
    """The code's metrics, what Prometheus itself adds, kminion's, and what our rules record."""
    found = of_the_code()
    found["up"] = TARGET
    found |= {name: frozenset(labels) | TARGET for name, labels in _KMINION.items()}
    for rule in files.rules():
        if rule.is_alert:
            continue
        found[rule.name] = labels_of(rule.expr, found)
    alerts = [labels_of(rule.expr, found) for rule in files.rules() if rule.is_alert]
    found["ALERTS"] = frozenset({"alertname", "alertstate", "severity"}).union(*alerts)
    return found


def _declared() -> Iterator[tuple[str, str, Iterable[str]]]:
    """Name, kind and labels of all metrics that stand in a module `metrics*` of `streams`."""
    for module in pkgutil.walk_packages(streams.__path__, "streams."):
        if "metrics" in module.name:
            importlib.import_module(module.name)
    things = {
        id(thing): thing
        for name, module in list(sys.modules.items())
        if name.startswith("streams") and ("metrics" in name or ".monitoring." in name)
        for thing in vars(module).values()
    }
    for thing in things.values():
        if isinstance(thing, MetricWrapperBase):
            yield thing._name, thing._type, thing._labelnames
        elif hasattr(thing, "describe") and not isinstance(thing, type):
            for family in thing.describe():
                yield family.name, family.type, family._labelnames


def _of_a_process() -> list[Metric]:
    """What `prometheus_client` tells of any process: memory, CPU, files, collections."""
    registry = prometheus_client.CollectorRegistry()
    prometheus_client.ProcessCollector(registry=registry)
    prometheus_client.PlatformCollector(registry=registry)
    return list(registry.collect())
