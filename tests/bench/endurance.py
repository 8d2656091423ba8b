"""Everything at once for many events: is memory flat, and does an event cost the same?

    python -m tests.bench.endurance [--events N] [--products N] [--queries N]

All five stages with their models, each making a checkpoint a minute, logging as it does by
default and scraped every 15 s, and a read replica, over a catalog that is read first; then
sessions come and go (the light mix), ten rounds of a tenth of `--events` each, every round read
to its end. Of each round: RSS of each process, and CPU an event over all workers. In between RSS
is printed once a minute; `endurance-rss.csv` beside the table's file has every look.

The last round is set beside the second, once that has filled the caches: ROUTE alone remembers
65,536 shoppers and as many sessions, which are some 50 MiB and 800,000 events of this mix. So
growth in a run of less than 10 million events is shown, and not judged.
"""

import argparse
import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import islice
from typing import NamedTuple

import psutil  # type: ignore[import-untyped]

from streams.broker import process
from streams.checkpoint.place import Place as Checkpoints
from streams.process import status
from streams.settings import STAGES, Settings
from tests.bench import place as places
from tests.bench.flow import Flow, sample_shop
from tests.bench.generate import MIXES, Shop, as_shop, events, made_up_shop
from tests.bench.place import Place
from tests.bench.report import FOLDER, REPOSITORY, Row, row, save
from tests.kafka.helpers import tally

ROUNDS = 10
FILLED = 2_000_000
"""Events after which all caches are full."""
CHECKPOINT_EVERY_S, CHECKPOINTS = 60, 4
GROWTH_LIMIT = 1.1
_TIMEOUT_S = 1_800.0
_LOOK_S, _LOOKS_A_LINE = 15.0, 4
_POLL_S = 0.1
_MIB = 1 << 20
_PAGE = "http://127.0.0.1:{}/metrics"


class Round(NamedTuple):
    """One tenth of the events: process -> RSS in MiB at its end; µs of CPU an event; events/s."""

    rss: dict[str, float]
    cpu_us: float
    rate: float


def endure(place: Place, arguments: argparse.Namespace) -> list[Row]:
    """All rows."""
    shop = sample_shop(place.folder / "sample", 1_000, products=arguments.products, tracers=0)
    asked = made_up_shop(queries=arguments.queries).queries
    bought = Shop([feed.key.decode() for feed in shop.catalog], asked)
    checkpoints = str(place.folder / "checkpoints")
    flow = Flow(
        place,
        checkpoint_url=checkpoints,
        checkpoint_every_s=CHECKPOINT_EVERY_S,
        checkpoint_keep=CHECKPOINTS,
        log_level="info",
        log_json=True,
    )
    rounds = []
    with flow.running(), _serving(flow.settings) as serving, _drawn(place, flow, *serving):
        place.fill(flow.catalog, shop.catalog)
        flow.at_rest(_TIMEOUT_S)
        stream = as_shop(events(arguments.events, MIXES["light"], shop=bought))
        for number in range(ROUNDS):
            rounds.append(
                _round(place, flow, islice(stream, arguments.events // ROUNDS), serving[0])
            )
            _say(number, rounds[-1])
    used = tally(flow.settings, "shoppers")["events.used"]
    if used != arguments.events:
        raise UnusedError(f"{used:,} of {arguments.events:,} events were used: this says nothing")
    made = Checkpoints(checkpoints, flow.settings.prefix).ids()
    return [*_rows(rounds, arguments.events), row("checkpoints kept", [float(len(made))], "")]


def _round(place: Place, flow: Flow, feed: Iterator[object], serve: psutil.Process) -> Round:
    cpu_s = sum(worker.samples[-1].cpu_s for worker in flow.workers.values())
    began = time.time()
    count = place.fill(flow.events, feed)  # type: ignore[arg-type]
    now = flow.at_rest(_TIMEOUT_S)
    rss = {stage: now.samples[stage].rss / _MIB for stage in STAGES}
    rss["serve"] = serve.memory_info().rss / _MIB
    used_s = sum(sample.cpu_s for sample in now.samples.values()) - cpu_s
    return Round(rss, used_s / count * 1e6, count / (flow.quiet_since() - began))


def _rows(rounds: list[Round], count: int) -> list[Row]:
    second, last = rounds[1], rounds[-1]
    limit = GROWTH_LIMIT if count // ROUNDS * 2 >= FILLED else None
    found = [
        row(
            f"RSS of {name} after {count:,} events",
            [last.rss[name]],
            "MiB",
            peer=f"after {count // ROUNDS * 2:,}",
            peer_runs=[second.rss[name]],
            at_most=limit,
        )
        for name in last.rss
    ]
    all_last, all_second = sum(last.rss.values()), sum(second.rss.values())
    what = "RSS of all"
    found.append(
        row(what, [all_last], "MiB", peer="second round", peer_runs=[all_second], at_most=limit)
    )
    cpu = row(
        "CPU an event, last round",
        [last.cpu_us],
        "us/event",
        peer="second round",
        peer_runs=[second.cpu_us],
        at_most=limit,
    )
    return [*found, cpu]


@contextmanager
def _drawn(place: Place, flow: Flow, serve: psutil.Process, port: int) -> Iterator[None]:
    """RSS of all processes over time, in a file and on the screen; all are scraped as they go."""
    told = [each for each in status.read_all(flow.settings) if status.is_alive(each)]
    ports = [*(each.metrics_port for each in told), port]
    pids = {each.stage: each.pid for each in told} | {"serve": serve.pid}
    if (broker := process.status(place.folder / "kafka").pid) is not None:
        pids["kafka"] = broker
    seen = {name: psutil.Process(pid) for name, pid in pids.items()}
    ended, began = threading.Event(), time.monotonic()

    def draw() -> None:
        with (FOLDER / "endurance-rss.csv").open("w", encoding="utf-8") as file:
            print("seconds", *seen, sep=",", file=file)
            for look in itertools.count():
                for each in ports:
                    with urllib.request.urlopen(_PAGE.format(each), timeout=_LOOK_S) as page:
                        page.read()
                rss = {name: each.memory_info().rss / _MIB for name, each in seen.items()}
                passed = round(time.monotonic() - began)
                print(passed, *map(round, rss.values()), sep=",", file=file, flush=True)
                if not look % _LOOKS_A_LINE:
                    print(f"  {passed:,} s, {_sizes(rss)}", flush=True)
                if ended.wait(_LOOK_S):
                    return

    with ThreadPoolExecutor(1) as pool:
        drawing = pool.submit(draw)
        try:
            yield
        finally:
            ended.set()
        drawing.result()


@contextmanager
def _serving(settings: Settings) -> Iterator[tuple[psutil.Process, int]]:
    """`cartograph serve`, and the port that it answers at."""
    port = _free_port()
    told = {
        "KAFKA": settings.kafka,
        "PREFIX": settings.prefix,
        "PARTITIONS": str(settings.partitions),
        "DATA_DIR": str(settings.data_dir),
        "HTTP_PORT": str(port),
    }
    env = {**os.environ, **{f"CARTOGRAPH_{name}": value for name, value in told.items()}}
    with (settings.data_dir / "serve.log").open("ab") as log:
        started = subprocess.Popen(
            [sys.executable, "-m", "streams", "serve"],
            cwd=REPOSITORY,
            env=env,
            stdout=log,
            stderr=log,
        )
    try:
        while started.poll() is None and not _answers(port):
            time.sleep(_POLL_S)
        yield psutil.Process(started.pid), port
    finally:
        started.send_signal(signal.SIGTERM)
        started.wait(30)


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _say(number: int, told: Round) -> None:
    figures = f"{told.rate:,.0f} events/s, {told.cpu_us:.1f} us/event"
    print(f"  round {number + 1}: {figures}, {_sizes(told.rss)}", flush=True)


def _sizes(rss: Mapping[str, float]) -> str:
    return "MiB: " + ", ".join(f"{name} {size:,.0f}" for name, size in rss.items())


class UnusedError(RuntimeError):
    """The workers did not use what they should have used."""


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--products", type=int, default=6_000)
    parser.add_argument("--queries", type=int, default=5_000)
    places.options(parser, runs=None)
    arguments = parser.parse_args()
    with places.place(arguments) as place:
        rows = endure(place, arguments)
    save("endurance", rows)


if __name__ == "__main__":
    main()
