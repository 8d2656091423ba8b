"""Reading speed of `cartograph serve`: HTTP answers over a replica of some 100,000 facts.

    .venv/bin/python -m tests.bench.serve [--facts 100000] [--requests 2000]

A real server process with the shipped tagger over a RocksDB replica; one client on loopback asks
one question after the other on one connection, as a search page does.
"""

import argparse
import asyncio
import http.client
import multiprocessing
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import quote, urlencode

from streams.ports import Record
from streams.serve.api import build_api
from streams.serve.reader import AsOf, Readiness
from streams.serve.replica import TABLES, Replica
from streams.serve.server import _listen, _server, load_tagger
from streams.settings import Settings
from tests.bench.report import Row, row, save
from tests.serve_graph import a_fact, told
from topology.facts import STATUSES, Evidence, Fact, concept_node, intent_node, text_of, type_node
from topology.graph import Graph
from topology.ontology import default_ontology
from topology.store.rocksdb import RocksStore

_BATCH = 500
TYPES = sorted(default_ontology().types)[:120]
COLORS = [f"shade-{n}" for n in range(40)]
FEATURES = [f"feature-{n}" for n in range(40)]
AUDIENCES = [f"audience number {n}" for n in range(120)]
_WHY = Evidence(
    weeks=(2800, 2801, 2802, 2803, 2804),
    queries=tuple(f"a query that five shoppers used, {n}" for n in range(5)),
    products=tuple(f"product:{n}" for n in range(5)),
    bundles=("tagging@1.0.0-int8-cpu",),
)


def facts(rng: random.Random) -> Iterator[Fact]:
    """Products with their type and three values, and intents of concepts, without end."""
    made: set[tuple[str, str, str]] = set()
    number = 0
    while True:
        number += 1
        product = f"product:{number}"
        yield a_fact(product, "has_type", type_node(rng.choice(TYPES)))
        for color in rng.sample(COLORS, 2):
            status = rng.choice(STATUSES)
            yield a_fact(product, "has_attribute:color", f"value:color/{color}", status=status)
        yield a_fact(product, "has_attribute:feature", f"value:feature/{rng.choice(FEATURES)}")
        for _ in range(3):
            kind, feature = rng.choice(TYPES), rng.choice(FEATURES)
            audience = rng.choice(AUDIENCES)
            if (kind, feature, audience) not in made:
                made.add((kind, feature, audience))
                yield a_fact(
                    concept_node(kind, "feature", feature),
                    "used_for_aud",
                    intent_node("audience", audience),
                    score=rng.random(),
                    status=rng.choice(STATUSES),
                    evidence=_WHY,
                )


class DiskReader:
    """A replica on disk that nobody feeds."""

    def __init__(self, folder: Path) -> None:
        self.tables = RocksStore(folder, TABLES)
        self.replica = Replica(self.tables, graph="bench/1")

    @property
    def graph(self) -> Graph:
        return self.replica.graph

    def as_of(self) -> AsOf:
        return AsOf(self.replica.offsets.get(0, 0), 0, 0, 0)


def fill(folder: Path, count: int) -> float:
    """Read so many facts as from the topic, in batches of a follower; facts a second."""
    reader = DiskReader(folder)
    every = islice(facts(random.Random(1)), count)
    records = [Record(n, 0, *told(fact, version=n + 1)) for n, fact in enumerate(every)]
    begun = time.perf_counter()
    for place in range(0, len(records), _BATCH):
        part = records[place : place + _BATCH]
        reader.replica.read(0, part, place + len(part))
        reader.replica.commit()
    rate = len(records) / (time.perf_counter() - begun)
    reader.tables.flush()
    reader.tables.close()
    return rate


def answer(folder: Path, pipe: Connection) -> None:
    """The server's process."""
    listener = _listen(Settings(http_port=0))
    tagger = load_tagger(Settings())
    api = build_api(DiskReader(folder), tagger, default_ontology(), lambda: Readiness(True, (), {}))
    pipe.send(listener.getsockname()[1])
    asyncio.run(_server(api).serve(sockets=[listener]))


def measure(port: int, what: str, path: Callable[[], str], requests: int) -> list[Row]:
    """Median and 99th percentile of so many answers, one after the other."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    taken = []
    for _ in range(requests):
        url = path()
        begun = time.perf_counter()
        client.request("GET", url)
        response = client.getresponse()
        response.read()
        taken.append((time.perf_counter() - begun) * 1_000)
        if response.status != 200:
            raise RuntimeError(f"{url}: {response.status}")
    client.close()
    cuts = statistics.quantiles(taken, n=100)
    return [row(f"{what}, p50", [cuts[49]], "ms"), row(f"{what}, p99", [cuts[98]], "ms")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--facts", type=int, default=100_000)
    parser.add_argument("--requests", type=int, default=2_000)
    chosen = parser.parse_args()
    rng = random.Random(2)
    ours, theirs = multiprocessing.Pipe()
    with tempfile.TemporaryDirectory(prefix="cartograph-bench-") as base:
        folder = Path(base) / "replica"
        rows = [row(f"replica reads {chosen.facts:,} facts", [fill(folder, chosen.facts)], "/s")]
        server = multiprocessing.get_context("spawn").Process(target=answer, args=(folder, theirs))
        server.start()
        try:
            port = ours.recv()
            for what, path in questions(rng).items():
                rows += measure(port, what, path, chosen.requests)
        finally:
            server.terminate()
            server.join()
    save("serve", rows)


def questions(rng: random.Random) -> dict[str, Callable[[], str]]:
    """What is asked -> the path of the next such question."""

    def node() -> str:
        nodes = (
            f"product:{rng.randrange(10_000) + 1}",
            concept_node(rng.choice(TYPES), "feature", rng.choice(FEATURES)),
            intent_node("audience", rng.choice(AUDIENCES)),
            type_node(rng.choice(TYPES)),
        )
        return quote(rng.choice(nodes), safe="")

    def hub() -> str:
        return quote(f"value:color/{rng.choice(COLORS)}", safe="")

    def intents(text: str) -> str:
        return "/v1/intents?" + urlencode({"q": text})

    def query() -> str:
        return f"{text_of(rng.choice(TYPES))} for {rng.choice(AUDIENCES)}"

    known = [query() for _ in range(50)]
    number = iter(range(1_000_000))
    return {
        "liveness": lambda: "/livez",
        "neighbors, 50": lambda: f"/v1/nodes/{node()}/neighbors?limit=50&status=all",
        "neighbors of a hub, 50": lambda: f"/v1/nodes/{hub()}/neighbors?limit=50",
        "intents, query read before": lambda: intents(rng.choice(known)),
        "intents, query nobody asked": lambda: intents(f"{query()} {next(number)}"),
    }


if __name__ == "__main__":
    main()
