"""All five stages as worker processes, the shop that they are fed, and when they are at rest."""

import asyncio
import contextlib
import json
import random
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer

from streams.registry import SPECS
from streams.sample.make import CATALOG, EVENTS, Sizes, make
from streams.settings import STAGES
from tests.bench.generate import Feed
from tests.bench.place import Place, ends
from tests.bench.watch import Sample, StalledError, Worker

PURCHASES = 0.03
EVENTS_A_SHOPPER = 11
"""Of the sample shop, once purchases are thinned out; fewer than it really has, which are 11.8
with 500 products and 13.4 with 6,000."""
TOPICS = ("searched", "bought", "asked", "together", "claims", "facts")
_POLL_S = 0.1
_TRACER_DAY_MS = 86_400_000


class _Seen(msgspec.Struct):
    action_name: str
    client_id: str
    timestamp: int


_seen = msgspec.json.Decoder(_Seen).decode


class Event(NamedTuple):
    """An event of the sample shop, as it sends it."""

    at_ms: int
    feed: Feed


class SampleShop(NamedTuple):
    """A catalog with tracer products in it, and events in the order of arrival.

    Attributes:
        tracers: pairs of products that nobody but a tracer buys.
    """

    catalog: list[Feed]
    events: list[Event]
    tracers: list[tuple[str, str]]


def sample_shop(
    folder: Path, count: int, *, products: int, tracers: int, seed: int = 1
) -> SampleShop:
    """The sample shop with at least `count` events, 3 % of them purchases: the light mix.

    What is asked and bought hangs together, as in a real shop; three quarters of the purchases,
    and all returns, are left out.
    """
    make(folder, seed, Sizes(products, count // EVENTS_A_SHOPPER + 1, 28))
    catalog = []
    for line in (folder / CATALOG).read_bytes().splitlines():
        catalog.append(Feed(str(json.loads(line)["id"]).encode(), line))
    pairs = []
    for number in range(tracers):
        record = json.loads(catalog[number % len(catalog)].value)
        pair = f"TRACER{number}A", f"TRACER{number}B"
        pairs.append(pair)
        for name in pair:
            catalog.append(Feed(name.encode(), json.dumps(record | {"id": name}).encode()))
    lines = (folder / EVENTS).read_bytes().splitlines()
    return SampleShop(catalog, list(thinned(lines, seed)), pairs)


def thinned(lines: list[bytes], seed: int, purchases: float = PURCHASES) -> Iterator[Event]:
    """The events without returns, and without as many purchases as make them that share."""
    rng = random.Random(seed)
    bought = sum(b'"action_name":"purchase"' in line for line in lines)
    returned = sum(b'"action_name":"return"' in line for line in lines)
    others = len(lines) - bought - returned
    keep = min(1.0, purchases / (1 - purchases) * others / max(bought, 1))
    for line in lines:
        seen = _seen(line)
        if seen.action_name == "return" or (
            seen.action_name == "purchase" and rng.random() >= keep
        ):
            continue
        yield Event(seen.timestamp, Feed(seen.client_id.encode(), line))


def tracer_visit(products: tuple[str, str], shopper: str, at_ms: int) -> list[Feed]:
    """A shopper who buys both products in one session, and does nothing else."""
    feed = []
    for place, product in enumerate(products):
        told = {
            "action_name": "purchase",
            "event_id": f"{shopper}-{product}",
            "client_id": shopper,
            "session_id": f"visit-{shopper}",
            "timestamp": at_ms + place,
            "event_attributes": {"object": {"object_id": product}},
        }
        feed.append(Feed(shopper.encode(), json.dumps(told).encode()))
    return feed


class Moment(NamedTuple):
    """Everything at one time: samples of the workers, and how long each topic is."""

    samples: Mapping[str, Sample]
    ends: Mapping[str, int]


class Flow:
    """Source topics, a graph, and its five workers."""

    def __init__(self, place: Place, **changes: object) -> None:
        self.events, self.catalog = place.topic("shop-events"), place.topic("shop-catalog")
        self.settings = place.settings(
            sources={self.events: "native", self.catalog: "native-catalog"}, **changes
        )
        self.workers = {stage: Worker(self.settings, stage) for stage in STAGES}
        self._inputs: dict[str, dict[str, str]] = {
            "route": {topic: topic for topic in self.settings.sources},
            **{stage: self._full(SPECS[stage].inputs) for stage in SPECS},
        }

    def _full(self, names: tuple[str, ...]) -> dict[str, str]:
        return {self.settings.topic(name): name for name in names}

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """All workers, until the block ends."""
        try:
            for worker in self.workers.values():
                worker.start()
            yield
        finally:
            for worker in self.workers.values():
                worker.stop()

    def at_rest(self, timeout_s: float) -> Moment:
        """Wait until every stage has read all that there is, and told all that follows.

        Raises:
            StalledError: a worker ends, or the time is over.
        """
        return asyncio.run(self._at_rest(timeout_s))

    async def _at_rest(self, timeout_s: float) -> Moment:
        deadline = time.monotonic() + timeout_s
        topics = {topic for inputs in self._inputs.values() for topic in inputs}
        topics |= {self.settings.topic(name) for name in TOPICS}
        async with AIOKafkaConsumer(bootstrap_servers=self.settings.kafka) as consumer:
            before: Mapping[str, int] = {}
            while True:
                samples = {stage: self._look(stage) for stage in self.workers}
                now = await ends(consumer, sorted(topics))
                # The ends must not have moved since before the workers said that they are done.
                if now == before and all(
                    self._is_done(stage, samples[stage], now) for stage in samples
                ):
                    return Moment(samples, self._short(now))
                before = now
                if time.monotonic() > deadline:
                    raise StalledError(f"not at rest within {timeout_s:.0f} s: {self._behind(now)}")
                await asyncio.sleep(_POLL_S)

    def _look(self, stage: str) -> Sample:
        sample = self.workers[stage].look()
        if sample is None:
            raise StalledError(f"{stage} notes nothing")
        return sample

    def _is_done(self, stage: str, sample: Sample, now: Mapping[str, int]) -> bool:
        return sample.clean and all(
            sample.done.get(logical, 0) >= now[full]
            for full, logical in self._inputs[stage].items()
        )

    def _behind(self, now: Mapping[str, int]) -> str:
        told = []
        for stage, inputs in self._inputs.items():
            sample = self._look(stage)
            left = sum(now[full] - sample.done.get(name, 0) for full, name in inputs.items())
            told.append(f"{stage} {left:,}{'' if sample.clean else ' and unsent'}")
        return ", ".join(told)

    def _short(self, now: Mapping[str, int]) -> dict[str, int]:
        prefix = f"{self.settings.prefix}."
        return {topic.removeprefix(prefix): end for topic, end in now.items()}

    def quiet_since(self) -> float:
        """When the last of the workers last did anything, seconds since 1970."""
        return max(_last_change(worker.samples) for worker in self.workers.values())

    def last_before(self, stage: str, done: int) -> Sample:
        """The last moment at which a worker had taken in no more than `done` records."""
        return [sample for sample in self.workers[stage].samples if sample.total <= done][-1]


def _last_change(samples: list[Sample]) -> float:
    last = samples[-1]
    state = last.done, last.clean, last.sent
    found = last.at
    for sample in reversed(samples):
        if (sample.done, sample.clean, sample.sent) != state:
            break
        found = sample.at
    return found
