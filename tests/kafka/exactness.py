"""Whole runs of the real stages on a real broker, undisturbed or not: do they end in one graph?

`python -m tests.kafka.exactness --kills 20 --shoppers 6500` prints a table; `test_exactness.py`
runs a small one in the suite.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import msgspec

from streams import demo
from streams.broker import process
from streams.cli.state import digested, shown
from streams.play import CATALOG, EVENTS, Played
from streams.playing import Producing
from streams.sample.make import Sizes, make
from streams.settings import Settings
from streams.worker.supervisor import Supervisor


@dataclass(frozen=True)
class Plan:
    """How one run differs from the plain one.

    Attributes:
        kills: SIGKILLs of random stages at random times while records are played and read.
        stop: SIGSTOP one worker for longer than its session, then let it wake up.
        workers: processes of each stage but ROUTE.
        routes: processes of ROUTE.
        shuffled_ms: records are played in an order that is off by up to this much event time.
        duplicates: share of events that are played twice.
    """

    name: str
    kills: int = 0
    stop: bool = False
    workers: int = 1
    routes: int = 1
    shuffled_ms: int = 0
    duplicates: float = 0.0


@dataclass
class Ended:
    """What a run ended with; `outcomes` are the tallies of all partitions, added up."""

    digest: str
    facts: int
    outcomes: dict[str, int]
    seconds: float
    back_s: list[float] = field(default_factory=list)


def sample_records(folder: Path, plan: Plan, rng: Random) -> list[Played]:
    """The sample's records in the order of the plan."""
    catalog = [
        Played(CATALOG, msgspec.json.decode(line)["id"].encode(), line, None)
        for line in (folder / "catalog.jsonl").read_bytes().splitlines()
    ]
    events = []
    for line in (folder / "events.jsonl").read_bytes().splitlines():
        told = msgspec.json.decode(line)
        events.append(Played(EVENTS, told["client_id"].encode(), line, told["timestamp"]))
        if rng.random() < plan.duplicates:
            events.append(events[-1])
    # By time: the sample's own late events would be late in one order and not in another.
    events.sort(key=lambda each: each.at_ms + rng.uniform(0, plan.shuffled_ms))
    return catalog + events


async def run(settings: Settings, records: list[Played], plan: Plan, rng: Random) -> Ended:
    """Play the records through all stages and wait until they are at rest."""
    began = time.monotonic()
    await demo.make_topics(settings)
    events, catalog = settings.sources
    back: list[float] = []
    async with demo.workers(settings) as supervisor:
        trouble = asyncio.create_task(_trouble(supervisor, plan, rng, back))
        async with Producing(settings, {EVENTS: events, CATALOG: catalog}) as producing:
            for place in range(0, len(records), 2_000):
                await producing.play(iter(records[place : place + 2_000]))
                if plan.kills or plan.stop:
                    await asyncio.sleep(0.2)
        await trouble
        await demo.at_rest(settings, supervisor, lambda _: None)
    found = digested(settings)
    outcomes: dict[str, int] = {}
    for each in shown(settings):
        for name, count in each.outcomes.items():
            outcomes[name] = outcomes.get(name, 0) + count
    return Ended(found.digest, found.facts, outcomes, time.monotonic() - began, back)


async def _trouble(supervisor: Supervisor, plan: Plan, rng: Random, back: list[float]) -> None:
    while any(not told.ready for told in supervisor.status()) or not supervisor.status():
        await asyncio.sleep(0.1)
    if plan.stop:
        told = rng.choice([each for each in supervisor.status() if each.stage != "route"])
        os.kill(told.pid, signal.SIGSTOP)
        await asyncio.sleep(8)
        os.kill(told.pid, signal.SIGCONT)
    for _ in range(plan.kills):
        await asyncio.sleep(rng.uniform(0.1, 1.5))
        told = rng.choice([each for each in supervisor.status() if each.ready])
        os.kill(told.pid, signal.SIGKILL)
        killed = time.monotonic()
        while True:
            await asyncio.sleep(0.02)
            now = [e for e in supervisor.status() if (e.stage, e.slot) == (told.stage, told.slot)]
            if now and now[0].pid != told.pid and now[0].ready:
                break
        back.append(time.monotonic() - killed)


def settings_of(kafka: str, folder: Path, name: str, plan: Plan, *, prefix: str = "x") -> Settings:
    """Settings of a graph of its own."""
    base = demo.demo_settings(Settings(data_dir=folder / name), "")
    prefix = f"{prefix}-{name}"
    stages = ("shoppers", "queries", "products", "graph")
    return base.with_(
        kafka=kafka,
        prefix=prefix,
        session_timeout_ms=6_000,
        sources={f"{prefix}.shop.events": "native", f"{prefix}.shop.catalog": "native-catalog"},
        workers={**dict.fromkeys(stages, plan.workers), "route": plan.routes},
    )


PLANS = (
    Plan("plain"),
    Plan("kills", kills=20),
    Plan("stopped", stop=True),
    Plan("order", shuffled_ms=5 * 60_000),
    Plan("duplicates", duplicates=0.1),
    Plan("three-workers", workers=3),
    Plan("three-routes", workers=3, routes=3),
)


def main() -> int:
    """Run all plans on one broker and print them side by side; exit code 1 if digests differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shoppers", type=int, default=1_000)
    parser.add_argument("--products", type=int, default=1_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--plans", default=",".join(plan.name for plan in PLANS))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as tmp:
        folder = Path(tmp)
        make(folder / "sample", args.seed, Sizes(args.products, args.shoppers, 28))
        ended: dict[str, Ended] = {}
        with process.running(folder / "kafka") as broker:
            for plan in PLANS:
                if plan.name not in args.plans.split(","):
                    continue
                rng = Random(f"{args.seed}/{plan.name}")
                told = Plan(**{**plan.__dict__, "kills": args.kills if plan.kills else 0})
                records = sample_records(folder / "sample", told, rng)
                settings = settings_of(broker.address, folder, plan.name, told)
                ended[plan.name] = asyncio.run(run(settings, records, told, rng))
                _print(plan.name, len(records), ended[plan.name])
    digests = {found.digest for found in ended.values()}
    print("one digest" if len(digests) == 1 else f"{len(digests)} digests: THEY DIFFER")
    return len(digests) != 1


def _print(name: str, count: int, found: Ended) -> None:
    back = sorted(found.back_s)
    again = f", back in {back[len(back) // 2]:.2f} s (max {back[-1]:.2f})" if back else ""
    events = {k: n for k, n in sorted(found.outcomes.items()) if k.startswith("events.")}
    print(
        f"{name:14} {count:,} records  {found.digest[:16]}  {found.facts:,} facts  "
        f"{found.seconds:.0f} s{again}  {events}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
