"""`cartograph graph list|diff|swap|drop`: graphs beside the one that runs."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.cli import which
from streams.cli.held import note_left
from streams.cli.query import Status
from streams.cli.setup import address_of
from streams.cli.shell import JSON, group, note, say, settings, show, table, told
from streams.cli.state import folders, opened
from streams.control import generation_log
from streams.control.generations import LIVE, Generation, Generations, settings_of
from streams.errors import BrokerError, StateError
from streams.kafka.connection import options
from streams.process.status import stage_folder
from streams.replay import diff as graph_diff
from streams.replay import swap as swapping
from streams.replay.diff import Grounds, Report, Sample, Side
from streams.serve.past import fetched_graph_partitions
from streams.settings import Settings
from topology.diff import Row, differences
from topology.graph import TABLES, Graph
from topology.keys import FACTS

graph = group("Graphs beside the one that runs, which `cartograph replay` builds.")
Name = Annotated[str, typer.Argument(metavar="NAME", help=f"A generation; {LIVE} is the first.")]


class Listed(msgspec.Struct):
    """A generation.

    Attributes:
        serving: it answers.
        kept: `cartograph worker` runs its stages.
        made: when it was ordered, ISO 8601; empty for the first.
        facts: relation -> status -> number in the stores of this machine.
    """

    name: str
    state: str
    serving: bool
    kept: bool
    base: str
    asked: tuple[str, str]
    changes: dict[str, object]
    made: str
    facts: dict[str, dict[str, int]]


_CHECKPOINT = "checkpoint:"


class Graphs(msgspec.Struct, frozen=True):
    """A graph to compare: where its partitions are, and its settings, if they are known."""

    folders: tuple[Path, ...]
    settings: Settings | None


@graph.command("list")
@told
def graph_list(
    everything: Annotated[bool, typer.Option("--all", help="Dropped ones too.")] = False,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """The graphs that there are, which one answers, and in what they differ from the first."""
    found = _base()
    known = asyncio.run(generation_log.read(found))
    rows = [_listed(found, known, each) for each in (known.live, *known.all)]
    rows = [each for each in rows if everything or each.state not in ("dropped",)]
    show(rows, as_json=as_json, text=lambda: _print_list(rows))


def _listed(found: Settings, known: Generations, generation: Generation) -> Listed:
    counts: dict[str, dict[str, int]] = {}
    for folder in folders(settings_of(found, generation), "graph"):
        with opened(folder, TABLES) as store:
            for relation, statuses in Graph(store).counts().items():
                for status, count in statuses.items():
                    row = counts.setdefault(relation, {})
                    row[status] = row.get(status, 0) + count
    made = datetime.fromtimestamp(generation.made_ms / 1000, UTC) if generation.made_ms else None
    return Listed(
        generation.name,
        generation.state,
        known.serving.name == generation.name,
        generation.name in known.serving.kept,
        generation.base,
        generation.asked,
        generation.changes,
        made.isoformat(timespec="seconds") if made else "",
        counts,
    )


def _print_list(rows: list[Listed]) -> None:
    table(
        ("name", "state", "", "built from", "facts here", "differs in"),
        [
            (
                each.name,
                each.state,
                "answers" if each.serving else "kept up to date" if each.kept else "",
                _stretch(each),
                sum(sum(statuses.values()) for statuses in each.facts.values()),
                ", ".join(f"{name}={value}" for name, value in each.changes.items()),
            )
            for each in rows
        ],
    )


def _stretch(each: Listed) -> str:
    if each.name == LIVE:
        return "the shop's topics"
    since, until = each.asked
    return f"{each.base} from {since}{f' to {until}' if until else ''}"


@graph.command("diff")
@told
def graph_diff_(
    a: Annotated[
        str, typer.Argument(metavar="A", help=f"A generation, {LIVE}, checkpoint:ID, or a folder.")
    ],
    b: Annotated[str, typer.Argument(metavar="B", help="The same.")],
    relation: Annotated[str, typer.Option(help="Of this relation alone.")] = "",
    status: Annotated[Status, typer.Option(help="Facts that have it in A or in B.")] = Status.all,
    limit: Annotated[int, typer.Option(min=0, max=10_000, help="Samples of each kind.")] = 5,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """What B has and A has not, and the other way round, with the likeliest reasons.

    Reads the stores of GRAPH on this machine, whose workers may run meanwhile.
    """
    found = settings()
    one, other, erased = _graphs(found, a, b)
    differing = (
        graph_diff.settings_that_differ(one.settings, other.settings)
        if one.settings and other.settings
        else {}
    )
    with rows_of(one.folders) as rows, rows_of(other.folders) as others:
        names = graph_diff.bundles_in(rows()), graph_diff.bundles_in(others())
        bundles = tuple(sorted(names[0] - names[1])), tuple(sorted(names[1] - names[0]))
        report = graph_diff.report(
            differences(rows(), others()),
            Grounds(differing, bundles, erased),
            relation=relation,
            status="" if status is Status.all else status.value,
            limit=limit,
        )
    show(report, as_json=as_json, text=lambda: _print_diff(report, a, b))


class _Rows:
    """The tables of facts of a graph, partition by partition; may be read several times."""

    def __init__(self, graphs: list[Graph]) -> None:
        self._graphs = graphs

    def __call__(self) -> list[Iterator[Row]]:
        return [graph.rows(FACTS) for graph in self._graphs]


@contextmanager
def rows_of(places: tuple[Path, ...]) -> Iterator[_Rows]:
    """The facts of a graph as they are now, whatever its workers write meanwhile.

    Args:
        places: folders of the partitions of GRAPH.
    """
    with ExitStack() as stack:
        yield _Rows([Graph(stack.enter_context(opened(each, TABLES))) for each in places])


def _graphs(found: Settings, a: str, b: str) -> tuple[Graphs, Graphs, bool]:
    """Both graphs, and whether shoppers were ever erased."""
    known, erased = None, False
    if not all(Path(each).is_dir() or each.startswith(_CHECKPOINT) for each in (a, b)):
        base = generation_log.of_base(found.with_(kafka=address_of(found)))
        known = asyncio.run(generation_log.read(base))
        erased = asyncio.run(_has_erasures(base))
        found = base
    return _graph(found, known, a), _graph(found, known, b), erased


def _graph(found: Settings, known: Generations | None, word: str) -> Graphs:
    if word.startswith(_CHECKPOINT):
        fetched = fetched_graph_partitions(
            which.kept(settings()), word.removeprefix(_CHECKPOINT), note=note
        )
        return Graphs(tuple(fetched), None)
    if known is None or (known.get(word) is None and Path(word).is_dir()):
        return Graphs(_numbered(Path(word)), None)
    own = settings_of(found, known.find(word))
    here = tuple(folders(own, "graph"))
    if len(here) < own.partitions:
        raise StateError(
            f"{stage_folder(own, 'graph')} holds {len(here)} of {own.partitions} partitions of "
            f"{word}: run this where all of them are, or set CARTOGRAPH_DATA_DIR"
        )
    note_left(own, ["graph"], note)
    return Graphs(here, own)


def _numbered(folder: Path) -> tuple[Path, ...]:
    """Partitions in a folder of GRAPH, or in the one above it."""
    for place in (folder, folder / "graph"):
        found = [each for each in place.glob("*") if each.name.isdigit() and each.is_dir()]
        if found:
            return tuple(sorted(found, key=lambda each: int(each.name)))
    raise StateError(f"{folder} holds no partitions of GRAPH: name the folder above 0, 1, ...")


async def _has_erasures(found: Settings) -> bool:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=found.kafka, enable_auto_commit=False, **options(found)
    )
    place = TopicPartition(found.topic("erasures"), 0)
    try:
        await consumer.start()
        end = (await consumer.end_offsets([place]))[place]
        return bool(end > (await consumer.beginning_offsets([place]))[place])
    except (KafkaError, OSError) as error:
        raise BrokerError(f"no Kafka answers at {found.kafka} ({error})") from error
    finally:
        await consumer.stop()


def _print_diff(report: Report, a: str, b: str) -> None:
    grounds = report.grounds
    for name, (before, after) in grounds.settings.items():
        say(f"{name}: {before} in {a}, {after} in {b}")
    for word, names in zip((a, b), grounds.bundles, strict=True):
        if names:
            say(f"only {word} was read with {', '.join(names)}")
    if not report.differ:
        say("no fact differs")
        return
    table(
        ("relation", "what", "likely reason", "facts"),
        [(each.relation, each.kind, each.reason, each.facts) for each in report.lines],
    )
    for sample in report.samples:
        _print_sample(sample)


def _print_sample(sample: Sample) -> None:
    say(f"{sample.kind} ({sample.reason}): {sample.head} --{sample.relation}--> {sample.tail}")
    for mark, side in (("-", sample.before), ("+", sample.after)):
        if side is not None:
            say(f"    {mark} {_words(side)}")


def _words(side: Side) -> str:
    counts = " ".join(f"{name}={n:,}" for name, n in side.counts.items())
    return f"{side.status}, score {side.score:.2f}: {side.reason}; {counts}"


@graph.command("swap")
@told
def graph_swap(
    name: Name,
    force: Annotated[
        bool, typer.Option("--force", help="Also if it is not built, or behind.")
    ] = False,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Let another graph answer; the one before goes on, so that it can be swapped back."""
    serving = asyncio.run(swapping.swap(_base(), name, force=force))

    def text() -> None:
        say(f"{serving.name} answers: read replicas follow as soon as they have read it")
        others = [each for each in serving.kept if each != serving.name]
        if others:
            say(f"kept up to date: {', '.join(others)}; `cartograph graph drop` ends that")

    show(serving, as_json=as_json, text=text)


@graph.command("drop")
@told
def graph_drop(
    name: Name,
    keep_checkpoints: Annotated[
        bool | None,
        typer.Option(
            "--keep-checkpoints/--no-keep-checkpoints",
            help="Whether its checkpoints stay; may be said again of one that is dropped.",
            show_default="not, or as it was said before",
        ),
    ] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Remove a graph that does not answer: its topics, groups, and its folders on this machine.

    Of the first one the events, the catalog, verdicts, erasures and dead letters stay. Its
    checkpoints are removed by whoever prunes next, from a day later on.
    """
    did = asyncio.run(swapping.drop(_base(), name, keep_checkpoints=keep_checkpoints, say=note))
    value = {"dropped": name, "before": not did.now, "checkpoints_go": did.checkpoints_go}

    def text() -> None:
        say(f"{name} is dropped" if did.now else f"{name} was dropped before")
        if did.checkpoints_go:
            say(
                "its checkpoints, where there are any, are removed from a day later on, with a "
                "scheduled checkpoint of another graph or by `cartograph checkpoint prune`; "
                "--keep-checkpoints, said until then, keeps them"
            )
        else:
            say("its checkpoints, where there are any, stay; --no-keep-checkpoints lets them go")

    show(value, as_json=as_json, text=text)


def _base() -> Settings:
    found = generation_log.of_base(settings())
    return found.with_(kafka=address_of(found))
