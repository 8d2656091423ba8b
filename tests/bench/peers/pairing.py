"""The job that all do in the ingest bench, for the peers: decode, and pair a session's events.

Every peer gets the same decoder (msgspec: the fastest there is for Python) and the same function
of (session, event) -> pairs; what differs is the framework that keeps the session and moves the
events. This is the short form of `streams.shoppers.windows`: searches within 30 minutes or 10
clicks, at most the last three different ones; co-purchases of the session; each pair once a
session. Left out, in the peers' favour: duplicates, late and out-of-order events, caps, returns,
the ledger, and the expiry of sessions.

The bench's shoppers have one session each, so that "once a session" is "once a shopper", and what
the peers count is what SHOPPERS tells. No import of Cartograph: this runs beside the peers' own
packages.
"""

from collections.abc import Iterable

import msgspec

GAP_MS = 30 * 60_000
SPAN_MS = 30 * 60_000
CLICKS = 10
SEARCHES = 3


class Search(msgspec.Struct, tag_field="kind", tag="search", gc=False):
    at_ms: int
    shopper: str
    query: str


class Click(msgspec.Struct, tag_field="kind", tag="click", gc=False):
    at_ms: int
    shopper: str
    product: str


class Purchase(msgspec.Struct, tag_field="kind", tag="purchase", gc=False):
    at_ms: int
    shopper: str
    product: str


class Return(msgspec.Struct, tag_field="kind", tag="return", gc=False):
    at_ms: int
    shopper: str
    product: str


Event = Search | Click | Purchase | Return
Pair = tuple[str, str, str]
"""("q", query, product) or ("p", product, other product, the smaller id first)."""

decode = msgspec.json.Decoder(Event).decode


class Session(msgspec.Struct, array_like=True):
    """All that is known of a shopper's open session.

    Attributes:
        searched: (query, time, clicks before it) of the last different searches, oldest first.
        led: pairs of a query and a product that were told.
    """

    last_ms: int = 0
    clicks: int = 0
    searched: list[tuple[str, int, int]] = []
    bought: list[str] = []
    led: list[tuple[str, str]] = []


pack = msgspec.msgpack.Encoder().encode
unpack = msgspec.msgpack.Decoder(Session).decode


def step(session: Session, event: Event) -> Iterable[Pair]:
    """Move a session on by one event; the pairs that are new."""
    at_ms = event.at_ms
    if at_ms - session.last_ms > GAP_MS:
        session.clicks = 0
        session.searched, session.bought, session.led = [], [], []
    session.last_ms = at_ms
    if isinstance(event, Click):
        session.clicks += 1
        return ()
    if isinstance(event, Search):
        found = [each for each in session.searched if each[0] != event.query]
        found.append((event.query, at_ms, session.clicks))
        session.searched = found[-SEARCHES:]
        return ()
    if isinstance(event, Return):
        return ()
    pairs: list[Pair] = []
    product = event.product
    for query, searched_ms, clicks in session.searched:
        near = at_ms - searched_ms <= SPAN_MS or session.clicks - clicks <= CLICKS
        if near and (query, product) not in session.led:
            session.led.append((query, product))
            pairs.append(("q", query, product))
    if product not in session.bought:
        pairs += [
            ("p", *((product, other) if product < other else (other, product)))
            for other in session.bought
        ]
        session.bought.append(product)
    return pairs


def pair_key(pair: Pair) -> str:
    """The key that a pair is counted, or published, under."""
    return "\0".join(pair)
