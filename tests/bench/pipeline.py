"""The whole way of the data: all five stages as workers on one machine, events to facts.

    python -m tests.bench.pipeline [--events N] [--products N] [--rate N]

The sample shop as a light mix (3 % purchases) on its own catalog. In order:

1. cold: the catalog alone, no text of which any model has seen: new texts a second;
2. a third as many events as are measured: after it queries and products are tagged, the cache is
   warm;
3. warm: ROUTE is stopped, `--events` events are put into the shop's topic, ROUTE starts: events a
   second from its first record until every stage has read and told everything;
4. latency at half of that rate: while events flow, tracers (two products bought together by the
   second shopper, which makes a fact of them) are sent, and the time is taken from just before
   their last purchase is produced until their fact is read from `graph.facts`. Theirs is the
   longest way there is: SHOPPERS, PRODUCTS twice, GRAPH.
"""

import argparse
import asyncio
import math
import time
from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.bench import place as places
from tests.bench.flow import Event, Flow, Moment, SampleShop, sample_shop, tracer_visit
from tests.bench.place import PARTITIONS, producer, send
from tests.bench.report import Row, row, save
from tests.bench.watch import Stalled

WARM_TARGET, COLD_TARGET, LATENCY_TARGET_S = 25_000.0, 1_000.0, 2.0
TRACERS = 150
_TIMEOUT_S = 170.0
_TICK_S = 0.05
_TRACE_WAIT_S = 20.0


def cold(flow: Flow, shop: SampleShop) -> list[Row]:
    """The catalog, with all texts new to the models."""
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
    ]


def warm(flow: Flow, events: Sequence[Event], before: Moment) -> tuple[float, list[Row], list[str]]:
    """Events a second through all stages; rows, and what each stage took of the CPU."""
    route = flow.workers["route"]
    route.stop()
    _fill(flow, flow.events, [event.feed for event in events])
    began = time.time()
    route.start()
    now = flow.at_rest(_TIMEOUT_S)
    done = before.samples["route"].total
    began = max(began, flow.busy_since("route", done))
    seconds = flow.quiet_since() - began
    rate = len(events) / seconds
    added = {topic: end - before.ends.get(topic, 0) for topic, end in now.ends.items()}
    tagged = [
        now.samples[stage].answers["tagging.model"] - before.samples[stage].answers["tagging.model"]
        for stage in ("queries", "products")
    ]
    rows = [
        row(
            f"warm: events through all stages, {len(events):,}",
            [rate],
            "events/s",
            at_least=WARM_TARGET,
        ),
        row("warm: totals of searches and pairs", [(added["searched"] + added["bought"]) / seconds], "totals/s"),
        row("warm: asked and together", [(added["asked"] + added["together"]) / seconds], "totals/s"),
        row("warm: claims", [added["claims"] / seconds], "totals/s"),
        row("warm: facts published", [added["facts"] / seconds], "facts/s"),
        row("warm: texts that were new all the same", [float(sum(tagged))], "texts"),
    ]
    cpu = {
        stage: now.samples[stage].cpu_s
        - (0.0 if stage == "route" else before.samples[stage].cpu_s)
        for stage in now.samples
    }
    rows += [
        row(f"warm: CPU of {stage}", [used / len(events) * 1e6], "us/event")
        for stage, used in cpu.items()
    ]
    sizes = ", ".join(f"{stage} {now.samples[stage].rss >> 20}" for stage in now.samples)
    return rate, rows, [f"warm: {seconds:.1f} s; RSS in MiB: {sizes}"]


def latency(flow: Flow, events: Sequence[Event], shop: SampleShop, rate: float) -> list[Row]:
    """From just before an event is produced until its fact is read, while events flow."""
    found = asyncio.run(_trace(flow, events, shop, rate))
    if not found:
        raise Stalled("no tracer came through")
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


async def _trace(
    flow: Flow, events: Sequence[Event], shop: SampleShop, rate: float
) -> list[float]:
    sent: dict[str, float] = {}
    back: dict[str, float] = {}
    topic = flow.settings.topic("facts")
    async with (
        producer(flow.settings.kafka) as kafka,
        AIOKafkaConsumer(
            bootstrap_servers=flow.settings.kafka, auto_offset_reset="latest"
        ) as consumer,
    ):
        tps = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(tps)
        for tp in tps:
            await consumer.position(tp)
        reading = asyncio.create_task(_read_facts(consumer, back))
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


async def _read_facts(consumer: AIOKafkaConsumer, back: dict[str, float]) -> None:
    while True:
        found = await consumer.getmany(timeout_ms=100)
        now = time.time()
        for records in found.values():
            for record in records:
                value = record.value or b""
                if b'"used_with"' in value and b'"head":"product:TRACER' in value:
                    name = value.partition(b'"head":"product:')[2].partition(b'"')[0].decode()
                    back.setdefault(name, now)


def measure(arguments: argparse.Namespace) -> tuple[list[Row], list[str]]:
    """All rows, and notes."""
    count = arguments.events
    warm_up, at_half = count // 3, count // 3 * 2
    with places.place(arguments) as place:
        shop = sample_shop(
            place.folder / "sample",
            warm_up + count + at_half,
            products=arguments.products,
            tracers=TRACERS,
        )
        print(f"  {len(shop.catalog):,} products, {len(shop.events):,} events", flush=True)
        flow = Flow(place)
        with flow.running():
            rows = cold(flow, shop)
            print("  cold: done", flush=True)
            before = _warm_up(flow, shop, warm_up)
            print("  cache is warm", flush=True)
            rate, more, notes = warm(flow, shop.events[warm_up : warm_up + count], before)
            rows += more
            print(f"  warm: {rate:,.0f} events/s", flush=True)
            rest = shop.events[warm_up + count :][:at_half]
            rows += latency(flow, rest, shop, arguments.rate or rate / 2)
    return rows, notes


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
    parser.add_argument("--events", type=int, default=300_000, help="measured with a warm cache")
    parser.add_argument("--products", type=int, default=6_000)
    parser.add_argument("--rate", type=float, default=0.0, help="of the latency; 0: half of warm")
    places.options(parser)
    rows, notes = measure(parser.parse_args())
    save("pipeline", rows, notes)


if __name__ == "__main__":
    main()
