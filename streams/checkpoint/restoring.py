"""Puts a checkpoint's stores into a data folder while no worker runs; and checks one as it lies."""

import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from streams.checkpoint.copying import fetch, hash_of, is_copy
from streams.checkpoint.manifest import File, Manifest, unfit
from streams.checkpoint.place import Place
from streams.errors import CheckpointError, DamagedCheckpointError, StateError
from streams.process.status import stage_folder
from streams.settings import Settings
from topology.store.removal import remove_left

_AT_ONCE: Final = 4


def restore_all(
    settings: Settings,
    place: Place,
    parts: Sequence[Manifest],
    *,
    note: Callable[[int], None] = lambda size: None,
) -> int:
    """Put these partitions into the data folder; nothing is begun if one of them cannot be.

    One that stands there already, byte for byte as the checkpoint has it, is kept: a restore that
    was interrupted goes on. A store that anybody opened since to write is none of those, since
    RocksDB then writes files of its own, nor is one that lacks a file or has one more.

    Args:
        settings: of the graph, with the data folder.
        place: where the files are.
        parts: what to restore.
        note: told of bytes that have come, or were found there.

    Returns:
        how many stood there already.

    Raises:
        StateError: a folder holds anything else.
        CheckpointError: a part is of another graph or layout, or damaged.
    """
    targets = [(stage_folder(settings, part.stage) / str(part.partition), part) for part in parts]
    lacking = [(target, part) for target, part in targets if not _stands(settings, target, part)]
    note(sum(part.size for part in parts) - sum(part.size for _, part in lacking))
    for target, part in lacking:
        target.parent.mkdir(parents=True, exist_ok=True)
        # Somebody else may have put a store there meanwhile.
        if not fetch(place, part, target, done=note) and not is_copy(target, part):
            raise _occupied(target, part)
    return len(targets) - len(lacking)


def _stands(settings: Settings, target: Path, part: Manifest) -> bool:
    """Whether a partition is restored already; False: there is room for it."""
    why = unfit(part, graph=settings.graph)
    if why:
        raise CheckpointError(f"{part.stage}/{part.partition} of {part.checkpoint} {why}")
    remove_left(target)
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return False
    if not is_copy(target, part):
        raise _occupied(target, part)
    return True


def _occupied(target: Path, part: Manifest) -> StateError:
    return StateError(
        f"{target} is not empty, and not as {part.checkpoint} has it: move it away (it may hold "
        "what the checkpoint lacks), then restore again"
    )


def check_files(place: Place, parts: Iterable[Manifest]) -> list[str]:
    """Read every file that these manifests name; a sentence for each that is not as it was."""
    files = {file.stored: file for part in parts for file in part.files}

    def look(file: File) -> str:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / file.name
            try:
                place.fetch_file(file.stored, copy)
            except DamagedCheckpointError as error:
                return str(error)
            if copy.stat().st_size != file.size or hash_of(copy) != file.sha256:
                return f"files/{file.stored} ({file.name}) is damaged"
        return ""

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return [said for said in pool.map(look, files.values()) if said]
