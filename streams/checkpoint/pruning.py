"""Removes checkpoints that nobody keeps, and files that none of the others names."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

from streams.checkpoint.copying import GRACE_MS
from streams.checkpoint.manifest import Manifest
from streams.checkpoint.place import Place
from streams.checkpoint.retention import Seen, garbage, outdated
from streams.errors import CheckpointError

_AT_ONCE: Final = 8
_TRIES: Final = 5


class Pruned(NamedTuple):
    """What was removed: ids of checkpoints, files, and their bytes."""

    checkpoints: tuple[str, ...]
    files: int
    size: int


def prune(place: Place, *, keep: int, now_ms: int, grace_ms: int = GRACE_MS) -> Pruned:
    """Remove what `retention` says; safe while workers write checkpoints.

    Args:
        place: of one graph.
        keep: complete checkpoints that stay, 1 or more.
        now_ms: ms since 1970, taken before the call: what is written later is never old.
        grace_ms: how long after something was written it is left alone.

    Raises:
        CheckpointError: the place cannot be read or written, or a manifest that stays is damaged:
            then no file is removed, since nobody knows which it names.
    """
    gone = outdated(
        [seen(place, each) for each in place.ids()], keep=keep, now_ms=now_ms, grace_ms=grace_ms
    )
    for checkpoint in gone:
        place.remove(checkpoint)
    # Files before manifests: one that is written in between is too young to be garbage.
    files = place.files()
    written = {name: stored.written_ms for name, stored in files.items()}
    named = _named(place)
    left = garbage(written, named, now_ms=now_ms, grace_ms=grace_ms)
    _remove_files(place, left)
    return Pruned(tuple(gone), len(left), sum(files[name].size for name in left))


class LetGo(NamedTuple):
    """Checkpoints that nobody needs: their place, and when that was said, ms since 1970."""

    place: Place
    since_ms: int


def remove_all(found: LetGo, *, now_ms: int, grace_ms: int = GRACE_MS) -> Pruned | None:
    """Remove every checkpoint and file of a graph that nobody can bring back.

    Graphs share no files: each has a place of its own. While anything there is young all of it
    stays: somebody may have taken it for the place of another graph, or be about to read it. What
    was written there more than `GRACE_MS` after it was let go is surely another graph's: a prefix
    may be spelt as a prefix and a generation's name are.

    Args:
        found: of the graph that was dropped.
        now_ms: ms since 1970, taken before the call.
        grace_ms: how long nothing must have been written there, nor they have been let go.

    Returns:
        what was removed; None: it is too early, or another graph's. Cut short, the next call
        goes on.

    Raises:
        CheckpointError: the place cannot be read or written.
    """
    place = found.place
    parts = {each: place.parts(each).values() for each in place.ids()}
    files = place.files()
    every = (*parts.values(), files.values())
    written = [stored.written_ms for there in every for stored in there]
    newest_ms = max(written, default=0)
    if max(found.since_ms, newest_ms) > now_ms - grace_ms or newest_ms > found.since_ms + GRACE_MS:
        return None
    for checkpoint in parts:
        place.remove(checkpoint)
    _remove_files(place, files)
    place.remove_folders()
    return Pruned(tuple(parts), len(files), sum(stored.size for stored in files.values()))


def _remove_files(place: Place, names: Iterable[str]) -> None:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(place.remove_file, names))


def _named(place: Place) -> set[str]:
    """Files that any manifest names.

    Another one who prunes may take a checkpoint away while it is read, after a newer one came that
    names the same files: only a list from which nothing vanished while it was read is whole.
    """
    for _ in range(_TRIES):
        listed = {each: set(place.parts(each)) for each in place.ids()}
        found = manifests(place)
        there = {each: set(place.parts(each)) for each in place.ids()}
        if all(parts <= there.get(each, set()) for each, parts in listed.items()):
            return {file.stored for manifest in found for file in manifest.files}
    raise CheckpointError(
        f"checkpoints at {place.url} vanish while they are read: does another one prune? Try later"
    )


def seen(place: Place, checkpoint: str) -> Seen:
    """A checkpoint as retention wants to know it."""
    parts = place.parts(checkpoint)
    written_ms = max((stored.written_ms for stored in parts.values()), default=0)
    return Seen(checkpoint, place.completed(checkpoint) is not None, written_ms)


def manifests(place: Place, checkpoint: str = "") -> list[Manifest]:
    """All manifests, or those of one checkpoint, by stage and partition.

    Raises:
        CheckpointError: one is damaged.
    """
    ids = [checkpoint] if checkpoint else place.ids()
    parts = [(each, *part) for each in ids for part in sorted(place.parts(each))]

    def read(part: tuple[str, str, int]) -> Manifest | None:
        try:
            return place.manifest(*part)
        except CheckpointError as error:
            raise CheckpointError(
                f"{error}; to let go of it, remove the folder manifests/{part[0]} there"
            ) from error

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return [found for found in pool.map(read, parts) if found is not None]
