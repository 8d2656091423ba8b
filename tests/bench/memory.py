"""How much memory a SHOPPERS worker takes: with open sessions, and as events go by.

    python -m tests.bench.memory [--shoppers N] [--events N]

Two graphs on one broker. In the first, `--shoppers` shoppers have a session each that is still
open, of four events: the worker's RSS when all is taken in, and the highest on the way. In the
second, sessions come and go (the light mix): the RSS after a tenth of `--events`, and after all.
The worker keeps rows decoded up to a limit and the rest in RocksDB, so neither may grow with what
it has seen.
"""

import argparse
from itertools import islice

from streams.settings import Settings
from tests.bench import place as places
from tests.bench.generate import MIXES, events, made_up_shop, native, visitors
from tests.bench.place import Place
from tests.bench.report import Row, row, save
from tests.bench.watch import Sample, Worker
from tests.kafka.helpers import tally

OPEN_LIMIT_MIB, GROWTH_LIMIT = 1024.0, 1.1
EVENTS_EACH = 4
_TIMEOUT_S = 900.0
_REST_S = 3.0


def open_sessions(place: Place, shoppers: int) -> list[Row]:
    """RSS with so many shoppers in the middle of a visit."""
    settings = place.settings()
    topic, count = settings.topic("events"), shoppers * EVENTS_EACH
    with Worker(settings, "shoppers") as worker:
        place.fill(topic, native(visitors(shoppers, EVENTS_EACH, shop=made_up_shop())))
        resting = _at_rest(worker, count)
        taken = worker.took_in(count, _TIMEOUT_S)
        highest = max(sample.rss for sample in worker.samples)
    _check_used(settings, count)
    place.forget(settings)
    what = f"{shoppers:,} shoppers with an open session"
    return [
        row(f"RSS, {what}", [_mib(resting.rss)], "MiB", at_most=OPEN_LIMIT_MIB),
        row(f"highest RSS on the way, {what}", [_mib(highest)], "MiB"),
        row(f"CPU, {what}", [taken.cpu_seconds / count * 1e6], "us/event"),
    ]


def growth(place: Place, count: int) -> list[Row]:
    """RSS after a tenth of the events, and after all of them."""
    settings = place.settings()
    topic, early = settings.topic("events"), count // 10
    with Worker(settings, "shoppers") as worker:
        stream = native(events(count, MIXES["light"], shop=made_up_shop()))
        place.fill(topic, islice(stream, early))
        before = _at_rest(worker, early)
        place.fill(topic, stream)
        after = _at_rest(worker, count)
        highest = max(sample.rss for sample in worker.samples)
    _check_used(settings, count)
    place.forget(settings)
    return [
        row(
            f"RSS after {count:,} events, beside {early:,}",
            [_mib(after.rss)],
            "MiB",
            peer=f"itself after {early:,}",
            peer_runs=[_mib(before.rss)],
            at_most=GROWTH_LIMIT,
        ),
        row("highest RSS on the way", [_mib(highest)], "MiB"),
    ]


def _at_rest(worker: Worker, count: int) -> Sample:
    """The first sample a few seconds after all is taken in, when nothing moves any more."""
    taken = worker.wait(
        lambda sample: sample.total >= count and sample.clean, f"to take {count} in", _TIMEOUT_S
    )
    return worker.wait(lambda sample: sample.at > taken.at + _REST_S, "to rest", _TIMEOUT_S)


def _check_used(settings: Settings, count: int) -> None:
    """Events that were late would need no memory."""
    used = tally(settings, "shoppers")["events.used"]
    if used != count:
        raise UnusedError(f"{used:,} of {count:,} events were used: the measurement says nothing")


class UnusedError(RuntimeError):
    """The worker did not keep what it should have kept."""


def _mib(size: int) -> float:
    return size / (1 << 20)


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shoppers", type=int, default=1_000_000)
    parser.add_argument("--events", type=int, default=10_000_000)
    places.options(parser, runs=None)
    arguments = parser.parse_args()
    with places.place(arguments) as place:
        rows = open_sessions(place, arguments.shoppers)
        print(f"  open sessions: {rows[0].value:,.0f} MiB", flush=True)
        rows += growth(place, arguments.events)
    save("memory", rows, [f"{arguments.shoppers * EVENTS_EACH:,} and {arguments.events:,} events"])


if __name__ == "__main__":
    main()
