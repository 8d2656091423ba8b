"""What metrics cost: the same work with all of them and with none, in turns.

    python -m tests.bench.metrics [--rounds N] [--stages shoppers,graph,products]

One partition of a stage on RocksDB, read, committed and sent as a worker does it (`Partition`),
with a network that costs nothing; PRODUCTS with its models on one thread, and a title and a colour
that are new in every record. Each round runs both sides, in processes of their own, which of them
first by turns; the figure is records a second of CPU time, medians, and the target is of their
ratio. *On*: every metric, what a worker reports once a second, and a scrape every five seconds
(Prometheus asks every 15 to 60). *Off*: metrics that do nothing, no report, no scrape, and no
counting of quality in the stages. What both have: the integers of `CacheCount`, and the clock
readings of `StepTimes`.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence

from tests.bench.report import REPOSITORY, Row, row, save

STAGES = ("shoppers", "graph", "products")
AT_LEAST = 0.98
_TIMEOUT_S = 600


def round_of(stage: str, arm: str, records: int) -> float:
    """Records a second of CPU time."""
    words = [sys.executable, "-m", "tests.bench.metrics_arm", stage, arm, str(records)]
    done = subprocess.run(
        words, cwd=REPOSITORY, check=True, capture_output=True, text=True, timeout=_TIMEOUT_S
    )
    return float(json.loads(done.stdout.splitlines()[-1])["records_per_s"])


def rows_of(stage: str, rounds: int, records: int) -> list[Row]:
    """The figure of one stage."""
    rates: dict[str, list[float]] = {"on": [], "off": []}
    for number in range(rounds):
        order = ("on", "off") if number % 2 else ("off", "on")
        for arm in order:
            rates[arm].append(round_of(stage, arm, records))
        print(f"  {stage}: on {rates['on'][-1]:,.0f}, off {rates['off'][-1]:,.0f}", flush=True)
    what = f"{stage}, {records:,} records with all metrics"
    return [
        row(what, rates["on"], "records/CPU s", peer="none", peer_runs=rates["off"],
            at_least=AT_LEAST)
    ]  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--records", type=int, default=400_000, help="of SHOPPERS; others fewer")
    parser.add_argument("--stages", default=",".join(STAGES))
    asked = parser.parse_args(arguments)
    fewer = {"shoppers": 1, "graph": 2, "products": 200}
    rows: list[Row] = []
    for stage in asked.stages.split(","):
        rows += rows_of(stage, asked.rounds, asked.records // fewer[stage])
    save("metrics", rows)


if __name__ == "__main__":
    main()
