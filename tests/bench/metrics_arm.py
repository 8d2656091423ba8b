"""One side of `tests.bench.metrics`: `python -m tests.bench.metrics_arm STAGE on|off RECORDS`.

Prints one line of JSON. Metrics are taken away before anything of ours is imported.
"""

import importlib
import json
import sys
from typing import Any

import prometheus_client


class Nothing:
    """A metric that does nothing."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def labels(self, *_: Any, **__: Any) -> "Nothing":
        return self

    def inc(self, amount: float = 1) -> None:
        pass

    dec = set = observe = inc

    def remove(self, *_: Any) -> None:
        pass


def take_away() -> None:
    """Make every metric that is declared from now on one that does nothing."""
    kinds: Any = prometheus_client
    kinds.Counter = kinds.Gauge = kinds.Histogram = Nothing


def main(arguments: list[str]) -> None:
    """Run one side."""
    stage, arm, records = arguments
    if arm == "off":
        take_away()
    work = importlib.import_module("tests.bench.metrics_work")
    rate = work.measure(stage, int(records), on=arm == "on")
    sys.stdout.write(json.dumps({"records_per_s": rate}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
