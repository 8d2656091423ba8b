"""Everything at once for many events: is memory flat, and does an event cost the same?

    python -m tests.bench.endurance [--events N] [--products N] [--queries N]

All five stages, each making a checkpoint a minute, and a read replica over a catalog that is read
first; then sessions come and go (the light mix), ten rounds of a tenth of `--events` each, every
round read to its end. Of each round: RSS of each process, and CPU an event over all workers. The
first round fills the caches; the last is set beside the second.
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import NamedTuple

import psutil  # type: ignore[import-untyped]

from streams.settings import STAGES, Settings
from tests.bench import place as places
from tests.bench.flow import Flow, sample_shop
from tests.bench.generate import MIXES, Shop, as_shop, events, made_up_shop
from tests.bench.place import Place
from tests.bench.report import REPOSITORY, Row, row, save
from tests.kafka.helpers import tally

ROUNDS = 10
CHECKPOINT_EVERY_S = 60
GROWTH_LIMIT = 1.1
_TIMEOUT_S = 1_800.0


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
    flow = Flow(place, checkpoint_url=checkpoints, checkpoint_every_s=CHECKPOINT_EVERY_S)
    rounds = []
    with flow.running(), _serving(flow.settings) as serve:
        place.fill(flow.catalog, shop.catalog)
        flow.at_rest(_TIMEOUT_S)
        stream = as_shop(events(arguments.events, MIXES["light"], shop=bought))
        for number in range(ROUNDS):
            rounds.append(_round(place, flow, islice(stream, arguments.events // ROUNDS), serve))
            _say(number, rounds[-1])
    used = tally(flow.settings, "shoppers")["events.used"]
    if used != arguments.events:
        raise UnusedError(f"{used:,} of {arguments.events:,} events were used: this says nothing")
    return _rows(rounds, arguments.events)


def _round(place: Place, flow: Flow, feed: Iterator[object], serve: psutil.Process) -> Round:
    cpu_s = sum(worker.samples[-1].cpu_s for worker in flow.workers.values())
    began = time.time()
    count = place.fill(flow.events, feed)  # type: ignore[arg-type]
    now = flow.at_rest(_TIMEOUT_S)
    rss = {stage: now.samples[stage].rss / (1 << 20) for stage in STAGES}
    rss["serve"] = serve.memory_info().rss / (1 << 20)
    used_s = sum(sample.cpu_s for sample in now.samples.values()) - cpu_s
    return Round(rss, used_s / count * 1e6, count / (flow.quiet_since() - began))


def _rows(rounds: list[Round], count: int) -> list[Row]:
    second, last = rounds[1], rounds[-1]
    found = [
        row(
            f"RSS of {name} after {count:,} events",
            [last.rss[name]],
            "MiB",
            peer=f"after {count // ROUNDS * 2:,}",
            peer_runs=[second.rss[name]],
            at_most=GROWTH_LIMIT,
        )
        for name in last.rss
    ]
    all_last, all_second = sum(last.rss.values()), sum(second.rss.values())
    what = "RSS of all"
    found.append(
        row(what, [all_last], "MiB", peer="second round", peer_runs=[all_second], at_most=1.1)
    )
    cpu = row(
        "CPU an event, last round",
        [last.cpu_us],
        "us/event",
        peer="second round",
        peer_runs=[second.cpu_us],
        at_most=GROWTH_LIMIT,
    )
    return [*found, cpu]


@contextmanager
def _serving(settings: Settings) -> Iterator[psutil.Process]:
    """`cartograph serve` on a free port."""
    told = {
        "KAFKA": settings.kafka,
        "PREFIX": settings.prefix,
        "PARTITIONS": str(settings.partitions),
        "DATA_DIR": str(settings.data_dir),
        "HTTP_PORT": str(_free_port()),
    }
    env = {**os.environ, **{f"CARTOGRAPH_{name}": value for name, value in told.items()}}
    with (settings.data_dir / "serve.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "streams", "serve"],
            cwd=REPOSITORY,
            env=env,
            stdout=log,
            stderr=log,
        )
    try:
        yield psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _say(number: int, told: Round) -> None:
    sizes = ", ".join(f"{name} {size:,.0f}" for name, size in told.rss.items())
    print(
        f"  {number + 1}: {told.rate:,.0f} events/s, {told.cpu_us:.1f} us/event; MiB: {sizes}",
        flush=True,
    )


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
