"""Where checkpoints are kept: a folder, or any URL that fsspec knows. The only import of fsspec.

Credentials and endpoints are fsspec's own business: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
AWS_ENDPOINT_URL and the like for `s3://`, FSSPEC_* for anything else.
"""

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import fsspec
from fsspec.implementations.local import LocalFileSystem

from streams.checkpoint.manifest import (
    COMPLETE,
    Completed,
    Manifest,
    decode,
    decode_completed,
    encode,
    is_id,
    part_name,
    part_of,
)
from streams.errors import CheckpointError, DamagedCheckpointError

_NEW: Final = ".new-"
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_TIMES: Final = ("mtime", "LastModified", "created", "last_modified", "updated", "modified")


class Stored(NamedTuple):
    """A file at the place: bytes, and when it was written, ms since 1970 by the place's clock."""

    size: int
    written_ms: int


class Place:
    """The checkpoints of one graph.

    Args:
        url: a folder, or a URL such as `s3://bucket/folder`.
        prefix: of the graph.

    Raises:
        CheckpointError: no file system answers to this URL.
    """

    def __init__(self, url: str, prefix: str) -> None:
        self.url = url
        try:
            # Listings are asked for anew: other processes write here too.
            self._fs, root = fsspec.url_to_fs(url, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise CheckpointError(
                f"checkpoint_url {url!r} cannot be used ({error}): give a folder or a URL that "
                "fsspec knows; for s3:// install the extra: pip install 'cartograph[s3]'"
            ) from error
        self._root = f"{root.rstrip('/')}/{prefix}".rstrip("/")
        self._is_local = isinstance(self._fs, LocalFileSystem)

    def ids(self) -> list[str]:
        """Ids of all checkpoints that have a manifest, the oldest first.

        Raises:
            CheckpointError: the place cannot be listed, or there is no such bucket.
        """
        found = sorted(name for name in self._listing("manifests") if is_id(name))
        if not found and not self._is_local:
            self._check_bucket()
        return found

    def names(self) -> list[str]:
        """What the folder of this graph holds; with an empty prefix the prefixes of all graphs."""
        return sorted(self._listing(""))

    def parts(self, checkpoint: str) -> dict[tuple[str, int], Stored]:
        """Stage and partition -> the manifest's file."""
        found = self._listing(f"manifests/{checkpoint}")
        parts = {part_of(name): stored for name, stored in found.items()}
        return {part: stored for part, stored in parts.items() if part is not None}

    def manifest(self, checkpoint: str, stage: str, partition: int) -> Manifest | None:
        """The manifest of one partition; None where there is none.

        Raises:
            DamagedCheckpointError: it is not what was written.
            CheckpointError: it cannot be read.
        """
        name = f"manifests/{checkpoint}/{part_name(stage, partition)}"
        data = self._read(name)
        if data is None:
            return None
        found = decode(data, f"{self.url}: {name}")
        if (found.checkpoint, found.part) != (checkpoint, (stage, partition)):
            raise DamagedCheckpointError(
                f"{self.url}: {name} is of {found.stage}/{found.partition} of {found.checkpoint}: "
                "somebody moved it; use another checkpoint"
            )
        return found

    def newest(self, stage: str, partition: int) -> Iterator[Manifest | DamagedCheckpointError]:
        """Manifests of a partition, the newest first; in place of a damaged one what is wrong."""
        for checkpoint in reversed(self.ids()):
            try:
                found = self.manifest(checkpoint, stage, partition)
            except DamagedCheckpointError as error:
                yield error
                continue
            if found is not None:
                yield found

    def put_manifest(self, manifest: Manifest) -> None:
        """List a partition: from here on it can be restored."""
        name = part_name(manifest.stage, manifest.partition)
        self._write(f"manifests/{manifest.checkpoint}/{name}", encode(manifest))

    def completed(self, checkpoint: str) -> Completed | None:
        """The record that all partitions are there; None where they are not."""
        data = self._read(f"manifests/{checkpoint}/{COMPLETE}")
        return None if data is None else decode_completed(data)

    def put_completed(self, record: Completed) -> None:
        """Say that a checkpoint has all its partitions."""
        self._write(f"manifests/{record.checkpoint}/{COMPLETE}", encode(record))

    def remove(self, checkpoint: str) -> None:
        """Take a checkpoint off the list, first that it is complete; its files stay."""
        for name in (COMPLETE, *self._listing(f"manifests/{checkpoint}")):
            self._remove(f"manifests/{checkpoint}/{name}")
        with self._telling("removed"), contextlib.suppress(FileNotFoundError):
            self._fs.rmdir(self._path(f"manifests/{checkpoint}"))

    def files(self) -> Mapping[str, Stored]:
        """All files of stores, by what they are called here; unfinished copies among them."""
        return self._listing("files")

    def file(self, stored: str) -> Stored | None:
        """A file of a store; None where it is not there."""
        with self._telling("read"):
            try:
                return _stored(self._fs.info(self._path(f"files/{stored}")))
            except FileNotFoundError:
                return None

    def put_file(self, source: Path, stored: str) -> None:
        """Copy a file to the place, under this name."""
        target = self._path(f"files/{stored}")
        with self._telling("written"):
            if not self._is_local:
                self._fs.put_file(str(source), target)
                return
            new = self._new(target)
            shutil.copyfile(source, new)
            _into_place(new, Path(target))

    def fetch_file(self, stored: str, target: Path) -> None:
        """Copy a file from the place.

        Raises:
            DamagedCheckpointError: it is not there.
            CheckpointError: it cannot be read, or there is no room for it here.
        """
        with self._telling("read"), _telling_full(target):
            try:
                self._fs.get_file(self._path(f"files/{stored}"), str(target))
            except FileNotFoundError as error:
                raise DamagedCheckpointError(
                    f"{self.url}: files/{stored} is missing: use another checkpoint"
                ) from error

    def remove_file(self, name: str) -> None:
        """Remove a file of a store; none is no error."""
        self._remove(f"files/{name}")

    def remove_folders(self) -> None:
        """Remove the graph's own folders, where there is nothing in them any more."""
        for name in ("manifests", "files", ""):
            # Somebody may write there again; a bucket has no folders.
            with self._telling("removed"), contextlib.suppress(OSError):
                self._fs.rmdir(self._path(name).rstrip("/"))

    def _check_bucket(self) -> None:
        """A folder that is not there is empty; a bucket that is not there is a wrong setting."""
        bucket = self._root.partition("/")[0]
        with self._telling("listed"):
            if bucket and not self._fs.exists(bucket):
                raise CheckpointError(
                    f"{self.url}: there is no {bucket!r}: make it, or set "
                    "CARTOGRAPH_CHECKPOINT_URL to another one"
                )

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}".rstrip("/")

    def _listing(self, folder: str) -> dict[str, Stored]:
        with self._telling("listed"):
            try:
                found = self._fs.ls(self._path(folder), detail=True, refresh=True)
            except FileNotFoundError:
                return {}
        rows = {str(each["name"]).rstrip("/").rpartition("/")[2]: each for each in found}
        return {name: _stored(each) for name, each in rows.items() if name}

    def _read(self, name: str) -> bytes | None:
        with self._telling("read"):
            try:
                return bytes(self._fs.cat_file(self._path(name)))
            except FileNotFoundError:
                return None

    def _write(self, name: str, data: bytes) -> None:
        target = self._path(name)
        with self._telling("written"):
            if not self._is_local:
                self._fs.pipe_file(target, data)
                return
            new = self._new(target)
            new.write_bytes(data)
            _into_place(new, Path(target))

    def _remove(self, name: str) -> None:
        with self._telling("removed"), contextlib.suppress(FileNotFoundError):
            self._fs.rm_file(self._path(name))

    def _new(self, target: str) -> Path:
        folder = Path(target).parent
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{_NEW}{secrets.token_hex(8)}"

    @contextlib.contextmanager
    def _telling(self, what: str) -> Iterator[None]:
        try:
            yield
        except (CheckpointError, FileNotFoundError):
            raise
        # Each file system raises its own errors (botocore's, aiohttp's), with no common base.
        except Exception as error:
            raise CheckpointError(
                f"{self.url} cannot be {what} ({type(error).__name__}: {error}): check "
                "CARTOGRAPH_CHECKPOINT_URL, its credentials and its endpoint"
            ) from error


def graphs_at(url: str, prefix: str) -> list[str]:
    """Which of a graph and its generations have checkpoints at a URL: "graph", "graph.g2".

    Raises:
        CheckpointError: it cannot be used, or not be listed.
    """
    every = (name for name in Place(url, "").names() if f"{name}.".startswith(f"{prefix}."))
    return [name for name in every if Place(url, name).ids()]


@contextlib.contextmanager
def _telling_full(target: Path) -> Iterator[None]:
    """A disk of ours that is full is no fault of the place."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise CheckpointError(
            f"{target} cannot be written ({error}): make room on its disk, then try again; it "
            "goes on from there"
        ) from error


def _into_place(new: Path, target: Path) -> None:
    """A file is there whole or not at all, also after the machine goes down."""
    with new.open("rb") as file:
        os.fsync(file.fileno())
    new.replace(target)


def _stored(info: Mapping[str, Any]) -> Stored:
    told = next((info[name] for name in _TIMES if info.get(name) is not None), 0)
    if isinstance(told, str):
        told = datetime.fromisoformat(told)
    seconds = told.timestamp() if isinstance(told, datetime) else float(told)
    return Stored(int(info.get("size") or 0), int(seconds * 1000))
