"""What shoppers do, by chance, and a partition of SHOPPERS to feed it to.

Few names and few minutes, so that all of it meets.
"""

import random
from collections.abc import Iterable, Sequence

from hypothesis import strategies as st

from streams.erasures import Erasure
from streams.events import Click, Event, Purchase, Return, Search, encode_event
from streams.outcomes import OUTCOMES
from streams.ports import Forgets, Record
from streams.shoppers.stage import build_shoppers
from streams.shoppers.windows import DAY_MS, MINUTE_MS, WindowSettings
from streams.totals.owner import Owner
from streams.weeks import week_end_ms
from topology.store.memory import MemoryStore

SHOPPERS = ("ann", "bob", "cid")
PRODUCTS = ("p1", "p2", "p3", "p4")
QUERIES = ("red shoes", "green tea", "usb lamp", "blue hat")
SESSIONS = ("", "", "s1", "s2")
QUERY_IDS = ("", "", "i1", "i2")
MONDAY_MS = week_end_ms(2700)
"""00:00 of a Monday; times lie on both sides of it."""

TIGHT = WindowSettings(
    gap_ms=5 * MINUTE_MS,
    longest_ms=14 * MINUTE_MS,
    allowance_ms=4 * MINUTE_MS,
    span_ms=6 * MINUTE_MS,
    clicks=1,
    searches=2,
    basket=2,
    keep_ms=DAY_MS,
    minute_events=3,
    memory=2,
    raw_events=3,
    large_row=6,
    cache_shoppers=2,
)
"""Every limit so small that a dozen events reach it."""
LOOSE = WindowSettings(allowance_ms=60 * MINUTE_MS, keep_ms=2 * DAY_MS, raw_events=8, large_row=20)


def random_events(rng: random.Random, minutes: int, n: int, shoppers: int) -> list[Event]:
    """`n` events within so many minutes round a Monday midnight; times tie, ids are shuffled."""
    found: list[Event] = []
    for _ in range(n):
        at = MONDAY_MS + rng.randrange(minutes * 6) * 10_000 - minutes * 30_000
        at = at // MINUTE_MS * MINUTE_MS if rng.random() < 0.4 else at
        shopper, product = SHOPPERS[rng.randrange(shoppers)], rng.choice(PRODUCTS)
        session, query_id = rng.choice(SESSIONS), rng.choice(QUERY_IDS)
        order = rng.choice(("", "", "o1", "o2"))
        kind = rng.randrange(10)
        if kind < 3:
            found.append(Search("", at, shopper, rng.choice(QUERIES), query_id, session))
        elif kind < 6:
            found.append(Click("", at, shopper, product, query_id, session))
        elif kind < 9:
            found.append(Purchase("", at, shopper, product, query_id, session, order))
        else:
            found.append(Return("", at, shopper, product, session, order))
    return with_ids(found)


def with_ids(found: list[Event]) -> list[Event]:
    """The same events, each with an id of its own; ids do not sort as the events stand."""
    return [moved(event, 0, f"e{(n * 37) % 101:03d}{n}") for n, event in enumerate(found)]


def moved(event: Event, by_ms: int, ident: str) -> Event:
    """The event later by so much, under another id."""
    fields = {name: getattr(event, name) for name in event.__struct_fields__}
    return type(event)(**{**fields, "id": ident, "at_ms": event.at_ms + by_ms})


def event_sets(minutes: int, *, most: int, shoppers: int = 2) -> st.SearchStrategy[list[Event]]:
    """Events of so many shoppers, in no order, within so many minutes."""
    return st.builds(
        lambda seed, gone: [
            event
            for place, event in enumerate(
                random_events(random.Random(seed), minutes, most, shoppers)
            )
            if place not in gone
        ],
        st.integers(0, 1 << 30),
        st.sets(st.integers(0, most - 1), max_size=most),  # what a failure is made smaller by
    )


DESTINATIONS = {"searched": 2, "bought": 2, "dead-letters": 1}


class Partition:
    """A real owner of SHOPPERS over a memory store.

    Records carry the event's own time as their Kafka timestamp, unless told otherwise.
    """

    def __init__(self, windows: WindowSettings) -> None:
        self.windows, self.offset = windows, 0
        self.store = MemoryStore()
        self.open()

    def open(self) -> None:
        """Start again from what was committed."""
        self.store = MemoryStore(self.store.durable)
        self.owner = Owner(
            "shoppers", 0, self.store, build_shoppers(self.windows), DESTINATIONS, graph="g"
        )

    def take(self, events: Iterable[Event], *, stamp_ms: int | None = None) -> None:
        """Read events, one record each."""
        found = [(event.at_ms if stamp_ms is None else stamp_ms, event) for event in events]
        self.read([(stamp, encode_event(event)) for stamp, event in found])

    def read(self, values: Sequence[tuple[int, bytes | None]]) -> None:
        """Read records given as (Kafka timestamp, value)."""
        records = [Record(self.offset + n, at, None, value) for n, (at, value) in enumerate(values)]
        if records:
            self.offset += len(records)
            self.owner.read("events", records, self.offset)

    def forget(self, erasures: Sequence[Erasure]) -> None:
        """Hear of erasures."""
        stage = self.owner.stage
        assert isinstance(stage, Forgets)
        stage.forget(erasures)

    def rows(self, table: str) -> dict[bytes, bytes]:
        """What is committed of a table."""
        return self.store.durable.get(table, {})

    def outcomes(self) -> dict[str, int]:
        """Outcome -> records, none left out that is not zero."""
        tally = self.owner.tally
        return {each: tally[f"events.{each}"] for each in OUTCOMES if tally[f"events.{each}"]}

    def totals(self) -> dict[tuple[str, bytes], int]:
        """Every total that is not zero, when all that waited is told."""
        self.owner.stage.calm()
        self.owner.commit()
        assert self.owner.stage.is_idle
        return {
            (topic, key): n
            for topic in ("searched", "bought")
            for key, n, _ in self.owner.outbox.scan(topic, b"")
        }
