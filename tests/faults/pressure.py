"""A model that is slower than the stream: what waits, what is told of it, what memory it takes."""

from __future__ import annotations

import asyncio
import time
import urllib.request
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from streams.process.status import Status, stage_folder
from streams.worker import lag
from tests.faults.scene import Fault, Scene, tally_of

_RSS, _LAG = "process_resident_memory_bytes", "cartograph_lag_records"


class Moment(NamedTuple):
    """What a worker said and what was true at one time.

    Attributes:
        at: seconds since the first.
        told: lag in its metrics, all inputs, records.
        end: of its inputs, records.
        behind: of those, what it has not told Kafka that it has read.
        stored: end of its inputs less what its stores have read, records.
        rss: bytes.
    """

    at: float
    told: int
    end: int
    behind: int
    stored: int
    rss: int


def page(worker: Status) -> dict[str, float]:
    """Sums of a worker's metrics by name, all labels."""
    address = f"http://127.0.0.1:{worker.metrics_port}/metrics"
    with urllib.request.urlopen(address, timeout=10) as told:
        families = list(text_string_to_metric_families(told.read().decode()))
    found: dict[str, float] = {}
    for family in families:
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found


async def moment(scene: Scene, stage: str, inputs: list[str], began: float) -> Moment:
    """Look at a stage now."""
    worker = scene.worker(stage)
    assert worker is not None
    told = await asyncio.to_thread(page, worker)
    names = {stage: [scene.settings.topic(each) for each in inputs]}
    lags = await lag.lags(scene.settings, names)
    ends = sum(each.end for each in lags)
    folders = stage_folder(scene.settings, stage).glob("[0-9]*")
    outcomes = [await asyncio.to_thread(tally_of, folder) for folder in folders]
    read = sum(
        count
        for each in outcomes
        for name, count in each.items()
        if name.rpartition(".")[0] in inputs
    )
    behind = sum(each.behind for each in lags)
    at = time.monotonic() - began
    return Moment(at, int(told[_LAG]), ends, behind, ends - read, int(told[_RSS]))


def true_between(before: Moment, after: Moment) -> tuple[int, int]:
    """The least and the most that a lag can have been: inputs may grow while they are read."""
    read_before, read_after = before.end - before.behind, after.end - after.behind
    return before.end - read_after, after.end - read_before


def pressed(stage: str, inputs: list[str], seen: list[Moment], *, most_s: float = 600.0) -> Fault:
    """Everything is played at once; look at a stage every half second until it has read all."""

    async def fault(scene: Scene) -> None:
        scene.feed(1.0)
        await scene.some_read()
        began = time.monotonic()
        while not seen or (seen[-1].stored and time.monotonic() - began < most_s):
            seen.append(await moment(scene, stage, inputs, began))
            await asyncio.sleep(0.5)
        scene.told["most_behind"] = max(each.stored for each in seen)
        scene.told["rss_first_mib"] = seen[0].rss >> 20
        scene.told["rss_most_mib"] = max(each.rss for each in seen) >> 20

    return fault
