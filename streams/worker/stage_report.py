"""What a worker of a stage says of its partitions, once a second: gauges and grown counters."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from streams.kafka.partition import Partition
from streams.monitoring import metrics
from streams.monitoring import quality as metrics_quality
from streams.monitoring import stores as metrics_stores
from streams.monitoring.gauges import GaugeSet
from topology.store.figures import StoreFigures, add_up, figures
from topology.store.rocksdb import RocksStore, StoreMemory

_SLOW_EVERY = 5
"""Turns between two looks at what is many numbers: quality, and RocksDB's properties."""


class StageReport:
    """Reports on one stage of this process.

    Args:
        stage: its name.
        memory: what its stores share.
        now_s: wall time, seconds since 1970.
    """

    def __init__(
        self, stage: str, memory: StoreMemory, *, now_s: Callable[[], float] = time.time
    ) -> None:
        self._stage, self._memory, self._now_s = stage, memory, now_s
        self._items, self._quality = GaugeSet(stage), GaugeSet(stage)
        self._seen: WeakKeyDictionary[object, dict[str, float]] = WeakKeyDictionary()
        self._held: set[str] = set()
        self._tables: set[str] = set()

    def tell(self, partitions: Sequence[Partition], *, turn: int) -> None:
        """Set all gauges; `turn` counts the calls."""
        stage = self._stage
        self._items.tell(_told(partitions, "gauges"))
        metrics.UNSENT.labels(stage).set(sum(each.owner.outbox.waiting for each in partitions))
        metrics.PARTITIONS.labels(stage).set(len(partitions))
        marks = [each["watermark"] for each in _told(partitions, "marks") if "watermark" in each]
        if marks:
            delay_s = self._now_s() - max(marks) / 1000
            metrics.WATERMARK_DELAY.labels(stage).set(delay_s)
        elif not partitions:  # what was given away is told by its new owner
            metrics.WATERMARK_DELAY.labels(stage).set(0)
        for each in partitions:
            self._tell_caches(each)
        if turn % _SLOW_EVERY == 0:
            self._quality.tell(_told(partitions, "quality"))
            self._tell_held(_told(partitions, "held_since"))
            self._tell_stores(partitions)

    def _tell_caches(self, partition: Partition) -> None:
        owner = partition.owner
        found = {"inbox": owner.inbox.cache, "outbox": owner.outbox.cache}
        if (cache := getattr(owner.stage, "cache", None)) is not None:
            found["rows"] = cache
        for name, cache in found.items():
            for outcome, count in (("hit", cache.hits), ("miss", cache.misses)):
                counter = metrics.CACHE_LOOKUPS.labels(self._stage, name, outcome)
                counter.inc(self._growth(cache, outcome, count))

    def _tell_held(self, since: Sequence[Mapping[str, int]]) -> None:
        oldest: dict[str, int] = {}
        for told in since:
            for relation, at_ms in told.items():
                oldest[relation] = min(at_ms, oldest.get(relation, at_ms))
        for relation in self._held - oldest.keys():
            metrics_quality.HELD_AGE.remove(relation)
        for relation, at_ms in oldest.items():
            age_s = max(self._now_s() - at_ms / 1000, 0.0)
            metrics_quality.HELD_AGE.labels(relation).set(age_s)
        self._held = set(oldest)

    def _tell_stores(self, partitions: Sequence[Partition]) -> None:
        stores = [each.store for each in partitions if isinstance(each.store, RocksStore)]
        each_one = [(store, figures(store)) for store in stores]
        found = add_up(told for _, told in each_one)
        for gauge, value in _gauges_of(found, self._memory):
            gauge.labels(self._stage).set(value)
        for store, told in each_one:
            grown = self._growth(store, "stall", told.stall_seconds)
            metrics_stores.STALL_SECONDS.labels(self._stage).inc(grown)
        for table in self._tables - found.rows.keys():
            metrics_stores.STORE_ROWS.labels(self._stage, table).set(0)
        for table, rows in found.rows.items():
            metrics_stores.STORE_ROWS.labels(self._stage, table).set(rows)
        self._tables = set(found.rows)

    def _growth(self, of: object, name: str, value: float) -> float:
        """By how much a number that only grows has grown since the last call."""
        known = self._seen.setdefault(of, {})
        before = known.get(name, 0)
        known[name] = value
        return max(value - before, 0)


def _gauges_of(found: StoreFigures, memory: StoreMemory) -> Sequence[tuple[Any, float]]:
    return (
        (metrics_stores.BLOCK_CACHE, memory.used_bytes),
        (metrics_stores.BLOCK_CACHE_LIMIT, memory.cache_bytes),
        (metrics_stores.MEMTABLES, found.memtable_bytes),
        (metrics_stores.TABLE_READERS, found.table_reader_bytes),
        (metrics_stores.LIVE_BYTES, found.live_bytes),
        (metrics_stores.PENDING_COMPACTION, found.pending_compaction_bytes),
        (metrics_stores.RUNNING_COMPACTIONS, found.compactions),
        (metrics_stores.RUNNING_FLUSHES, found.flushes),
        (metrics_stores.LEVEL0_FILES, found.level0_files),
        (metrics_stores.STOPPED_STORES, found.stopped),
        (metrics_stores.DELAYED_WRITES, found.delayed_write_bytes),
        (metrics_stores.BACKGROUND_ERRORS, found.background_errors),
    )


def _told(partitions: Sequence[Partition], name: str) -> list[Mapping[str, int]]:
    """What the stages say that have a method of this name."""
    asked = [getattr(each.owner.stage, name, None) for each in partitions]
    return [ask() for ask in asked if ask is not None]
