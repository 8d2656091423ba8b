"""Puts a checkpoint's stores into a data folder while no worker runs; and checks one as it lies."""

import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from streams.checkpoint.copying import fetch, hash_of
from streams.checkpoint.manifest import File, Manifest, unfit
from streams.checkpoint.place import Place
from streams.errors import CheckpointError, DamagedCheckpointError, StateError
from streams.settings import Settings
from streams.status import stage_folder

_AT_ONCE: Final = 4


def restore_all(
    settings: Settings,
    place: Place,
    parts: Sequence[Manifest],
    *,
    note: Callable[[int], None] = lambda size: None,
) -> None:
    """Put these partitions into the data folder; nothing is begun if one of them cannot be.

    Args:
        settings: of the graph, with the data folder.
        place: where the files are.
        parts: what to restore.
        note: told of bytes that have come.

    Raises:
        StateError: a folder is not empty.
        CheckpointError: a part is of another graph or layout, or damaged.
    """
    targets = [(stage_folder(settings, part.stage) / str(part.partition), part) for part in parts]
    for target, part in targets:
        if target.exists() and any(target.iterdir()):
            raise StateError(
                f"{target} is not empty: move it away (it may hold what the checkpoint lacks), "
                "then restore again"
            )
        why = unfit(part, graph=settings.graph)
        if why:
            raise CheckpointError(f"{part.stage}/{part.partition} of {part.checkpoint} {why}")
    for target, part in targets:
        target.parent.mkdir(parents=True, exist_ok=True)
        fetch(place, part, target, done=note)


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
