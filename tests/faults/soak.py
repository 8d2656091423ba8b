"""All faults, long: `make soak`, or `python -m tests.faults.soak [--kills N] [--only NAME,...]`.

Every fault runs in a graph of its own over the same records; beside its digest stands that of the
clean run. Prints a table and writes `.cartograph/soak/faults.json`; exit code 1 if a fault left
another graph or books that do not add up.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

from rich.console import Console
from rich.table import Table

from streams.play import Played
from streams.sample.make import Sizes, make
from streams.settings import Settings
from tests.bench.report import REPOSITORY
from tests.faults import disk, kills, odd_worker, plants, stopping_worker, upgrade
from tests.faults.pressure import Moment, pressed
from tests.faults.scene import PATIENT, Ended, Fault, Place, nothing, place, run
from tests.kafka.exactness import Plan, sample_records, settings_of

FOLDER = REPOSITORY / ".cartograph" / "soak"
DISK_MIB = 512


@dataclass
class Soak:
    """What all faults share."""

    args: argparse.Namespace
    folder: Path
    broker: Place
    records: list[Played]

    def settings(self, name: str, folder: Path | None = None, workers: int = 1) -> Settings:
        """Settings of a graph of its own."""
        plan = Plan(name, workers=workers)
        return settings_of(self.broker.address, folder or self.folder, name, plan, prefix="soak")

    def run(self, name: str, fault: Fault, *, folder: Path | None = None, **more: Any) -> Ended:
        """A whole run with a fault."""
        rows = more.pop("records", self.records)
        settings = self.settings(name, folder, more.pop("workers", 1))
        settings = settings.with_(**more.pop("settings", {}))
        chance = Random(f"{self.args.seed}/{name}")
        return asyncio.run(run(self.broker, settings, rows, fault, rng=chance, **more))


def _broker(soak: Soak, name: str, times: int, **how: Any) -> Ended:
    return soak.run(name, kills.broker_killed(times, **how), settings=PATIENT)


def _disk_full(soak: Soak) -> Ended:
    with disk.small_disk(soak.folder / "small", DISK_MIB) as small:
        return soak.run("disk-full", disk.disk_full(small), folder=small)


def _planted(soak: Soak, name: str, fault: Fault, *, tag_ms: float = 0.0) -> Ended:
    stream = plants.plant(soak.records, plants.Shares(), Random(soak.args.seed))
    os.environ[odd_worker.SLOWNESS] = str(tag_ms)
    found = soak.run(name, fault, records=stream.records, command=odd_worker.command)
    found.told |= {f"planted_{what}": count for what, count in stream.outcomes.items()}
    if found.outcomes["late"] < stream.late or found.outcomes["duplicate"] < stream.duplicates:
        found.wrong.append(f"{found.outcomes} is less than was planted: {stream.outcomes}")
    return found


def _slow(soak: Soak) -> Ended:
    seen: list[Moment] = []
    fault = pressed("products", ["catalog", "bought", "asked"], seen, most_s=soak.args.slow_s)
    found = _planted(soak, "slow-model", fault, tag_ms=soak.args.tag_ms)
    (FOLDER / "slow-model.json").write_text(json.dumps([each._asdict() for each in seen]))
    return found


def _clock(soak: Soak) -> Ended:
    os.environ |= {odd_worker.SLOWNESS: "0", odd_worker.JUMPS: "1.5"}
    try:
        return soak.run("clock-jumps", kills.workers_killed(4), command=odd_worker.command)
    finally:
        del os.environ[odd_worker.JUMPS]


def _zombie(soak: Soak, stage: str) -> Ended:
    os.environ[stopping_worker.WHERE] = f"{stage}/0/3"
    fault = kills.stopped_before_sending(stage, 15.0)
    return soak.run("zombie-sending", fault, workers=2, command=stopping_worker.command)


def _upgrade(soak: Soak) -> Ended:
    rolling = upgrade.Rolling(soak.args.before, soak.folder / "before")
    return soak.run("upgrade", rolling.fault, command=rolling.command)


FAULTS: dict[str, Callable[[Soak], Ended]] = {
    "kill-worker": lambda s: s.run("kill-worker", kills.workers_killed(s.args.kills)),
    "kill-broker": lambda s: _broker(s, "kill-broker", s.args.kills),
    "kill-both": lambda s: _broker(s, "kill-both", s.args.kills, with_worker=True),
    "broker-away": lambda s: _broker(s, "broker-away", 1, away_s=s.args.away_s),
    "zombie": lambda s: s.run("zombie", kills.worker_stopped(15.0), workers=2),
    "zombie-sending": lambda s: _zombie(s, "products"),
    "disk-full": _disk_full,
    "bad-stream": lambda s: _planted(s, "bad-stream", nothing),
    "bad-stream-kills": lambda s: _planted(
        s, "bad-stream-kills", kills.workers_killed(s.args.kills), tag_ms=5.0
    ),
    "slow-model": _slow,
    "clock-jumps": _clock,
    "upgrade": _upgrade,
}


def main() -> int:
    """Run the faults; see the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shoppers", type=int, default=1_000)
    parser.add_argument("--products", type=int, default=1_000)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--away-s", type=float, default=60.0)
    parser.add_argument("--slow-s", type=float, default=1_800.0)
    parser.add_argument("--tag-ms", type=float, default=500.0, help="that a text takes to tag")
    parser.add_argument("--before", default="HEAD~1", help="commit of the older worker")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--only", default=",".join(FAULTS))
    args = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="cartograph-soak-") as tmp:
        folder = Path(tmp)
        make(folder / "sample", args.seed, Sizes(args.products, args.shoppers, 28))
        records = sample_records(folder / "sample", Plan("plain"), Random(args.seed))
        with place(folder / "kafka") as broker:
            soak = Soak(args, folder, broker, records)
            clean = soak.run("clean", nothing)
            ended = {"clean": clean}
            for name in args.only.split(","):
                ended[name] = FAULTS[name](soak)
                print(name, ended[name], flush=True)
    return _report(ended, len(records))


def _report(ended: dict[str, Ended], records: int) -> int:
    clean = ended["clean"]
    table = Table(title=f"{records:,} records, {clean.facts:,} facts")
    for column in ("fault", "digest", "clean run", "same", "books", "used", "s", "told"):
        table.add_column(column)
    rows, wrong = [], 0
    for name, found in ended.items():
        same = found.digest == clean.digest and found.outcomes["used"] == clean.outcomes["used"]
        wrong += not same or bool(found.wrong)
        rows.append({"fault": name, "same": same, "clean": clean.digest, **asdict(found)})
        told = ", ".join(f"{what} {count:g}" for what, count in found.told.items())
        table.add_row(
            name,
            found.digest[:12],
            clean.digest[:12],
            "yes" if same else "NO",
            "; ".join(found.wrong) or "add up",
            f"{found.outcomes['used']:,}",
            f"{found.seconds:.0f}",
            told,
        )
    (FOLDER / "faults.json").write_text(json.dumps(rows, indent=1))
    Console(width=180).print(table)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
