"""Remove a store, so that a kill halfway leaves none instead of half of one."""

import shutil
from contextlib import suppress
from pathlib import Path

from topology.errors import StoreError
from topology.store.layout import ROCKSDICT_FILE


def remove(folder: Path) -> None:
    """Remove a folder with all that is in it; none is no error.

    It is renamed first: a store with some of its files, left by a kill, would look damaged to the
    next start and keep it from starting. What such a kill leaves, the next removal takes along.

    Raises:
        StoreError: the disk or its rights do not let it be renamed.
    """
    doomed = folder.with_name(f"{folder.name}.removed")
    shutil.rmtree(doomed, ignore_errors=True)
    if folder.exists():
        try:
            folder.rename(doomed)
        except OSError as error:
            raise StoreError(
                f"{folder} cannot be removed ({error}): mend the disk or the folder's rights"
            ) from error
        shutil.rmtree(doomed, ignore_errors=True)


def remove_left(folder: Path) -> None:
    """Remove what rocksdict makes of a store that was removed while it was about to look at it."""
    with suppress(OSError):  # another one does so, or it is a store by now
        if [file.name for file in folder.iterdir()] == [ROCKSDICT_FILE]:
            (folder / ROCKSDICT_FILE).unlink()
            folder.rmdir()
