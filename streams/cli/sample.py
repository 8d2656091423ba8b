"""`cartograph sample make|score`: a made-up shop, and how much of it the graph has found out."""

from pathlib import Path
from typing import Annotated

import typer

from streams.cli.graph import all_facts
from streams.cli.shell import JSON, group, note, say, settings, show, told
from streams.sample.make import Sizes, make, read_about
from streams.sample.score import Score, read_planted, score
from topology.ontology import default_ontology

sample = group("A made-up shop with planted knowledge, and its scorer.")
_SIZES = Sizes()


@sample.command("make")
@told
def sample_make(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Made if missing.")],
    seed: Annotated[int, typer.Option(help="Another seed, other knowledge.")],
    products: Annotated[int, typer.Option(min=100, max=10_000_000)] = _SIZES.products,
    shoppers: Annotated[int, typer.Option(min=1, max=100_000_000)] = _SIZES.shoppers,
    days: Annotated[int, typer.Option(min=1, max=3_650)] = _SIZES.days,
    titles: Annotated[
        Path | None, typer.Option(help="Build it on real titles: JSON lines, Myntra's form.")
    ] = None,
    queries: Annotated[
        Path | None, typer.Option(help="Mix in real queries: JSON lines, query-ner's form.")
    ] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Make a sample shop: catalog, events, and what was planted in them."""
    sizes = Sizes(products, shoppers, days)
    about = make(folder, seed, sizes, titles=titles, queries=queries, progress=note)
    show(
        about,
        as_json=as_json,
        text=lambda: say(
            f"{folder}: {about.products:,} products, {about.events:,} events, {about.days} days.\n"
            f"Play it with `cartograph demo --sample {folder}`."
        ),
    )


@sample.command("score")
@told
def sample_score(
    folder: Annotated[Path, typer.Argument(metavar="DIR")],
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Mark the graph against what was planted; plain co-occurrence counts stand beside it."""
    read_about(folder)
    marked = score(all_facts(settings()), read_planted(folder), default_ontology())
    show(marked, as_json=as_json, text=lambda: print_score(marked))


def print_score(marked: Score) -> None:
    """The score in four lines, then what was missed."""
    say(f"planted associations found: {marked.found} of {marked.planted}")
    say(f"decoys believed:            {marked.believed} of {marked.decoys}")
    say(
        f"plain counts, same number of facts ({marked.accepted}): "
        f"{marked.counts_found} found, {marked.counts_believed} decoys believed"
    )
    for line in marked.missed:
        say(f"  missed  {line}")
    for line in marked.wrong:
        say(f"  wrong   {line}")
