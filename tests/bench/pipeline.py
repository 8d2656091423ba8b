"""The whole way of the data: all five stages as workers on one machine, events to facts.

    python -m tests.bench.pipeline [--events N] [--runs N] [--products N] [--rate N]

The sample shop as a light mix (3 % purchases) on its own catalog. In order:

1. cold: the catalog alone, no text of which any model has seen: new texts a second;
2. half as many events as a run has: after it queries and products are tagged, the cache is
   warm;
3. warm, `--runs` times: ROUTE is stopped, `--events` events are put into the shop's topic, ROUTE
   starts: events a second from its first record until every stage has read and told everything;
4. latency at half of that rate: while events flow, tracers (two products bought together by the
   second shopper, which makes a fact of them) are sent, and the time is taken from just before
   their last purchase is produced until their fact is read from `graph.facts`. Theirs is the
   longest way there is: SHOPPERS, PRODUCTS twice, GRAPH.
"""

import argparse
import asyncio
import math
import statistics
import time
from collections.abc import Sequence
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.settings import Settings
from tests.bench import place as places
from tests.bench.flow import Event, Flow, Moment, SampleShop, sample_shop, tracer_visit
from tests.bench.place import PARTITIONS, producer, send
from tests.bench.report import Row, row, save
from tests.bench.watch import StalledError

WARM_TARGET, COLD_TARGET, LATENCY_TARGET_S = 25_000.0, 1_000.0, 2.0
TRACERS = 150
_TIMEOUT_S = 170.0
_TICK_S = 0.05
_TRACE_WAIT_S = 20.0


def cold(flow: Flow, shop: SampleShop) -> list[Row]:
    """The catalog, with all texts new to the models."""
    began_cpu_s = flow.workers["products"].samples[-1].cpu_s
    began = _fill(flow, flow.catalog, shop.catalog)
    now = flow.at_rest(_TIMEOUT_S)
    seconds = flow.quiet_since() - began
    answers = now.samples["products"].answers
    texts, claims = answers["tagging.model"], answers["cleaning.model"]
    products = len(shop.catalog)
    return [
        row(
            f"cold: new texts tagged, {texts:,} of {products:,} products",
            [texts / seconds],
            "texts/s",
            at_least=COLD_TARGET,
        ),
        row(f"cold: claims judged, {claims:,}", [claims / seconds], "claims/s"),
        row("cold: products", [products / seconds], "products/s"),
        row(
            "cold: CPU of products, models included",
            [(now.samples["products"].cpu_s - began_cpu_s) / (texts + claims) * 1e3],
            "ms/answer",
        ),
    ]


class Round(NamedTuple):
    """Some events through all stages with a warm cache.

    Attributes:
        figures: (what, unit) -> value.
        now: everything at its end.
    """

    rate: float
    figures: dict[tuple[str, str], float]
    now: Moment


def warm(flow: Flow, events: Sequence[Event], before: Moment) -> Round:
    """Put events into the shop's topic while ROUTE is away, and time their way."""
    route = flow.workers["route"]
    route.stop()
    _fill(flow, flow.events, [event.feed for event in events])
    route.start()
    now = flow.at_rest(_TIMEOUT_S)
    begin = flow.last_before("route", before.samples["route"].total)
    seconds = flow.quiet_since() - begin.at
    added = {topic: end - before.ends.get(topic, 0) for topic, end in now.ends.items()}
    figures = {
        ("totals of searches and pairs", "totals/s"): (added["searched"] + added["bought"])
        / seconds,
        ("asked and together", "totals/s"): (added["asked"] + added["together"]) / seconds,
        ("claims", "totals/s"): added["claims"] / seconds,
        ("facts published", "facts/s"): added["facts"] / seconds,
        ("texts that were new all the same", "texts"): float(_tagged(now) - _tagged(before)),
    }
    at_first = {**before.samples, "route": begin}  # ROUTE is another process now
    for stage, sample in now.samples.items():
        used = sample.cpu_s - at_first[stage].cpu_s
        figures[f"CPU of {stage}", "us/event"] = used / len(events) * 1e6
    return Round(len(events) / seconds, figures, now)


def warm_rows(rounds: Sequence[Round], count: int) -> list[Row]:
    """The figures of all rounds."""
    rates = [each.rate for each in rounds]
    what = f"warm: {count:,} events through all stages"
    rows = [row(what, rates, "events/s", at_least=WARM_TARGET)]
    for what, unit in rounds[0].figures:
        rows.append(row(f"warm: {what}", [each.figures[what, unit] for each in rounds], unit))
    for stage, sample in rounds[-1].now.samples.items():
        rows.append(row(f"RSS of {stage} at the end", [sample.rss / (1 << 20)], "MiB"))
    return rows


def _tagged(moment: Moment) -> int:
    return sum(moment.samples[stage].answers["tagging.model"] for stage in ("queries", "products"))


def latency(flow: Flow, events: Sequence[Event], shop: SampleShop, rate: float) -> list[Row]:
    """From just before an event is produced until its fact is read, while events flow."""
    found = asyncio.run(_trace(flow, events, shop, rate))
    if not found:
        raise StalledError("no tracer came through")
    ordered = sorted(found)
    lost = len(shop.tracers) - len(found)
    what = f"event to first publish at {rate:,.0f} events/s"
    rows = [
        row(f"{what}, p50", [_at(ordered, 0.5)], "s"),
        row(f"{what}, p99 of {len(found)}", [_at(ordered, 0.99)], "s", at_most=LATENCY_TARGET_S),
        row(f"{what}, longest", [ordered[-1]], "s"),
    ]
    if lost:
        rows.append(row(f"tracers not back within {_TRACE_WAIT_S:.0f} s", [float(lost)], "tracers"))
    return rows


def _at(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]


async def _trace(flow: Flow, events: Sequence[Event], shop: SampleShop, rate: float) -> list[float]:
    sent: dict[str, float] = {}
    back: dict[str, float] = {}
    ready = asyncio.Event()
    async with producer(flow.settings.kafka) as kafka:
        reading = asyncio.create_task(read_facts(flow.settings, back, ready))
        await ready.wait()
        await _send_paced(kafka, flow.events, events, shop, rate, sent)
        deadline = time.monotonic() + _TRACE_WAIT_S
        while len(back.keys() & sent.keys()) < len(sent) and time.monotonic() < deadline:
            await asyncio.sleep(_TICK_S)
        reading.cancel()
    return [back[name] - at for name, at in sent.items() if name in back]


async def _send_paced(
    kafka: object,
    topic: str,
    events: Sequence[Event],
    shop: SampleShop,
    rate: float,
    sent: dict[str, float],
) -> None:
    """Produce at a fixed rate, a tracer at even distances."""
    began = time.time()
    every = len(events) / rate / len(shop.tracers)
    place = number = 0
    while place < len(events):
        await asyncio.sleep(_TICK_S)
        passed = time.time() - began
        until = min(len(events), int(passed * rate))
        chunk = [event.feed for event in events[place:until]]
        at_ms = max((event.at_ms for event in events[place:until]), default=0)
        place = until
        while at_ms and number < len(shop.tracers) and passed > number * every:
            pair = shop.tracers[number]
            chunk += tracer_visit(pair, f"second-{number}", at_ms)
            sent[pair[0]] = time.time()
            number += 1
        if chunk:
            await send(kafka, topic, chunk, PARTITIONS)


async def read_facts(
    settings: Settings, back: dict[str, float], ready: asyncio.Event | None = None
) -> None:
    """Note when the first fact of each tracer is read from `graph.facts`, from now on.

    Args:
        back: head of the fact -> seconds since 1970.
        ready: set once nothing that is published can be missed.
    """
    async with AIOKafkaConsumer(
        bootstrap_servers=settings.kafka, auto_offset_reset="latest"
    ) as consumer:
        topic = settings.topic("facts")
        tps = [TopicPartition(topic, number) for number in range(settings.partitions)]
        consumer.assign(tps)
        for tp in tps:
            await consumer.position(tp)
        if ready is not None:
            ready.set()
        while True:
            found = await consumer.getmany(timeout_ms=100)
            now = time.time()
            for records in found.values():
                for record in records:
                    _note(record.value or b"", now, back)


def _note(value: bytes, now: float, back: dict[str, float]) -> None:
    if b'"used_with"' in value and b'"head":"product:TRACER' in value:
        name = value.partition(b'"head":"product:')[2].partition(b'"')[0].decode()
        back.setdefault(name, now)


def measure(arguments: argparse.Namespace) -> list[Row]:
    """All rows."""
    count, runs = arguments.events, arguments.runs
    warm_up, at_half = count // 2, count
    with places.place(arguments) as place:
        shop = sample_shop(
            place.folder / "sample",
            warm_up + count * runs + at_half,
            products=arguments.products,
            tracers=TRACERS,
        )
        print(f"  {len(shop.catalog):,} products, {len(shop.events):,} events", flush=True)
        flow = Flow(place)
        with flow.running():
            rows = cold(flow, shop)
            print(f"  cold: {rows[0].value:,.0f} new texts/s", flush=True)
            before, rounds = _warm_up(flow, shop, warm_up), list[Round]()
            for turn in range(runs):
                first = warm_up + turn * count
                rounds.append(warm(flow, shop.events[first : first + count], before))
                before = rounds[-1].now
                print(f"  warm: {rounds[-1].rate:,.0f} events/s", flush=True)
            rows += warm_rows(rounds, count)
            rate = arguments.rate or statistics.median(each.rate for each in rounds) / 2
            rest = shop.events[warm_up + count * runs :][:at_half]
            rows += latency(flow, rest, shop, rate)
    return rows


def _warm_up(flow: Flow, shop: SampleShop, count: int) -> Moment:
    events = shop.events[:count]
    feed = [event.feed for event in events]
    for number, pair in enumerate(shop.tracers):
        feed += tracer_visit(pair, f"first-{number}", events[-1].at_ms)
    _fill(flow, flow.events, feed)
    return flow.at_rest(_TIMEOUT_S)


def _fill(flow: Flow, topic: str, feed: Sequence[object]) -> float:
    """Produce; when it began, seconds since 1970."""
    began = time.time()
    asyncio.run(places.produce(flow.settings.kafka, topic, feed, PARTITIONS))  # type: ignore[arg-type]
    return began


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=200_000, help="of each warm run")
    parser.add_argument("--products", type=int, default=6_000)
    parser.add_argument("--rate", type=float, default=0.0, help="of the latency; 0: half of warm")
    places.options(parser)
    save("pipeline", measure(parser.parse_args()))


if __name__ == "__main__":
    main()
