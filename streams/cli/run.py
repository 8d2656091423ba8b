"""`cartograph worker|play`, `cartograph source check`: run the way of the data, and feed it."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from streams.broker import handshake
from streams.cli.setup import address_of
from streams.cli.shell import FOUND_WRONG, JSON, group, note, say, settings, show, table, told
from streams.errors import SettingsError, TopicError
from streams.kafka.connection import options
from streams.play import CATALOG, EVENTS, TopicKind, open_play
from streams.playing import Producing, stand
from streams.ports import Record
from streams.process import logs
from streams.route.source_check import SourceCheck, check
from streams.route.stage import RouteSettings
from streams.settings import STAGES, Settings
from streams.worker.fleet import run_worker

source = group("The shop's own topics.")
_PATIENCE_MS = 5_000


@told
def worker(
    stages: Annotated[str, typer.Option(help="Which stages, separated by commas.")] = ",".join(
        STAGES
    ),
    generation: Annotated[
        str | None, typer.Option(help="Of this one alone (`cartograph replay`), without ROUTE.")
    ] = None,
) -> None:
    """Run the stages, one process each (more: the setting `workers`), until Ctrl-C.

    A worker that stops keeps its place in its consumer group for the session timeout, since it
    mostly comes back. SIGUSR1 stops it for good: other workers take its partitions over at once.
    """
    found = settings(generation=generation)
    found = found.with_(kafka=address_of(found))
    found.key()
    wanted = [stage.strip() for stage in stages.split(",") if stage.strip()]
    found.data_dir.mkdir(parents=True, exist_ok=True)
    logs.set_up("supervisor", level=found.log_level, as_json=found.log_json)
    code = run_worker(found, wanted)
    if code:
        raise typer.Exit(code)


@told
def play(
    form: Annotated[str, typer.Argument(metavar="FORMAT", help="native, ubi, online-retail, ...")],
    files: Annotated[list[Path], typer.Argument(help="The files, in the order of time.")],
    speed: Annotated[float, typer.Option(help="Seconds of event time in one; 0: at once.")] = 0.0,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many records.")] = None,
    from_: Annotated[str | None, typer.Option("--from", help="From this time, ISO 8601.")] = None,
    events_topic: Annotated[str, typer.Option(help="Where events go.")] = "shop.events",
    catalog_topic: Annotated[str, typer.Option(help="Where products go.")] = "shop.catalog",
    partitions: Annotated[
        int, typer.Option(min=0, max=1024, help="Create topics that are missing, with so many.")
    ] = 0,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Produce files to the shop's topics, as the shop itself would."""
    found = settings()
    found = found.with_(kafka=address_of(found))
    records = open_play(form, files, limit=limit, from_ms=_time(from_))

    async def run() -> dict[str, int]:
        topics: dict[TopicKind, str] = {EVENTS: events_topic, CATALOG: catalog_topic}
        await stand(found, topics.values(), partitions=partitions)
        async with Producing(found, topics) as producing:
            with progress_bar("played") as bar:
                await producing.play(records, speed=speed, progress=bar)
            return dict(producing.sent)

    sent = asyncio.run(run())
    show(sent, as_json=as_json, text=lambda: table(("topic", "records"), sent.items()))


class progress_bar:  # noqa: N801 - used as a function
    """A running count on stderr; nothing where stderr is no terminal."""

    def __init__(self, what: str, total: int | None = None) -> None:
        self._bar = Progress(
            TextColumn(what),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            transient=True,
            console=Console(stderr=True),
        )
        self._task = self._bar.add_task(what, total=total)

    def __enter__(self) -> "progress_bar":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self, count: int) -> None:
        self._bar.update(self._task, completed=count)


def _time(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(f"--from {text!r} is no time: use 2025-03-10T08:00") from error
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return int(at.timestamp() * 1000)


@source.command("check")
@told
def source_check(
    topic: Annotated[str, typer.Argument(help="A topic of the shop.")],
    form: Annotated[
        str | None, typer.Option("--format", help="Its format; else what the settings say.")
    ] = None,
    sample: Annotated[int, typer.Option(min=1, help="Records to read.")] = 20_000,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Read a sample of a topic and say what would be read of it; nothing is written.

    Exit code 1 if some of it cannot be read.
    """
    found = settings()
    found = found.with_(kafka=address_of(found))
    chosen = form or found.sources.get(topic)
    if chosen is None:
        raise SettingsError(
            f"no format is set for {topic}: give --format, or put it under [sources] in "
            "cartograph.toml"
        )
    batches = asyncio.run(_sample(found, topic, sample))
    route = RouteSettings(
        {topic: chosen}, b"only for this check", found.partitions, future_ms=found.future_ms
    )
    checked = check(route, ((topic, n, records) for n, records in batches.items()))
    show(checked, as_json=as_json, text=lambda: _print_check(topic, checked))
    if checked.troubles:
        raise typer.Exit(FOUND_WRONG)


async def _sample(found: Settings, topic: str, count: int) -> dict[int, list[Record]]:
    """The last records of every partition, `count` in all."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=found.kafka, enable_auto_commit=False, **options(found)
    )
    try:
        await consumer.start()
        known = await consumer._client.fetch_all_metadata()
        numbers = sorted(known.partitions_for_topic(topic) or ())
        if not numbers:
            raise TopicError(f"there is no topic {topic} at {found.kafka}")
        assigned = [TopicPartition(topic, number) for number in numbers]
        consumer.assign(assigned)
        first = await consumer.beginning_offsets(assigned)
        ends = await consumer.end_offsets(assigned)
        each_count = -(-count // len(assigned))
        for each in assigned:
            consumer.seek(each, max(first[each], ends[each] - each_count))
        batches: dict[int, list[Record]] = {number: [] for number in numbers}
        while any([await consumer.position(each) < ends[each] for each in assigned]):
            fetched = await consumer.getmany(timeout_ms=_PATIENCE_MS)
            if not fetched:
                break
            for each, records in fetched.items():
                batches[each.partition] += [
                    Record(r.offset, r.timestamp, r.key, r.value) for r in records
                ]
    except (KafkaError, OSError) as error:
        raise await handshake.why(found.kafka, options(found), error) from error
    finally:
        await consumer.stop()
    return batches


def _print_check(topic: str, checked: SourceCheck) -> None:
    say(f"{topic}: {checked.records:,} records read, over {checked.days:.1f} days")
    table(("outcome", "records"), checked.outcomes.items())
    if checked.troubles:
        table(
            ("rejected because", "parts", "for example", "where"),
            [(each.meaning, each.count, each.example, each.where) for each in checked.troubles],
        )
    rows = [
        *checked.events.items(),
        ("products", checked.products),
        ("shoppers", checked.shoppers),
        ("sessions", checked.sessions),
        ("purchases joined to a search", checked.joined),
        ("pairs a day to expect", round(checked.pairs_per_day)),
    ]
    table(("found", ""), rows)
    for line in checked.advice:
        note(f"  {line}")
