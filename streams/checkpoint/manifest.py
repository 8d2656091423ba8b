"""What a checkpoint is: the names of its parts, and the record of one partition. Pure.

    <url>/<prefix>/files/<sha256>.<token>                a file of a store, under what it holds
    <url>/<prefix>/manifests/<id>/<stage>-<n>.json       one partition: its files, offsets, settings
    <url>/<prefix>/manifests/<id>/complete.json          all partitions of all stages are there

Files are written first and a partition's manifest last, so that what is listed is whole. RocksDB
never changes a table file: one that the partition's newest manifest names is not copied again, only
named again. What is copied gets a token of its own: a leftover of somebody who was killed is never
written again, so whoever removes leftovers can take nothing from under a writer's hands.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec

from streams.control.generations import MEANING, stages_of_base
from streams.errors import CheckpointError, DamagedCheckpointError
from streams.settings import Settings
from topology.store.layout import LAYOUT_VERSION, OLDEST_LAYOUT

KEPT_STAGES: Final = stages_of_base("events")
"""Stages that keep state; ROUTE has none, and a generation built from totals has no SHOPPERS."""

COMPLETE: Final = "complete.json"
_ID = re.compile(r"\d{8}T\d{6}Z(-[0-9a-f]{6})?")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_STORED = re.compile(r"[0-9a-f]{64}\.[0-9a-f]{8}")
_PART = re.compile(r"([a-z]+)-(\d{1,4})\.json")

RESULT_SETTINGS: Final = ("purchase_actions", *sorted(MEANING), "scoring")
"""Settings that change what a graph says, beside bundles; a restore compares them."""


class File(msgspec.Struct, frozen=True):
    """One file of a store.

    Attributes:
        name: in the store's folder.
        size: bytes.
        sha256: of its bytes, 64 hex digits.
        stored: what it is called at the place; `stored_name`.
    """

    name: str
    size: int
    sha256: str
    stored: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """One partition of a stage as it was at one of its commits.

    Attributes:
        checkpoint: id of the checkpoint that it is part of.
        graph: identity of the graph (prefix and partition count).
        created_ms: wall time of the commit, ms since 1970.
        program: version of Cartograph that wrote it.
        layout: of the store (`topology.store.layout`).
        incarnation: under which it was made; the files hold none, so that whoever restores them
            sends all totals again (DESIGN, rule 2).
        offsets: logical input topic -> where to read on.
        bundles: ids of the models in use.
        settings: those of `RESULT_SETTINGS`.
        files: in the order of their names.
    """

    checkpoint: str
    stage: str
    partition: int
    graph: str
    created_ms: int
    program: str
    layout: int
    incarnation: int
    offsets: dict[str, int]
    bundles: tuple[str, ...] = ()
    settings: dict[str, object] = {}
    files: tuple[File, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(file.size for file in self.files)

    @property
    def part(self) -> tuple[str, int]:
        """Stage and partition."""
        return self.stage, self.partition


class Completed(msgspec.Struct, frozen=True):
    """The record that a checkpoint has all its partitions."""

    checkpoint: str
    completed_ms: int
    parts: int


_encoder = msgspec.json.Encoder()
_manifest = msgspec.json.Decoder(Manifest).decode
_completed = msgspec.json.Decoder(Completed).decode


def new_id(at_ms: int, token: str = "") -> str:
    """The id of a checkpoint: its time (UTC), and six hex digits where somebody asked for it.

    Ids sort by time. A schedule gives the same id on every machine.
    """
    at = datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"{at}-{token}" if token else at


def check_id(told: str) -> str:
    """The id, if it is one.

    Raises:
        CheckpointError: it is none.
    """
    if not _ID.fullmatch(told):
        raise CheckpointError(
            f"{told!r} is no checkpoint: `cartograph checkpoint list` has their ids, for example "
            "20261105T120000Z"
        )
    return told


def is_id(told: str) -> bool:
    """Whether this is how a checkpoint is called."""
    return _ID.fullmatch(told) is not None


def stored_name(sha256: str, token: str) -> str:
    """What a file is called at the place; `token`: eight hex digits of whoever copies it."""
    return f"{sha256}.{token}"


def part_name(stage: str, partition: int) -> str:
    """The name of a partition's manifest."""
    return f"{stage}-{partition}.json"


def part_of(name: str) -> tuple[str, int] | None:
    """Stage and partition of a manifest's name; None for anything else."""
    found = _PART.fullmatch(name)
    return (found[1], int(found[2])) if found else None


def expected(stages: Iterable[str], partitions: int) -> set[tuple[str, int]]:
    """All partitions that a complete checkpoint has."""
    return {(stage, number) for stage in stages for number in range(partitions)}


def encode(record: Manifest | Completed) -> bytes:
    """A record as JSON for people and programs."""
    return msgspec.json.format(_encoder.encode(record), indent=1) + b"\n"


def decode(data: bytes, where: str) -> Manifest:
    """Read a manifest; only plain file names and hashes pass, so that none can name a path.

    Args:
        data: as `encode` wrote it.
        where: for the message.

    Raises:
        DamagedCheckpointError: it is damaged, or no manifest.
    """
    try:
        manifest = _manifest(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DamagedCheckpointError(
            f"{where} is no manifest of a checkpoint ({error}): use another checkpoint"
        ) from error
    names = [file.name for file in manifest.files]
    wrong = [
        file.name
        for file in manifest.files
        if not _NAME.fullmatch(file.name)
        or not _SHA256.fullmatch(file.sha256)
        or not _STORED.fullmatch(file.stored)
        or file.size < 0
    ]
    if wrong or not names or len(set(names)) < len(names) or not is_id(manifest.checkpoint):
        raise DamagedCheckpointError(
            f"{where} names no files, or such that a store cannot have ({wrong[:3]}): use another "
            "checkpoint"
        )
    return manifest


def decode_completed(data: bytes) -> Completed | None:
    """The completing record, None if it is none."""
    try:
        return _completed(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def unfit(manifest: Manifest, *, graph: str) -> str:
    """Why a manifest cannot be restored by this program into this graph; empty: it can."""
    if manifest.graph != graph:
        return f"is of graph {manifest.graph!r}, not of {graph!r}"
    if not OLDEST_LAYOUT <= manifest.layout <= LAYOUT_VERSION:
        return (
            f"was written with layout {manifest.layout} by Cartograph {manifest.program}, this "
            f"program reads {OLDEST_LAYOUT} to {LAYOUT_VERSION}"
        )
    return ""


def result_settings(settings: Settings) -> dict[str, object]:
    """The settings that change what a graph says, as JSON has them."""
    shown = settings.redacted()
    told: dict[str, object] = msgspec.json.decode(
        _encoder.encode({name: shown[name] for name in RESULT_SETTINGS})
    )
    return told


def changed_settings(manifest: Manifest, now: Mapping[str, object]) -> list[str]:
    """Names of result settings that are not as they were; those the manifest lacks do not count."""
    return [name for name, value in manifest.settings.items() if now.get(name) != value]
