"""The demo: a sample shop played through a real Kafka and all stages, to a graph at rest."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Protocol

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.broker import admin, process
from streams.dead_letters import TOPIC as DEAD_LETTERS
from streams.dead_letters import decode_dead_letter, marked
from streams.errors import CartographError
from streams.kafka.connection import options
from streams.play import CATALOG, EVENTS, TopicKind, open_play
from streams.playing import SHOP, Producing
from streams.process import status
from streams.process.status import Status
from streams.registry import SPECS
from streams.sample import make as sample
from streams.settings import STAGES, Settings
from streams.topics import TopicSpec, plan
from streams.worker import lag
from streams.worker.supervisor import Supervisor, slots

PARTITIONS = 4
K_SHOPPERS = 3
_POLL_S = 1.0
_QUIET_POLLS = 3
_PATIENCE_POLLS = 120
Say = Callable[[str], None]


class Steps(msgspec.Struct):
    """What took how long, in seconds, in order."""

    seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step."""
        began = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - began, 2)


def folder_of(settings: Settings) -> Path:
    """Everything that the demo writes."""
    return settings.data_dir / "demo"


def demo_settings(found: Settings, kafka: str) -> Settings:
    """Settings of a graph of the demo's own, whatever the operator's are."""
    prefix = f"demo-{int(time.time())}" if kafka else "demo"
    return found.with_(
        kafka=kafka,
        prefix=prefix,
        partitions=PARTITIONS,
        replication=1,
        k_shoppers=K_SHOPPERS,
        data_dir=folder_of(found),
        secret=found.secret or "the demo's shoppers are made up",
        sources={f"{prefix}.shop.events": "native", f"{prefix}.shop.catalog": "native-catalog"},
        workers={},
        log_level="warning",
    )


@contextmanager
def broker(settings: Settings) -> Iterator[Settings]:
    """The settings with an address: as given, or of an embedded broker that ends with the block.

    An earlier demo's data is removed first: each demo is a graph of its own.
    """
    folder = settings.data_dir
    with suppress(CartographError):
        process.stop(folder / "kafka")
    for old in ("kafka", settings.prefix, "run"):
        shutil.rmtree(folder / old, ignore_errors=True)
    if settings.kafka:
        yield settings
        return
    with process.running(folder / "kafka") as started:
        yield settings.with_(kafka=started.address)


async def make_topics(settings: Settings) -> None:
    """Create the graph's topics and the shop's.

    Raises:
        BrokerError: no broker answers.
    """
    specs = [
        *plan(settings.names, settings.partitions, settings.replication),
        *[TopicSpec(SHOP, name, PARTITIONS, settings.replication, {}) for name in settings.sources],
    ]
    await admin.apply(settings.kafka, specs, options=options(settings))


@asynccontextmanager
async def workers(settings: Settings) -> AsyncIterator[Supervisor]:
    """All stages, one process each, stopped when the block ends."""
    supervisor = Supervisor(settings, slots(settings, STAGES))
    running = asyncio.create_task(supervisor.run())
    try:
        yield supervisor
    finally:
        supervisor.stop()
        await running


async def play(settings: Settings, folder: Path, say: Say) -> int:
    """Produce the sample's catalog and events; how many records."""
    events, catalog = settings.sources
    topics: dict[TopicKind, str] = {EVENTS: events, CATALOG: catalog}
    count = 0
    async with Producing(settings, topics) as producing:
        for kind, file in ((CATALOG, sample.CATALOG), (EVENTS, sample.EVENTS)):
            records = open_play("native", [folder / file])
            played = (each for each in records if each.kind == kind)
            count += await producing.play(played)
    say(f"{count:,} records played")
    return count


class Workers(Protocol):
    """What can say how workers are, as a `Supervisor` can."""

    def status(self) -> list[Status]: ...


async def at_rest(settings: Settings, supervisor: Workers, say: Say) -> None:
    """Wait until every stage has read all there is and says nothing new.

    Raises:
        CartographError: a worker ended with an error, or nothing has moved for two minutes.
    """
    inputs = stage_inputs(settings)
    quiet, stuck, before = 0, 0, list[lag.Lag]()
    while quiet < _QUIET_POLLS:
        await asyncio.sleep(_POLL_S)
        workers = supervisor.status()
        if errors := [told.error for told in workers if told.error]:
            raise CartographError("; ".join(errors))
        now = await lag.lags(settings, inputs)
        behind = {each.stage: 0 for each in now}
        for each in now:
            behind[each.stage] += each.behind
        still = now == before and not any(behind.values()) and all(told.rests for told in workers)
        quiet, stuck = (quiet + 1 if still else 0), (stuck + 1 if now == before else 0)
        before = now
        left = ", ".join(f"{stage} {count:,}" for stage, count in behind.items() if count)
        say(f"still to read: {left or 'nothing'}")
        if left and stuck >= _PATIENCE_POLLS:
            raise CartographError(
                f"the stages have not moved for {stuck} polls, still to read: {left}. Look at "
                f"{status.run_folder(settings)} for the workers; a machine that is too busy needs "
                "CARTOGRAPH_SESSION_TIMEOUT_MS raised"
            )


def stage_inputs(settings: Settings) -> Mapping[str, list[str]]:
    """Stage -> full names of the topics it reads; those that people write are left out."""
    found = {"route": list(settings.sources)}
    for stage, spec in SPECS.items():
        found[stage] = [settings.topic(name) for name in spec.inputs if name != "verdicts"]
    return found


async def dead_letters(settings: Settings) -> dict[str, int]:
    """Reason -> number of dead letters."""
    topic = settings.topic(DEAD_LETTERS)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka, enable_auto_commit=False, **options(settings)
    )
    counts: dict[str, int] = {}
    await consumer.start()
    try:
        place = TopicPartition(topic, 0)
        consumer.assign([place])
        end = (await consumer.end_offsets([place]))[place]
        consumer.seek(place, (await consumer.beginning_offsets([place]))[place])
        while await consumer.position(place) < end:
            for records in (await consumer.getmany(timeout_ms=1_000)).values():
                for record in records:
                    if marked(record.key) is not None:
                        continue
                    reason = decode_dead_letter(record.value).reason
                    counts[reason] = counts.get(reason, 0) + 1
    finally:
        await consumer.stop()
    return dict(sorted(counts.items()))
