"""Hypothesis strategies for what shoppers do: few names, few minutes, so that all of it meets."""

from hypothesis import strategies as st

from streams.events import Click, Event, Purchase, Return, Search
from streams.weeks import week_end_ms
from streams.windows import DAY_MS, MINUTE_MS, WindowSettings

SHOPPERS = ("ann", "bob")
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
    cache_shoppers=2,
)
"""Every limit so small that a dozen events reach it."""
LOOSE = WindowSettings(allowance_ms=60 * MINUTE_MS, keep_ms=2 * DAY_MS, raw_events=8)


def times(minutes: int) -> st.SearchStrategy[int]:
    """Event times round a Monday midnight; whole minutes are frequent, so that times tie."""
    near = st.integers(-minutes * 6, minutes * 6).map(lambda n: MONDAY_MS + n * 10_000)
    return st.one_of(near, near.map(lambda at: at // MINUTE_MS * MINUTE_MS))


@st.composite
def events(draw: st.DrawFn, at: st.SearchStrategy[int], shoppers: tuple[str, ...]) -> Event:
    """One event without an id (`with_ids` gives it one)."""
    when, shopper = draw(at), draw(st.sampled_from(shoppers))
    session, query_id = draw(st.sampled_from(SESSIONS)), draw(st.sampled_from(QUERY_IDS))
    product, order = draw(st.sampled_from(PRODUCTS)), draw(st.sampled_from(("", "", "o1", "o2")))
    kind = draw(st.integers(0, 9))
    if kind < 3:
        query = draw(st.sampled_from(QUERIES))
        return Search("", when, shopper, query, query_id, session)
    if kind < 5:
        return Click("", when, shopper, product, query_id, session)
    if kind < 8:
        return Purchase("", when, shopper, product, query_id, session, order)
    return Return("", when, shopper, product, session, order)


def with_ids(found: list[Event]) -> list[Event]:
    """The same events, each with an id of its own; ids do not sort as the events stand."""
    return [_with_id(event, f"e{(n * 37) % 101:03d}{n}") for n, event in enumerate(found)]


def _with_id(event: Event, ident: str) -> Event:
    fields = {name: getattr(event, name) for name in event.__struct_fields__}
    return type(event)(**{**fields, "id": ident})


def event_sets(
    minutes: int, *, most: int, shoppers: tuple[str, ...] = SHOPPERS
) -> st.SearchStrategy[list[Event]]:
    """Events, in no order; they span twice `minutes`."""
    return st.lists(events(times(minutes), shoppers), max_size=most).map(with_ids)
