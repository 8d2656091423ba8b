"""What is left of those who are forgotten, in stores and topics: nothing may be."""

from collections.abc import Iterable, Mapping, Sequence

from streams.erasures import Erasure
from streams.events import Event, Search
from streams.shoppers.rows import LEDGER, SHOPPERS
from streams.totals.tables import CODES
from streams.totals.tidy import Tidy
from tests.simulation.cases import QUERIES, TITLES
from tests.simulation.world import World, WrongError

_TITLES = " ".join(TITLES)


def tidy(world: World) -> None:
    """Tombstones for what no receiver takes, then compaction, which takes these too."""
    for log in sorted(world.logs):
        if log[0] == "events":
            continue
        if log[0] in CODES:
            told = Tidy(log[0])
            for row in world.logs[log]:
                if row is not None:
                    told.take(*row)
            world.logs[log] += [(key, None) for key in told.dead()]
        world.compact(log)
        world.logs[log] = [row if row and row[1] else None for row in world.logs[log]]


def no_trace(
    world: World, left: Mapping[str, Sequence[Event]], erasures: Iterable[Erasure]
) -> None:
    """Raise WrongError where words stand that nobody asked but who is forgotten, or his rows.

    `left`: shopper -> events that count.
    """
    asked = {each.query for own in left.values() for each in own if isinstance(each, Search)}
    gone = [
        text.encode()
        for text in QUERIES
        if text not in _TITLES and not any(text in each for each in asked)
    ]
    bare = {each.shopper.encode() for each in erasures if not left.get(each.shopper)}
    for where, key, row in _rows(world):
        if any(text in key or text in row for text in gone):
            raise WrongError(f"{where} has words that nobody asked: {key!r} {row!r}")
        if where[-1] in (SHOPPERS, LEDGER) and key.split(b"\0")[-1] in bare:
            raise WrongError(f"{where} has a shopper who is forgotten: {key!r}")


def _rows(world: World) -> Iterable[tuple[tuple[str, ...], bytes, bytes]]:
    for (stage, _), process in world.owners_of.items():
        for table, rows in process.store.durable.items():
            for key, row in rows.items():
                yield (stage, table), key, row
    for (topic, _), log in world.logs.items():
        for row in log if topic in CODES else ():
            if row is not None and row[0] is not None:
                yield ("topic", topic), row[0], row[1] or b""
