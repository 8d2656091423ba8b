"""Events a second through SHOPPERS alone: decode, dedupe, windows, pairs, ledger, totals, flush.

No Kafka: records are handed to a real `Owner` over `MemoryStore` or `RocksStore`, in fetched lists
of 2,000 records, with a commit every `--flush` events. Two mixes of what shoppers do, as in the
target: 3 % and 12 % purchases, a third searches, sessions of 5 to 20 events of about 200 bytes.

    python -m tests.bench.bench_shoppers [--events N] [--flush N] [--active N] [--profile]
    python -m tests.bench.bench_shoppers --memory 1000000 | --long 10000000

Prints a table and writes `.cartograph/bench/shoppers.json`. `--active` is how many sessions go on
at once; each has an event every `3.5 ms * active` of event time.
"""

import argparse
import cProfile
import gc
import json
import pstats
import random
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from streams.events import Click, Event, Purchase, Search, encode_event
from streams.ports import Record, State
from streams.shoppers.stage import TABLES, build_shoppers
from streams.shoppers.windows import MINUTE_MS, WindowSettings
from streams.totals.owner import Owner, Start
from streams.totals.tables import TABLES as TOTALS_TABLES
from topology.store.memory import MemoryStore
from topology.store.rocksdb import RocksStore, StoreMemory

DESTINATIONS = {"searched": 32, "bought": 32, "dead-letters": 1}
LIST_RECORDS = 2_000
TARGET = 250_000
START_MS = 1_760_000_000_000
MIXES = {"light": 0.03, "heavy": 0.12}
_WORDS = tuple(
    "wireless usb cable running shoes women men red black headphones kids toy lego phone case "  # noqa: SIM905
    "glass screen coffee maker steel kitchen knife desk lamp led office chair laptop mouse".split()
)


def shop(n: int, purchases: float, active: int, seed: int = 1) -> Iterator[Event]:
    """A stream of `n` events of many shoppers at once, in order of event time."""
    rng = random.Random(seed)
    products = [f"B{rng.randrange(16**9):09X}" for _ in range(50_000)]
    queries = [" ".join(rng.choices(_WORDS, k=rng.choice((1, 2, 3, 3, 4)))) for _ in range(20_000)]
    at, sessions = START_MS, 0
    visits: list[tuple[str, str, list[str], int] | None] = [None] * active
    for number in range(n):
        at += rng.randrange(8)
        place = rng.randrange(active)
        visit = visits[place]
        if visit is None:
            sessions += 1
            shopper = f"{rng.randrange(1 << 128):032x}"
            visit = (shopper, f"s-{sessions:09d}-{rng.randrange(1 << 32):08x}", [], 0)
            visits[place] = (*visit[:3], rng.randint(5, 20))
        else:
            visits[place] = (*visit[:3], visit[3] - 1) if visit[3] > 1 else None
        shopper, session, asked, _ = visit
        ident, query_id = f"e-{number:010d}-{place:06d}", f"q-{sessions:09d}-{number:09d}"
        kind = rng.random()
        if kind < 0.3 or not asked:
            asked[:] = [query_id]
            query = queries[int(len(queries) ** rng.random()) - 1]
            yield Search(ident, at, shopper, query, query_id, session)
            continue
        product = products[int(len(products) ** rng.random()) - 1]
        if kind < 1 - purchases:
            yield Click(ident, at, shopper, product, asked[0], session)
        else:
            yield Purchase(ident, at, shopper, product, "", session, f"o-{sessions:09d}")


def records_of(n: int, purchases: float, active: int, *, first: int = 0) -> list[Record]:
    """The stream as Kafka records."""
    return [
        Record(first + offset, event.at_ms, event.shopper.encode(), encode_event(event))
        for offset, event in enumerate(shop(n, purchases, active))
    ]


def measure(records: list[Record], store: State, flush: int, *, send: bool) -> tuple[float, Owner]:
    """Events a second of CPU time of one run, and the owner it left."""
    owner = Owner(
        "shoppers", 0, store, build_shoppers(WindowSettings()), DESTINATIONS, graph="bench"
    )
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 1_000)  # as the worker does
    begin = time.process_time()
    for start in range(0, len(records), flush):
        for place in range(start, min(start + flush, len(records)), LIST_RECORDS):
            batch = records[place : min(place + LIST_RECORDS, start + flush)]
            owner.read("events", batch, batch[-1].offset + 1)
        owner.commit()
        if send:
            while owner.take(10_000):
                pass
            owner.settled()
    return len(records) / (time.process_time() - begin), owner


def rows_of(arguments: argparse.Namespace) -> Iterator[dict[str, object]]:
    """One result a mix and store."""
    for mix, purchases in MIXES.items():
        records = records_of(arguments.events, purchases, arguments.active)
        size = sum(len(record.value or b"") for record in records) / len(records)
        for store_name in ("memory", "rocksdb"):
            with tempfile.TemporaryDirectory() as folder:
                store: State
                if store_name == "memory":
                    store = MemoryStore()
                else:
                    tables = sorted({*TABLES, *TOTALS_TABLES})
                    store = RocksStore(Path(folder) / "state", tables)
                rate, owner = measure(records, store, arguments.flush, send=arguments.send)
                if isinstance(store, RocksStore):
                    store.close()
            told = owner.outbox.waiting
            yield {
                "what": f"{mix} mix, {store_name}, {size:.0f} bytes, {told} totals",
                "value": round(rate),
                "unit": "events/s of CPU",
                "peer": None,
                "peer_value": None,
                "ratio": None,
                "target": TARGET if (mix, store_name) == ("light", "memory") else None,
                "met": rate >= TARGET if (mix, store_name) == ("light", "memory") else None,
            }


def crowd(shoppers: int, rounds: int) -> Iterator[Event]:
    """Every shopper once a round, all sessions open at the end: each event misses the cache."""
    rng = random.Random(2)
    step = 25 * MINUTE_MS / (shoppers * rounds)
    for number in range(shoppers * rounds):
        place, turn = number % shoppers, number // shoppers
        at, shopper, session = START_MS + int(number * step), f"{place:032x}", f"s-{place:09d}"
        ident, product = f"e-{number:010d}", f"B{rng.randrange(50_000):09X}"
        if turn == 0:
            query = " ".join(rng.choices(_WORDS, k=2))
            yield Search(ident, at, shopper, query, f"q-{place:09d}", session)
        elif rng.random() < 0.03:
            yield Purchase(ident, at, shopper, product, "", session)
        else:
            yield Click(ident, at, shopper, product, f"q-{place:09d}", session)


def memory(events: Iterator[Event], flush: int, every: int, folder: Path) -> None:
    """Print RSS and speed as the events go by; making them, and the messages, is included."""
    cache = StoreMemory(cache_bytes=256 << 20, write_buffer_bytes=64 << 20)
    store = RocksStore(folder / "state", sorted({*TABLES, *TOTALS_TABLES}), memory=cache)
    owner = Owner(
        "shoppers", 0, store, build_shoppers(WindowSettings()), DESTINATIONS, graph="bench"
    )
    owner.start(Start(claim=1, last_claim=None, ends={}))
    process, began, offset = psutil.Process(), time.process_time(), 0
    while batch := [
        Record(offset + n, event.at_ms, None, encode_event(event))
        for n, event in enumerate(islice(events, flush))
    ]:
        offset += len(batch)
        owner.read("events", batch, offset)
        owner.commit()
        while owner.take(10_000):
            pass
        owner.settled()
        if offset % every < flush:
            rss, rate = process.memory_info().rss >> 20, offset / (time.process_time() - began)
            print(
                f"{offset:>10,} events  {rss:>5} MiB RSS, {cache.used_bytes >> 20} of it RocksDB's "
                f"cache  {rate:>8,.0f} events/s of CPU"
            )
    store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--flush", type=int, default=20_000)
    parser.add_argument("--active", type=int, default=5_000)
    parser.add_argument("--send", action="store_true", help="also make the messages of each commit")
    parser.add_argument("--profile", action="store_true", help="cProfile of the light mix instead")
    parser.add_argument("--out", type=Path, default=Path(".cartograph/bench/shoppers.json"))
    parser.add_argument("--memory", type=int, metavar="SHOPPERS", help="RSS with open sessions")
    parser.add_argument("--long", type=int, metavar="EVENTS", help="RSS over a long light stream")
    arguments = parser.parse_args()
    if arguments.memory:
        with tempfile.TemporaryDirectory() as folder:
            shoppers = arguments.memory
            memory(crowd(shoppers, 3), arguments.flush, shoppers // 2, Path(folder))
        return
    if arguments.long:
        with tempfile.TemporaryDirectory() as folder:
            events = shop(arguments.long, MIXES["light"], arguments.active)
            memory(events, arguments.flush, arguments.long // 10, Path(folder))
        return
    if arguments.profile:
        records = records_of(arguments.events, MIXES["light"], arguments.active)
        profile = cProfile.Profile()
        profile.runcall(measure, records, MemoryStore(), arguments.flush, send=arguments.send)
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)
        return
    results = []
    for row in rows_of(arguments):
        results.append(row)
        print(f"{row['value']:>9,} {row['unit']}  {row['what']}")
    print(f"RSS {psutil.Process().memory_info().rss >> 20} MiB, records included")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
