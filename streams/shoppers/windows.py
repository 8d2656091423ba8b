"""Sessions and pairs: what a shopper stands for, said as plainly as it can be.

`standing` takes the *set* of a shopper's events, in any order, and gives every total that the
shopper adds 1 to. It is slow and clear; `stage.py` keeps the same answer up to date event by
event, and the tests hold one against the other. `sessions_of` and `led_to` are also what a first
look at a source uses. Rules: DESIGN, "Windows and pairs", and the words of `WindowSettings`.

Order. Events of a shopper are taken by (time, kind, id), a search before a click before a
purchase before a return, so that what happens in one millisecond has one order.

Sessions. An event without a session id takes the id of the event just before it, if that is at
most `gap_ms` away; such events at the start of a visit take the first id that follows without a
gap. A session is what has one id, with no gap over `gap_ms` between its own events, and lasts at
most `longest_ms`. A shop without session ids has only "", and its sessions are cut by gaps alone.

Visits. What no silence over `reach_ms` divides, whatever its session ids: nothing of one visit
hangs on the events of another, but for returns. Silence is counted in whole minutes, so that two
visits never share one, which `uncapped` cuts by. An erasure forgets the visits that began before
it, or in its minute, and these whole, also what of them came after it: a visit without its
beginning would be another one. A shopper who never rests, such as a till, has one visit.
"""

import zlib
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from streams.errors import SettingsError
from streams.events import Click, Event, Purchase, Return, Search
from streams.totals.messages import ASKED, BOUGHT, CLICKED, WITH
from streams.totals.wire import join
from streams.weeks import week_end_ms, week_key, week_of
from topology.facts import query_node

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
SEARCH, CLICK, PURCHASE, RETURN = range(4)
KIND: dict[type, int] = {Search: SEARCH, Click: CLICK, Purchase: PURCHASE, Return: RETURN}

Key = tuple[str, bytes]
"""A total: its topic and its key."""
Led = tuple[tuple[bytes, bool], ...]
"""Queries that led to a purchase: (hash, whether the product was clicked after it)."""
_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V")


@dataclass(frozen=True, slots=True)
class WindowSettings:
    """What belongs together. All times are event time in milliseconds, all limits inclusive.

    Attributes:
        gap_ms: silence that a session outlasts; a longer one ends it.
        longest_ms: a session goes on for at most so long, or a shop's till would be one session.
        allowance_ms: how much older than the newest event before it one may be without being late.
        span_ms: a purchase belongs to searches that are at most so much older ...
        clicks: ... or that have at most so many clicks of the session behind them.
        searches: of those, only so many different ones, the last.
        basket: products of a session that are paired with each other, lowest hash first.
        keep_ms: after the end of its week a purchase can still be returned for so long.
        future_ms: how far an event may be ahead of its record's own timestamp.
        minute_events: searches and clicks of one shopper and minute that are used, lowest hash
            first; the rest is capped.
        memory: how many clicked products a session remembers, and how many query ids a shopper.
        raw_events: events of a row that stay raw before it is tried to settle some; like the
            next two, changes no result.
        large_row: from so many steps on (`shopper_rows.Row.weight`) a row that has to be worked
            out as a whole waits for its turn (`deferred.py`).
        cache_shoppers: rows kept decoded in memory, 2 to 4 kB each, by every partition.
    """

    gap_ms: int = 30 * MINUTE_MS
    longest_ms: int = 24 * HOUR_MS
    allowance_ms: int = 10 * MINUTE_MS
    span_ms: int = 30 * MINUTE_MS
    clicks: int = 10
    searches: int = 3
    basket: int = 30
    keep_ms: int = 90 * DAY_MS
    future_ms: int = HOUR_MS
    minute_events: int = 120
    memory: int = 200
    raw_events: int = 64
    large_row: int = 512
    cache_shoppers: int = 50_000

    def __post_init__(self) -> None:
        at_least = {
            "searches": 1,
            "minute_events": 1,
            "memory": 1,
            "raw_events": 1,
            "large_row": 1,
            "cache_shoppers": 1,
        }
        for name in self.__slots__:
            least = at_least.get(name, 0)
            if getattr(self, name) < least:
                raise SettingsError(f"{name} is {getattr(self, name)}: it must be {least} or more")

    @property
    def reach_ms(self) -> int:
        """Silence after which nothing that comes can touch what was before it."""
        return max(self.gap_ms, self.span_ms)

    @property
    def reach_minutes(self) -> int:
        """The same in minutes, rounded up: two events further apart are of two visits."""
        return -(-self.reach_ms // MINUTE_MS)


@lru_cache(maxsize=1 << 16)
def query_hash(query: str) -> bytes:
    """The 16 hex digits that stand for a query in keys, as in its node id."""
    return query_node(query).removeprefix("query:").encode()


def stable_order(name: str) -> tuple[int, str]:
    """Sorts ids and products by a hash that is the same in every process."""
    return zlib.crc32(name.encode()), name


def in_order(event: Event) -> tuple[int, int, str]:
    """Where an event stands among those of its shopper."""
    return event.at_ms, KIND[type(event)], event.id


def uncapped(events: Iterable[Event], settings: WindowSettings) -> list[Event]:
    """The events that are used, in order: per minute the searches and clicks of lowest hash."""
    used: list[Event] = []
    minutes: dict[int, list[Event]] = defaultdict(list)
    for event in events:
        if isinstance(event, Search | Click):
            minutes[event.at_ms // MINUTE_MS].append(event)
        else:
            used.append(event)
    for found in minutes.values():
        found.sort(key=lambda event: stable_order(event.id))
        used += found[: settings.minute_events]
    return sorted(used, key=in_order)


def sessions_of(events: Sequence[Event], settings: WindowSettings) -> list[list[Event]]:
    """A shopper's sessions; `events` in order."""
    sessions: list[list[Event]] = []
    open_now: dict[str, list[Event]] = {}
    for label, event in zip(_labels(events, settings), events, strict=True):
        session = open_now.get(label)
        if (
            session is None
            or event.at_ms - session[-1].at_ms > settings.gap_ms
            or event.at_ms - session[0].at_ms > settings.longest_ms
        ):
            session = open_now[label] = []
            sessions.append(session)
        session.append(event)
    return sessions


def _labels(events: Sequence[Event], settings: WindowSettings) -> list[str]:
    """The session id of every event, where it has none that of its neighbours."""
    labels: list[str] = []
    start = 0
    for place, event in enumerate(events):
        if place and event.at_ms - events[place - 1].at_ms > settings.gap_ms:
            start = place
        if event.session and not any(labels[start:place]):
            labels[start:place] = [event.session] * (place - start)
        labels.append(event.session or (labels[-1] if place > start else ""))
    return labels


def visits_of(events: Iterable[Event], settings: WindowSettings) -> list[list[Event]]:
    """A shopper's visits, in order; `events` in any order."""
    visits: list[list[Event]] = []
    for event in sorted(events, key=in_order):
        last = visits[-1][-1].at_ms if visits else 0
        if not visits or event.at_ms // MINUTE_MS - last // MINUTE_MS > settings.reach_minutes:
            visits.append([])
        visits[-1].append(event)
    return visits


def remembered(
    events: Iterable[Event], until_ms: int | None, settings: WindowSettings
) -> list[Event]:
    """The events that an erasure up to `until_ms` leaves; None: there was no erasure.

    What the shopper stands for afterwards is `standing` of these.
    """
    return [
        event
        for visit in visits_of(events, settings)
        for event in visit
        if until_ms is None or visit[0].at_ms // MINUTE_MS > until_ms // MINUTE_MS
    ]


def led_to(
    purchase: Purchase,
    session: Sequence[Event],
    before: Sequence[Event],
    settings: WindowSettings,
) -> Led:
    """The searches that led to a purchase, the last one first.

    A query id, of the purchase or else of the last click on the product, names one search of the
    shopper, the latest that has it, in whatever session. Without one, or when no search within
    the span has it, it is the last searches of the session.

    `session` and `before`: the events before it of its session and of its shopper, in order.
    """
    near = [event for event in before if purchase.at_ms - event.at_ms <= settings.span_ms]
    found = _latest(
        ((e.query_id, e) for e in near if isinstance(e, Search) and e.query_id), settings.memory
    )
    clicks = _latest(
        ((e.product, e) for e in near if isinstance(e, Click) and e.query_id), settings.memory
    )
    clicked_id = clicks[purchase.product].query_id if purchase.product in clicks else ""
    clicked = _clicked(purchase.product, session, settings)
    for query_id in (purchase.query_id, clicked_id):
        if query_id and query_id in found:
            query = query_hash(found[query_id].query)
            return ((query, query_id == clicked_id or query in clicked),)
    led = []
    for query, place in reversed(_last_searches(session, settings).items()):
        clicks_since = sum(isinstance(event, Click) for event in session[place:])
        age_ms = purchase.at_ms - session[place].at_ms
        if age_ms <= settings.span_ms or clicks_since <= settings.clicks:
            led.append((query, query in clicked))
    return tuple(led)


def _last_searches(session: Sequence[Event], settings: WindowSettings) -> dict[bytes, int]:
    """The last different queries of a session -> the place of the last search for each."""
    searched = (
        (query_hash(event.query), place)
        for place, event in enumerate(session)
        if isinstance(event, Search)
    )
    return _latest(searched, settings.searches)


def _clicked(product: str, session: Sequence[Event], settings: WindowSettings) -> Iterable[bytes]:
    """The last searches before the last click on the product: it was clicked as their result."""
    clicks = ((e.product, place) for place, e in enumerate(session) if isinstance(e, Click))
    place = _latest(clicks, settings.memory).get(product)
    return () if place is None else _last_searches(session[:place], settings)


def _latest(items: Iterable[tuple[_K, _V]], limit: int) -> dict[_K, _V]:
    """The last value of every key, of the last `limit` keys, the newest at the end."""
    kept: dict[_K, _V] = {}
    for key, value in items:
        kept.pop(key, None)
        kept[key] = value
    return dict(list(kept.items())[-limit:])


def taken_back(events: Sequence[Event], settings: WindowSettings) -> set[str]:
    """Ids of the purchases that returns took back; `events` in order.

    A return takes the shopper's latest purchase of the product before it (of that order, when it
    names one) that no return before it took and that can still be returned.
    """
    bought: list[Purchase] = []
    taken: set[str] = set()
    for event in events:
        if isinstance(event, Purchase):
            bought.append(event)
        elif isinstance(event, Return):
            for purchase in reversed(bought):
                if (
                    purchase.product == event.product
                    and (not event.order or purchase.order == event.order)
                    and purchase.id not in taken
                    and event.at_ms <= week_end_ms(week_of(purchase.at_ms)) + settings.keep_ms
                ):
                    taken.add(purchase.id)
                    break
    return taken


def basket_of(session: Sequence[Event], settings: WindowSettings) -> tuple[set[str], int]:
    """The products of a session that are paired, and how many are left out, before returns."""
    products = {event.product for event in session if isinstance(event, Purchase)}
    paired = sorted(products, key=stable_order)[: settings.basket]
    return set(paired), len(products) - len(paired)


def standing(events: Iterable[Event], settings: WindowSettings) -> set[Key]:
    """Every total that a shopper adds 1 to, from the set of the shopper's events.

    Events that are late, or given twice, are not among `events`: that is for the caller.
    """
    used = uncapped(events, settings)
    taken = taken_back(used, settings)
    places = {event.id: place for place, event in enumerate(used)}
    keys: set[Key] = set()
    for session in sessions_of(used, settings):
        paired, _ = basket_of(session, settings)
        live: list[Purchase] = []
        for place, event in enumerate(session):
            week = week_key(week_of(event.at_ms))
            if isinstance(event, Search):
                keys.add(("searched", join(query_hash(event.query), ASKED, week)))
            if not isinstance(event, Purchase) or event.id in taken:
                continue
            product = event.product.encode()
            keys.add(("bought", join(product, BOUGHT, week)))
            before = used[: places[event.id]]
            for query, clicked in led_to(event, session[:place], before, settings):
                kind = CLICKED if clicked else BOUGHT
                keys.add(("searched", join(query, kind, product, week)))
            if event.product in paired:
                for other in live:
                    if other.product != event.product:
                        one, two = sorted((product, other.product.encode()))
                        keys.add(("bought", join(one, WITH, two, week)))
                live.append(event)
    return {key for key in keys if not _superseded(key, keys)}


def _superseded(key: Key, keys: set[Key]) -> bool:
    """A purchase without a click says nothing beside one with a click of the same week."""
    parts = key[1].split(b"\0")
    if key[0] != "searched" or parts[1] != BOUGHT:
        return False
    return (key[0], join(parts[0], CLICKED, *parts[2:])) in keys
