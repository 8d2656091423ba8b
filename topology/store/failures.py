"""What RocksDB's errors mean, as sentences that say what to do."""

from pathlib import Path
from typing import Final

from topology.errors import StoreError, StoreLockedError

_LOCKED: Final = ("lock hold by current process", "While lock file")
_FULL: Final = ("No space left", "Disk quota exceeded", "File too large", "SpaceLimit")
_GONE: Final = "No such file or directory"
_MANY: Final = "Too many open files"


def explained(path: Path, error: Exception, what: str) -> StoreError:
    """The error to raise instead of what rocksdict raised; it has no types to tell them apart.

    Args:
        path: folder of the store.
        error: as rocksdict raised it: "Corruption: ...", "IO error: ...".
        what: what could not be done: "opened", "read", "written".
    """
    text = str(error)
    if any(told in text for told in _LOCKED):
        return StoreLockedError(
            f"{path} is open in another process ({text}): stop that process, or wait until it has "
            "died; only then start this one"
        )
    if any(told in text for told in _FULL):
        return StoreError(
            f"{path} cannot be {what}, its disk is full ({text}): free space, then start the "
            "worker again; it goes on from its last commit and nothing is lost"
        )
    if _MANY in text:
        return StoreError(
            f"{path} cannot be {what}, the process has as many files open as it may ({text}): "
            "give it more (`ulimit -n`, LimitNOFILE of systemd), then try again; nothing is lost"
        )
    if text.startswith("Corruption") or _GONE in text:
        return StoreError(
            f"{path} is damaged and cannot be {what} ({text}): look at the disk, move the folder "
            "away and restore a checkpoint; without one, build it again from what Kafka still "
            "keeps by one start with CARTOGRAPH_ALLOW_EMPTY_STORE=1"
        )
    return StoreError(
        f"{path} cannot be {what} ({text}): mend the disk and start again, or restore a "
        "checkpoint, or move the folder away and rebuild it by replay"
    )
