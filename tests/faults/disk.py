"""A disk that is full, for workers or for the broker: a tmpfs of a few megabytes."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.faults.scene import Fault, Scene

BALLAST = "ballast"


class NoDiskError(Exception):
    """A small disk cannot be had here."""


@contextlib.contextmanager
def small_disk(folder: Path, mib: int) -> Iterator[Path]:
    """A file system of so many MiB, mounted at `folder`.

    Raises:
        NoDiskError: this user may not mount one.
    """
    folder.mkdir(parents=True)
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise NoDiskError(f"no tmpfs ({made.stderr.strip()}): run as root, or by `unshare -rm`")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> None:
    """Leave not a byte of a disk."""
    with (folder / BALLAST).open("ab", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    if file.write(b"\1" * size) < size:
                        break


def free(folder: Path) -> None:
    """Give the space back."""
    (folder / BALLAST).unlink()


def disk_full(folder: Path) -> Fault:
    """The disk of the workers' stores fills up; they give up; space is freed; they start again."""

    async def fault(scene: Scene) -> None:
        scene.feed(0.5)
        await scene.some_read()
        fill(folder)
        scene.feed(0.8)
        code = await scene.workers_ended()
        scene.told["exit_code"] = code
        free(folder)
        scene.start_workers()
        await scene.until_ready()

    return fault
