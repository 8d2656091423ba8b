"""Whether workers of this container are ready: `python -I worker_ready.py STAGE[=PROCESSES] ...`.

Exit code 0: of every stage named, so many processes run and hold all partitions that Kafka gave
them; 1, with the reason on stdout: not yet. The port of a worker's `/readyz` may be any, so what it
says of itself is read in `<data_dir>/run/<prefix>/<stage>-<slot>.json`. That file outlives a
process that was killed, and process numbers come again, so a file counts only if it was written by
the process that runs now.
Standard library alone, since a probe runs every few seconds.
"""

import json
import os
import sys
from pathlib import Path

PROGRAM = b"streams.worker_main"
Workers = dict[tuple[str, int, str], tuple[int, float]]
"""(stage, slot, generation) -> process number and start, seconds since 1970, of what runs.

The generation is "" for the first graph of the shop; those beside it run only where they answer,
or did, and have processes of their own.
"""

_PROC = Path("/proc")


def running() -> Workers:
    """The workers that run in this container."""
    boot_s = next(
        float(line.split()[1])
        for line in (_PROC / "stat").read_text().splitlines()
        if line.startswith("btime ")
    )
    found: Workers = {}
    for folder in _PROC.iterdir():
        if not folder.name.isdigit():
            continue
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            place = words.index(PROGRAM)
            stage, slot = words[place + 1].decode(), int(words[place + 2])
            generation = words[place + 3].decode()  # the last word ends with a NUL too
            ticks = int((folder / "stat").read_text().rpartition(")")[2].split()[19])
        except (OSError, ValueError, IndexError):
            continue  # another program, or one that has just ended
        found[stage, slot, generation] = int(folder.name), boot_s + ticks / os.sysconf("SC_CLK_TCK")
    return found


def reason(found: Workers, data_dir: Path, stage: str, processes: int) -> str:
    """Why the workers of a stage are not ready; empty: they are."""
    workers = {key[1:]: told for key, told in found.items() if key[0] == stage}
    if len(workers) < processes:
        return f"{stage}: {len(workers)} of {processes} processes run"
    for (slot, _), (pid, started) in sorted(workers.items()):
        told = [_read(file) for file in data_dir.glob(f"run/*/{stage}-{slot}.json")]
        # `btime` is in whole seconds, so a process may seem to begin up to one later than it did.
        own = [s for s in told if s.get("pid") == pid and s.get("started_at", 0) >= started - 1]
        if not any(status.get("ready") for status in own):
            return f"{stage}-{slot} does not hold all its partitions yet{_said(own)}"
    return ""


def _said(statuses: list[dict[str, object]]) -> str:
    """What the worker says of itself: the reasons of its `/readyz`."""
    told = [each for status in statuses for each in _list(status.get("reasons"))]
    words = [str(each["words"]) for each in told if isinstance(each, dict) and "words" in each]
    return f": {'; '.join(words)}" if words else ""


def _list(told: object) -> list[object]:
    return told if isinstance(told, list) else []


def _read(file: Path) -> dict[str, object]:
    try:
        told = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def main(arguments: list[str]) -> int:
    """Look at every stage named; the exit code."""
    data_dir = Path(os.environ.get("CARTOGRAPH_DATA_DIR", ".cartograph"))
    found = running()
    for argument in arguments:
        stage, _, count = argument.partition("=")
        if why := reason(found, data_dir, stage, int(count or 1)):
            sys.stdout.write(f"{why}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
