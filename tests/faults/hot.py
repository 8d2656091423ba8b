"""What one shopper in half of all events costs the others: `python -m tests.faults.hot`.

One partition of SHOPPERS in memory, flushed every `--flush` events as a worker would that is not
behind; the hot shopper has one session that never ends. Prints events a second of both streams,
by slices: where the hot one falls from slice to slice, the cost of an event grows with its session.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator

import msgspec

from streams.events import encode_event
from streams.ports import Record
from streams.shoppers import Shoppers
from streams.windows import WindowSettings
from tests.bench.generate import events, made_up_shop
from tests.one_partition import OnePartition

_AHEAD_MS = 3_600_000


def stream(count: int, purchases: float, share: float) -> Iterator[tuple[int, bytes]]:
    """(event time, event): this share of the events is the hot shopper's."""
    rng = random.Random(7)
    for event in events(count, purchases, shop=made_up_shop()):
        if rng.random() < share:
            event = msgspec.structs.replace(event, shopper="hot", session="s-hot")
        yield event.at_ms, encode_event(event)


def rates(count: int, purchases: float, share: float, flush: int, slices: int) -> list[float]:
    """Events a second in each slice of a stream."""
    one = OnePartition(
        "shoppers", lambda wiring: Shoppers(wiring, WindowSettings()), ("searched", "bought")
    )
    owner, found = one.owner, list[float]()
    rows = list(stream(count, purchases, share))
    size = count // slices
    for part in range(slices):
        began = time.perf_counter()
        for begin in range(part * size, (part + 1) * size, flush):
            batch = rows[begin : begin + flush]
            records = [
                Record(begin + n, at + _AHEAD_MS, b"k", value)
                for n, (at, value) in enumerate(batch)
            ]
            owner.read("events", records, begin + len(batch))
            owner.commit()
            while owner.take(10_000):
                owner.settled()
                owner.commit()
        found.append(size / (time.perf_counter() - began))
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=120_000)
    parser.add_argument("--flush", type=int, default=500)
    parser.add_argument("--slices", type=int, default=4)
    args = parser.parse_args()
    for purchases in (0.0, 0.03, 0.12):
        for share in (0.0, 0.5):
            found = rates(args.events, purchases, share, args.flush, args.slices)
            told = "  ".join(f"{rate:>9,.0f}" for rate in found)
            print(f"purchases {purchases:4.0%}  hot {share:4.0%}  events/s {told}", flush=True)


if __name__ == "__main__":
    main()
