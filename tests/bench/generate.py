"""What shoppers do in the benches: seeded streams of events, native or as a shop sends them.

Sessions of 5 to 20 events, many at once, 30 % searches; `light` has 3 % purchases, `heavy` 12 %.
Every shopper has one session and no event names its query, so that a purchase belongs to the last
three searches: the rule that takes the most work, and the one that the peers can do as well.
"""

import random
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from streams.events import Click, Event, Purchase, Search, encode_event

START_MS = 1_760_000_000_000
MIXES = {"light": 0.03, "heavy": 0.12}
SEARCHES = 0.3
_FIRST = 1 / 12.5
"""Share of the events that begin a session, which are searches; sessions are 12.5 events long."""
STEP_MS = 8
_WORDS = (
    *("wireless", "usb", "cable", "running", "shoes", "women", "men", "red", "black", "kids"),
    *("bluetooth", "headphones", "toy", "phone", "case", "glass", "screen", "protector", "set"),
    *("coffee", "maker", "steel", "kitchen", "knife", "desk", "lamp", "led", "office", "chair"),
)


class Shop(NamedTuple):
    """What can be asked and bought; the first of each are asked and bought most."""

    products: Sequence[str]
    queries: Sequence[str]


class Feed(NamedTuple):
    """One record to produce: its partition is that of its key."""

    key: bytes
    value: bytes


def made_up_shop(seed: int = 1, *, products: int = 50_000, queries: int = 20_000) -> Shop:
    """A shop of ids and word salad, for benches that ask no model."""
    rng = random.Random(seed)
    return Shop(
        [f"B{rng.randrange(16**9):09X}" for _ in range(products)],
        [" ".join(rng.choices(_WORDS, k=rng.choice((1, 2, 3, 3, 4)))) for _ in range(queries)],
    )


def events(
    count: int,
    purchases: float,
    *,
    shop: Shop,
    seed: int = 1,
    active: int = 5_000,
    first: int = 0,
    start_ms: int = START_MS,
) -> Iterator[Event]:
    """A stream of `count` events in order of event time.

    Args:
        count: how many.
        purchases: share of purchases, 0..1; of clicks it is the rest beside the searches.
        shop: what is asked and bought, each with a share that falls with its place (log-uniform).
        seed: of everything that is drawn.
        active: sessions that go on at once; each has an event every 3.5 ms * `active`.
        first: number of the first event; streams that do not overlap in it share no id.
        start_ms: event time of the first.
    """
    rng = random.Random(f"{seed} {first}")
    draw, place_of = rng.random, rng.randrange
    products, queries = shop.products, shop.queries
    many_products, many_queries = len(products), len(queries)
    search_below = (SEARCHES - _FIRST) / (1 - _FIRST)
    click_below = 1 - purchases / (1 - _FIRST)
    at, began = start_ms, first
    visits: list[tuple[str, str] | None] = [None] * active
    left = [0] * active
    for number in range(first, first + count):
        at += 1 + int(draw() * (STEP_MS - 2))  # no two at once: their order would be open
        place = place_of(active)
        visit = visits[place]
        is_new = visit is None
        if visit is None:
            shopper = f"{rng.getrandbits(128):032x}"
            visit = visits[place] = (shopper, f"s-{began:010d}-{rng.getrandbits(32):08x}")
            began, left[place] = began + 1, rng.randint(5, 20)
        left[place] -= 1
        if not left[place]:
            visits[place] = None
        shopper, session = visit
        ident = f"{shopper}-{number:012d}"
        kind = draw()
        if kind < search_below or is_new:
            query = queries[int(many_queries ** draw()) - 1]
            yield Search(ident, at, shopper, query, "", session)
            continue
        product = products[int(many_products ** draw()) - 1]
        if kind < click_below:
            yield Click(ident, at, shopper, product, "", session)
        else:
            yield Purchase(ident, at, shopper, product, "", session)


def native(stream: Iterator[Event]) -> Iterator[Feed]:
    """Values of `graph.events`, about 200 bytes, by shopper."""
    for event in stream:
        yield Feed(event.shopper.encode(), encode_event(event))


def as_shop(stream: Iterator[Event]) -> Iterator[Feed]:
    """The same events as a shop sends them to ROUTE: OpenSearch UBI as JSON."""
    encode = msgspec.json.Encoder().encode
    for event in stream:
        told: dict[str, object] = {
            "action_name": type(event).__name__.lower(),
            "event_id": event.id,
            "client_id": event.shopper,
            "session_id": event.session,
            "timestamp": event.at_ms,
        }
        if isinstance(event, Search):
            told["user_query"] = event.query
        else:
            told["event_attributes"] = {"object": {"object_id": event.product}}
        yield Feed(event.shopper.encode(), encode(told))


def visitors(shoppers: int, each: int, *, shop: Shop, seed: int = 1) -> Iterator[Event]:
    """Sessions that all stay open: `shoppers` of them, `each` events, 20 minutes from end to end.

    Rounds over all shoppers: a search first, then clicks; the last events are within the session
    gap of the first, so nothing is settled and all of it must be kept.
    """
    rng = random.Random(seed)
    span_ms = 20 * 60_000
    for turn in range(each):
        for number in range(shoppers):
            at = START_MS + (turn * shoppers + number) * span_ms // (shoppers * each)
            shopper = f"{zlib.crc32(b'%d' % number):08x}{number:024x}"
            ident, session = f"{shopper}-{turn:012d}", f"s-{number:019d}"
            if turn == 0:
                query = shop.queries[int(len(shop.queries) ** rng.random()) - 1]
                yield Search(ident, at, shopper, query, "", session)
            else:
                product = shop.products[int(len(shop.products) ** rng.random()) - 1]
                yield Click(ident, at, shopper, product, "", session)
