"""What an event, a purchase, a text, a fact, a visit cost: the table of `cartograph capacity`.

    python -m tests.bench.capacity [--events N] [--products N] [--facts N] [--write]

One graph with all five stages, fed by the sample shop: the catalog cold (CPU of an answer of the
models), then events of which 3 % are purchases, then events as the sample shop has them (about
12 %): from both the CPU of an event and of a purchase in each stage. Sizes of stores and topics are
taken with the catalog alone and at the end. Beside it GRAPH alone at two sizes, SHOPPERS with open
visits, and a replica. `--write` puts the table into `streams/capacity_costs.toml`: run it on a
machine that does nothing else.
"""

import argparse
import asyncio
import datetime
import multiprocessing
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer

from streams import capacity
from streams.process import status
from streams.registry import SPECS
from streams.sample.make import CATALOG, EVENTS, Sizes, make
from streams.settings import Settings
from tests.bench import bench_upsert, memory
from tests.bench import place as places
from tests.bench import serve as serving
from tests.bench.capacity_table import Figures, render, rows, split
from tests.bench.flow import EVENTS_A_SHOPPER, PURCHASES, Event, Flow, thinned
from tests.bench.generate import Feed
from tests.bench.pipeline import warm
from tests.bench.place import Place
from tests.bench.report import FOLDER, save
from topology.store.figures import figures
from topology.store.rocksdb import RocksStore

MOST_PURCHASES = 0.5
"""More than the sample shop has: none is left out."""

COSTS_FILE = Path(capacity.__file__).with_name("capacity_costs.toml")
TOTALS = ("searched", "bought", "asked", "together", "claims", "facts")
VISITS, REPLICA_FACTS, REQUESTS = 200_000, 50_000, 1_000
_TIMEOUT_S = 300.0


class Shop(NamedTuple):
    """The catalog, and events of two mixes, the second after the first."""

    catalog: list[Feed]
    light: list[Event]
    full: list[Event]


class OnDisk(NamedTuple):
    """Bytes on disk at one moment: stores by stage, topics by name."""

    stores: Mapping[str, int]
    topics: Mapping[str, int]


def shop_of(folder: Path, count: int, products: int) -> Shop:
    """The sample shop with about three times `count` events."""
    make(folder, 1, Sizes(products, 3 * count // EVENTS_A_SHOPPER + 1, 28))
    catalog = (folder / CATALOG).read_bytes().splitlines()
    lines = (folder / EVENTS).read_bytes().splitlines()
    cut = len(lines) * 2 // 3
    return Shop(
        [Feed(b"%d" % number, line) for number, line in enumerate(catalog)],
        list(thinned(lines[:cut], 1, PURCHASES)),
        list(thinned(lines[cut:], 1, MOST_PURCHASES)),
    )


def whole_way(place: Place, count: int, products: int) -> Figures:
    """All that one graph of five stages tells."""
    shop = shop_of(place.folder / "sample", count, products)
    flow, found = Flow(place), Figures()
    with flow.running():
        _cold(flow, shop, found)
    first = _sizes(flow, place)
    with flow.running():
        half = len(shop.light) // 2
        _fill(flow, flow.events, shop.light[:half])
        light = warm(flow, shop.light[half:], flow.at_rest(_TIMEOUT_S))
        full = warm(flow, shop.full, light.now)
        found.rss_mib = {
            stage: sample.rss / (1 << 20) for stage, sample in full.now.samples.items()
        }
        asked = full.now.samples["queries"].answers["tagging.model"]
    last = _sizes(flow, place)
    found.cpu_us = split(
        _cpu(light.figures), _bought(shop.light[half:]), _cpu(full.figures), _bought(shop.full)
    )
    events = len(shop.light) + len(shop.full)
    found.queries_event = asked / events
    _shares(found, flow, first, last, events, len(shop.catalog))
    return found


def _cold(flow: Flow, shop: Shop, found: Figures) -> None:
    """Read the catalog, of which no model has seen a text."""
    before = flow.workers["products"].samples[-1].cpu_s
    asyncio.run(places.produce(flow.settings.kafka, flow.catalog, shop.catalog, places.PARTITIONS))
    sample = flow.at_rest(_TIMEOUT_S).samples["products"]
    asked = sample.answers["tagging.model"] + sample.answers["cleaning.model"]
    found.cpu_ms_answer = (sample.cpu_s - before) / asked * 1e3
    found.answers_product = asked / len(shop.catalog)


def _fill(flow: Flow, topic: str, events: Sequence[Event]) -> None:
    feed = [event.feed for event in events]
    asyncio.run(places.produce(flow.settings.kafka, topic, feed, places.PARTITIONS))


def _cpu(figures: Mapping[tuple[str, str], float]) -> dict[str, float]:
    told = {what: value for (what, unit), value in figures.items() if unit == "us/event"}
    return {what.removeprefix("CPU of "): value for what, value in told.items()}


def _bought(events: Sequence[Event]) -> float:
    bought = sum(b'"action_name":"purchase"' in event.feed.value for event in events)
    return bought / len(events)


def _sizes(flow: Flow, place: Place) -> OnDisk:
    """Sizes while the workers are stopped: what is in memory is written out first."""
    stores = {}
    for stage, spec in SPECS.items():
        stores[stage] = 0
        for folder in status.stage_folder(flow.settings, stage).iterdir():
            with RocksStore(folder, spec.all_tables) as store:
                store.flush()
            stores[stage] += sum(file.stat().st_size for file in folder.glob("*.sst"))
    topics = {
        name: sum(
            file.stat().st_size
            for file in place.folder.glob(f"kafka/**/{flow.settings.topic(name)}-*/*.log")
        )
        for name in ("events", "catalog", *TOTALS)
    }
    return OnDisk(stores, topics)


def _shares(
    found: Figures, flow: Flow, first: OnDisk, last: OnDisk, events: int, products: int
) -> None:
    """What of the sizes is the catalog's, and what the events'."""
    facts = len(places.totals(flow.settings, "facts"))
    for stage, size in last.stores.items():
        own = {"event": (size - first.stores[stage]) / events}
        if stage == "graph":
            own = {"fact": size / facts}
        elif stage == "products":
            own = {"product": first.stores[stage] / products, "year": own["event"]}
        elif stage == "queries":
            own = {"year": own["event"]}
        found.disk[stage] = own
    for topic, size in last.topics.items():
        added = (size - first.topics[topic]) / events
        found.written[topic] = added
        if topic == "events":
            found.kept[topic] = {"event": added}
        elif topic == "catalog":
            found.kept[topic] = {"product": size / products}
        else:
            distinct = len(places.totals(flow.settings, topic))
            records = _records(flow.settings, topic)
            thing, count = ("fact", facts) if topic in ("facts", "claims") else ("year", events)
            found.kept[topic] = {thing: size * distinct / max(records, 1) / count}


def _records(settings: Settings, topic: str) -> int:
    async def count() -> int:
        async with AIOKafkaConsumer(bootstrap_servers=settings.kafka) as consumer:
            name = settings.topic(topic)
            return (await places.ends(consumer, [name]))[name]

    return asyncio.run(count())


def beside(found: Figures, place: Place, facts: int) -> None:
    """GRAPH at two sizes, open visits, a replica."""
    costs = []
    for size in (facts, 10 * facts):
        with tempfile.TemporaryDirectory(prefix="run-", dir=FOLDER) as folder:
            store = Path(folder) / "store"
            costs.append(bench_upsert.measure(size, 100_000, store))
            found.index_share = _index_share(store)
    found.graph_tenfold = max(costs[1]["cpu_us_per_total"] / costs[0]["cpu_us_per_total"], 1.0)
    found.graph_facts = costs[0]["facts"]
    few, many = (memory.open_sessions(place, count)[0].value for count in (VISITS // 10, VISITS))
    found.visit_bytes = max(many - few, 0.0) * (1 << 20) / (VISITS - VISITS // 10)
    with tempfile.TemporaryDirectory(prefix="run-", dir=FOLDER) as folder:
        replica = Path(folder) / "replica"
        serving.fill(replica, REPLICA_FACTS)
        size = sum(file.stat().st_size for file in replica.glob("*.sst"))
        found.replica_bytes_fact = size / REPLICA_FACTS
        found.request_cpu_ms = _request_ms(replica)


def _index_share(folder: Path) -> float:
    """Of a store of GRAPH; the larger of the two is the better estimate: a file costs something."""
    with RocksStore(folder, SPECS["graph"].all_tables) as store:
        indexes = figures(store).table_reader_bytes
    return indexes / sum(file.stat().st_size for file in folder.glob("*.sst"))


def _request_ms(replica: Path) -> float:
    """Median time of a page of neighbours: one client, so that it is CPU and little else."""
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serving.answer, args=(replica, theirs), daemon=True)
    server.start()
    try:
        port = ours.recv()
        path = "/v1/nodes/product:1/neighbors?limit=50"
        return serving.measure(port, "neighbors", lambda: path, REQUESTS)[0].value
    finally:
        server.kill()
        server.join()


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=200_000, help="of each of three parts")
    parser.add_argument("--products", type=int, default=6_000)
    parser.add_argument("--facts", type=int, default=100_000, help="of GRAPH, and ten times these")
    parser.add_argument("--write", action="store_true", help=f"to {COSTS_FILE.name}")
    places.options(parser, runs=None)
    arguments = parser.parse_args()
    with places.place(arguments) as place:
        found = whole_way(place, arguments.events, arguments.products)
        beside(found, place, arguments.facts)
    when = datetime.datetime.now(datetime.UTC).strftime("%B %Y")
    text = render(found, f"{when}, {os.cpu_count()} cores with the broker beside them")
    save("capacity", rows(capacity.read(text)))
    if arguments.write:
        COSTS_FILE.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
