"""What the stages of `tests.bench.metrics` are given: records without an end, and free models."""

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Any

from models_onnx.spans import Claim, Judged, Span, Tagged, Text
from streams.events import Product, encode_product
from streams.graph.stage import TABLES as GRAPH_TABLES
from streams.graph.stage import build_graph
from streams.models.models import Models
from streams.ports import Record
from streams.products.reading import ProductSettings
from streams.products.rows import TABLES as PRODUCT_TABLES
from streams.products.stage import build_products
from streams.queries import TABLES as QUERY_TABLES
from streams.queries import QuerySettings, build_queries
from streams.route.stage import Route, RouteSettings
from streams.settings import Settings
from streams.shoppers.stage import TABLES as SHOPPER_TABLES
from streams.shoppers.stage import build_shoppers
from streams.shoppers.windows import WindowSettings
from streams.totals.messages import ASKED, BOUGHT
from streams.totals.wire import Sent, encode_total, join, week_key
from tests.bench import bench_route
from tests.bench.bench_shoppers import records_of
from tests.bench.bench_upsert import SALES_A_FLUSH
from tests.bench.bench_upsert import Shop as ShopOfTotals
from tests.bench.metrics_side import PartitionSide, RouteSide, Side, Work
from tests.one_partition import small_ontology
from topology.scoring import ScoringSettings

_CATALOG_PRODUCTS = 1_000
_QUERIES = 20_000
_START_MS = 1_760_000_000_000
_TAGGED = Tagged(
    (Span(0, 3, "color", "Red", 0.9), Span(4, 17, "product_type", "running shoes", 0.95))
)
_JUDGED = Judged(0.95, "accepted")


class FreeTagger:
    """Says the same of every text, at no cost."""

    bundle_id = "tagging@0.0.0-free"

    async def tag_async(self, texts: Sequence[Text]) -> list[Tagged]:
        return [_TAGGED] * len(texts)

    def close(self) -> None:
        pass


class FreeCleaner:
    """Accepts every claim, at no cost."""

    bundle_id = "cleaning@0.0.0-free"
    attributes = frozenset(("product_type", "color", "weight"))

    async def judge_async(self, claims: Sequence[Claim]) -> list[Judged]:
        return [_JUDGED] * len(claims)

    def close(self) -> None:
        pass


def _free() -> Models:
    return Models(FreeTagger(), FreeCleaner())


def _real() -> Models:
    return Models.load(Settings(device="cpu", model_threads=1), ("tagging", "cleaning"))


def shopper_records() -> Iterator[Record]:
    """Events, 3 % of them purchases."""
    first = 0
    while True:
        for record in records_of(200_000, 0.03, 5_000, first=first):
            yield record
            first = record.offset + 1


def source_records() -> Iterator[Record]:
    """The same events of a shop over and over."""
    made, first = bench_route.records(100_000, 0.03, seed=7), 0
    while True:
        for record in made:
            yield record._replace(offset=first + record.offset)
        first += len(made)


def searched_records() -> Iterator[Record]:
    """Shoppers who used a query and bought behind it, one more each time, by Zipf's law."""
    rng, totals, offset = Random(7), dict[tuple[bytes, ...], int](), 0
    weights = list(accumulate(1 / (rank + 10) for rank in range(_QUERIES)))
    while True:
        week = week_key(2900 + offset // 500_000)
        for query in rng.choices(range(_QUERIES), cum_weights=weights, k=1_000):
            name, text = b"%08x" % query, b"red running shoes number %d" % query
            keys: list[tuple[tuple[bytes, ...], bytes]] = [((name, ASKED, week), text)]
            if rng.random() < 0.3:
                product = b"p%d" % (query * 7 + rng.randrange(5))
                keys.append(((name, BOUGHT, product, week), b""))
            for key, payload in keys:
                totals[key] = n = totals.get(key, 0) + 1
                sent = Sent(0, 0, offset, join(*key), n, payload)
                yield Record(offset, _START_MS + offset, *encode_total("searched", sent))
                offset += 1


def claimed_records() -> Iterator[Record]:
    """A catalog, then what sales change of its totals."""
    shop, offset, version = ShopOfTotals(20_000, seed=7), 0, 0
    told: Any = list(shop.records())
    while True:
        version += 1
        for key, n, payload in told:
            sent = Sent(0, 0, version, join(*key), n, payload)
            yield Record(offset, _START_MS + offset, *encode_total("claims", sent))
            offset += 1
        told = shop.sales(SALES_A_FLUSH)


def catalog_records() -> Iterator[Record]:
    """A catalog over and over; every record has another title, and mostly another colour."""
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


Make = Callable[[Path, int], Side]
"""(folder of its store, records of a commit) -> a stage of its own."""


def _partition(stage: str, made: Callable[[], Work], models: Callable[[], Models] = _free) -> Make:
    return lambda folder, flush: PartitionSide(stage, made(), models(), folder, flush)


def _route(folder: Path, flush: int) -> Side:
    del folder, flush
    return RouteSide("t", Route(RouteSettings({"t": "native"}, b"0123456789abcdef", 32)))


def _shoppers() -> Work:
    outputs = {"searched": 32, "bought": 32, "dead-letters": 1}
    return Work("events", SHOPPER_TABLES, build_shoppers(WindowSettings()), outputs)


def _queries() -> Work:
    build = build_queries(QuerySettings(bundle=FreeTagger.bundle_id), small_ontology())
    return Work("searched", QUERY_TABLES, build, {"asked": 32, "dead-letters": 1})


def _products() -> Work:
    build = build_products(ProductSettings(), small_ontology())
    outputs = {"claims": 1, "together": 1, "dead-letters": 1}
    return Work("catalog", PRODUCT_TABLES, build, outputs)


def _graph() -> Work:
    build = build_graph(ScoringSettings(), small_ontology())
    return Work("claims", GRAPH_TABLES, build, {"facts": 1, "dead-letters": 1})


STAGES: dict[str, tuple[int, Callable[[], Iterator[Record]], Make]] = {
    "route": (4_000, source_records, _route),
    "shoppers": (4_000, shopper_records, _partition("shoppers", _shoppers)),
    "queries": (4_000, searched_records, _partition("queries", _queries)),
    "products": (200, catalog_records, _partition("products", _products)),
    "products-models": (50, catalog_records, _partition("products", _products, _real)),
    "graph": (4_000, claimed_records, _partition("graph", _graph)),
}
"""Name -> records of a piece, which is one commit; all records; how the stage is made."""
