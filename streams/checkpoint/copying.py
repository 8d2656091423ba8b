"""A store's files to the place of checkpoints, and back, verified."""

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from streams.checkpoint.manifest import File, Manifest, stored_name
from streams.checkpoint.place import Place
from streams.errors import CheckpointError, DamagedCheckpointError
from streams.process import machine
from topology.store.removal import remove_left

GRACE_MS: Final = 24 * 3_600_000
"""How long after a file was written its manifest may still follow, ms: no copying takes a day."""

_AT_ONCE: Final = 4
_TRIES: Final = 3
_LOCK_S: Final = 600.0
Wanted = Callable[[], bool]
"""Whether the work still has a purpose; asked between two files."""


class GivenUpError(CheckpointError):
    """Nobody wants the result any more: the partition was taken away meanwhile."""


class Saved(NamedTuple):
    """A partition that was written to the place.

    Attributes:
        manifest: as it stands there.
        copied: bytes that were copied; the rest stood there already.
    """

    manifest: Manifest
    copied: int


class Hashes:
    """SHA-256 of the files of one store; table files, which RocksDB never changes, are read once.

    Of tables that the store no longer has nothing is remembered.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, int, int], str] = {}

    def of(self, paths: Sequence[Path], pool: ThreadPoolExecutor) -> list[str]:
        """SHA-256 of the bytes of all files of the store, in hex, in their order."""
        marks = [_mark(path) for path in paths]
        known = [self._known.get(mark) if mark else None for mark in marks]
        found = list(pool.map(_known_or_read, known, paths))
        self._known = {mark: sha256 for mark, sha256 in zip(marks, found, strict=True) if mark}
        return found


def _mark(path: Path) -> tuple[int, int, int] | None:
    """Which table file this is; None for any other file."""
    if path.suffix != ".sst":
        return None
    stat = path.stat()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def _known_or_read(known: str | None, path: Path) -> str:
    return known or hash_of(path)


def hash_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def save(
    place: Place,
    folder: Path,
    manifest: Manifest,
    *,
    hashes: Hashes,
    token: str,
    wanted: Wanted = lambda: True,
) -> Saved:
    """Write the files of a folder to the place, then the manifest.

    Args:
        place: where to.
        folder: a store's checkpoint on disk, which nobody changes.
        manifest: without its files.
        hashes: of earlier checkpoints of the same store.
        token: eight hex digits; those of a try that failed less than half of `GRACE_MS` ago go on
            with what it has copied.
        wanted: whether the partition is still ours; asked last before the manifest is written.

    Raises:
        CheckpointError: the place cannot be written, or loses what is written.
        GivenUpError: the partition was taken away.
    """
    begun = time.monotonic()
    paths = [path for path in sorted(folder.iterdir()) if path.is_file()]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        before = _named_before(place, manifest)
        files = [
            File(
                path.name,
                path.stat().st_size,
                sha256,
                before.get(sha256) or stored_name(sha256, token),
            )
            for path, sha256 in zip(paths, hashes.of(paths, pool), strict=True)
        ]
        copied = 0
        for _ in range(_TRIES):
            lacking = _lacking(place, files, pool)
            if not lacking:
                break
            # One that an older manifest names and that is gone gets a name of its own, too.
            files = [
                msgspec.structs.replace(file, stored=stored_name(file.sha256, token))
                if file.stored in lacking
                else file
                for file in files
            ]
            due = {f.stored: folder / f.name for f in files if f.sha256 in lacking.values()}
            sizes: Iterator[int] = pool.map(partial(_copy, place, wanted), due, due.values())
            copied += sum(sizes)
        else:
            raise CheckpointError(
                f"{place.url} loses files that were written to it: is it pruned with too short a "
                "grace, or cleaned by a lifecycle rule?"
            )
    if not wanted():
        raise GivenUpError(f"{manifest.stage}/{manifest.partition} was taken away")
    if (time.monotonic() - begun) * 1000 > GRACE_MS // 2:
        raise GivenUpError(f"{place.url}: copying took so long that files may have been pruned")
    done = msgspec.structs.replace(manifest, files=tuple(files))
    place.put_manifest(done)
    return Saved(done, copied)


def fetch(
    place: Place,
    manifest: Manifest,
    folder: Path,
    *,
    wanted: Wanted = lambda: True,
    done: Callable[[int], None] = lambda size: None,
) -> bool:
    """Bring a partition's files to a folder that has none: all of them, verified, or no folder.

    What an interrupted fetch left is taken where its hash is right.

    Args:
        place: where from.
        manifest: what.
        folder: not there yet, or empty; one with a store is left as it is.
        wanted: asked between two files.
        done: told of bytes that have come.

    Returns:
        False: there was a store already.

    Raises:
        DamagedCheckpointError: a file is missing, or not what was written.
        CheckpointError: the place cannot be read, or the folder not be written.
        GivenUpError: nobody wants it any more.
    """
    unfinished = folder.with_name(f"{folder.name}.restoring")
    held = machine.lock(
        unfinished.with_suffix(".lock"), patience_s=_LOCK_S, what=f"a restore into {folder}"
    )
    with held:
        if (folder / "CURRENT").exists():  # another process has done it meanwhile
            return False
        _fetch(place, manifest, folder, unfinished, wanted, done)
        return True


def is_copy(folder: Path, manifest: Manifest) -> bool:
    """Whether a folder holds the files of a manifest, byte for byte, and no others.

    Raises:
        CheckpointError: it cannot be read.
    """
    try:
        if {path.name for path in folder.iterdir()} != {file.name for file in manifest.files}:
            return False
        if any((folder / file.name).stat().st_size != file.size for file in manifest.files):
            return False
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return all(pool.map(lambda file: _is(folder / file.name, file), manifest.files))
    except OSError as error:
        raise CheckpointError(
            f"{folder} cannot be read ({error}): mend its disk or rights, or move it away"
        ) from error


def _fetch(
    place: Place,
    manifest: Manifest,
    folder: Path,
    unfinished: Path,
    wanted: Wanted,
    done: Callable[[int], None],
) -> None:
    try:
        unfinished.mkdir(parents=True, exist_ok=True)
        names = {file.name for file in manifest.files}
        for path in unfinished.iterdir():
            if path.name not in names:
                path.unlink()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            tasks = [
                pool.submit(_fetch_one, place, file, unfinished / file.name, wanted, done)
                for file in manifest.files
            ]
            try:
                for task in tasks:
                    task.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        _sync(unfinished)
        remove_left(folder)
        if folder.exists():
            folder.rmdir()
        unfinished.rename(folder)
        _sync(folder.parent)
    except OSError as error:
        raise CheckpointError(
            f"{folder} cannot be restored ({error}): it must be empty, and its disk have room for "
            f"{manifest.size:,} bytes"
        ) from error


def _named_before(place: Place, manifest: Manifest) -> dict[str, str]:
    """Hash -> name, of the partition's newest manifest: it stays until the next one is written."""
    for found in place.newest(manifest.stage, manifest.partition):
        if isinstance(found, Manifest):
            return {file.sha256: file.stored for file in found.files}
    return {}


def _lacking(place: Place, files: Sequence[File], pool: ThreadPoolExecutor) -> dict[str, str]:
    """Of these files those that are not at the place, or not whole: name there -> hash."""
    found = pool.map(lambda file: place.file(file.stored), files)
    return {
        file.stored: file.sha256
        for file, stored in zip(files, found, strict=True)
        if stored is None or stored.size != file.size
    }


def _copy(place: Place, wanted: Wanted, stored: str, source: Path) -> int:
    """Copy one file; its bytes."""
    if not wanted():
        raise GivenUpError("the partition was taken away")
    place.put_file(source, stored)
    return source.stat().st_size


def _fetch_one(
    place: Place, file: File, target: Path, wanted: Wanted, done: Callable[[int], None]
) -> None:
    if not wanted():
        raise GivenUpError("nobody wants it any more")
    if not (target.exists() and target.stat().st_size == file.size and _is(target, file)):
        place.fetch_file(file.stored, target)
        if not _is(target, file):
            target.unlink()
            raise DamagedCheckpointError(
                f"{place.url}: files/{file.stored} ({file.name}) is damaged: its bytes have "
                "another sha256 than its name says; use another checkpoint"
            )
        _sync(target)
    done(file.size)


def _is(path: Path, file: File) -> bool:
    return path.stat().st_size == file.size and hash_of(path) == file.sha256


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
