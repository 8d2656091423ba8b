"""Which checkpoints and files may go. Pure: given what is there, it says what to remove.

A worker skips the files that its partition's newest manifest names, so that manifest must stay
while the next one is written. The newest complete checkpoint and all after it always stay, and a
partition's newest manifest is in one of those: nobody but its owner writes it.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple


class Seen(NamedTuple):
    """A checkpoint as it stands at the place.

    Attributes:
        id: sorts by time.
        complete: all its partitions are there.
        written_ms: when something was last written to it, by the place's clock; ms since 1970.
    """

    id: str
    complete: bool
    written_ms: int


def outdated(seen: Iterable[Seen], *, keep: int, now_ms: int, grace_ms: int) -> list[str]:
    """Checkpoints to remove, the oldest first.

    The newest `keep` complete ones stay, and whatever is newer than the newest complete one.
    Incomplete ones in between go once nobody can be writing them any more.

    Args:
        seen: all checkpoints.
        keep: complete ones that stay, 1 or more.
        now_ms: ms since 1970.
        grace_ms: how long after its last write an incomplete one may still be written.
    """
    ordered = sorted(seen)
    complete = [each.id for each in ordered if each.complete]
    if not complete:
        return []
    kept = set(complete[-max(keep, 1) :])
    return [
        each.id
        for each in ordered
        if each.id < complete[-1]
        and each.id not in kept
        and (each.complete or each.written_ms < now_ms - grace_ms)
    ]


def garbage(
    files: Mapping[str, int], named: Collection[str], *, now_ms: int, grace_ms: int
) -> list[str]:
    """Files that may be removed: no manifest that stays names them, and none will soon.

    Args:
        files: name -> when it was written, ms since 1970.
        named: by the manifests that stay.
        now_ms: ms since 1970.
        grace_ms: how long after a file was written its manifest may still follow.
    """
    return sorted(
        name
        for name, written_ms in files.items()
        if name not in named and written_ms < now_ms - grace_ms
    )
