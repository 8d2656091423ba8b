"""How RocksDB is set up, and the memory that the stores of a process share."""

from typing import Final

from rocksdict import (
    BlockBasedOptions,
    Cache,
    DBCompressionType,
    DBRecoveryMode,
    Options,
    WriteBufferManager,
)

_WAL_BYTES: Final = 64 << 20  # bounds how much a restart reads again
_TABLE_BUFFER_BYTES: Final = 32 << 20
_OPEN_FILES: Final = 256  # a process may hold 32 partitions under a limit of some thousand files


class StoreMemory:
    """One block cache and one budget of write buffers, shared by all stores of a process.

    Args:
        cache_bytes: blocks, indexes and filters that were read, and the write buffers.
        write_buffer_bytes: what all stores together may hold before they write it to disk.
    """

    def __init__(
        self, *, cache_bytes: int = 256 << 20, write_buffer_bytes: int = 128 << 20
    ) -> None:
        self.cache_bytes = cache_bytes
        self.cache = Cache(cache_bytes)
        self.write_buffers = WriteBufferManager.new_write_buffer_manager_with_cache(
            write_buffer_bytes, False, self.cache
        )

    @property
    def used_bytes(self) -> int:
        """What the block cache holds now, write buffers included."""
        return int(self.cache.get_usage())


def store_options(
    memory: StoreMemory, *, may_lose_end: bool = False, all_files: bool = False
) -> Options:
    """The options of a store and of each of its tables.

    Args:
        memory: shared by all stores of the process.
        all_files: open every file with the store and keep it open, so that a writer elsewhere may
            remove it; otherwise the first 16 are, and others when they are needed.
        may_lose_end: where the write-ahead log is damaged, open the store as of the last commit
            before that; otherwise refuse to open it. A log whose last write was cut off by the end
            of the process is no damage.
    """
    blocks = BlockBasedOptions()
    blocks.set_block_cache(memory.cache)
    blocks.set_bloom_filter(10, False)
    # Filters and indexes stay beside the cache, about 1.5 bytes a key: within it they and the
    # blocks drive each other out as soon as it is too small (17 us a get instead of 3).
    blocks.set_cache_index_and_filter_blocks(False)
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.create_missing_column_families(True)
    options.set_block_based_table_factory(blocks)
    options.set_compression_type(DBCompressionType.lz4())
    options.set_level_compaction_dynamic_level_bytes(True)
    options.set_write_buffer_manager(memory.write_buffers)
    options.set_write_buffer_size(_TABLE_BUFFER_BYTES)
    options.set_memtable_prefix_bloom_ratio(0.1)  # a key that is not there costs 0.9, not 2.5 us
    options.set_memtable_whole_key_filtering(True)
    options.set_max_total_wal_size(_WAL_BYTES)
    options.set_max_open_files(-1 if all_files else _OPEN_FILES)
    options.set_keep_log_file_num(2)
    options.set_max_log_file_size(1 << 20)
    options.set_stats_dump_period_sec(0)
    options.set_wal_recovery_mode(
        DBRecoveryMode.point_in_time()
        if may_lose_end
        else DBRecoveryMode.tolerate_corrupted_tail_records()
    )
    return options
