"""What a peer's process says of itself: one line of JSON at the end."""

import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path


class Measured:
    """Time and CPU from the first event to the end, and the pairs that were found."""

    def __init__(self) -> None:
        self.pairs: Counter[str] = Counter()
        self.events = 0
        self._began: tuple[float, float] | None = None

    def begin(self) -> None:
        """The first event is here; later calls change nothing."""
        if self._began is None:
            self._began = time.time(), time.process_time()

    def count(self, pairs: Iterable[tuple[str, str, str]]) -> None:
        """Pairs that were found."""
        for pair in pairs:
            self.pairs[pair[0]] += 1

    def end(self) -> None:
        """All events were taken in and the state is durable: say so."""
        if self._began is None:
            raise RuntimeError("no event came")
        seconds = time.time() - self._began[0]
        cpu_seconds = time.process_time() - self._began[1]
        told = {
            "events": self.events,
            "seconds": seconds,
            "cpu_seconds": cpu_seconds,
            "query_pairs": self.pairs["q"],
            "bought_pairs": self.pairs["p"],
            "rss_bytes": _highest_rss(),
        }
        os.write(1, f"\n{json.dumps(told)}\n".encode())  # past what a framework made of stdout


def _highest_rss() -> int:
    """Bytes; 0 where the system does not tell (`ru_maxrss` would count our parent's as well)."""
    file = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", file.read_text()) if file.exists() else None
    return int(found[1]) * 1024 if found else 0


def leave() -> None:
    """End at once, without waiting for a framework's threads."""
    sys.stderr.flush()
    os._exit(0)
