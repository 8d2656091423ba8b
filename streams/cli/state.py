"""`cartograph state show|check|digest`: what the stores of this machine hold."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from streams.app import stage_folder
from streams.cli.shell import FOUND_WRONG, JSON, group, say, settings, show, table, told
from streams.errors import StateError
from streams.inbox import Inbox
from streams.owner import Kept, kept_of
from streams.settings import STAGES, Settings
from topology.check import check
from topology.digest import Digest
from topology.graph import TABLES as GRAPH_TABLES
from topology.graph import Graph
from topology.store.rocksdb import RocksStore

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


@state.command("show")
@told
def state_show(as_json: Annotated[bool, JSON] = False) -> None:
    """Partitions, their incarnations and offsets, and how their records ended."""
    rows = shown(settings())
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
    """Read every fact and every index and compare; exit code 1 if something is wrong."""
    found, problems, facts = settings(), [], 0
    for folder in folders(found, "graph"):
        with opened(folder, GRAPH_TABLES) as store:
            report = check(Graph(store))
        facts += report.facts
        problems += [(folder.name, each.table, each.key, each.what) for each in report.sample]
    value = {"facts": facts, "problems": problems}

    def text() -> None:
        say(f"{facts:,} facts, {len(problems) or 'no'} problems")
        if problems:
            table(("partition", "table", "key", "what"), problems)

    show(value, as_json=as_json, text=text)
    if problems:
        raise typer.Exit(FOUND_WRONG)


@state.command("digest")
@told
def state_digest(as_json: Annotated[bool, JSON] = False) -> None:
    """One number for the graph: equal contents, equal digests, whatever the order or partitions."""
    found = digested(settings())
    show(found, as_json=as_json, text=lambda: say(f"{found.digest}  {found.facts:,} facts"))


def _pairs(counts: dict[str, int]) -> str:
    return " ".join(f"{name}={count:,}" for name, count in sorted(counts.items()))
