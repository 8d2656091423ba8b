"""Metrics of the stores of a worker process: what RocksDB holds, owes and cannot keep up with.

RocksDB is asked for its properties (`topology.store.rocksdb.StoreFigures`), added up over the
partitions of the process; its statistics, which cost every read and write, are not switched on.
"""

from streams.monitoring.metrics import Counter, Gauge

STORE_ROWS = Gauge(
    "cartograph_store_rows",
    "RocksDB's estimate of the rows of a table; what was overwritten counts until it is compacted.",
    ["stage", "table"],
)
BLOCK_CACHE = Gauge(
    "cartograph_rocksdb_block_cache_bytes",
    "The block cache of the process, write buffers included. Full is normal.",
    ["stage"],
)
BLOCK_CACHE_LIMIT = Gauge(
    "cartograph_rocksdb_block_cache_limit_bytes",
    "What the block cache may hold: CARTOGRAPH_STATE_CACHE_MB.",
    ["stage"],
)
MEMTABLES = Gauge(
    "cartograph_rocksdb_memtable_bytes",
    "All memtables. At CARTOGRAPH_WRITE_BUFFER_MB they are written to disk.",
    ["stage"],
)
TABLE_READERS = Gauge(
    "cartograph_rocksdb_table_reader_bytes",
    "Indexes and filters beside the block cache, about 1.5 bytes a key: part of the RSS.",
    ["stage"],
)
LIVE_BYTES = Gauge(
    "cartograph_rocksdb_live_bytes",
    "Estimate of the data without what is overwritten. Far below cartograph_store_bytes: "
    "compaction is behind.",
    ["stage"],
)
PENDING_COMPACTION = Gauge(
    "cartograph_rocksdb_pending_compaction_bytes",
    "Bytes that compaction still has to rewrite. Rising for long: the disk is too slow.",
    ["stage"],
)
RUNNING_COMPACTIONS = Gauge(
    "cartograph_rocksdb_running_compactions", "Compactions under way.", ["stage"]
)
RUNNING_FLUSHES = Gauge(
    "cartograph_rocksdb_running_flushes", "Memtables on their way to the disk.", ["stage"]
)
LEVEL0_FILES = Gauge(
    "cartograph_rocksdb_level0_files",
    "Most files of level 0 that any table has. From 20 writes are slowed, from 36 stopped.",
    ["stage"],
)
STOPPED_STORES = Gauge(
    "cartograph_rocksdb_stopped_stores",
    "Stores whose writes are stopped now. Above 0: the disk is too slow, or full.",
    ["stage"],
)
DELAYED_WRITES = Gauge(
    "cartograph_rocksdb_delayed_write_bytes",
    "Bytes a second to which the slowest store's writes are held back now, 0: none is.",
    ["stage"],
)
STALL_SECONDS = Counter(
    "cartograph_rocksdb_stall_seconds_total",
    "How long writes were slowed or stopped. Rising: as for pending compaction.",
    ["stage"],
)
BACKGROUND_ERRORS = Gauge(
    "cartograph_rocksdb_background_errors",
    "Flushes and compactions that failed. Any: read the file LOG of the store, check the disk.",
    ["stage"],
)
