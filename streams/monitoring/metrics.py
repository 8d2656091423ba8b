"""Every metric of a worker (of its stores, of the graph's quality and of a replica in `metrics_*`).

Labels come from short fixed lists: stages, topics of the contract, outcomes, reasons, relations;
never an id, a query or a value. All stand in one registry of our own, together with what
prometheus-client says of the process, the platform and the garbage collector. The list
of all: `deploy/METRICS.md`.
"""

import platform
from collections import Counter as Tally
from collections.abc import Mapping
from functools import partial

import prometheus_client
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from streams.monitoring import page as metrics_page
from streams.outcomes import OUTCOMES
from streams.process.probes import Health

REGISTRY = CollectorRegistry(auto_describe=True)
"""The only registry that is served; what libraries put into prometheus-client's own is not."""
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)
Counter = partial(prometheus_client.Counter, registry=REGISTRY)
Gauge = partial(prometheus_client.Gauge, registry=REGISTRY)
Histogram = partial(prometheus_client.Histogram, registry=REGISTRY)

_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
_RECORDS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0, 3_000.0, 10_000.0, 30_000.0)

RECORDS = Counter(
    "cartograph_records_total",
    "Records read, by how they ended. Many late: raise CARTOGRAPH_ALLOWANCE_MS. Many duplicate: "
    "the source repeats itself.",
    ["stage", "topic", "outcome"],
)
DEAD_LETTERS = Counter(
    "cartograph_dead_letters_total",
    "Records that could not be read, by reason. `cartograph dead-letters list` names them.",
    ["stage", "reason"],
)
FACTS = Gauge(
    "cartograph_facts",
    "Facts of the partitions of this process. Many held: look at the cleaning bundle.",
    ["relation", "status"],
)
ITEMS = Gauge(
    "cartograph_items",
    "What a stage says of itself, for example queries that wait for k shoppers.",
    ["stage", "what"],
)
MESSAGES = Counter(
    "cartograph_messages_total", "Totals, markers and other records sent.", ["stage"]
)
UNSENT = Gauge(
    "cartograph_unsent_keys",
    "Keys that are written and not yet sent. Rising: Kafka is slower than the stage.",
    ["stage"],
)
LAG = Gauge(
    "cartograph_lag_records",
    "Records of the partitions of this process that were not applied yet. Rising: add workers.",
    ["stage", "topic"],
)
LAG_SECONDS = Gauge(
    "cartograph_lag_seconds",
    "At most so long the oldest record that was not applied yet waits, 0: none does. Rising: add "
    "workers.",
    ["stage", "topic"],
)
WATERMARK_DELAY = Gauge(
    "cartograph_watermark_delay_seconds",
    "Now less the highest event time that was taken in. High without lag: the shop's events come "
    "late, or are old ones that are played again.",
    ["stage"],
)
LOST = Counter(
    "cartograph_lost_records_total",
    "Records that Kafka had deleted before they were read. Any: lengthen the topic's retention.",
    ["stage", "topic"],
)
BATCH_SECONDS = Histogram(
    "cartograph_batch_seconds",
    "From a fetched batch to the end of its work in memory, models included.",
    ["stage"],
    buckets=_SECONDS,
)
BATCH_RECORDS = Histogram(
    "cartograph_batch_records",
    "Records of a fetched batch. Always few under lag: fetches are too small.",
    ["stage"],
    buckets=_RECORDS,
)
STEP_SECONDS = Histogram(
    "cartograph_step_seconds",
    "Where the time of a partition goes: wait (too much is unsent, or another batch is under way), "
    "apply (without models), models, commit, send. Models high: more threads, or a GPU.",
    ["stage", "step"],
    buckets=_SECONDS,
)
COMMIT_RECORDS = Histogram(
    "cartograph_commit_records",
    "Records behind one commit. Few under load: raise CARTOGRAPH_FLUSH_RECORDS or _FLUSH_MS.",
    ["stage"],
    buckets=_RECORDS,
)
COMMIT_SECONDS = Histogram(
    "cartograph_commit_seconds",
    "One commit of a partition's state. Above 0.1: lower CARTOGRAPH_FLUSH_RECORDS.",
    ["stage"],
    buckets=_SECONDS,
)
CACHE_LOOKUPS = Counter(
    "cartograph_cache_lookups_total",
    "Rows that were asked of what a stage keeps decoded in memory; a miss asks the store. Many "
    "misses: raise CARTOGRAPH_CACHE_ROWS.",
    ["stage", "cache", "outcome"],
)
PUBLISH_SECONDS = Histogram(
    "cartograph_publish_seconds",
    "From a record's own Kafka timestamp to the acknowledgement of what follows from it.",
    ["stage"],
    buckets=_SECONDS,
)
READY = Gauge("cartograph_ready", "1 while /readyz says ready. 0 for long: ask it why.", ["stage"])
INFERENCE_SECONDS = Histogram(
    "cartograph_inference_seconds",
    "One call of a model, many texts. High: more threads, or a GPU.",
    ["task"],
    buckets=_SECONDS,
)
ANSWERS = Counter(
    "cartograph_answers_total",
    "Answers to questions of a stage, by where they came from: memory, store, or the model.",
    ["task", "source"],
)
MODEL_REQUESTS = Counter(
    "cartograph_model_requests_total",
    "Calls of a model, many texts each: done, or failed, which ends the worker.",
    ["task", "outcome"],
)
MODEL_WAITING = Gauge(
    "cartograph_model_waiting_items",
    "Questions that wait for a model now; at most 512 a partition. While they wait, nothing more "
    "of their partition is read.",
    ["task"],
)
MODEL_ITEMS = Counter("cartograph_model_items_total", "Texts and claims that were run.", ["task"])
MODEL_BATCHES = Counter(
    "cartograph_model_parts_total",
    "Parts that a model's threads took; items by parts is the batch size.",
    ["task"],
)
MODEL_TOKENS = Counter("cartograph_model_tokens_total", "Tokens that were run.", ["task"])
MODEL_PADDED_TOKENS = Counter(
    "cartograph_model_padded_tokens_total",
    "Tokens that were run with padding. On CPU there is none.",
    ["task"],
)
MODEL_QUEUE_SECONDS = Histogram(
    "cartograph_model_queue_seconds",
    "How long a part waited for a thread of its model. High: more threads, or a GPU.",
    ["task"],
    buckets=_SECONDS,
)
MODEL_RUN_SECONDS = Histogram(
    "cartograph_model_run_seconds",
    "A part from strings to answers, without waiting.",
    ["task"],
    buckets=_SECONDS,
)
MODEL_SET_ASIDE = Counter(
    "cartograph_model_set_aside_total",
    "Texts that a model failed on, answered with nothing. Any: read the log, report the bundle.",
    ["task"],
)
MODEL_OUT_OF_MEMORY = Counter(
    "cartograph_model_out_of_memory_total",
    "Batches that did not fit a GPU's memory and were halved. Often: it is shared.",
    ["task"],
)
MODEL_FALLBACKS = Counter(
    "cartograph_model_fallbacks_total",
    "Sessions that were given up: rebuilt on the same device, or cpu for good.",
    ["task", "reason"],
)
MODEL_DEVICE = Gauge(
    "cartograph_model_device",
    "1 for the device that a model runs on, beside the one that was wanted.",
    ["task", "device", "wanted"],
)
MODEL_INFO = Gauge(
    "cartograph_model_info",
    "1 for each bundle that this process loaded, 0 once another took its place.",
    ["task", "bundle", "sha256"],
)
MODEL_RELOADS = Counter(
    "cartograph_model_reloads_total",
    "Bundles that were to be exchanged: done, same, unused, or failed, which leaves the old one.",
    ["task", "outcome"],
)
MODEL_OUTDATED = Gauge(
    "cartograph_model_outdated_items",
    "What was derived with other bundles than those in use: the graph is mixed while any is above "
    "0. See `cartograph model backfill`.",
    ["stage"],
)
STORE_BYTES = Gauge(
    "cartograph_store_bytes", "Size of the stores of this process on disk.", ["stage"]
)
PARTITIONS = Gauge("cartograph_partitions", "Partitions that are open in this process.", ["stage"])
REBALANCES = Counter(
    "cartograph_rebalances_total",
    "Times that Kafka moved partitions. Often: a worker dies, or is slower than its session.",
    ["stage"],
)
INCARNATION = Gauge(
    "cartograph_incarnation", "Highest incarnation of the partitions of this process.", ["stage"]
)
RESENDS = Counter(
    "cartograph_resends_total",
    "Partitions that sent everything again at a start: their store did not make the last claim.",
    ["stage"],
)
BUILD_INFO = Gauge("cartograph_build_info", "Always 1.", ["version", "python"])


class TallyReport:
    """Turns the tallies of pure stages, which only grow, into counters."""

    def __init__(self, stage: str, tally: Mapping[str, int] | None = None) -> None:
        self._stage = stage
        self._seen: Tally[str] = Tally(tally or {})

    def update(self, tally: Mapping[str, int]) -> tuple[int, int]:
        """Count what was added since the last call; how many records, and dead letters of them."""
        read = dead = 0
        for name, count in tally.items():
            added = count - self._seen[name]
            if added <= 0:
                continue
            self._seen[name] = count
            topic, _, outcome = name.rpartition(".")
            if topic == "dead":
                DEAD_LETTERS.labels(self._stage, outcome).inc(added)
                dead += added
            elif outcome in OUTCOMES:
                RECORDS.labels(self._stage, topic, outcome).inc(added)
                read += added
        return read, dead


def serve_metrics(
    port: int, *, version: str, host: str = "127.0.0.1", health: Health | None = None
) -> int:
    """Serve `/metrics` and the probes of this process in a thread; the port really taken.

    Args:
        port: 0 for any free one.
        version: of the program.
        host: where to listen.
        health: what `/livez` and `/readyz` say; None: there are none.

    Raises:
        SettingsError: the port is taken, or the host is no address of this machine.
    """
    BUILD_INFO.labels(version, platform.python_version()).set(1)
    app = metrics_page.page(prometheus_client.make_wsgi_app(REGISTRY), health)
    return metrics_page.serve(app, host=host, port=port)
