"""`cartograph topics tidy`: let compaction take what senders said in earlier lives."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

import typer

from streams import generation_log
from streams.cli.setup import address_of, topics
from streams.cli.shell import JSON, settings, show, table, told
from streams.errors import SettingsError
from streams.generations import LIVE, settings_of
from streams.settings import Settings
from streams.tidying import TOPICS, Tidied, tidy_away


@topics.command("tidy")
@told
def topics_tidy(
    topic: Annotated[
        list[str] | None, typer.Argument(help=f"Which: {', '.join(TOPICS)}; default: all.")
    ] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Write tombstones for totals that no receiver takes any more; workers may run.

    A total of an earlier life of its sender stands in its topic for ever, with the query text or
    the evidence that it had, also after a shopper was forgotten. Kafka's compaction takes it
    away within two days or so after this. It reads the topics from their beginnings: those of all
    graphs that are built, or of the one that CARTOGRAPH_GENERATION names.
    """
    found = settings()
    names = topic or TOPICS
    if unknown := sorted(set(names) - set(TOPICS)):
        raise SettingsError(f"{', '.join(unknown)} holds no totals: say {', '.join(TOPICS)}")
    rows = asyncio.run(_tidied(found.with_(kafka=address_of(found)), names))
    show(
        [{"generation": graph, **row._asdict()} for graph, row in rows],
        as_json=as_json,
        text=lambda: table(
            ("generation", "topic", "records read", "tombstones written"),
            [(graph, *row) for graph, row in rows],
        ),
    )


async def _tidied(found: Settings, names: Sequence[str]) -> list[tuple[str, Tidied]]:
    return [
        (own.generation or LIVE, await tidy_away(own, name))
        for own in await _graphs(found)
        for name in names
        if name in own.names.owned()
    ]


async def _graphs(found: Settings) -> list[Settings]:
    """A shopper who was forgotten is to go from every topic, whichever graph answers."""
    if found.generation:
        return [await generation_log.as_run(found)]
    known = await generation_log.read(found)
    base = generation_log.of_base(found)
    built = [each for each in (known.live, *known.all) if each.state == "built"]
    return [settings_of(base, each) for each in built]
