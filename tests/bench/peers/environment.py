"""A virtual environment of their own for the peers: their packages disturb nobody else's.

Installed from the hashed lock of the repository, and only what the peers need of it. Quix Streams
pins an older confluent-kafka than the project's own, so it must not go into `.venv`.
"""

import hashlib
import re
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
LOCK = REPOSITORY / "deploy" / "requirements" / "bench.txt"
FOLDER = REPOSITORY / ".venv-bench"
PEERS = ("quixstreams", "bytewax", "faust-streaming", "aiokafka", "msgspec", "lz4", "cramjam")
BYTEWAX_PYTHONS = ((3, 8), (3, 12))
"""First and last Python that bytewax 0.21.1 has wheels for (its files on the package index)."""

_NAME = re.compile(r"[A-Za-z0-9._-]+(?===)")
_VIA = re.compile(r"#(?: via)? +([A-Za-z0-9._-]+)")


class PeersError(RuntimeError):
    """The peers' environment cannot be made; the message says what to do."""


def select(lock: str, names: Collection[str]) -> str:
    """The part of a lock that installs `names`: they, and all that they need, by its "via" notes.

    Raises:
        PeersError: the lock has no such package.
    """
    blocks: dict[str, str] = {}
    needed_by: dict[str, set[str]] = {}
    for block in re.split(r"^(?=[A-Za-z0-9])", lock, flags=re.MULTILINE):
        found = _NAME.match(block)
        if found is None:
            continue
        blocks[found[0]] = block
        needed_by[found[0]] = {
            via[1] for line in block.splitlines() if (via := _VIA.fullmatch(line.strip()))
        }
    wanted = set(names)
    if missing := wanted - blocks.keys():
        raise PeersError(f"{LOCK.name} has no {', '.join(sorted(missing))}: run `make locks`")
    while more := {name for name, by in needed_by.items() if by & wanted} - wanted:
        wanted |= more
    return "".join(block for name, block in blocks.items() if name in wanted)


def has_bytewax(version: tuple[int, int] = sys.version_info[:2]) -> bool:
    """Whether bytewax can be installed for this Python without compiling it."""
    return BYTEWAX_PYTHONS[0] <= version <= BYTEWAX_PYTHONS[1]


def python() -> Path:
    """The peers' interpreter; makes their environment the first time, and when the lock changes.

    Raises:
        PeersError: a package cannot be had.
    """
    names = [name for name in PEERS if name != "bytewax" or has_bytewax()]
    part = select(LOCK.read_text(), names)
    stamp, interpreter = FOLDER / "installed", FOLDER / "bin" / "python"
    digest = hashlib.sha256(part.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest and interpreter.exists():
        return interpreter
    print(f"setting up {FOLDER.name} for the peers (a minute or two, once)", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(FOLDER)], check=True)
    requirements = FOLDER / "requirements.txt"
    requirements.write_text(part)
    pip = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*pip, "--require-hashes", "-r", str(requirements)], check=False)
    if done.returncode:
        raise PeersError(
            "the peers' packages cannot be installed (see pip's words above): run again with "
            "network access, or measure without them by --peers none"
        )
    stamp.write_text(digest)
    return interpreter
