"""The stages one by one: what they read, where their time goes, what they keep."""

from deploy.grafana.make.parts import (
    BYTES,
    PER_SECOND,
    RATIO,
    SECONDS,
    Dashboard,
    Panel,
    Row,
    row,
    series,
)
from deploy.grafana.make.promql import (
    each,
    hour,
    p99,
    quarter,
    rate,
    since_hour,
    top,
    total,
    worst,
)

_READ, _HITS = "cartograph_records_total", "cartograph_cache_lookups_total"
_HIT = rate(_HITS, "stage, cache", outcome="hit")


def _p99(title: str, metric: str, good: str, alert: str = "") -> Panel:
    return series(title, good, each(p99, metric, "stage"), unit=SECONDS, alert=alert)


def _mean(title: str, metric: str, good: str) -> Panel:
    of = f"{rate(f'{metric}_sum', 'stage')} / {rate(f'{metric}_count', 'stage')}"
    return series(title, good, (of, "{{stage}}"))


def _by_stage(title: str, metric: str, good: str, **more: object) -> Panel:
    return series(title, good, each(total, metric, "stage"), **more)


_FLOW: tuple[Row, ...] = (
    row(
        series(
            "Records, by how they ended",
            "used, late, duplicate, capped, dead_letter, stale, unused: every record ends somehow. "
            "Good: mostly used.",
            each(rate, _READ, "stage, outcome"),
            unit=PER_SECOND,
            alert="CartographDeadLetters",
        ),
        series(
            "Totals sent",
            "Totals, markers and other records. Good: in proportion to what is read.",
            each(rate, "cartograph_messages_total", "stage"),
            unit=PER_SECOND,
        ),
        _by_stage(
            "Keys still to send",
            "cartograph_unsent_keys",
            "Committed and not sent yet. Good: returns to 0; if it rises, Kafka is slower than the "
            "stage.",
            alert="CartographUnsentGrowing",
        ),
        title="What goes through",
    ),
    row(
        series(
            "Behind, in records",
            "By stage and topic, not yet applied. Good: returns to 0.",
            each(total, "cartograph_lag_records", "stage, topic"),
            alert="CartographLagGrowing",
        ),
        series(
            "Behind, in seconds",
            "How long the oldest unread record waits at most. Good: seconds.",
            each(worst, "cartograph_lag_seconds", "stage"),
            unit=SECONDS,
            bad=600,
            alert="CartographLagSeconds",
        ),
        series(
            "Watermark behind the clock",
            "Now less the highest event time taken in. Good: seconds with a live shop; with old "
            "events (demo, replay) their age.",
            each(worst, "cartograph_watermark_delay_seconds", "stage"),
            unit=SECONDS,
        ),
        title="How far behind",
    ),
)

_TIME: tuple[Row, ...] = (
    row(
        series(
            "Where the time goes",
            "Seconds a second, by stage and step: wait (too much unsent), apply, models, commit, "
            "send. Good: apply above all; models in QUERIES and PRODUCTS.",
            each(rate, "cartograph_step_seconds_sum", "stage, step"),
            stacked=True,
            alert="CartographLagGrowing",
        ),
        _p99(
            "Batch, p99",
            "cartograph_batch_seconds",
            "A fetched batch until it is worked in, models included. Good: under 1 s, but for new "
            "texts.",
        ),
        _p99(
            "Commit, p99",
            "cartograph_commit_seconds",
            "One write of state, keys to send and offsets. Good: under 0.1 s.",
            "CartographCommitSlow",
        ),
        _p99(
            "Record to acknowledgement, p99",
            "cartograph_publish_seconds",
            "From a record's Kafka timestamp until what follows is acknowledged. Good: under 1 s a "
            "stage.",
            "CartographLagSeconds",
        ),
        title="Time",
    ),
    row(
        _mean(
            "Records a batch",
            "cartograph_batch_records",
            "Good: large under load (hundreds), small at rest.",
        ),
        _mean(
            "Records a commit",
            "cartograph_commit_records",
            "Good: hundreds under load; few and slow commits mean flush_ms is too low.",
        ),
        series(
            "Cache hits",
            "Rows found decoded in memory. Good: above 80 %; lower: raise CARTOGRAPH_CACHE_ROWS.",
            (f"{_HIT} / {rate(_HITS, 'stage, cache')}", "{{stage}} {{cache}}"),
            unit=RATIO,
            maximum=1,
        ),
        series(
            "What stages say of themselves",
            "Queries that wait for k shoppers, open visits, ledger rows, groups to score. Good: "
            "stepped and groups return to 0.",
            each(total, "cartograph_items", "stage, what"),
        ),
    ),
)

_GROUPS: tuple[Row, ...] = (
    row(
        _by_stage(
            "Partitions open",
            "cartograph_partitions",
            "Good: constant, the same for all stages but ROUTE, whose inputs are the shop's.",
        ),
        series(
            "Ready",
            "Processes that say ready. Good: all of them.",
            each(total, "cartograph_ready", "stage"),
            alert="CartographNotReady",
        ),
        series(
            "Rebalances and sends from the beginning",
            "In the last quarter of an hour. Good: 0 but for starts.",
            each(quarter, "cartograph_rebalances_total", "stage"),
            each(quarter, "cartograph_resends_total", "stage", suffix="sent again"),
            alert="CartographRebalances",
        ),
        series(
            "Lost to retention",
            "Records that Kafka deleted before they were read, in the last hour. Good: 0, always.",
            each(since_hour, "cartograph_lost_records_total", "stage, topic"),
            bad=1,
            alert="CartographRecordsLost",
        ),
        title="Partitions",
    ),
)

_STATE: tuple[Row, ...] = (
    row(
        series(
            "Being restored",
            "Partitions that are restored from a checkpoint or rebuilt. Good: 0 but for starts.",
            each(total, "cartograph_recovering_partitions", "stage"),
            alert="CartographRecoveryLong",
        ),
        series(
            "A restore, p99",
            "Good: seconds for each GB.",
            each(p99, "cartograph_restore_seconds", "stage"),
            (
                hour("cartograph_restores_total", "stage, source, outcome"),
                "{{stage}} {{source}} {{outcome}}, last hour",
            ),
            unit=SECONDS,
            alert="CartographRecoveryLong",
        ),
        series(
            "Age of the last checkpoint",
            "Good: under twice the time between two checkpoints.",
            each(worst, "cartograph_checkpoint_age_seconds", "stage"),
            unit=SECONDS,
            bad=172800,
            alert="CartographCheckpointOld",
        ),
        series(
            "Checkpoints",
            "In the last hour by outcome, and bytes copied a second. Good: no `failed`.",
            each(hour, "cartograph_checkpoints_total", "stage, outcome"),
            each(rate, "cartograph_checkpoint_bytes_total", "stage", suffix="bytes/s"),
            alert="CartographCheckpointOld",
        ),
        title="Checkpoints",
    ),
)

_STORE: tuple[Row, ...] = (
    row(
        series(
            "On disk",
            "Files, and RocksDB's estimate of what of them still counts. Good: follows the rows.",
            each(total, "cartograph_store_bytes", "stage"),
            each(total, "cartograph_rocksdb_live_bytes", "stage", suffix="live"),
            unit=BYTES,
            alert="CartographStoreGrowing",
        ),
        series(
            "Rows",
            "RocksDB's estimate, the ten largest tables. Good: follows shoppers, products and "
            "facts.",
            (top(10, total("cartograph_store_rows", "stage, table")), "{{stage}} {{table}}"),
        ),
        series(
            "Block cache in use",
            "Of CARTOGRAPH_STATE_CACHE_MB, write buffers included. Good: full is fine.",
            (
                f"{total('cartograph_rocksdb_block_cache_bytes', 'stage')} / "
                f"{total('cartograph_rocksdb_block_cache_limit_bytes', 'stage')}",
                "{{stage}}",
            ),
            unit=RATIO,
        ),
        series(
            "Memory of RocksDB",
            "Memtables, and indexes and filters beside the cache. Good: flat.",
            each(total, "cartograph_rocksdb_memtable_bytes", "stage", suffix="memtables"),
            each(total, "cartograph_rocksdb_table_reader_bytes", "stage", suffix="readers"),
            unit=BYTES,
            alert="CartographMemory",
        ),
        title="Stores (RocksDB)",
    ),
    row(
        series(
            "Writes slowed or stopped",
            "Seconds a second that writes stood still, and stores that are stopped now. Good: 0.",
            each(rate, "cartograph_rocksdb_stall_seconds_total", "stage", suffix="stalled"),
            each(total, "cartograph_rocksdb_stopped_stores", "stage", suffix="stopped"),
            bad=0.05,
            alert="CartographStoreStalls",
        ),
        series(
            "To be compacted",
            "Good: returns to 0; if it rises, the disk is slower than the writes, and these are "
            "slowed down to the rate that is shown.",
            each(total, "cartograph_rocksdb_pending_compaction_bytes", "stage"),
            each(
                total, "cartograph_rocksdb_delayed_write_bytes", "stage", suffix="slowed, a second"
            ),
            unit=BYTES,
            alert="CartographStoreStalls",
        ),
        series(
            "Level-0 files, most",
            "Good: under 20, from where RocksDB slows writes down; 36 stops them.",
            each(worst, "cartograph_rocksdb_level0_files", "stage"),
            warn=20,
            bad=36,
            alert="CartographStoreStalls",
        ),
        series(
            "Compactions, flushes, errors",
            "Running now, and background errors. Good: no error, ever.",
            each(total, "cartograph_rocksdb_running_compactions", "stage", suffix="compactions"),
            each(total, "cartograph_rocksdb_running_flushes", "stage", suffix="flushes"),
            each(total, "cartograph_rocksdb_background_errors", "stage", suffix="errors"),
            alert="CartographStoreErrors",
        ),
    ),
)

PAGE = Dashboard(
    name="pipeline",
    title="Cartograph: pipeline",
    about="The stages one by one. Good: what is read is used, waits little, and commits fast.",
    rows=(*_FLOW, *_TIME, *_GROUPS, *_STATE, *_STORE),
    workers=False,
)
