"""Real files through a real broker and all stages, and what came out, to be looked at by eye.

    python -m tests.kafka.real_input --set online-retail|ubi-esci|icecat|myntra|all [--limit N]

The files are those of the folder `data` in CARTOGRAPH_SHARED (else `shared` beside the checkout).
Each set is a graph of its own. Prints speed, facts by relation and status, dead letters, what was
late, capped or waits, RSS of every process, the sums of rule 8, and facts drawn at random with
their evidence; the same stands in `.cartograph/bench/real-input.json`. Exit code 1 if a sum is
wrong. With `--facts FOLDER` all facts are kept there for `sampled_facts`; with `--bundles FOLDER`
the models are those of its folders `tagging`, `cleaning` and `synonyms`, where it has them.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

import msgspec
import psutil  # type: ignore[import-untyped]

from streams import demo, sources
from streams.broker import process
from streams.cli.state import digested, folders, opened
from streams.errors import CartographError
from streams.models.models import TASKS
from streams.play import CATALOG, EVENTS, Played, TopicKind, format_of, open_play
from streams.playing import Producing
from streams.process.status import Status
from streams.settings import Settings
from streams.sources.said import RawProduct
from tests.kafka import kept_facts
from tests.kafka.counts import Books, at_rest, keep_books
from topology.facts import Fact, decode_fact, product_node
from topology.graph import TABLES as GRAPH_TABLES
from topology.graph import Graph

REPOSITORY = Path(__file__).resolve().parents[2]
RESULTS = REPOSITORY / ".cartograph" / "bench" / "real-input.json"
SHOWN, KEPT = 20, 60
_CHUNK = 20_000


class Files(NamedTuple):
    """A set: its format for `open_play`, and its file below the folder of data."""

    form: str
    file: str


SETS = {
    "online-retail": Files("online-retail", "online-retail/2010-12_to_2011-09-09.csv.gz"),
    "ubi-esci": Files("ubi", "ubi-esci/ubi_queries_events.ndjson"),
    "icecat": Files("icecat", "icecat/products.jsonl.gz"),
    "myntra": Files("myntra", "myntra-styles/products.jsonl.gz"),
}


class Seen(msgspec.Struct):
    """A fact as a person judges it: with the products' titles."""

    fact: Fact
    head: str
    tail: str


class Result(msgspec.Struct):
    """What one set came to.

    Attributes:
        records: played, by topic.
        restarts: worker -> times that it broke and started again.
        seconds: step -> wall time.
        per_second: records over the time from the first record to rest.
        facts: relation -> status -> number.
        rss_mib: process -> highest RSS that was seen.
        books: stage, topic, records, outcomes.
        wrong: sums that do not add up.
        seen: "relation status" -> facts drawn at random.
    """

    records: dict[str, int]
    restarts: dict[str, int]
    seconds: dict[str, float]
    per_second: float
    facts: dict[str, dict[str, int]]
    dead_letters: dict[str, int]
    late: int
    capped: int
    waiting: dict[str, int]
    other: dict[str, int]
    rss_mib: dict[str, int]
    books: list[tuple[str, str, int, dict[str, int]]]
    wrong: list[str]
    digest: str
    seen: dict[str, list[Seen]]


class Ran(NamedTuple):
    """What `run` saw: records by topic, times, sums, highest RSS, restarts by worker."""

    sent: dict[str, int]
    steps: demo.Steps
    books: Books
    rss: dict[str, int]
    restarts: dict[str, int]


class Memory(threading.Thread):
    """Notes the highest RSS of processes, by name, until stopped."""

    def __init__(self, pids: Callable[[], dict[str, int]]) -> None:
        super().__init__(daemon=True)
        self._pids = pids
        self._ended = threading.Event()
        self.highest: dict[str, int] = {}

    def run(self) -> None:
        while not self._ended.wait(0.5):
            for name, pid in self._pids().items():
                try:
                    rss = psutil.Process(pid).memory_info().rss >> 20
                except psutil.Error:
                    continue
                self.highest[name] = max(rss, self.highest.get(name, 0))

    def stop(self) -> None:
        self._ended.set()
        self.join()


class Draw:
    """A fair sample of a stream of facts for each kind (reservoir, Vitter 1985)."""

    def __init__(self, seed: int) -> None:
        self._rng = Random(seed)
        self._counts: dict[str, int] = {}
        self.found: dict[str, list[Fact]] = {}

    def add(self, kind: str, fact: Fact) -> None:
        count = self._counts[kind] = self._counts.get(kind, 0) + 1
        found = self.found.setdefault(kind, [])
        if len(found) < KEPT:
            found.append(fact)
        elif (place := self._rng.randrange(count)) < KEPT:
            found[place] = fact


def shared() -> Path:
    """The folder of data.

    Raises:
        CartographError: it is not there.
    """
    given = os.environ.get("CARTOGRAPH_SHARED")
    folder = (Path(given) if given else REPOSITORY.parent / "shared") / "data"
    if not folder.is_dir():
        raise CartographError(f"no data in {folder}: set CARTOGRAPH_SHARED to the folder above it")
    return folder


def settings_of(kafka: str, folder: Path, name: str, **changes: object) -> Settings:
    """Settings of a graph of its own for a set."""
    form = format_of(SETS[name].form)
    prefix = f"real-{name}"
    named = {f"{prefix}.shop.events": form.events, f"{prefix}.shop.catalog": form.catalog}
    base = demo.demo_settings(Settings(data_dir=folder / name), "")
    return base.with_(
        kafka=kafka,
        prefix=prefix,
        sources={topic: told for topic, told in named.items() if told},
        **changes,
    )


async def run(
    settings: Settings, records: Iterator[Played], broker_pid: int, say: Callable[[str], None]
) -> "Ran":
    """Play records through all stages until they are at rest."""
    steps = demo.Steps()
    await demo.make_topics(settings)
    topics: dict[TopicKind, str] = {
        EVENTS if topic.endswith(".events") else CATALOG: topic for topic in settings.sources
    }
    async with demo.workers(settings) as supervisor:

        def pids() -> dict[str, int]:
            workers = {f"{told.stage}-{told.slot}": told.pid for told in supervisor.status()}
            return {"kafka": broker_pid, "play": os.getpid(), **workers}

        memory = Memory(pids)
        memory.start()
        try:
            with steps.step("start"):
                await _until(lambda: _all_ready(supervisor.status(), 5), 120)
            with steps.step("play"):
                async with Producing(settings, topics) as producing:
                    await producing.play(records, progress=lambda n: say(f"played {n:,}"))
                    sent = dict(producing.sent)
            with steps.step("rest"):
                await at_rest(settings, supervisor, say)
            with steps.step("count"):
                books = await keep_books(settings, supervisor.status())
        finally:
            memory.stop()
        restarts = {str(slot): count for slot, count in supervisor.restarts.items() if count}
    return Ran(sent, steps, books, memory.highest, restarts)


def _all_ready(workers: Iterable[Status], count: int) -> bool:
    return sum(told.ready for told in workers) >= count


async def _until(true: Callable[[], bool], timeout_s: float) -> None:
    async with asyncio.timeout(timeout_s):
        while not true():
            await asyncio.sleep(0.1)


def facts_of(settings: Settings) -> Iterator[Fact]:
    """All facts of the stores of GRAPH."""
    for folder in folders(settings, "graph"):
        with opened(folder, GRAPH_TABLES) as store:
            yield from map(decode_fact, Graph(store).facts())


def noted(
    records: Iterator[Played], form: str, products: dict[str, RawProduct]
) -> Iterator[Played]:
    """The records; products with a title on the way are put into `products`, by node."""
    source = sources.find(form)
    for record in records:
        if record.kind == CATALOG:
            for said in source.read(record.value):
                if isinstance(said, RawProduct) and said.title:
                    products[product_node(said.id)] = said
        yield record


def result_of(
    name: str,
    data: Path,
    limit: int | None,
    seed: int,
    changes: dict[str, object],
    facts_folder: Path | None,
) -> Result:
    """Run a set on a broker of its own."""
    began = time.monotonic()
    files, products = SETS[name], dict[str, RawProduct]()
    told = [began]

    def say(line: str) -> None:
        if time.monotonic() - told[0] > 10:
            told[0] = time.monotonic()
            print(f"  {name} {told[0] - began:5.0f} s: {line}", flush=True)

    with (
        tempfile.TemporaryDirectory(prefix="cartograph-real-") as tmp,
        process.running(Path(tmp) / "kafka") as broker,
    ):
        settings = settings_of(broker.address, Path(tmp), name, **changes)
        records = open_play(files.form, [data / files.file], limit=limit)
        played = noted(records, format_of(files.form).catalog, products)
        ran = asyncio.run(run(settings, played, broker.pid, say))
        counts: dict[str, dict[str, int]] = {}
        draw = Draw(seed)
        for fact in facts_of(settings):
            of_one = counts.setdefault(fact.relation, {})
            of_one[fact.status] = of_one.get(fact.status, 0) + 1
            draw.add(f"{fact.relation} {fact.status}", fact)
            draw.add(fact.status, fact)
        if facts_folder is not None:
            path = kept_facts.file_of(facts_folder, name)
            kept_facts.keep(path, products, facts_of(settings))
        digest = digested(settings).digest
    seconds, books = ran.steps.seconds, ran.books
    return Result(
        records=ran.sent,
        restarts=ran.restarts,
        seconds=seconds,
        per_second=round(sum(ran.sent.values()) / (seconds["play"] + seconds["rest"]), 1),
        facts=dict(sorted(counts.items())),
        dead_letters=books.letters,
        late=books.ended("late"),
        capped=books.ended("capped"),
        waiting=books.waiting,
        other=books.other,
        rss_mib=dict(sorted(ran.rss.items())),
        books=[(each.stage, each.topic, each.records, each.ended) for each in books.books],
        wrong=books.wrong,
        digest=digest,
        seen={
            kind: [_seen(each, products) for each in found] for kind, found in draw.found.items()
        },
    )


def _seen(fact: Fact, products: dict[str, RawProduct]) -> Seen:
    head, tail = products.get(fact.head), products.get(fact.tail)
    return Seen(fact, head.title if head else "", tail.title if tail else "")


def models_of(folder: Path | None) -> dict[str, object]:
    """Settings that name the bundles of a folder.

    Raises:
        CartographError: there are none in it.
    """
    if folder is None:
        return {}
    found = {task: folder / task for task in TASKS if (folder / task / "bundle.toml").is_file()}
    if not found:
        raise CartographError(f"no bundle in {folder}: name the folder above {', '.join(TASKS)}")
    return {f"{task}_bundle": path for task, path in found.items()}


def show(name: str, result: Result) -> None:
    """Print a result for people."""
    print(f"\n== {name}: {sum(result.records.values()):,} records, {result.per_second:,} a second")
    print("seconds:", "  ".join(f"{step} {s}" for step, s in result.seconds.items()))
    for relation, statuses in result.facts.items():
        print(f"  {relation:28}", "  ".join(f"{s} {n:,}" for s, n in sorted(statuses.items())))
    print("dead letters:", result.dead_letters or "none")
    print(f"late {result.late:,}, capped {result.capped:,}, also {result.other}")
    print("waiting:", result.waiting)
    print("started again:", result.restarts or "nobody")
    print("RSS, MiB:", "  ".join(f"{who} {mib:,}" for who, mib in result.rss_mib.items()))
    for stage, topic, records, ended in result.books:
        print(f"  {stage:9} {topic:34} {records:>9,} = {ended}")
    print("the sums of rule 8:", "; ".join(result.wrong) or "all add up")
    for status in ("accepted", "held", "rejected"):
        print(f"\n-- {SHOWN} {status}")
        for seen in result.seen.get(status, [])[:SHOWN]:
            show_fact(seen)


def show_fact(seen: Seen) -> None:
    """Print a fact with its evidence in two lines."""
    fact = seen.fact
    head = f"{fact.head} ({seen.head})" if seen.head else fact.head
    tail = f"{fact.tail} ({seen.tail})" if seen.tail else fact.tail
    print(f"{head} --{fact.relation}--> {tail}")
    evidence = fact.evidence
    said = [*evidence.queries, *evidence.fields, *evidence.products]
    print(f"    {fact.score:.2f} {fact.reason}  {fact.counts}  {', '.join(said)}")


def main() -> int:
    """Run what was asked for; 1 if a sum of rule 8 is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--set", default="all", choices=[*SETS, "all"])
    parser.add_argument("--limit", type=int, help="at most so many records of each file")
    parser.add_argument("--flush-records", type=int, help="another value of that setting")
    parser.add_argument("--bundles", type=Path, help="folder of the models; else those shipped")
    parser.add_argument("--facts", type=Path, help="folder in which all facts are kept")
    parser.add_argument("--seed", type=int, default=1, help="of the facts drawn")
    args = parser.parse_args()
    data = shared()
    changes = models_of(args.bundles)
    if args.flush_records:
        changes["flush_records"] = args.flush_records
    results: dict[str, Result] = {}
    if RESULTS.exists():
        results = msgspec.json.decode(RESULTS.read_bytes(), type=dict[str, Result])
    wrong = False
    for name in SETS if args.set == "all" else [args.set]:
        results[name] = result_of(name, data, args.limit, args.seed, changes, args.facts)
        show(name, results[name])
        wrong = wrong or bool(results[name].wrong)
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(results)))
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
