"""GRAPH: totals a second on disk, and what one costs as the graph grows.

    python -m tests.bench.upsert [--events N] [--facts N ...] [--runs N]

The stage on RocksDB in this process, without Kafka: what is timed is taking a total in, scoring,
indexing, committing, and encoding what is to be published (`bench_upsert.py` says how).
"""

import argparse
import statistics
import tempfile
from pathlib import Path

from tests.bench.bench_upsert import RATIO, TARGET, measure
from tests.bench.report import FOLDER, Row, row, save


def rows_of(found: dict[int, list[dict[str, float]]]) -> list[Row]:
    """The figures of every size, and how the largest compares with the smallest."""
    rows = []
    for runs in found.values():
        size = f"{statistics.median(run['facts'] for run in runs):,.0f} facts"
        rates = [run["totals_per_s"] for run in runs]
        rows.append(row(f"GRAPH, {size}", rates, "totals/s", at_least=TARGET))
        published = [run["published_per_s"] for run in runs]
        rows.append(row(f"published, {size}", published, "facts/s"))
        built = [run["new_facts_per_s"] for run in runs]
        rows.append(row(f"first claims of products, {size}", built, "totals/s"))
    smallest, largest = min(found), max(found)
    if smallest != largest:
        rows.append(
            row(
                f"cost of a total at {largest:,} facts",
                [run["us_per_total"] for run in found[largest]],
                "us/total",
                peer=f"itself at {smallest:,}",
                peer_runs=[run["us_per_total"] for run in found[smallest]],
                at_most=RATIO,
            )
        )
    return rows


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--facts", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--events", type=int, default=300_000, help="totals that are timed")
    parser.add_argument("--runs", type=int, default=1, help="of each size; the median counts")
    arguments = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    found: dict[int, list[dict[str, float]]] = {}
    for facts in arguments.facts:
        for _ in range(arguments.runs):
            with tempfile.TemporaryDirectory(prefix="run-", dir=FOLDER) as folder:
                told = measure(facts, arguments.events, Path(folder) / "store")
            found.setdefault(facts, []).append(told)
            print(f"  {facts:,} facts: {told['totals_per_s']:,.0f} totals/s", flush=True)
    save("upsert", rows_of(found))


if __name__ == "__main__":
    main()
