"""Write a sample shop to a folder: catalog, events, and what was planted in them.

Files: `catalog.jsonl` and `events.jsonl` (native form, in order of arrival), `sample.json` (how it
was made), `planted.json` (the answers: nothing but `score.py` reads it).
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import NamedTuple

import msgspec

from streams.errors import SourceError
from streams.sample.lexicon import load
from streams.sample.real import searches_of, shop_of_titles
from streams.sample.shop import Bond, Shop, plant, stock
from streams.sample.visits import Visits

CATALOG, EVENTS, ABOUT, PLANTED = "catalog.jsonl", "events.jsonl", "sample.json", "planted.json"


class Sizes(NamedTuple):
    """How big the shop is; a shopper comes about 3.4 times, a visit is about 5 events."""

    products: int = 3000
    shoppers: int = 5000
    days: int = 28


class About(msgspec.Struct):
    """What `sample.json` says."""

    seed: int
    products: int
    shoppers: int
    days: int
    events: int
    titles: str = ""
    queries: str = ""


class Planted(msgspec.Struct):
    """What `planted.json` says: the answers."""

    planted: list[Bond]
    decoys: list[Bond]


def make(
    folder: Path,
    seed: int,
    sizes: Sizes,
    *,
    titles: Path | None = None,
    queries: Path | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> About:
    """Make the shop of a seed; the same arguments give the same bytes.

    Raises:
        SourceError: the folder holds another sample, or a file of titles or queries is unusable.
    """
    if (folder / ABOUT).exists() and read_about(folder).seed != seed:
        raise SourceError(f"{folder} holds the sample of another seed: choose an empty folder")
    rng = Random(f"cartograph sample {seed}")  # noqa: S311 - a made-up shop, no secret
    searches = searches_of(queries) if queries else ()
    if titles:
        shop = shop_of_titles(titles, rng, products=sizes.products, searches=searches)
    else:
        lexicon = load()
        planted, decoys = plant(lexicon, rng)
        items = stock(lexicon, decoys, rng, products=sizes.products)
        shop = Shop(lexicon, tuple(items), tuple(planted), tuple(decoys), searches)
    folder.mkdir(parents=True, exist_ok=True)
    progress(f"{len(shop.items)} products")
    _write(folder / CATALOG, (item.record for item in shop.items))
    visits = Visits(shop, rng, shoppers=sizes.shoppers, days=sizes.days)
    count = _write(folder / EVENTS, (event for _, event in visits.events()))
    progress(f"{count} events")
    answers = Planted(list(shop.planted), list(shop.decoys))
    (folder / PLANTED).write_bytes(msgspec.json.format(msgspec.json.encode(answers)))
    about = About(
        seed,
        len(shop.items),
        sizes.shoppers,
        sizes.days,
        count,
        titles.name if titles else "",
        queries.name if queries else "",
    )
    (folder / ABOUT).write_bytes(msgspec.json.format(msgspec.json.encode(about)))
    return about


def read_about(folder: Path) -> About:
    """What a sample folder says of itself.

    Raises:
        SourceError: it is not a sample folder.
    """
    try:
        return msgspec.json.decode((folder / ABOUT).read_bytes(), type=About)
    except (OSError, msgspec.MsgspecError) as error:
        raise SourceError(
            f"{folder} is not a sample ({error}): make one with `cartograph sample make {folder}`"
        ) from error


def _write(path: Path, rows: Iterable[object]) -> int:
    encode = msgspec.json.Encoder().encode
    count = 0
    with path.open("wb") as file:
        for row in rows:
            file.write(encode(row) + b"\n")
            count += 1
    return count
