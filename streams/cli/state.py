"""`cartograph state show|check|digest|migrate`: what the stores of this machine hold."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from streams.checks.partition import check_partition
from streams.cli import which
from streams.cli.held import note_left
from streams.cli.shell import FOUND_WRONG, JSON, group, note, say, settings, show, table, told
from streams.control.generations import LIVE
from streams.errors import StateError
from streams.layout.migration import open_store
from streams.process.status import stage_folder
from streams.registry import SPECS, window_settings
from streams.settings import STAGES, Settings
from streams.totals.inbox import Inbox
from streams.totals.owner import Kept, kept_of
from topology.digest import Digest
from topology.graph import TABLES as GRAPH_TABLES
from topology.graph import Graph
from topology.keys import FACTS
from topology.store.layout import OLDEST_LAYOUT, layout_of
from topology.store.rocksdb import RocksStore

WHAT_TO_DO = (
    "Nothing was changed. Stop the worker of such a partition and restore its newest checkpoint, "
    "or move its folder away and build it again: “A store that is wrong” in deploy/RUNBOOK.md"
)

state = group("What the stores of this machine hold; workers may run meanwhile.")


class Shown(msgspec.Struct):
    """One partition of a stage."""

    stage: str
    partition: int
    incarnation: int
    offsets: dict[str, int]
    outcomes: dict[str, int]


class Digested(msgspec.Struct):
    """The digest of a graph, over facts and their totals."""

    digest: str
    facts: int
    partitions: int


class Wrong(msgspec.Struct):
    """One thing that is wrong in a partition."""

    stage: str
    partition: int
    table: str
    key: str
    what: str


class Checked(msgspec.Struct):
    """What a check found: how many things are wrong, and the first of each partition."""

    facts: int
    partitions: int
    count: int
    problems: list[Wrong]


class Migrated(msgspec.Struct):
    """A partition, with its layout before and now."""

    generation: str
    stage: str
    partition: int
    before: int
    now: int


def folders(found: Settings, stage: str) -> list[Path]:
    """The partitions of a stage on this machine."""
    folder = stage_folder(found, stage)
    return sorted(
        (each for each in folder.glob("*") if each.name.isdigit()), key=lambda each: int(each.name)
    )


@contextmanager
def opened(folder: Path, tables: tuple[str, ...]) -> Iterator[RocksStore]:
    """A store, to look at."""
    with RocksStore(folder, tables, read_only=True) as store:
        yield store


def shown(found: Settings) -> list[Shown]:
    """Every partition of every stage on this machine."""
    rows = []
    for stage in STAGES:
        for folder in folders(found, stage):
            with opened(folder, ("meta",)) as store:
                kept: Kept | None = kept_of(store)
            if kept is not None:
                rows.append(
                    Shown(stage, kept.partition, kept.incarnation, kept.offsets, kept.tally)
                )
    return rows


def digested(found: Settings) -> Digested:
    """The digest over the GRAPH partitions of this machine.

    Raises:
        StateError: there are none.
    """
    digest, facts, partitions = Digest(), 0, folders(found, "graph")
    if not partitions:
        raise StateError(
            f"there is no graph in {stage_folder(found, 'graph')}: run `cartograph worker` first, "
            "or set CARTOGRAPH_DATA_DIR"
        )
    for folder in partitions:
        with opened(folder, (*GRAPH_TABLES, "held", "meta")) as store:
            for fact in Graph(store).facts():
                digest.add_fact(fact)
                facts += 1
            for key, n, _ in Inbox(store).scan("claims", b""):
                digest.add_total("claims", key, n)
    return Digested(digest.hex, facts, len(partitions))


def checked(found: Settings) -> Checked:
    """Everything that is wrong with the stores of this machine."""
    result = Checked(0, 0, 0, [])
    for stage, spec in SPECS.items():
        for folder in folders(found, stage):
            partition = int(folder.name)
            with opened(folder, spec.all_tables) as store:
                report = check_partition(
                    store, spec, partition, graph=found.graph, windows=window_settings(found)
                )
                if stage == "graph" and not report.problems:
                    result.facts += sum(1 for _ in Graph(store).rows(FACTS))
            result.partitions += 1
            result.count += report.problems
            result.problems += [Wrong(stage, partition, *each) for each in report.sample]
    return result


@state.command("show")
@told
def state_show(as_json: Annotated[bool, JSON] = False) -> None:
    """Partitions, their incarnations and offsets, and how their records ended."""
    own = which.stored(settings())
    rows = shown(own)
    note_left(own, STAGES, note)
    show(
        rows,
        as_json=as_json,
        text=lambda: table(
            ("stage", "partition", "incarnation", "offsets", "outcomes"),
            [
                (r.stage, r.partition, r.incarnation, _pairs(r.offsets), _pairs(r.outcomes))
                for r in rows
            ],
        ),
    )


@state.command("check")
@told
def state_check(as_json: Annotated[bool, JSON] = False) -> None:
    """Read every row of every store and count anew; exit code 1 if something is wrong.

    Workers may run meanwhile: a store is looked at as it is when it is opened. Kafka is asked only
    of a generation that no worker has noted here: the windows that it was made with.
    """
    found = which.stored_as_made(settings())
    value = checked(found)
    note_left(found, SPECS, note)

    def text() -> None:
        if not value.partitions:
            where = stage_folder(found, "graph").parent
            say(f"no stores in {where}: is this the workers' data_dir?")
            return
        say(f"{value.facts:,} facts, {value.partitions} partitions, {value.count or 'no'} problems")
        if value.problems:
            table(
                ("stage", "partition", "table", "key", "what"),
                map(msgspec.structs.astuple, value.problems),
            )
            say(WHAT_TO_DO)

    show(value, as_json=as_json, text=text)
    if value.count:
        raise typer.Exit(FOUND_WRONG)


@state.command("migrate")
@told
def state_migrate(as_json: Annotated[bool, JSON] = False) -> None:
    """Bring the stores of this machine up to the layout of this program; the workers must rest.

    Those of all generations, or of the one that CARTOGRAPH_GENERATION names. A worker does so too
    when it starts. An older program cannot read them then: take a checkpoint first. Each partition
    is brought up whole or not at all; call it again after a kill.
    """
    rows = [row for each in which.every_stored(settings()) for row in _migrated(each)]
    show(rows, as_json=as_json, text=lambda: _print_migrated(rows))


@state.command("digest")
@told
def state_digest(as_json: Annotated[bool, JSON] = False) -> None:
    """One number for the graph: equal contents, equal digests, whatever the order or partitions."""
    own = which.stored(settings())
    found = digested(own)
    note_left(own, ["graph"], note)
    show(found, as_json=as_json, text=lambda: say(f"{found.digest}  {found.facts:,} facts"))


def _pairs(counts: dict[str, int]) -> str:
    return " ".join(f"{name}={count:,}" for name, count in sorted(counts.items()))


def _migrated(found: Settings) -> Iterator[Migrated]:
    for stage, spec in SPECS.items():
        for folder in folders(found, stage):
            before = layout_of(folder, create=False, oldest=OLDEST_LAYOUT)
            with open_store(folder, spec.all_tables) as store:
                name, number = found.generation or LIVE, int(folder.name)
                yield Migrated(name, stage, number, before, store.layout)


def _print_migrated(rows: list[Migrated]) -> None:
    table(
        Migrated.__struct_fields__,
        map(msgspec.structs.astuple, rows),
    )
    say(f"{sum(each.before != each.now for each in rows)} of {len(rows)} brought up")
    if any(each.before != each.now for each in rows):
        say("What models are to be asked again: `cartograph model backfill`, with the workers")
