"""Metrics of a read replica, and the page that Prometheus reads of it.

They live in the same registry as a worker's (`streams.monitoring.metrics`), under the same rules
for labels.
"""

import platform

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from streams.monitoring.metrics import BUILD_INFO, REGISTRY, Counter, Gauge, Histogram

_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)

REQUESTS = Counter(
    "cartograph_http_requests_total",
    "Answers of the HTTP API. Many 5xx: look at the log of `cartograph serve`.",
    ["path", "status"],
)
REQUEST_SECONDS = Histogram(
    "cartograph_http_seconds",
    "From a request to its answer. High: more replicas, or smaller pages.",
    ["path"],
    buckets=_SECONDS,
)
REFUSED = Counter(
    "cartograph_http_refused_total",
    "Requests that went no further than the door, by reason. Many bad-token or not-the-proxy: "
    "somebody tries; too-often: a client needs a higher api_rate, or patience.",
    ["reason"],
)
REPLICA_RECORDS = Counter(
    "cartograph_replica_records_total",
    "Records of the topic of facts, by what became of them. Any unreadable: another program "
    "writes to the topic.",
    ["outcome"],
)
REPLICA_LAG = Gauge(
    "cartograph_replica_lag_records",
    "Records of the topic of facts that were not read yet, -1: the broker has not told. Rising: "
    "the replica is too slow, or has lost its broker.",
)
REPLICA_HEARD = Gauge(
    "cartograph_replica_heard_seconds",
    "When the broker was last heard, seconds since 1970. Old: Kafka is away, answers grow stale.",
)
REPLICA_READY = Gauge(
    "cartograph_replica_ready", "1 once the replica has caught up and its model is loaded."
)
END_TO_END_SECONDS = Histogram(
    "cartograph_end_to_end_seconds",
    "Of each fact that changed: from the shop's own Kafka timestamp of the oldest event of the "
    "batches that it follows from, to this replica's commit. High: look at cartograph_lag_seconds "
    "by stage.",
    buckets=(*_SECONDS[2:], 30.0, 100.0, 300.0, 1_000.0, 3_000.0),
)
END_TO_END_UNKNOWN = Counter(
    "cartograph_end_to_end_unknown_total",
    "Facts that changed and do not tell when their event was: sent again after a start, or "
    "released by a calm.",
)

MEDIA_TYPE = CONTENT_TYPE_LATEST


def page() -> bytes:
    """All metrics of this process as Prometheus reads them."""
    return generate_latest(REGISTRY)


def describe_build(version: str) -> None:
    """Say which program this is."""
    BUILD_INFO.labels(version, platform.python_version()).set(1)
