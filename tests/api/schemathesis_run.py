"""Schemathesis against a real server on loopback, from the API's own description of itself.

    python -m tests.api.schemathesis_run [--examples 300] [--seed 1]

Every mode of the API, a small real graph in RocksDB; exit code 1 if anything was found. Left out is
the check that whatever obeys the description is accepted: the grammar of node ids and cursors is
more than a JSON schema can say.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models_onnx.fakes import FakeTagger
from streams.ports import Record
from streams.serve import server, tokens
from streams.serve.answers import Alive
from streams.serve.api import build_api
from streams.serve.guard import Gate
from streams.serve.reader import AsOf, Readiness
from streams.serve.replica import TABLES, Replica
from streams.settings import Settings
from tests.one_partition import LEXICON, small_ontology
from tests.serve_graph import a_fact, told
from topology.graph import Graph
from topology.store.rocksdb import RocksStore

CONFIG = Path(__file__).with_name("schemathesis.toml")
MODES = ("none", "token", "proxy-header")
FACTS = [
    a_fact("concept:shoes[feature=slip-resistant]", "used_for_aud", "intent:audience/nurse"),
    a_fact("product:a%20b%2Fc", "has_type", "type:shoes", status="held"),
    a_fact("value:color/red", "same_as", "value:color/crimson", status="rejected"),
    *(a_fact(f"product:{n}", "has_type", "type:boots") for n in range(40)),
]


class Reader:
    """A replica in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.store = RocksStore(folder, TABLES)
        self.replica = Replica(self.store, graph="test/1")
        records = [Record(n, 1, *told(fact, version=n + 1)) for n, fact in enumerate(FACTS)]
        self.replica.read(0, records, len(records))
        self.replica.commit()

    @property
    def graph(self) -> Graph:
        return self.replica.graph

    @property
    def tables(self) -> RocksStore:
        return self.store

    def as_of(self) -> AsOf:
        return AsOf(len(FACTS), 0, 1, 1)


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """A real server of these settings; its address."""
    reader = Reader(settings.data_dir / "replica")
    ready = Readiness(True, (), {"0": len(FACTS)})
    api = build_api(
        reader,
        FakeTagger(LEXICON),
        small_ontology(),
        lambda: ready,
        about=Alive(settings.graph, os.getpid()),
        gate=Gate(settings),
    )
    listener = server._listen(settings)
    http = server._server(api)
    thread = threading.Thread(target=lambda: asyncio.run(http.serve(sockets=[listener])))
    thread.start()
    try:
        yield "http://{}:{}".format(*listener.getsockname()[:2])
    finally:
        http.should_exit = True
        thread.join(15)
        reader.store.close()


def credentials(settings: Settings) -> dict[str, str]:
    """Headers of somebody who may ask everything."""
    if settings.api_mode == "token":
        _, secret = tokens.create(tokens.file_of(settings), "tester", "admin", now_ms=0)
        return {"Authorization": f"Bearer {secret}"}
    if settings.api_mode == "proxy-header":
        return {"X-Forwarded-User": "tester", "X-Forwarded-Role": "admin"}
    return {}


def run(mode: str, *, examples: int, seed: int = 1) -> subprocess.CompletedProcess[str]:
    """Run it once.

    Args:
        mode: of the API.
        examples: at most, for each path and phase.
        seed: the same gives the same requests.
    """
    with tempfile.TemporaryDirectory(prefix="cartograph-api-") as folder:
        settings = Settings(
            data_dir=Path(folder),
            http_port=0,
            api_mode=mode,
            api_proxies=("127.0.0.0/8",),
            api_rate=0.0,
        )
        words = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run"]
        words += ["--checks", "all", "--exclude-checks", "positive_data_acceptance"]
        words += ["--max-examples", str(examples), "--seed", str(seed)]
        words += ["--generation-deterministic", "--no-color"]
        words += ["--suppress-health-check", "all", "--request-timeout", "20"]
        for header in credentials(settings).items():
            words += ["--header", ": ".join(header)]
        with serving(settings) as address:
            return subprocess.run(
                [*words, f"{address}/openapi.json"], capture_output=True, text=True, cwd=folder
            )


def main() -> int:
    """Run it in every mode; 1 if anything was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    told_to = parser.parse_args()
    found = 0
    for mode in MODES:
        done = run(mode, examples=told_to.examples, seed=told_to.seed)
        print(f"== api_mode {mode}\n{done.stdout}{done.stderr}", flush=True)
        found |= done.returncode
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
