"""What one shopper, or one product, in half of all events costs: `python -m tests.faults.hot`.

Shopper: one partition of SHOPPERS in memory, flushed every `--flush` events as a worker would that
is not behind; the hot shopper has one session that never ends. Product: all stages behind ROUTE in
one process over RocksDB, rules instead of models, no network; half of what is clicked or bought is
one product, which all others are bought with. Both print events a second by slices, without and
with the hot key: where these fall from slice to slice with it alone, an event's cost grows with its
key. For a product the times of the stages are shown too.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from streams.events import Event, Product, Search, encode_event, encode_product
from streams.ports import Message, Record
from streams.registry import SPECS
from streams.shoppers.stage import Shoppers
from streams.shoppers.windows import WindowSettings
from tests.bench.generate import Shop, events, made_up_shop
from tests.in_process import STAGES, InProcess, lexicon, settings
from tests.one_partition import OnePartition
from topology.store.rocksdb import RocksStore

_AHEAD_MS = 3_600_000
_PRODUCTS, _QUERIES = 2_000, 500
_BEHIND_ROUTE = tuple(name for name in STAGES if name != "route")
_PURCHASES = 0.12
_NOW_MS = 1_800_000_000_000


def stream(count: int, purchases: float, share: float) -> Iterator[Event]:
    """This share of the events is the hot shopper's."""
    rng = random.Random(7)
    for event in events(count, purchases, shop=made_up_shop()):
        if rng.random() < share:
            event = msgspec.structs.replace(event, shopper="hot", session="s-hot")
        yield event


def of_one_product(count: int, purchases: float, share: float, shop: Shop) -> Iterator[Event]:
    """This share of what is clicked and bought is one product."""
    rng = random.Random(7)
    for event in events(count, purchases, shop=shop):
        if not isinstance(event, Search) and rng.random() < share:
            event = msgspec.structs.replace(event, product=shop.products[0])
        yield event


def rates(count: int, purchases: float, share: float, flush: int, slices: int) -> list[float]:
    """Events a second through SHOPPERS in each slice of a stream."""
    one = OnePartition(
        "shoppers", lambda wiring: Shoppers(wiring, WindowSettings()), ("searched", "bought")
    )
    owner, found = one.owner, list[float]()
    rows = [(event.at_ms, encode_event(event)) for event in stream(count, purchases, share)]
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


def sample_shop(rng: random.Random) -> tuple[Shop, list[Product]]:
    """Products and queries in words that the rules know."""
    words = lexicon()
    types, colors = words["product_type"], words["baseColour"]
    titles = [f"{rng.choice(colors)} {rng.choice(types)}" for _ in range(_PRODUCTS)]
    products = [Product(f"p{n}", title, position=(0, n)) for n, title in enumerate(titles)]
    queries = [f"{rng.choice(colors)} {rng.choice(types)}" for _ in range(_QUERIES)]
    return Shop([product.id for product in products], queries), products


class Timed(InProcess):
    """The stages, and the seconds of each."""

    def __init__(self, stores: Mapping[str, Any]) -> None:
        super().__init__(stores, _NOW_MS, settings())
        self.seconds: Counter[str] = Counter()

    def land(self, topic: str, values: list[bytes]) -> None:
        """Records on an input topic."""
        for value in values:
            self._land(Message(topic, 0, b"k", value))

    def pass_on(self) -> None:
        """Every stage reads what it has, commits and sends, once."""
        for name in _BEHIND_ROUTE:
            began = time.perf_counter()
            self._work(name)
            self.seconds[name] += time.perf_counter() - began


def product_rates(
    folder: Path, count: int, share: float, flush: int, slices: int
) -> list[tuple[float, dict[str, float]]]:
    """Events a second through all stages in each slice, and us an event of each stage."""
    shop, products = sample_shop(random.Random(3))
    stores = {name: RocksStore(folder / name, SPECS[name].all_tables) for name in STAGES}
    stages = Timed(stores)
    found = list[tuple[float, dict[str, float]]]()
    stages.land("catalog", [encode_product(each) for each in products])
    stages.settle()
    values = [encode_event(event) for event in of_one_product(count, _PURCHASES, share, shop)]
    size = count // slices
    for part in range(slices):
        stages.seconds.clear()
        for begin in range(part * size, (part + 1) * size, flush):
            stages.land("events", values[begin : begin + flush])
            stages.pass_on()
        spent = {name: seconds / size * 1e6 for name, seconds in stages.seconds.items()}
        found.append((1e6 / sum(spent.values()), spent))
    for store in stores.values():
        store.close()
    return found


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=120_000)
    parser.add_argument("--flush", type=int, default=500)
    parser.add_argument("--slices", type=int, default=4)
    args = parser.parse_args()
    print("one shopper in a share of all events: events/s of SHOPPERS, by slices")
    for purchases in (0.0, 0.03, 0.12):
        for share in (0.0, 0.5):
            rate = rates(args.events, purchases, share, args.flush, args.slices)
            told = "  ".join(f"{each:>9,.0f}" for each in rate)
            print(f"purchases {purchases:4.0%}  hot {share:4.0%}  {told}", flush=True)
    print("one product in a share of what is bought or clicked: events/s of all stages, us of each")
    for share in (0.0, 0.5):
        with tempfile.TemporaryDirectory() as name:
            found = product_rates(Path(name), args.events, share, args.flush, args.slices)
        for each, spent in found:
            told = "  ".join(f"{name} {us:.0f}" for name, us in spent.items())
            print(
                f"purchases {_PURCHASES:4.0%}  hot {share:4.0%}  {each:>9,.0f}  {told}", flush=True
            )


if __name__ == "__main__":
    main()
