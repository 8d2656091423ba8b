"""Which process is the broker of a folder: a file, believed only if that process still is it."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

SETTINGS = "server.properties"
MAIN_CLASS = "kafka.Kafka"


@dataclass(frozen=True, slots=True)
class Running:
    """The live broker of a folder."""

    pid: int
    address: str


def file(folder: Path) -> Path:
    """Where pid and address stand while the broker runs: `{"pid": 1, "address": "host:port"}`."""
    return folder / "broker.json"


def arguments(folder: Path) -> list[str]:
    """The end of the broker's command line, by which its process is known again."""
    return [MAIN_CLASS, str(folder / SETTINGS)]


def write(folder: Path, pid: int, address: str) -> None:
    """Note the broker of `folder`, replacing what was noted."""
    new = file(folder).with_suffix(".new")
    new.write_text(json.dumps({"pid": pid, "address": address}) + "\n")
    new.replace(file(folder))


def read(folder: Path) -> Running | None:
    """The live broker of `folder`; None where there is none, or the note is out of date."""
    try:
        noted = json.loads(file(folder).read_text())
        running = Running(int(noted["pid"]), str(noted["address"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return running if is_alive(running.pid, folder) else None


def forget(folder: Path) -> None:
    """Remove the note."""
    file(folder).unlink(missing_ok=True)


def is_alive(pid: int, folder: Path) -> bool:
    """Whether `pid` is a broker on `folder`, and not a program that got its number later."""
    return pid > 0 and command_line(pid).endswith(" " + " ".join(arguments(folder)))


def command_line(pid: int) -> str:
    """The arguments of a process, joined by spaces; empty where it is gone (or only a zombie)."""
    try:
        shown = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        if Path("/proc/self").exists():
            return ""
    else:
        return os.fsdecode(shown).rstrip("\0").replace("\0", " ")
    answer = subprocess.run(  # noqa: S603 - no /proc: macOS
        ["ps", "-ww", "-o", "command=", "-p", str(pid)],  # noqa: S607 - as the system has it
        capture_output=True,
        check=False,
    )
    return os.fsdecode(answer.stdout).strip()
