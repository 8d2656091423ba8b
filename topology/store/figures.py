"""What RocksDB says of itself, added up over the tables of a store."""

import re
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from topology.store.rocksdb import RocksStore

_STALLED: Final = re.compile(r"Cumulative stall: (\d+):(\d+):(\d+(?:\.\d+)?) H:M:S")


class StoreFigures(NamedTuple):
    """Figures of one open store, or of several (`add_up`).

    Attributes:
        rows: table -> estimate of its rows.
        memtable_bytes: of all memtables.
        table_reader_bytes: indexes and filters outside the block cache.
        live_bytes: estimate of the data that is not overwritten.
        pending_compaction_bytes: that compaction still has to rewrite.
        compactions, flushes: under way.
        level0_files: of the table that has most.
        stopped: stores whose writes are stopped now.
        delayed_write_bytes: a second, to which writes are held back now; 0: they are not.
        stall_seconds: that writes were slowed or stopped since the store was opened.
        background_errors: flushes and compactions that failed.
    """

    rows: dict[str, int]
    memtable_bytes: int = 0
    table_reader_bytes: int = 0
    live_bytes: int = 0
    pending_compaction_bytes: int = 0
    compactions: int = 0
    flushes: int = 0
    level0_files: int = 0
    stopped: int = 0
    delayed_write_bytes: int = 0
    stall_seconds: float = 0.0
    background_errors: int = 0


def figures(store: RocksStore) -> StoreFigures:
    """Of one store: some 100 µs for ten tables; all zero once it is closed."""
    families = {name: family for name, family in store._families.items() if family is not None}
    if not families:
        return StoreFigures({})

    def added(name: str) -> int:
        return sum(_number(family, name) for family in families.values())

    whole = store._db  # what is of the database, not of one table
    return StoreFigures(
        {name: _number(family, "estimate-num-keys") for name, family in families.items()},
        added("size-all-mem-tables"),
        added("estimate-table-readers-mem"),
        added("estimate-live-data-size"),
        added("estimate-pending-compaction-bytes"),
        _number(whole, "num-running-compactions"),
        _number(whole, "num-running-flushes"),
        max(_number(family, "num-files-at-level0") for family in families.values()),
        _number(whole, "is-write-stopped"),
        _number(whole, "actual-delayed-write-rate"),
        _stalled_s(whole),
        _number(whole, "background-errors"),
    )


def add_up(some: Iterable[StoreFigures]) -> StoreFigures:
    """Figures of several stores as one: sums, the most level-0 files, the lowest held-back rate."""
    found, rows = list(some), dict[str, int]()
    for each in found:
        for table, count in each.rows.items():
            rows[table] = rows.get(table, 0) + count
    return StoreFigures(
        rows,
        sum(each.memtable_bytes for each in found),
        sum(each.table_reader_bytes for each in found),
        sum(each.live_bytes for each in found),
        sum(each.pending_compaction_bytes for each in found),
        sum(each.compactions for each in found),
        sum(each.flushes for each in found),
        max((each.level0_files for each in found), default=0),
        sum(each.stopped for each in found),
        min((each.delayed_write_bytes for each in found if each.delayed_write_bytes), default=0),
        sum(each.stall_seconds for each in found),
        sum(each.background_errors for each in found),
    )


def _number(handle: Any, name: str) -> int:
    return int(handle.property_int_value(f"rocksdb.{name}") or 0)


def _stalled_s(whole: Any) -> float:
    found = _STALLED.search(whole.property_value("rocksdb.dbstats") or "")
    if found is None:
        return 0.0
    hours, minutes, seconds = found.groups()
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
