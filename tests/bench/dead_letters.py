"""What `dead-letters list` takes, time and memory: `python -m tests.bench.dead_letters`.

A broker of its own, N dead letters (100,000), a tenth of them dropped; each command is a process.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from streams.broker import admin, process
from streams.dead_letters import dead_letter, decode_dead_letter, mark
from streams.kafka.producer import Producer
from streams.ports import Message, Record
from streams.topics import Names, plan

REASONS = ("missing_id", "not_json", "unknown_action", "bad_time")
_MEASURED = (
    "import resource, sys\n"
    "from streams.__main__ import app\n"
    "try:\n    app(sys.argv[1:], standalone_mode=False)\n"
    "finally:\n    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024\n"
    "    print(used, file=sys.stderr)"
)


def letters(count: int) -> Iterator[Message]:
    """Dead letters as ROUTE writes them, then marks on every tenth."""
    for n in range(count):
        yield Message("dead-letters", 0, *_letter(n))
    for n in range(0, count, 10):
        letter = decode_dead_letter(_letter(n)[1])
        yield Message("dead-letters", 0, *mark(letter, "dropped"))


def _letter(n: int) -> tuple[bytes, bytes]:
    record, reason = Record(n, 0, None, b"%d" % n), REASONS[n % len(REASONS)]
    return dead_letter("shop.events", n % 8, record, reason, f"what was wrong with it, {n}")


async def fill(address: str, count: int) -> None:
    """Write them."""
    await admin.apply(address, plan(Names(), 1, 1))
    producer = Producer(address, Names(), {})
    await producer.start()
    lot: list[Message] = []
    for message in letters(count):
        lot.append(message)
        if len(lot) == 5_000:
            await producer.send(lot)
            lot = []
    await producer.send(lot)
    await producer.stop()


def main() -> None:
    """Fill, run each command, print seconds and the largest size of its process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--letters", type=int, default=100_000)
    count = parser.parse_args().letters
    with tempfile.TemporaryDirectory() as folder, process.running(Path(folder)) as broker:
        asyncio.run(fill(broker.address, count))
        for words in (["--help"], ["list", "--json"], ["list", "--counts", "--json"]):
            begun = time.monotonic()
            done = subprocess.run(
                [sys.executable, "-c", _MEASURED, "dead-letters", *words],
                capture_output=True,
                env={**os.environ, "CARTOGRAPH_KAFKA": broker.address},
                check=True,
            )
            seconds, size = time.monotonic() - begun, done.stderr.split()[-1].decode()
            found = "" if "--json" not in words else json.loads(done.stdout)
            told = (
                found["found"]
                if isinstance(found, dict)
                else sum(r["letters"] for r in found or [])
            )
            print(f"{' '.join(words):24} {told:9,} letters {seconds:6.1f} s {size:>5} MiB")


if __name__ == "__main__":
    main()
