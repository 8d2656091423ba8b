"""`cartograph topics tidy`: let compaction take what senders said in earlier lives."""

import asyncio
from typing import Annotated

import typer

from streams.cli.setup import address_of, topics
from streams.cli.shell import JSON, note, settings, show, table, told
from streams.control.tidying import TOPICS, tidy_all
from streams.errors import SettingsError


@topics.command("tidy")
@told
def topics_tidy(
    topic: Annotated[
        list[str] | None, typer.Argument(help=f"Which: {', '.join(TOPICS)}; default: all.")
    ] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Write tombstones for totals that no receiver takes any more; workers may run.

    Of every graph that stands, those beside the first too; where CARTOGRAPH_GENERATION names one,
    of that alone. A total of an earlier life of its sender stands in its topic for ever, with the
    query text or the evidence that it had, also after a shopper was forgotten. Kafka's compaction
    takes it away within two days or so after this. It reads the topics from their beginnings.
    """
    found = settings()
    found = found.with_(kafka=address_of(found))
    names = topic or TOPICS
    if unknown := sorted(set(names) - set(TOPICS)):
        raise SettingsError(f"{', '.join(unknown)} holds no totals: say {', '.join(TOPICS)}")
    rows = asyncio.run(tidy_all(found, names, say=note))
    show(
        [row._asdict() for row in rows],
        as_json=as_json,
        text=lambda: table(("graph", "topic", "records read", "tombstones written"), rows),
    )
