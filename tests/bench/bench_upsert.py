"""How many totals a second one GRAPH partition takes, on disk, and how that grows with its size.

    python -m tests.bench.bench_upsert --facts 100000 1000000 --totals 300000

A made-up shop of 300 types sells products by Zipf's law. First the graph is built through the
stage itself to about `--facts` facts; then shoppers go on buying, and every total that changes is
read as a record, applied, scored, indexed and committed on RocksDB, and what is to be published is
encoded. As PRODUCTS does, a key that changes several times between two flushes is told once.
"""

import argparse
import gc
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from random import Random

from streams.graph.stage import TABLES, GraphStage, build_graph
from streams.ports import Record
from streams.totals.messages import Claimed, Why, With, encode
from streams.totals.owner import Owner, Start
from streams.totals.tables import TABLES as TOTALS_TABLES
from streams.totals.wire import Sent, encode_total, join, week_key
from tests.one_partition import small_ontology
from topology.scoring import ScoringSettings, step
from topology.store.rocksdb import RocksStore, StoreMemory

TYPES, VALUES, ATTRIBUTES, INTENTS = 300, 12, 4, 10
FACTS_A_PRODUCT = 5.25  # 5 of the catalog; those of sales take 60 totals each to come about
SALES_A_FLUSH = 400  # of PRODUCTS, on the other side of the topic
COMMIT_RECORDS = 20_000  # settings.flush_ms at the target rate
TARGET, RATIO = 100_000, 1.3

Key = tuple[bytes, ...]
_CLAIM = encode(Claimed(0.93, "accepted", "text", "title", ("tagging@1", "cleaning@1")))
_WHY = encode(Why(("shoes for pregnant women",), ("product:1", "product:2"), ("tagging@1",)))


class Shop:
    """Products with a type, values and neighbours that are bought with them."""

    def __init__(self, products: int, seed: int) -> None:
        self.rng = Random(seed)
        self.products = products
        self.totals: dict[Key, int] = {}
        self._popularity = list(accumulate(1 / (rank + 10) for rank in range(products)))
        self._week = 2900

    def types(self, product: int) -> list[bytes]:
        kind = product * 7919 % TYPES
        return [b"type:t%d" % kind, b"type:d%d" % (kind % 15)]

    def values(self, product: int) -> list[bytes]:
        return [
            b"value:a%d/v%d" % (number, product * (31 + number) // 7 % VALUES)
            for number in range(ATTRIBUTES)
        ]

    def records(self) -> Iterator[tuple[Key, int, bytes]]:
        """Facts of the catalog."""
        for product in range(self.products):
            head = b"product:%d" % product
            kind = self.types(product)[0]
            yield (head, b"f", b"has_type", kind, b"catalog"), 1, _CLAIM
            for number, value in enumerate(self.values(product)):
                yield (head, b"f", b"has_attribute:a%d" % number, value, b"text"), 1, _CLAIM

    def sales(self, count: int) -> list[tuple[Key, int, bytes]]:
        """The totals that change by so many baskets of two, each once, as PRODUCTS would tell."""
        changed: dict[Key, bytes] = {}
        if self.rng.random() < 0.01:
            self._week += 1
        week = week_key(self._week)
        firsts = self.rng.choices(range(self.products), cum_weights=self._popularity, k=count)
        for first in firsts:
            other = (first + int(self.rng.paretovariate(1.0))) % self.products
            for product, partner in ((first, other), (other, first)):
                self._sell(product, partner, week, changed)
        return [(key, self.totals[key], payload) for key, payload in changed.items()]

    def _sell(self, product: int, partner: int, week: bytes, changed: dict[Key, bytes]) -> None:
        head, mate = b"product:%d" % product, b"product:%d" % partner
        kinds, values = self.types(product), self.values(product)
        intent = (b"used_for_aud", b"intent:audience/i%d" % self.rng.randrange(INTENTS))
        asked = self.rng.random() < 0.4
        other = self.types(partner)[0]
        bought = step(self.totals.get((mate, b"b", week), 0) + 1)
        kind = kinds[0].decode().removeprefix("type:")
        pair = encode(With(kind, other.decode().removeprefix("type:"), 2, bought))
        self._add(changed, (head, b"b", week))
        self._add(changed, (head, b"c", mate, week), payload=pair)
        for kind_node in kinds:
            self._add(changed, (kind_node, b"n", week))
            for value in values:
                self._add(changed, (kind_node, b"v", value, week))
            if asked:
                self._add(changed, (kind_node, b"i", *intent, week), 2)
                for value in values:
                    self._add(changed, (kind_node, b"x", value, *intent, week), 2, _WHY)
        self._add(changed, (kinds[0], b"t", other, week))

    def _add(self, changed: dict[Key, bytes], key: Key, n: int = 1, payload: bytes = b"") -> None:
        self.totals[key] = self.totals.get(key, 0) + n
        changed[key] = payload


class Graph:
    """One partition of GRAPH on disk."""

    def __init__(self, folder: Path) -> None:
        memory = StoreMemory(cache_bytes=256 << 20, write_buffer_bytes=128 << 20)
        self.store = RocksStore(folder, (*TOTALS_TABLES, *TABLES), memory=memory)
        build = build_graph(ScoringSettings(), small_ontology())
        self.owner = Owner("graph", 0, self.store, build, {"facts": 1}, graph="bench/1")
        self.owner.start(Start(0, None, {}))
        self.offset = self.version = self.published = self._unsaved = 0
        self.seconds = self.cpu = 0.0

    def read(self, told: list[tuple[Key, int, bytes]]) -> None:
        """Apply one fetched batch; commit, and encode what is to be sent, as a worker does."""
        self.version += 1
        records = [
            Record(offset, 0, *encode_total("claims", Sent(0, 0, self.version, join(*key), n, p)))
            for offset, (key, n, p) in enumerate(told, self.offset)
        ]
        self.offset += len(records)
        self._unsaved += len(records)
        with self._timed():
            self.owner.read("claims", records, self.offset)
            if self._unsaved >= COMMIT_RECORDS:
                self._commit()

    def calm(self) -> None:
        """The edge's minute is over."""
        with self._timed():
            self.owner.stage.calm()
            self._commit()

    @contextmanager
    def _timed(self) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.thread_time()
        yield
        self.seconds += time.perf_counter() - wall
        self.cpu += time.thread_time() - cpu

    def _commit(self) -> None:
        self.owner.commit()
        self._unsaved = 0
        self._send()

    def _send(self) -> None:
        while messages := self.owner.take(5_000):
            self.published += len(messages)
        self.owner.settled()

    def facts(self) -> int:
        stage = self.owner.stage
        if not isinstance(stage, GraphStage):
            raise TypeError("GRAPH builds a GraphStage")
        return sum(sum(each.values()) for each in stage.facts.graph.counts().values())


def measure(facts: int, totals: int, folder: Path) -> dict[str, float]:
    """Build a graph of about so many facts and time so many totals on it."""
    shop = Shop(max(int(facts / FACTS_A_PRODUCT), 1), seed=7)
    graph = Graph(folder)
    batch: list[tuple[Key, int, bytes]] = []
    for told in shop.records():
        batch.append(told)
        if len(batch) == 5_000:
            graph.read(batch)
            batch = []
    graph.read(batch)
    loading = graph.offset / graph.seconds
    began_sales = graph.facts()
    while graph.facts() < facts and graph.facts() - began_sales < facts:
        graph.read(shop.sales(SALES_A_FLUSH))
    graph.calm()
    _say(f"{graph.facts():,} facts after {graph.offset:,} totals; timing")
    graph.store.flush()
    for _ in range(20):  # warm, as a worker is that did not just start
        graph.read(shop.sales(SALES_A_FLUSH))
    gc.freeze()
    graph.seconds = graph.cpu = 0.0
    before, published = graph.offset, graph.published
    next_calm = before + totals // 3
    while graph.offset - before < totals:
        graph.read(shop.sales(SALES_A_FLUSH))
        if graph.offset >= next_calm:
            graph.calm()
            next_calm += totals // 3
    done = graph.offset - before
    found = {
        "facts": graph.facts(),
        "totals_per_s": done / graph.seconds,
        "us_per_total": 1e6 * graph.seconds / done,
        "cpu_us_per_total": 1e6 * graph.cpu / done,
        "published_per_s": (graph.published - published) / graph.seconds,
        "new_facts_per_s": loading,
    }
    graph.store.close()
    _say(", ".join(f"{name} {value:,.1f}" for name, value in found.items()))
    return found


def rows_of(found: list[dict[str, float]]) -> list[dict[str, object]]:
    """Rows as every bench writes them."""
    rows: list[dict[str, object]] = []
    for one in found:
        size = f"{one['facts']:,.0f} facts"
        rows.append(_row(f"GRAPH upsert at {size}", one["totals_per_s"], "totals/s", TARGET))
        rows.append(_row(f"CPU of a total at {size}", one["cpu_us_per_total"], "us"))
        rows.append(_row(f"first claims of products, {size}", one["new_facts_per_s"], "totals/s"))
        rows.append(_row(f"published at {size}", one["published_per_s"], "facts/s"))
    if len(found) > 1:
        ratio = found[-1]["cpu_us_per_total"] / found[0]["cpu_us_per_total"]
        row = _row("CPU of a total, largest against smallest graph", ratio, "ratio", RATIO)
        rows.append({**row, "met": ratio <= RATIO})
    return rows


def _row(what: str, value: float, unit: str, target: float | None = None) -> dict[str, object]:
    met = None if target is None else value >= target
    return {
        "what": what,
        "value": round(value, 3),
        "unit": unit,
        "peer": None,
        "peer_value": None,
        "ratio": None,
        "target": target,
        "met": met,
    }


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--facts", type=int, nargs="+", default=[100_000])
    parser.add_argument("--totals", type=int, default=300_000)
    parser.add_argument("--out", type=Path, default=Path(".cartograph/bench/upsert.json"))
    given = parser.parse_args()
    gc.set_threshold(200_000, 20, 1_000)  # as a worker does
    found = []
    for facts in given.facts:
        folder = Path(tempfile.mkdtemp(prefix="cartograph-upsert-"))
        try:
            found.append(measure(facts, given.totals, folder / "store"))
        finally:
            shutil.rmtree(folder)
    rows = rows_of(found)
    for row in rows:
        target = "" if row["target"] is None else f"  target {row['target']:,}  met: {row['met']}"
        print(f"{row['what']:<52} {row['value']:>14,.2f} {row['unit']}{target}")
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
