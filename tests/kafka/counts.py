"""Rule 8 added up: whatever stands on a topic ended somehow in the stage that reads it.

Stages that keep state say how their records ended in their stores; ROUTE keeps none, so its
worker's metrics page is read. Topics without transactions hold as many records as their end
offsets say (the topics of a graph are not compacted within their first hour).
"""

import asyncio
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Sequence
from http.client import HTTPException
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from streams import demo
from streams.cli.state import Shown, shown
from streams.errors import CartographError
from streams.outcomes import OUTCOMES
from streams.process.status import Status
from streams.settings import Settings
from streams.worker import lag
from streams.worker.supervisor import Supervisor
from topology.errors import StoreError

ROUTE = "route"
QUIET_POLLS, _DOWN_POLLS, _SILENT_POLLS, POLL_S, _TRIES = 4, 10, 90, 0.7, 5
"""`at_rest` has seen nothing move at so many looks, so many seconds apart."""
_RECORDS, _DEAD, _ITEMS = "cartograph_records", "cartograph_dead_letters", "cartograph_items"


class Book(NamedTuple):
    """One input topic of one stage.

    Attributes:
        records: that stand on the topic.
        ended: outcome -> records.
    """

    stage: str
    topic: str
    records: int
    ended: dict[str, int]

    @property
    def missing(self) -> int:
        """Records that ended nowhere; below 0: some were counted twice."""
        return self.records - sum(self.ended.values())


class Books(NamedTuple):
    """All of a run.

    Attributes:
        books: one for each stage and input.
        dead: reason -> dead letters that the stages counted.
        letters: reason -> dead letters on their topic.
        waiting: "stage.what" -> what the stages say of themselves.
        other: tallies that are no outcome of a record, for example `pairs.capped`.
    """

    books: list[Book]
    dead: dict[str, int]
    letters: dict[str, int]
    waiting: dict[str, int]
    other: dict[str, int]

    @property
    def wrong(self) -> list[str]:
        """A sentence for everything that does not add up."""
        found = [
            f"{book.stage} read {book.topic}: {book.records:,} records, "
            f"{sum(book.ended.values()):,} outcomes {book.ended}"
            for book in self.books
            if book.missing
        ]
        if self.dead != self.letters:
            found.append(f"dead letters: counted {self.dead}, on the topic {self.letters}")
        return found

    def ended(self, outcome: str) -> int:
        """Records of the shop's events that ended so in SHOPPERS."""
        return sum(each.ended.get(outcome, 0) for each in self.books if each.stage == "shoppers")


async def at_rest(
    settings: Settings, supervisor: Supervisor, say: Callable[[str], None] = lambda _: None
) -> None:
    """Wait until all is read, committed, told and scored, as the workers say and as it looks.

    Raises:
        CartographError: a worker ended with an error and does not come back.
        OSError, HTTPException: the page of one has been away for a minute.
    """
    inputs = _inputs(settings)
    facts = {"graph": [settings.topic("facts")]}
    quiet, down, silent, before = 0, 0, 0, list[lag.Lag]()
    while quiet < QUIET_POLLS:
        await asyncio.sleep(POLL_S)
        workers = supervisor.status()
        errors = [told.error for told in workers if told.error]
        down = down + 1 if errors else 0
        if down > _DOWN_POLLS:
            raise CartographError("; ".join(errors))
        try:
            _, _, waiting = await asyncio.to_thread(_of_pages, workers)
        except (OSError, HTTPException):  # of a worker that ended and is starting again
            quiet, silent = 0, silent + 1
            if silent > _SILENT_POLLS:
                raise
            continue
        silent = 0
        now = await lag.lags(settings, inputs)
        behind = {each.topic: each.behind for each in now if each.behind}
        now += await lag.lags(settings, facts)
        groups = waiting.get("graph.groups", 0)
        say(f"to read: {behind or 'nothing'}; {groups:,} groups to score, {now[-1].end:,} told")
        rests = all(told.rests for told in workers)
        still = now == before and rests and not groups and not behind and not errors
        quiet, before = (quiet + 1 if still else 0), now


def _inputs(settings: Settings) -> dict[str, list[str]]:
    """Stage -> full names of all topics it reads."""
    found = {stage: list(topics) for stage, topics in demo.stage_inputs(settings).items()}
    found["graph"].append(settings.topic("verdicts"))
    return found


async def keep_books(settings: Settings, workers: Sequence[Status]) -> Books:
    """Count what stands on the topics and how it ended; the run is at rest, its workers up."""
    inputs = _inputs(settings)
    ended, dead, waiting = _of_pages(workers)
    kept, other = _of_stores(settings)
    for (stage, topic), outcomes in kept.items():
        if topic == "dead":
            dead.update(outcomes)
        else:
            ended[stage, settings.topic(topic)] = outcomes
    books = [
        Book(each.stage, each.topic, each.end, dict(ended.get((each.stage, each.topic), {})))
        for each in await lag.lags(settings, inputs)
    ]
    letters = await demo.dead_letters(settings)
    return Books(books, dict(sorted(dead.items())), letters, waiting, other)


def _shown(settings: Settings) -> list[Shown]:
    """What the stores say; one that is compacted while it is opened is opened again."""
    for _ in range(_TRIES):
        try:
            return shown(settings)
        except StoreError:
            time.sleep(POLL_S)
    return shown(settings)


def _of_stores(settings: Settings) -> tuple[dict[tuple[str, str], Counter[str]], Counter[str]]:
    """(stage, logical topic or "dead") -> outcome or reason -> number; and what is neither."""
    found: dict[tuple[str, str], Counter[str]] = {}
    other: Counter[str] = Counter()
    for part in _shown(settings):
        for name, count in part.outcomes.items():
            topic, _, outcome = name.rpartition(".")
            if topic == "dead" or (outcome in OUTCOMES and topic != "pairs"):
                found.setdefault((part.stage, topic), Counter())[outcome] += count
            else:
                other[name] += count
    return found, other


def _of_pages(
    workers: Sequence[Status],
) -> tuple[dict[tuple[str, str], Counter[str]], Counter[str], dict[str, int]]:
    """ROUTE's outcomes by source topic, its dead letters by reason, and what waits anywhere."""
    ended: dict[tuple[str, str], Counter[str]] = {}
    dead: Counter[str] = Counter()
    waiting: dict[str, int] = {}
    for worker in workers:
        address = f"http://127.0.0.1:{worker.metrics_port}/metrics"
        with urllib.request.urlopen(address, timeout=10) as page:
            families = list(text_string_to_metric_families(page.read().decode()))
        for family in families:
            for sample in family.samples:
                labels, value = sample.labels, int(sample.value)
                if sample.name == _ITEMS:
                    name = f"{worker.stage}.{labels['what']}"
                    waiting[name] = waiting.get(name, 0) + value
                elif worker.stage == ROUTE and value:
                    if sample.name == f"{_RECORDS}_total":
                        where = ended.setdefault((ROUTE, labels["topic"]), Counter())
                        where[labels["outcome"]] += value
                    elif sample.name == f"{_DEAD}_total":
                        dead[labels["reason"]] += value
    return ended, dead, waiting
