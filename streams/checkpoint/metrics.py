"""Metrics of checkpoints and of partitions that come to a worker without their state."""

from streams.monitoring.metrics import Counter, Gauge, Histogram

CHECKPOINTS = Counter(
    "cartograph_checkpoints_total",
    "Partitions that were written to the place of checkpoints: done, failed, or given up because "
    "they were taken away. Failed: the log says why.",
    ["stage", "outcome"],
)
CHECKPOINT_BYTES = Counter(
    "cartograph_checkpoint_bytes_total",
    "Bytes that were copied to the place of checkpoints; unchanged files are not copied again.",
    ["stage"],
)
CHECKPOINT_AGE = Gauge(
    "cartograph_checkpoint_age_seconds",
    "Age of the oldest among the newest checkpoints of this process's partitions. Far above "
    "CARTOGRAPH_CHECKPOINT_EVERY_S: they fail, or take too long.",
    ["stage"],
)
RESTORES = Counter(
    "cartograph_restores_total",
    "Partitions that came without their state, by what they are made from: a checkpoint, or the "
    "log of their inputs; done or failed.",
    ["stage", "source", "outcome"],
)
RESTORE_SECONDS = Histogram(
    "cartograph_restore_seconds",
    "From a partition without state until it has read what its inputs held at its claim.",
    ["stage", "source"],
    buckets=(0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0, 3_000.0, 10_000.0),
)
RECOVERING = Gauge(
    "cartograph_recovering_partitions",
    "Partitions of this process that are being restored, or read their inputs again.",
    ["stage"],
)
