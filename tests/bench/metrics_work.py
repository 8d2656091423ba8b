"""The work of `tests.bench.metrics`: one partition that reads, commits, sends, and is watched."""

import asyncio
import gc
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import prometheus_client

from streams import metrics
from streams.answers import ANSWERS, no_models
from streams.counted import Counted
from streams.events import Product, encode_product
from streams.fetch import Span
from streams.graph import TABLES as GRAPH_TABLES
from streams.graph import build_graph
from streams.graph_quality import FactQuality
from streams.models import Models
from streams.owner import Owner, Start
from streams.partition import Pace, Partition
from streams.ports import Message, Record
from streams.product_quality import ProductQuality
from streams.product_reading import ProductSettings
from streams.product_rows import TABLES as PRODUCT_TABLES
from streams.products import build_products
from streams.settings import Settings
from streams.shoppers import TABLES as SHOPPER_TABLES
from streams.shoppers import build_shoppers
from streams.stage_report import StageReport
from streams.totals import TABLES as TOTALS_TABLES
from streams.windows import WindowSettings
from streams.wire import Sent, encode_total, join
from tests.bench.bench_shoppers import records_of
from tests.bench.bench_upsert import SALES_A_FLUSH
from tests.bench.bench_upsert import Shop as ShopOfTotals
from tests.one_partition import small_ontology
from topology.scoring import ScoringSettings
from topology.store.rocksdb import RocksStore, StoreMemory

_LIST_RECORDS = 2_000
_FLUSH_RECORDS = 20_000
_REPORT_CPU_S, _SCRAPE_CPU_S = 1.0, 5.0
_CATALOG_PRODUCTS = 1_000
_MIB = 1 << 20

Work = tuple[str, tuple[str, ...], Callable[..., Any], dict[str, int], Iterator[Record]]
"""Input topic, tables, how the stage is built, outputs, records without end."""


class Open:
    """A lease that never ends."""

    async def wait(self, wanted: Callable[[], bool]) -> bool:
        return wanted()


def measure(stage: str, records: int, *, on: bool) -> float:
    """Records a second of CPU time, after a quarter as many that are not timed."""
    if not on:
        _count_nothing()
    with tempfile.TemporaryDirectory(prefix="metrics-") as folder:
        return asyncio.run(_measure(stage, records, Path(folder) / "store", on=on))


def _count_nothing() -> None:
    def nothing(*_: Any, **__: Any) -> None:
        pass

    for kind, names in (
        (Counted, ("add", "flush")),
        (FactQuality, ("moved", "read", "flush")),
        (ProductQuality, ("move", "flush")),
    ):
        for name in names:
            setattr(kind, name, nothing)


async def _measure(stage: str, records: int, folder: Path, *, on: bool) -> float:
    topic, tables, build, outputs, stream = _WORK[stage]()
    memory = StoreMemory(cache_bytes=256 * _MIB, write_buffer_bytes=128 * _MIB)
    store = RocksStore(folder, (*TOTALS_TABLES, *tables, ANSWERS), memory=memory)
    owner = Owner(stage, 0, store, build, outputs, graph="bench/1")
    models = None
    if stage == "products":
        models = Models.load(Settings(device="cpu", model_threads=1), ("tagging", "cleaning"))
    owner.start(Start(0, None, {}))
    partition = Partition(
        owner,
        store,
        topics={topic: topic},
        lease=Open(),  # type: ignore[arg-type]
        send=_send,
        answer=models.answer if models else no_models,
        pace=Pace(1e9, _FLUSH_RECORDS, 5_000, 10**9),
    )
    running = asyncio.create_task(partition.run())
    watch = _Watch(stage, partition, memory) if on else None
    await _feed(partition, topic, stream, records // 4, watch)
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 1_000)  # as the worker does
    taken = await _feed(partition, topic, stream, records, watch)
    partition.close()
    await running
    if models is not None:
        models.close()
    return records / taken


class _Watch:
    """What a worker does besides for its metrics; by CPU time, as a busy machine is no cost."""

    def __init__(self, stage: str, partition: Partition, memory: StoreMemory) -> None:
        self._partition, self._report = partition, StageReport(stage, memory)
        self._turn, self._reported, self._scraped = 0, 0.0, 0.0

    def look(self) -> None:
        now = time.process_time()
        if now - self._reported >= _REPORT_CPU_S:
            self._reported = now
            self._partition.report.update(self._partition.owner.tally)
            self._report.tell([self._partition], turn=self._turn)
            self._turn += 1
        if now - self._scraped >= _SCRAPE_CPU_S:
            self._scraped = now
            prometheus_client.generate_latest(metrics.REGISTRY)


async def _feed(
    partition: Partition, topic: str, stream: Iterator[Record], count: int, watch: _Watch | None
) -> float:
    """Read so many records; seconds of CPU, without making them."""
    taken, left = 0.0, count
    while left > 0:
        records = list(islice(stream, min(left, _LIST_RECORDS)))
        left -= len(records)
        begun = time.process_time()
        span = Span(records[0].offset, records[-1].offset + 1, records, 1)
        await partition.read(topic, span)
        await asyncio.sleep(0)
        if watch is not None:
            watch.look()
        taken += time.process_time() - begun
    begun = time.process_time()
    await partition.drain()
    return taken + time.process_time() - begun


async def _send(messages: Sequence[Message], source_ms: int | None) -> None:
    del messages, source_ms


def _shoppers() -> Work:
    def stream() -> Iterator[Record]:
        first = 0
        while True:
            for record in records_of(200_000, 0.03, 5_000, first=first):
                yield record
                first = record.offset + 1

    build = build_shoppers(WindowSettings())
    outputs = {"searched": 32, "bought": 32, "dead-letters": 1}
    return "events", SHOPPER_TABLES, build, outputs, stream()


def _graph() -> Work:
    def stream() -> Iterator[Record]:
        shop, offset, version = ShopOfTotals(20_000, seed=7), 0, 0
        told: Any = list(shop.records())
        while True:
            version += 1
            for key, n, payload in told:
                sent = Sent(0, 0, version, join(*key), n, payload)
                yield Record(offset, 1_760_000_000_000 + offset, *encode_total("claims", sent))
                offset += 1
            told = shop.sales(SALES_A_FLUSH)

    build = build_graph(ScoringSettings(), small_ontology())
    return "claims", GRAPH_TABLES, build, {"facts": 1, "dead-letters": 1}, stream()


def _products() -> Work:
    def stream() -> Iterator[Record]:
        colors, offset = ("red", "blue", "green"), 0
        while True:
            product = Product(
                id=f"p{offset % _CATALOG_PRODUCTS}",
                title=f"Red running shoes number {offset}",
                category=("Fashion", "Running shoes"),
                attributes={
                    "baseColour": [colors[offset % 3]],
                    "weight": [f"{offset % 90} g"],
                },
                position=(0, offset),
            )
            yield Record(offset, 0, product.id.encode(), encode_product(product))
            offset += 1

    build = build_products(ProductSettings(), small_ontology())
    outputs = {"claims": 1, "together": 1, "dead-letters": 1}
    return "catalog", PRODUCT_TABLES, build, outputs, stream()


_WORK: dict[str, Callable[[], Work]] = {
    "shoppers": _shoppers,
    "graph": _graph,
    "products": _products,
}
