"""`make fuzz`: every decoder in a process of its own, for its share of the time, and a table.

    python -m tests.fuzz [--seconds 600] [--only NAME] [--seed 1]

With atheris (libFuzzer, which follows coverage) where it is installed, else with edits of the seeds
(`mutate`). What an execution may not do: raise what is not documented, take longer than 10 s, or
need more than 2 GiB. Exit code 1 if anything was found; what found it lies in `.cartograph/fuzz`.
"""

import argparse
import importlib.util
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from tests.fuzz.targets import TARGETS

FOUND = Path(".cartograph/fuzz")
HANGS_S, MEMORY_MB = 10, 2_048
_GRACE_S = 60


def main() -> int:
    """Fuzz all; 1 if anything was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600, help="of all targets together")
    parser.add_argument("--only", default="", help="targets whose name holds this")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    names = [name for name in TARGETS if asked.only in name]
    engine = "atheris" if importlib.util.find_spec("atheris") else "edits"
    each_s = max(1, asked.seconds // len(names))
    print(f"{len(names)} targets, {each_s} s each, engine {engine}, seed {asked.seed}", flush=True)
    print(f"{'decoder':28} {'executions':>11} {'a second':>9}  findings", flush=True)
    findings = 0
    for name in names:
        count, wrong = fuzz(name, each_s, engine, asked.seed)
        findings += bool(wrong)
        print(f"{name:28} {count:11,} {count // each_s:9,}  {wrong or '-'}", flush=True)
    return int(bool(findings))


def fuzz(name: str, seconds: int, engine: str, seed: int) -> tuple[int, str]:
    """Executions, and what was found in one line."""
    folder = FOUND / re.sub(r"\W+", "-", name)
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tests.fuzz.one", engine, name, str(seconds), str(seed)]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    begun = time.monotonic()
    with (folder / "log.txt").open("wb") as log:
        try:
            code = subprocess.run(
                [*command, str(folder)], stdout=log, stderr=log, env=env, timeout=seconds + _GRACE_S
            ).returncode
        except subprocess.TimeoutExpired:
            code = 124
    said = (folder / "log.txt").read_text(errors="replace")
    count = re.findall(r"number_of_executed_units: (\d+)", said)
    wrong = ""
    if code:
        raised = re.findall(r"^([\w.]+(?:Error|Exception|Warning)\b.*)$", said, re.MULTILINE)
        ended = f"ended with {code} after {time.monotonic() - begun:.0f} s"
        wrong = f"{(raised or [ended])[0][:150]} (see {folder})"
    return int(count[-1]) if count else 0, wrong


if __name__ == "__main__":
    sys.exit(main())
