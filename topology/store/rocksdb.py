"""A store on disk: tables of bytes in one RocksDB, written in one atomic batch per commit.

A table is a column family. Puts and deletes stay in memory until `commit`, which is one RocksDB
WriteBatch over all tables (DESIGN, rule 1): after `kill -9` all of a commit is there or nothing.
The write-ahead log is on and not synced per commit, so a crash of the *machine* may lose the last
commits, whole ones from the end; the owner's boot id notices (DESIGN, "How totals travel").

`Rdict.write` holds the GIL: about 2.5 µs a row, so commit every few thousand rows.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from rocksdict import (
    AccessType,
    BlockBasedOptions,
    Cache,
    Checkpoint,
    DBCompressionType,
    Options,
    Rdict,
    ReadOptions,
    WriteBatch,
    WriteBufferManager,
)

from topology.errors import StoreError, StoreLayoutError, StoreLockedError
from topology.store.patience import TRIES, patiently

LAYOUT_VERSION: Final = 1
LAYOUT_FILE: Final = "cartograph-layout"
_LAYOUT_NEW: Final = f"{LAYOUT_FILE}.new"
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


class RocksStore:
    """Tables of bytes in key order in one folder; one process at a time may write.

    Args:
        path: the folder; made, with parents, if it is not there and not `read_only`.
        tables: names of the tables; a store may have more from another time.
        memory: shared by all stores of the process; a small one of its own without it.
        read_only: look at a store, also at one that another process is writing, as it is now.

    Raises:
        StoreLockedError: another process has it open.
        StoreLayoutError: it was written with another layout, or is no store of ours.
        StoreError: it cannot be opened for another reason; the message says what to do.
    """

    def __init__(
        self,
        path: Path,
        tables: Sequence[str],
        *,
        memory: StoreMemory | None = None,
        read_only: bool = False,
    ) -> None:
        self.path = Path(path)
        self.read_only = read_only
        memory = memory or StoreMemory(cache_bytes=32 << 20, write_buffer_bytes=16 << 20)
        _check_layout(self.path, create=not read_only)
        self._open(tables, memory)
        self._pending: dict[str, dict[bytes, bytes | None]] = {name: {} for name in self._families}
        self._fresh: dict[str, list[bytes]] = {name: [] for name in self._families}
        self._by_owner: dict[str, dict[bytes, list[bytes]]] = {name: {} for name in self._families}

    def get(self, table: str, key: bytes) -> bytes | None:
        """What was put last, committed or not; None when there is nothing."""
        try:
            pending = self._pending[table]
            if key in pending:
                return pending[key]
            family = self._families[table]
        except KeyError as error:
            raise self._unknown(table) from error
        return None if family is None else family.get(key)

    def get_many(self, table: str, keys: Sequence[bytes]) -> list[bytes | None]:
        """As `get`, for many keys in one call: about a third cheaper a key."""
        if table not in self._families:
            raise self._unknown(table)
        family, pending = self._families[table], self._pending[table]
        if family is None:
            return [pending.get(key) for key in keys]
        if not pending:
            return list(family.get(list(keys)))
        asked = [key for key in keys if key not in pending]
        found = dict(zip(asked, family.get(asked), strict=True))
        return [pending[key] if key in pending else found[key] for key in keys]

    def put(self, table: str, key: bytes, value: bytes) -> None:
        self._set(table, key, value)

    def delete(self, table: str, key: bytes) -> None:
        self._set(table, key, None)

    def scan(
        self,
        table: str,
        prefix: bytes = b"",
        *,
        after: bytes | None = None,
        limit: int | None = None,
    ) -> list[tuple[bytes, bytes]]:
        """Entries whose key starts with `prefix` and is greater than `after`, in key order."""
        if table not in self._families:
            raise self._unknown(table)
        start = prefix if after is None else max(prefix, after + b"\0")
        # rocksdict does not copy the bound: `options` has to outlive the iterator.
        options = ReadOptions()
        end = _after_prefix(prefix)
        if end is not None:
            options.set_iterate_upper_bound(end)
        family = self._families[table]
        entries: Iterator[tuple[bytes, bytes]]
        entries = iter(()) if family is None else family.items(from_key=start, read_opt=options)
        changed = self._changed(table, prefix, start)
        if changed:
            entries = _merged(entries, changed, self._pending[table])
        found = list(entries if limit is None else islice(entries, limit))
        del entries  # an open iterator would keep the files of its time, and the lock
        return found

    def commit(self) -> None:
        """Make all puts and deletes since the last commit durable, all or none."""
        batch = WriteBatch(raw_mode=True)
        for table, rows in self._pending.items():
            if not rows:
                continue
            handle = self._handles[table]
            for key in sorted(rows):  # a fifth faster into the memtable
                value = rows[key]
                if value is None:
                    batch.delete(key, handle)
                else:
                    batch.put(key, value, handle)
        if batch.is_empty():
            return
        try:
            self._db.write(batch)
        except Exception as error:  # rocksdict raises nothing narrower
            raise StoreError(
                f"{self.path} cannot be written ({error}): free disk space or mend the disk, "
                "then start the worker again; nothing of this batch was written"
            ) from error
        self._forget()

    def checkpoint(self, path: Path) -> None:
        """Write what is committed to a new folder, by hard links where it is the same disk.

        Raises:
            StoreError: the folder exists, or cannot be written.
        """
        path = Path(path)
        if path.exists():
            raise StoreError(f"{path} exists: name a new folder for the checkpoint")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            Checkpoint(self._db).create_checkpoint(str(path))
        except Exception as error:  # rocksdict raises nothing narrower
            raise StoreError(
                f"no checkpoint in {path} ({error}): check space and rights"
            ) from error
        _write_layout(path)

    def flush(self) -> None:
        """Write committed rows from memory to table files; only tools and benchmarks need it."""
        for family in self._families.values():
            if family is not None:
                family.flush(True)

    def close(self) -> None:
        """Forget what was not committed, and let go of the folder; may be called twice."""
        if not self._families:
            return
        self._forget()
        self._handles.clear()
        # Every handle keeps the database, and its LOCK, open: all of them have to go.
        for family in self._families.values():
            if family is not None:
                family.close()
        self._families.clear()
        self._pending.clear()
        self._db.close()

    def __enter__(self) -> RocksStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _open(self, tables: Sequence[str], memory: StoreMemory) -> None:
        options = _options(memory)
        try:
            known = _families(self.path, options)
            names = sorted({*known, *(() if self.read_only else tables)} - {"default"})
            access = AccessType.read_only(False) if self.read_only else AccessType.read_write()
            families = {name: options for name in names}
            self._db: Any = patiently(
                lambda: Rdict(str(self.path), options, families, access_type=access),
                tries=TRIES if self.read_only else 1,
            )
        except Exception as error:  # rocksdict raises nothing narrower
            raise _explained(self.path, error) from error
        self._families: dict[str, Any] = {name: self._db.get_column_family(name) for name in names}
        self._handles: dict[str, Any] = {
            name: self._db.get_column_family_handle(name) for name in names
        }
        for table in tables:  # a table that a store to be looked at does not have is empty
            self._families.setdefault(table, None)

    def _set(self, table: str, key: bytes, value: bytes | None) -> None:
        try:
            rows = self._pending[table]
        except KeyError as error:
            raise self._unknown(table) from error
        if self.read_only:
            raise StoreError(f"{self.path} was opened to be read: open it without read_only")
        if key not in rows:
            self._fresh[table].append(key)
        rows[key] = value

    def _changed(self, table: str, prefix: bytes, start: bytes) -> list[bytes]:
        """Keys of the range that were put or deleted since the last commit, sorted."""
        owners = self._by_owner[table]
        if fresh := self._fresh[table]:
            grown: dict[bytes, list[bytes]] = {}
            for key in fresh:
                owner = key.partition(b"\0")[0]
                grown[owner] = keys = owners.setdefault(owner, [])
                keys.append(key)
            for keys in grown.values():
                keys.sort()
            fresh.clear()
        owner, nul, _ = prefix.partition(b"\0")
        if nul:
            return _range(owners.get(owner, ()), prefix, start)
        found = [key for owner in owners if owner.startswith(prefix) for key in owners[owner]]
        return _range(sorted(found), prefix, start)

    def _forget(self) -> None:
        for table, rows in self._pending.items():
            if rows:
                rows.clear()
                self._fresh[table].clear()
                self._by_owner[table].clear()

    def _unknown(self, table: str) -> StoreError:
        if not self._families:
            return StoreError(f"{self.path} is closed: open the store again")
        known = ", ".join(sorted(self._families))
        return StoreError(
            f"{self.path} has no table {table!r}, only {known}: declare it when the store is opened"
        )


def _merged(
    entries: Iterator[tuple[bytes, bytes]],
    changed: list[bytes],
    pending: dict[bytes, bytes | None],
) -> Iterator[tuple[bytes, bytes]]:
    """Committed entries overlaid with the changed keys; both in key order."""
    place = 0
    for entry in entries:
        key = entry[0]
        while place < len(changed) and changed[place] < key:
            value = pending[changed[place]]
            if value is not None:
                yield changed[place], value
            place += 1
        if place < len(changed) and changed[place] == key:
            continue  # its turn comes as a changed key
        yield entry
    for key in changed[place:]:
        value = pending[key]
        if value is not None:
            yield key, value


def _range(keys: Sequence[bytes], prefix: bytes, start: bytes) -> list[bytes]:
    """Of sorted keys, those with the prefix that are not before `start`."""
    end = _after_prefix(prefix)
    stop = len(keys) if end is None else bisect_left(keys, end)
    return list(keys[bisect_left(keys, start) : stop])


def _after_prefix(prefix: bytes) -> bytes | None:
    """The smallest key greater than every key with the prefix; None where there is none."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes((stem[-1] + 1,)) if stem else None


def _options(memory: StoreMemory) -> Any:
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
    options.set_max_open_files(_OPEN_FILES)
    options.set_keep_log_file_num(2)
    options.set_max_log_file_size(1 << 20)
    options.set_stats_dump_period_sec(0)
    return options


def _families(path: Path, options: Any) -> list[str]:
    """Column families on disk; none when there is no database yet."""
    return list(Rdict.list_cf(str(path), options)) if (path / "CURRENT").exists() else []


def _check_layout(path: Path, *, create: bool) -> None:
    file = path / LAYOUT_FILE
    if file.exists():
        told = file.read_text(encoding="utf-8").strip()
        if told != str(LAYOUT_VERSION):
            raise StoreLayoutError(
                f"{path} was written with layout {told!r}, this program reads {LAYOUT_VERSION}: "
                "restore a checkpoint of this layout, or move the folder away and rebuild it by "
                "replay"
            )
        return
    if not create:
        raise StoreError(f"{path} is no store of Cartograph: name the folder of a partition")
    if path.exists() and any(file.name != _LAYOUT_NEW for file in path.iterdir()):
        raise StoreLayoutError(
            f"{path} is not empty and has no {LAYOUT_FILE}: it is no store of Cartograph, point "
            "CARTOGRAPH_DATA_DIR at another folder"
        )
    path.mkdir(parents=True, exist_ok=True)
    _write_layout(path)


def _write_layout(path: Path) -> None:
    made = path / _LAYOUT_NEW
    made.write_text(f"{LAYOUT_VERSION}\n", encoding="utf-8")
    os.replace(made, path / LAYOUT_FILE)


def _explained(path: Path, error: Exception) -> StoreError:
    text = str(error)
    if "lock hold by current process" in text or "While lock file" in text:
        return StoreLockedError(
            f"{path} is open in another process ({text}): stop that process, or wait until it has "
            "died; only then start this one"
        )
    return StoreError(
        f"{path} cannot be opened ({text}): restore a checkpoint, or move the folder away and "
        "rebuild it by replay"
    )
