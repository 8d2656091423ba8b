"""What a worker must know of its machine and its operating system."""

import contextlib
import ctypes
import fcntl
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from streams.errors import StoreLockedError

_BOOT_FILE = Path("/proc/sys/kernel/random/boot_id")
_PR_SET_PDEATHSIG = 1
_POLL_S = 0.05


def boot_id() -> str:
    """Identity of this run of the machine.

    Where the system does not tell one, another text at each call: then every start counts as
    after a reboot, which costs a resend and is never wrong.
    """
    with contextlib.suppress(OSError):
        return _BOOT_FILE.read_text(encoding="ascii").strip()
    if sys.platform == "darwin":
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            told = subprocess.run(
                ["sysctl", "-n", "kern.bootsessionuuid"],  # noqa: S607
                capture_output=True,
                text=True,
                check=True,
                timeout=5,
            )
            return told.stdout.strip()
    return secrets.token_hex(16)


def die_with_parent(number: int = signal.SIGTERM) -> Callable[[], None] | None:
    """What a child runs before its program, so that it gets a signal when its parent ends.

    Call it in the parent. None where the system cannot do it (only Linux can): there a child sees
    that its parent is gone by `os.getppid`.
    """
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl  # looked up here: a forked child must not
    parent = os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != parent:  # it ended before we asked
            os._exit(1)

    return ask


def folder_id(folder: Path) -> str:
    """Eight characters that name a data folder, made once and kept in it.

    Two machines may run workers of one group; their names must differ, and each must have the
    same name after a restart.
    """
    file = folder / "folder-id"
    with contextlib.suppress(FileNotFoundError):
        return file.read_text(encoding="ascii").strip()
    folder.mkdir(parents=True, exist_ok=True)
    new = folder / f"folder-id.{os.getpid()}"
    new.write_text(secrets.token_hex(4), encoding="ascii")
    with contextlib.suppress(FileExistsError):
        os.link(new, file)  # the first of several processes wins
    new.unlink()
    return file.read_text(encoding="ascii").strip()


@contextlib.contextmanager
def lock(file: Path, *, patience_s: float, what: str) -> Iterator[None]:
    """Hold a file's lock; the system lets go of it when this process dies.

    Raises:
        StoreLockedError: another process has it for longer than `patience_s`.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(file, os.O_CREAT | os.O_RDWR, 0o644)
    try:
        deadline = time.monotonic() + patience_s
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise StoreLockedError(
                        f"{what} runs already in another process (it holds {file}): stop that one, "
                        "or give this one another CARTOGRAPH_DATA_DIR"
                    ) from None
                time.sleep(_POLL_S)
        yield
    finally:
        os.close(handle)
