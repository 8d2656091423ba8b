"""A store on disk: tables of bytes in one RocksDB, written in one atomic batch per commit.

A table is a column family. Puts and deletes stay in memory until `commit`, which is one RocksDB
WriteBatch over all tables (DESIGN, rule 1): after `kill -9` all of a commit is there or nothing.
The write-ahead log is on and not synced per commit, so a crash of the *machine* may lose the last
commits, whole ones from the end; the owner's boot id notices (DESIGN, "How totals travel").

`Rdict.write` holds the GIL: about 2.5 µs a row, so commit every few thousand rows.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

from rocksdict import (
    AccessType,
    Checkpoint,
    Rdict,
    ReadOptions,
    WriteBatch,
)

from topology.errors import StoreError
from topology.store.failures import explained
from topology.store.layout import LAYOUT_FILE as LAYOUT_FILE
from topology.store.layout import LAYOUT_VERSION, layout_of, write_layout
from topology.store.patience import patiently
from topology.store.removal import remove_left
from topology.store.rocksdb_options import StoreMemory as StoreMemory
from topology.store.rocksdb_options import store_options
from topology.store.rows import committed_rows


class RocksStore:
    """Tables of bytes in key order in one folder; one process at a time may write.

    Args:
        path: the folder; made, with parents, if it is not there and not `read_only`.
        tables: names of the tables; a store may have more from another time.
        memory: shared by all stores of the process; a small one of its own without it.
        read_only: look at a store, also at one that another process is writing, as it is now.
        still: of one that is looked at, that nobody writes it: fewer files are open at a time.
        oldest: layouts from here on are taken; only who brings stores up to date takes older ones.

    Attributes:
        lost_commits: its write-ahead log was damaged: the store is as of an earlier commit.

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
        still: bool = False,
        oldest: int = LAYOUT_VERSION,
    ) -> None:
        self.path = Path(path)
        self.read_only = read_only
        self.lost_commits = False
        memory = memory or StoreMemory(cache_bytes=32 << 20, write_buffer_bytes=16 << 20)
        self.layout = layout_of(self.path, create=not read_only, oldest=oldest)
        self._open(tables, memory, all_files=read_only and not still)
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
        if family is None:
            return None
        try:
            found: bytes | None = family.get(key)
        except Exception as error:  # rocksdict raises nothing narrower
            raise explained(self.path, error, "read") from error
        return found

    def get_many(self, table: str, keys: Sequence[bytes]) -> list[bytes | None]:
        """As `get`, for many keys in one call: about a third cheaper a key."""
        if table not in self._families:
            raise self._unknown(table)
        family, pending = self._families[table], self._pending[table]
        if family is None:
            return [pending.get(key) for key in keys]
        asked = [key for key in keys if key not in pending] if pending else list(keys)
        try:
            values = family.get(asked)
        except Exception as error:  # rocksdict raises nothing narrower
            raise explained(self.path, error, "read") from error
        if not pending:
            return list(values)
        found = dict(zip(asked, values, strict=True))
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
        changed = self._changed(table, prefix, start)
        entries: Iterator[tuple[bytes, bytes]] = iter(())
        if family is not None:
            entries = committed_rows(self.path, family, start, options, None if changed else limit)
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
            raise explained(self.path, error, "written") from error
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
        write_layout(path)

    def damage(self) -> Iterator[tuple[str, str]]:
        """Tables with blocks that cannot be read, and what RocksDB says; reads every block."""
        for table, family in self._families.items():
            if family is None:
                continue
            options = ReadOptions()
            options.fill_cache(False)
            cursor = family.iter(options)
            try:
                cursor.seek_to_first()
                while cursor.valid():
                    cursor.next()
                cursor.status()
            except Exception as error:  # noqa: BLE001 - rocksdict raises nothing narrower
                yield table, str(error)

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
        # A close writes memory to table files first, which a full or damaged disk refuses: what was
        # committed is in the log, and is read from there by the next open.
        for each in (*self._families.values(), self._db):
            if each is not None:
                with suppress(Exception):
                    each.close()
        self._families.clear()
        self._pending.clear()

    def __enter__(self) -> RocksStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _open(self, tables: Sequence[str], memory: StoreMemory, *, all_files: bool) -> None:
        try:
            options = store_options(memory, all_files=all_files)
            self._db, names = self._database(tables, options)
        except Exception as first:  # rocksdict raises nothing narrower
            if self.read_only or "Corruption" not in str(first):
                raise explained(self.path, first, "opened") from first
            try:
                self._db, names = self._database(tables, store_options(memory, may_lose_end=True))
            except Exception as error:
                raise explained(self.path, error, "opened") from error
            self.lost_commits = True
        self._families: dict[str, Any] = {name: self._db.get_column_family(name) for name in names}
        self._handles: dict[str, Any] = {
            name: self._db.get_column_family_handle(name) for name in names
        }
        for table in tables:  # a table that a store to be looked at does not have is empty
            self._families.setdefault(table, None)

    def _database(self, tables: Sequence[str], options: Any) -> tuple[Any, list[str]]:
        """The database, and the names of its tables."""
        if self.read_only:
            found: tuple[Any, list[str]] = patiently(lambda: self._looked_at(options))
            return found
        names = sorted({*_families(self.path, options), *tables} - {"default"})
        families = {name: options for name in names}
        access = AccessType.read_write()
        return Rdict(str(self.path), options, families, access_type=access), names

    def _looked_at(self, options: Any) -> tuple[Any, list[str]]:
        # It fails before rocksdict has put a file into a folder that holds no database (any more).
        names = sorted({*Rdict.list_cf(str(self.path), options)} - {"default"})
        families = {name: options for name in names}
        access = AccessType.read_only(False)
        try:
            return Rdict(str(self.path), options, families, access_type=access), names
        except Exception:
            remove_left(self.path)
            raise

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


def _families(path: Path, options: Any) -> list[str]:
    """Column families on disk; none when there is no database yet."""
    if (path / "CURRENT").exists():
        return list(Rdict.list_cf(str(path), options))
    if any(file.suffix in (".sst", ".log") for file in path.iterdir()):
        # RocksDB would begin a new database here and remove the files of the old one.
        raise RuntimeError("Corruption: there are tables or logs, but no file CURRENT")
    return []
