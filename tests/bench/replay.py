"""A replay beside the live pipeline, on the same input in one run.

    python -m tests.bench.replay [--products N] [--shoppers N]

The sample shop is put into the shop's topics; all stages read it, live; then, while they rest, it
is replayed from `graph.events` and from the totals, each into stores of its own. Records a second,
from the first stage that is ready until the last fact is told; the live pipeline's include ROUTE.
"""

import argparse
import tempfile
from pathlib import Path

from streams.broker import process
from streams.sample.make import Sizes
from tests.bench.report import Row, row, save
from tests.kafka.replay_real import sample_records, sample_settings
from tests.kafka.replayed import Rate, Saying, measure


def rows_of(rates: list[Rate]) -> list[Row]:
    """The figures: events a second of each way beside the live one's, and seconds."""
    live = rates[0]
    rows = [row(f"live: {live.records:,} records", [live.per_second], "records/s")]
    for each in rates[1:]:
        rows.append(
            row(
                f"replay from {each.way}: {each.records:,} records, seconds as live / replay",
                [live.seconds / each.seconds],
                "times as fast",
            )
        )
        rows.append(row(f"replay from {each.way}", [each.per_second], "records/s"))
    same = float(len({each.digest for each in rates}))
    return [*rows, row("digests", [same], "different ones", at_most=1.0)]


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    sizes = Sizes()
    parser.add_argument("--products", type=int, default=sizes.products)
    parser.add_argument("--shoppers", type=int, default=sizes.shoppers)
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="cartograph-replay-") as tmp,
        process.running(Path(tmp) / "kafka") as broker,
    ):
        settings = sample_settings(broker.address, Path(tmp))
        chosen = Sizes(arguments.products, arguments.shoppers, sizes.days)
        records = sample_records(Path(tmp) / "sample", chosen)
        save("replay", rows_of(measure(settings, records, Saying("replay"))))


if __name__ == "__main__":
    main()
