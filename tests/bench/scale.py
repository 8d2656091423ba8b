"""More workers of a stage, and workers that come and go while events flow.

    python -m tests.bench.scale [--events N] [--runs N] [--seconds N] [--rate N] [--only PART]

`share`: eight partitions of SHOPPERS that 1, 2 and 4 workers share out; events a second and CPU an
event. `resize`: all stages; every stage but ROUTE has two workers, gets a third, and loses it again
(SIGUSR1: it leaves its group) while events flow. Tracers (`pipeline.py`) tell how long the newest
fact was on its way, and for how long none came, beside the same records at the same pace with two
workers all the time. The digest of both must be that of one worker a stage.
"""

import argparse
import asyncio
import os
import signal
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice, pairwise
from typing import NamedTuple

from streams import demo
from streams.cli.state import digested
from streams.process import status
from streams.settings import STAGES, Settings
from tests.bench import place as places
from tests.bench.flow import SampleShop, sample_shop, tracer_visit
from tests.bench.generate import MIXES, Feed, events, made_up_shop, native
from tests.bench.pipeline import read_facts
from tests.bench.place import Place, producer, send
from tests.bench.report import Row, row, save
from tests.bench.watch import StalledError, Worker

EIGHT = 8
WORKERS = (1, 2, 4)
SHARED = tuple(stage for stage in STAGES if stage != "route")
TRACERS_A_SECOND = 4
_TIMEOUT_S = 600.0
_TRACERS_S = 60.0
_POLL_S = 0.05
_REST_S = 3.0
_SESSION_MS = 80_000
_ALLOWANCE_MS = 3 * 86_400_000
"""`resize` plays four weeks in a minute: what two of the shop's partitions got a moment apart is
hours apart there, and which of both comes first is chance."""


def share(place: Place, count: int, runs: int) -> list[Row]:
    """SHOPPERS: the same events, shared out over 1, 2 and 4 workers, in turns."""
    rates: dict[int, list[float]] = {many: [] for many in WORKERS}
    costs: dict[int, list[float]] = {many: [] for many in WORKERS}
    for _ in range(runs):
        for many in WORKERS:
            rate, cost = _shared_once(place, count, many)
            rates[many].append(rate)
            costs[many].append(cost)
            print(f"  {many} workers: {rate:,.0f} events/s, {cost:.2f} us/event", flush=True)
    found = []
    for many in WORKERS:
        peer = {} if many == 1 else {"peer": "one worker", "peer_runs": rates[1]}
        found.append(row(f"shoppers, {many} workers", rates[many], "events/s", **peer))
    for many in WORKERS:
        peer = {} if many == 1 else {"peer": "one worker", "peer_runs": costs[1]}
        found.append(row(f"CPU of shoppers, {many} workers", costs[many], "us/event", **peer))
    return found


def _shared_once(place: Place, count: int, many: int) -> tuple[float, float]:
    """Events a second, and µs of CPU an event.

    The workers are stopped where they stand while the topic is filled, so that all of them begin
    at one moment and with their partitions shared out.
    """
    settings = place.settings(
        partitions=EIGHT, session_timeout_ms=_SESSION_MS, workers={"shoppers": many}
    )
    workers = [Worker(settings, "shoppers", slot) for slot in range(many)]
    with _running(workers):
        _until(lambda: _shared_out(settings, many), "the partitions to be shared out")
        time.sleep(_REST_S)
        _signal(workers, signal.SIGSTOP)
        stream = events(count, MIXES["light"], shop=made_up_shop())
        place.fill(settings.topic("events"), native(stream), EIGHT)
        _taken(workers)
        before = sum(worker.samples[-1].cpu_s for worker in workers)
        began = time.time()
        _signal(workers, signal.SIGCONT)
        _until(lambda: _taken(workers) >= count and _clean(workers), f"{count:,} events to be read")
        seconds = max(worker.samples[-1].at for worker in workers) - began
        cpu_s = sum(worker.samples[-1].cpu_s for worker in workers) - before
    place.forget(settings)
    return count / seconds, cpu_s / count * 1e6


def _shared_out(settings: Settings, many: int) -> bool:
    told = [each for each in status.read_all(settings) if status.is_alive(each)]
    held = [len(each.partitions) for each in told if each.ready]
    return len(held) == many and sum(held) == EIGHT and max(held) - min(held) <= 1


def _taken(workers: Sequence[Worker]) -> int:
    found = [worker.look() for worker in workers]
    return sum(sample.total for sample in found if sample is not None)


def _clean(workers: Sequence[Worker]) -> bool:
    return all(worker.samples[-1].clean for worker in workers)


def _signal(workers: Sequence[Worker], number: int) -> None:
    for worker in workers:
        os.kill(worker.pid, number)


class Sent(NamedTuple):
    """What is played, in order.

    Attributes:
        catalog, first: before the clock runs: products, and the first visit of every tracer.
        paced: chunks of a tenth of a second each, with the tracer that ends in it.
    """

    catalog: list[Feed]
    first: list[Feed]
    paced: list[tuple[list[Feed], str | None]]


def sent_of(shop: SampleShop, rate: float, seconds: float) -> Sent:
    """The same records for every run: tracers stand at fixed places among the events."""
    at_ms = shop.events[0].at_ms
    first = [
        feed
        for number, pair in enumerate(shop.tracers)
        for feed in tracer_visit(pair, f"first-{number}", at_ms)
    ]
    rows, size, paced = iter(shop.events), int(rate / 10), list[tuple[list[Feed], str | None]]()
    now_ms = at_ms
    for tick in range(int(seconds * 10)):
        chunk = list(islice(rows, size))
        if not chunk:
            break
        feed, number = [event.feed for event in chunk], tick * TRACERS_A_SECOND // 10
        # The shop's own events are late at times; a tracer that is as late as one makes no fact.
        now_ms = max(now_ms, *(event.at_ms for event in chunk))
        is_new = number != (tick - 1) * TRACERS_A_SECOND // 10
        name = None
        if is_new and number < len(shop.tracers):
            name = shop.tracers[number][0]
            feed += tracer_visit(shop.tracers[number], f"second-{number}", now_ms)
        paced.append((feed, name))
    return Sent(shop.catalog, first, paced)


class Ran(NamedTuple):
    """A run: how long each tracer was on its way, and the graph it ended in.

    Attributes:
        waits: (when its last record was sent, seconds since the first chunk; seconds on its way).
        moved: what changed when, seconds since the first chunk.
    """

    waits: list[tuple[float, float]]
    moved: list[tuple[float, str]]
    digest: str
    facts: int

    @property
    def longest_silence(self) -> float:
        """The longest time in which no tracer came, since the first was sent."""
        first, *_ = sorted(at for at, _ in self.waits)
        came = [first, *sorted(at + wait for at, wait in self.waits)]
        return max(later - earlier for earlier, later in pairwise(came))


class Fleet:
    """Workers of all stages on one data folder."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._workers: dict[tuple[str, int], Worker] = {}

    def add(self, slot: int, stages: Sequence[str] = SHARED) -> None:
        """Start one more worker of each stage, all at once."""
        new = {(stage, slot): Worker(self.settings, stage, slot) for stage in stages}
        for worker in new.values():
            worker.launch()
        self._workers |= new
        for worker in new.values():
            worker.until_ready()

    def remove(self, slot: int) -> None:
        """End the workers of a slot for good."""
        gone = [self._workers.pop(key) for key in list(self._workers) if key[1] == slot]
        _signal(gone, signal.SIGUSR1)
        for worker in gone:
            worker.stop()

    def stop(self) -> None:
        """End all."""
        for worker in self._workers.values():
            worker.stop()

    def status(self) -> list[status.Status]:
        """Of those that run."""
        return [each for each in status.read_all(self.settings) if status.is_alive(each)]


def resize(place: Place, arguments: argparse.Namespace) -> list[Row]:
    """Two workers, three, two again, under load."""
    seconds, rate = arguments.seconds, arguments.rate
    shop = sample_shop(
        place.folder / "sample",
        int(rate * seconds),
        products=arguments.products,
        tracers=int(seconds * TRACERS_A_SECOND),
    )
    sent = sent_of(shop, rate, seconds)
    ran = {}
    for name, slots, grows in (("one", 1, False), ("two", 2, False), ("two, three, two", 2, True)):
        ran[name] = _ran(place, sent, slots, grows=grows)
        _say(name, ran[name])
    digests = {each.digest for each in ran.values()}
    if len(digests) > 1:
        raise StalledError(f"the digests differ: { {name: e.digest for name, e in ran.items()} }")
    print(f"  one digest: {digests.pop()}", flush=True)
    steady, moved = ran["two"], ran["two, three, two"]
    if (gone := moved.moved[-1][0]) > seconds:
        print(f"  events had ended when the third workers had left, at {gone:.0f} s: give more")
    what = f"event to first publish at {rate:,.0f} events/s, 2 -> 3 -> 2 workers"
    figures: list[tuple[str, Callable[[Ran], float]]] = [
        (f"{what}: longest", lambda each: max(wait for _, wait in each.waits)),
        (f"{what}: median", lambda each: statistics.median(wait for _, wait in each.waits)),
        ("longest gap between two new facts of tracers", lambda each: each.longest_silence),
    ]
    return [
        *(
            row(name, [of(moved)], "s", peer="2 workers", peer_runs=[of(steady)])
            for name, of in figures
        ),
        row("facts in all three graphs (one digest)", [float(ran["one"].facts)], "facts"),
    ]


def _ran(place: Place, sent: Sent, slots: int, *, grows: bool) -> Ran:
    """One run on a graph of its own."""
    shop_events, shop_catalog = place.topic("shop-events"), place.topic("shop-catalog")
    settings = place.settings(
        sources={shop_events: "native", shop_catalog: "native-catalog"},
        workers=dict.fromkeys(SHARED, slots),
        session_timeout_ms=6_000,
        allowance_ms=_ALLOWANCE_MS,
    )
    fleet = Fleet(settings)
    try:
        fleet.add(0, STAGES)
        for slot in range(1, slots):
            fleet.add(slot)
        place.fill(shop_catalog, sent.catalog)
        place.fill(shop_events, sent.first)
        waits, moved = asyncio.run(_run(settings, shop_events, sent, fleet, grows=grows))
    finally:
        fleet.stop()
    found = digested(settings)
    place.forget(settings)
    return Ran(waits, moved, found.digest, found.facts)


async def _run(
    settings: Settings, topic: str, sent: Sent, fleet: Fleet, *, grows: bool
) -> tuple[list[tuple[float, float]], list[tuple[float, str]]]:
    await demo.at_rest(settings, fleet, _nothing)
    found = await _play(settings, topic, sent, fleet, grows=grows)
    await demo.at_rest(settings, fleet, _nothing)
    return found


async def _play(
    settings: Settings, topic: str, sent: Sent, fleet: Fleet, *, grows: bool
) -> tuple[list[tuple[float, float]], list[tuple[float, str]]]:
    """Send the chunks at their pace; a third in, workers are added, two thirds in, removed."""
    back: dict[str, float] = {}
    went: dict[str, float] = {}
    moved: list[tuple[float, str]] = []
    ready = asyncio.Event()
    reading = asyncio.create_task(read_facts(settings, back, ready))
    await ready.wait()
    began = time.time()
    moving = asyncio.create_task(_move(fleet, len(sent.paced) / 10, moved, began, grows=grows))
    async with producer(settings.kafka) as kafka:
        for number, (feed, name) in enumerate(sent.paced):
            await asyncio.sleep(max(0.0, began + number / 10 - time.time()))
            if name is not None:
                went[name] = time.time()
            await send(kafka, topic, feed, places.PARTITIONS)
    await moving
    deadline = time.monotonic() + _TRACERS_S
    while went.keys() - back.keys() and time.monotonic() < deadline:
        await asyncio.sleep(_POLL_S)
    reading.cancel()
    if lost := sorted(went.keys() - back.keys()):
        raise StalledError(f"not back {_TRACERS_S:.0f} s after the last event: {', '.join(lost)}")
    return [(at - began, back[name] - at) for name, at in went.items()], moved


async def _move(
    fleet: Fleet, seconds: float, moved: list[tuple[float, str]], began: float, *, grows: bool
) -> None:
    if not grows:
        return
    await asyncio.sleep(seconds / 3)
    moved.append((time.time() - began, "third workers start"))
    await asyncio.to_thread(fleet.add, 2)
    moved.append((time.time() - began, "third workers are ready"))
    await asyncio.sleep(max(0.0, began + seconds * 2 / 3 - time.time()))
    moved.append((time.time() - began, "third workers leave"))
    await asyncio.to_thread(fleet.remove, 2)
    moved.append((time.time() - began, "third workers are gone"))


def _say(name: str, ran: Ran) -> None:
    waits = [wait for _, wait in ran.waits]
    at, longest = max(ran.waits, key=lambda each: each[1])
    print(
        f"  {name}: {ran.digest[:16]}, {ran.facts:,} facts, median {statistics.median(waits):.2f} "
        f"s, longest {longest:.2f} s (sent at {at:.1f} s), none for {ran.longest_silence:.2f} s; "
        + "; ".join(f"{at:.1f} s {what}" for at, what in ran.moved),
        flush=True,
    )


def _nothing(_: str) -> None:
    """The bench says its own things."""


def _until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _TIMEOUT_S
    while not true():
        if time.monotonic() > deadline:
            raise StalledError(f"waited {_TIMEOUT_S:.0f} s for {what}")
        time.sleep(_POLL_S)


@contextmanager
def _running(workers: Sequence[Worker]) -> Iterator[None]:
    try:
        for worker in workers:
            worker.start()
        yield
    finally:
        for worker in workers:
            worker.stop()


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=1_000_000, help="of each run of `share`")
    parser.add_argument("--seconds", type=float, default=90.0, help="of each run of `resize`")
    parser.add_argument("--rate", type=float, default=2_000.0, help="events a second of `resize`")
    parser.add_argument("--products", type=int, default=1_000)
    parser.add_argument("--only", choices=("share", "resize"), default=None)
    places.options(parser)
    arguments = parser.parse_args()
    rows: list[Row] = []
    with places.place(arguments) as place:
        if arguments.only != "resize":
            rows += share(place, arguments.events, arguments.runs)
        if arguments.only != "share":
            rows += resize(place, arguments)
    save("scale", rows)


if __name__ == "__main__":
    main()
