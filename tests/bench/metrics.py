"""What metrics cost: the same records with all of them and with none, piece by piece in turns.

    python -m tests.bench.metrics [--pairs N] [--stages route,graph] [--of metrics] [--same]

Every stage twice in one process, with its metrics and without (`metrics_side`): one partition on
RocksDB, read, committed and sent as a worker does it, with a network that costs nothing. Models are
free, so that nothing hides what counting costs; PRODUCTS again with those shipped. A pair is two
pieces of records, a commit each, that both sides take: one, other, other, one. The figure is the
CPU time of a pair, *without* by *with*: the median of all pairs, and its 95 % interval. It is that
of the stage's thread, which is what bounds a worker (with the shipped models: of all threads), so
that what RocksDB compacts meanwhile, for whichever side, moves nothing. A machine that others use
moves single pairs, not the median. What a worker says once a second and a scrape every five seconds
(Prometheus asks every 15 to 60) are measured on their own, and taken off. `--of` takes what is told
of the work (metrics) and what stages count of the graph in their state (quality) apart. `--same`
measures two sides without either: how far to trust the rest.
"""

import argparse
import asyncio
import gc
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import prometheus_client

from streams.monitoring import metrics
from streams.ports import Record
from tests.bench.metrics_side import PARTS, Side, without
from tests.bench.metrics_work import STAGES
from tests.bench.report import Row, save

AT_LEAST = 0.98
_SCRAPE_EVERY_S = 5
_REPORTS = 50
_GARBAGE = (200_000, 20, 1_000)  # as the worker


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds of CPU and of the clock."""

    cpu_s: float
    wall_s: float

    def __add__(self, other: "Took") -> "Took":
        return Took(self.cpu_s + other.cpu_s, self.wall_s + other.wall_s)


class Measured(NamedTuple):
    """One stage.

    Attributes:
        records: of a pair, on each side.
        on, off: what each pair took.
        report_s, scrape_s: CPU of a worker's report, and of a scrape.
    """

    records: int
    on: list[Took]
    off: list[Took]
    report_s: float = 0.0
    scrape_s: float = 0.0

    @property
    def now_and_then(self) -> float:
        """Share of a core that reports and scrapes take, 0..1."""
        return self.report_s + self.scrape_s / _SCRAPE_EVERY_S

    @property
    def ratio(self) -> tuple[float, float, float]:
        """Throughput with metrics by that without: median of the pairs, and its 95 % interval."""
        pairs = zip(self.off, self.on, strict=True)
        found = sorted(off.cpu_s / on.cpu_s for off, on in pairs)
        # Order statistics: how many of n pairs lie below the median is binomial (n, 1/2).
        low = max(math.floor(len(found) / 2 - 0.98 * math.sqrt(len(found))), 0)
        rest = 1 - self.now_and_then
        return statistics.median(found) * rest, found[low] * rest, found[-1 - low] * rest

    def rate(self, side: Sequence[Took], *, wall: bool = False) -> float:
        """Records a second: median of the pairs."""
        return self.records / statistics.median(t.wall_s if wall else t.cpu_s for t in side)


async def measure(
    stage: str, pairs: int, folder: Path, *, of: Sequence[str] = PARTS, same: bool = False
) -> Measured:
    """Feed both sides; a fifth as many pairs first are not counted."""
    size, records_of, make = STAGES[stage]
    cpu = time.process_time if stage.endswith("models") else time.thread_time
    with without(of):
        off = make(folder / "off", size)
    with without(of if same else ()):
        on = make(folder / "on", size)
    found, stream = Measured(2 * size, [], []), records_of()
    for number in range(-(pairs // 5), pairs):
        if number == 0:
            gc.collect()
            gc.freeze()
        first, second = list(islice(stream, size)), list(islice(stream, size))
        begin, end = (on, off) if number % 2 else (off, on)
        one = await _timed(begin, first, cpu)  # then the other: neither gains by being second
        other = (await _timed(end, first, cpu)) + (await _timed(end, second, cpu))
        one += await _timed(begin, second, cpu)
        if number >= 0:
            found.on.append(one if begin is on else other)
            found.off.append(other if begin is on else one)
    if not same:
        found = found._replace(report_s=_report_s(on), scrape_s=_scrape_s())
    await on.close()
    await off.close()
    gc.unfreeze()
    return found


async def _timed(side: Side, records: Sequence[Record], cpu: Callable[[], float]) -> Took:
    wall_s, cpu_s = time.perf_counter(), cpu()
    await side.take(records)
    return Took(cpu() - cpu_s, time.perf_counter() - wall_s)


def _report_s(side: Side) -> float:
    begun = time.process_time()
    for turn in range(_REPORTS):
        side.report(turn)
    return (time.process_time() - begun) / _REPORTS


def _scrape_s() -> float:
    begun = time.process_time()
    for _ in range(_REPORTS):
        prometheus_client.generate_latest(metrics.REGISTRY)
    return (time.process_time() - begun) / _REPORTS


def row_of(stage: str, found: Measured, *, same: bool) -> Row:
    """The figure of one stage, by CPU time."""
    ratio, low, high = found.ratio
    off = found.rate(found.off)
    return Row(
        f"{stage}, {len(found.on)} pairs of {found.records:,} records",
        round(found.rate(found.on)),
        "records/CPU s",
        "without metrics too" if same else "without metrics",
        round(off),
        round(ratio, 4),
        AT_LEAST,
        ratio >= AT_LEAST,
        round((high - low) / ratio, 4),
    )


def line_of(stage: str, found: Measured) -> str:
    """All of it in one line."""
    ratio, low, high = found.ratio
    wall = found.rate(found.on, wall=True) / found.rate(found.off, wall=True)
    return (
        f"{stage}: with / without {ratio:.4f} ({low:.4f} to {high:.4f}); by the clock "
        f"{found.rate(found.on, wall=True):,.0f} and {found.rate(found.off, wall=True):,.0f} "
        f"records/s, {wall:.3f}; report {found.report_s * 1e3:.2f} ms a second, "
        f"scrape {found.scrape_s * 1e3:.2f} ms every {_SCRAPE_EVERY_S} s"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--stages", default="", help=f"of {', '.join(STAGES)}; by default all")
    parser.add_argument("--of", choices=PARTS, help="what one side has not; by default both")
    parser.add_argument("--same", action="store_true", help="no side has them: the noise")
    asked = parser.parse_args(arguments)
    gc.set_threshold(*_GARBAGE)
    rows, lines = [], []
    for stage in asked.stages.split(",") if asked.stages else STAGES:
        with tempfile.TemporaryDirectory(prefix="metrics-") as folder:
            of = [asked.of] if asked.of else PARTS
            found = asyncio.run(measure(stage, asked.pairs, Path(folder), of=of, same=asked.same))
        rows.append(row_of(stage, found, same=asked.same))
        lines.append(line_of(stage, found))
        print(f"  {lines[-1]}", flush=True)
    save("-".join(["metrics", *filter(None, [asked.of, asked.same and "same"])]), rows, lines)


if __name__ == "__main__":
    main()
