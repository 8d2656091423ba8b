"""One input through the live pipeline, then beside it through replays: rates and digests."""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from streams import demo
from streams.cli.state import digested
from streams.control.generations import Base, settings_of
from streams.errors import CartographError
from streams.play import CATALOG, EVENTS, Played, TopicKind
from streams.playing import Producing
from streams.replay import build as replay
from streams.replay.build import Order
from streams.replay.watch import Progress
from streams.settings import Settings
from tests.kafka.counts import POLL_S, QUIET_POLLS, at_rest

BASES: tuple[Base, ...] = ("events", "totals")


class Rate(NamedTuple):
    """What one way through the stages came to.

    Attributes:
        way: "live", or what the replay was built from.
        records: read from the shop's topics, or from those that the replay shares with it.
        seconds: from the first stage that was ready until all was told.
        facts, digest: of the graph at rest.
    """

    way: str
    records: int
    seconds: float
    facts: int
    digest: str

    @property
    def per_second(self) -> float:
        """Records a second."""
        return self.records / self.seconds


def measure(
    settings: Settings, records: Iterator[Played], say: Callable[[str], None] = print
) -> list[Rate]:
    """Play records, let the live pipeline read them, then replay them beside it.

    The shop's topics are filled before any worker runs, and every replay has stores of its own, so
    each way begins with the same records and no text that its models have seen.
    """
    return asyncio.run(_measure(settings, records, say))


async def _measure(
    settings: Settings, records: Iterator[Played], say: Callable[[str], None]
) -> list[Rate]:
    await demo.make_topics(settings)
    topics: dict[TopicKind, str] = {
        EVENTS if topic.endswith(".events") else CATALOG: topic for topic in settings.sources
    }
    async with Producing(settings, topics) as producing:
        await producing.play(records, progress=lambda count: None)
        played = sum(producing.sent.values())
    say(f"{played:,} records played")
    async with demo.workers(settings) as supervisor:
        while not all(told.ready for told in supervisor.status()) or not supervisor.status():
            await asyncio.sleep(0.05)
        began = min(told.ready_at for told in supervisor.status())
        await at_rest(settings, supervisor, say)
        seconds = time.time() - began - QUIET_POLLS * POLL_S
        found = digested(settings)
        rates = [Rate("live", played, seconds, found.facts, found.digest)]
        for base in BASES:
            rates.append(await _replayed(settings, base, say))
    return rates


async def _replayed(settings: Settings, base: Base, say: Callable[[str], None]) -> Rate:
    generation = await replay.prepare(settings, Order(f"of-{base}", base))

    def told(now: Progress) -> None:
        say(f"{base}: {now.read:,} of {now.of:,} records; behind: {now.behind}")

    done = await replay.run(settings, generation, say=told)
    if done is None or not done.rests:
        raise CartographError(f"the replay from {base} was ended before it was at rest")
    found = digested(settings_of(settings, generation))
    return Rate(base, done.records, done.seconds, found.facts, found.digest)


def show(rates: list[Rate]) -> bool:
    """Print them; whether all digests are one."""
    print(f"{'way':8} {'records':>12} {'seconds':>9} {'records/s':>10} {'facts':>10}  digest")
    for each in rates:
        print(
            f"{each.way:8} {each.records:>12,} {each.seconds:>9.1f} {each.per_second:>10,.0f} "
            f"{each.facts:>10,}  {each.digest[:16]}"
        )
    same = len({each.digest for each in rates}) == 1
    print("one digest" if same else "THE DIGESTS DIFFER")
    return same


class Saying:
    """Prints a line now and then."""

    def __init__(self, name: str, every_s: float = 15.0) -> None:
        self._name, self._every_s = name, every_s
        self._began = self._told = time.monotonic()

    def __call__(self, line: str) -> None:
        now = time.monotonic()
        if now - self._told >= self._every_s:
            self._told = now
            print(f"  {self._name} {now - self._began:5.0f} s: {line}", flush=True)
