"""A shopper's sessions, one event after the other: what `windows.py` says, kept up to date.

`Open` is all that later events can still change or look back to; `Sessions` moves it on by one
`Step`. Steps come in order (`windows.in_order`); a step that does not is the caller's to sort in
and begin again from what is settled. Nothing here knows totals, rows or the state.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import TypeVar

from msgspec import Struct

from streams.events import Click, Event, Return, Search
from streams.shoppers.keys import Basket, Bought, asked_key
from streams.shoppers.windows import (
    CLICK,
    KIND,
    MINUTE_MS,
    PURCHASE,
    SEARCH,
    Led,
    WindowSettings,
    query_hash,
)
from streams.weeks import week_end_ms, week_key, week_of

NEVER = -(1 << 62)
_NO_CLICK = ("", NEVER)
_T = TypeVar("_T")


class Step(Struct, frozen=True, order=True, array_like=True, gc=False, omit_defaults=True):
    """An event as a row keeps it; compares in order of (time, kind, id).

    Attributes:
        kind: `windows.SEARCH`, `CLICK`, `PURCHASE` or `RETURN`.
        what: the query of a search, else the product.
    """

    at: int
    kind: int
    id: str
    what: str
    session: str = ""
    query_id: str = ""
    order: str = ""


def step_of(event: Event) -> Step:
    """The event without its shopper."""
    # By exact type, the most frequent first: isinstance costs 0.1 us more an event.
    kind = type(event)
    if kind is Click:
        return Step(event.at_ms, CLICK, event.id, event.product, event.session, event.query_id)  # type: ignore[union-attr]
    if isinstance(event, Search):
        return Step(event.at_ms, SEARCH, event.id, event.query, event.session, event.query_id)
    query_id = "" if isinstance(event, Return) else event.query_id
    order = "" if isinstance(event, Click) else event.order
    return Step(event.at_ms, KIND[kind], event.id, event.product, event.session, query_id, order)


class Session(Struct, array_like=True, gc=False):
    """One session that may still go on.

    Attributes:
        label: its session id.
        start, last: times of its first and last event.
        clicks: clicks so far.
        recent: (query, time, clicks before it) of its last different searches, oldest first.
        names: the queries of `recent`.
        clicked: product -> `names` as they were when it was last clicked, longest ago first.
    """

    label: str
    start: int
    last: int
    clicks: int = 0
    recent: tuple[tuple[bytes, int, int], ...] = ()
    names: tuple[bytes, ...] = ()
    clicked: dict[str, tuple[bytes, ...]] = {}
    basket: Basket | None = None


class Open(Struct, array_like=True, gc=False):
    """What of a shopper is not settled, or can still be looked back to.

    Attributes:
        last: time of the last event; label: session id that it had, or was given.
        sessions: by session id; some may have ended.
        searched: query id -> (query, time) of the latest search with it, longest ago first.
        clicked: product -> (query id, time) of its latest click with one, longest ago first.
        ended: baskets of sessions that are no longer in `sessions`.
        asked: keys of the totals of queries it asked, with the minute in which the visit began.
        taken: ids of purchases that returns among these events took back.
        since: minute in which the visit of the last event began.
    """

    last: int = NEVER
    label: str = ""
    sessions: dict[str, Session] = {}
    searched: dict[str, tuple[bytes, int]] = {}
    clicked: dict[str, tuple[str, int]] = {}
    ended: list[Basket] = []
    asked: set[tuple[bytes, int]] = set()
    taken: set[str] = set()
    since: int = 0

    def baskets(self) -> Iterator[Basket]:
        """Of all sessions, ended or not."""
        yield from self.ended
        for session in self.sessions.values():
            if session.basket is not None:
                yield session.basket


class Sessions:
    """Moves `Open` on, step by step, in order.

    A step that cannot change what is known of earlier ones costs a few dictionary accesses,
    however long the session is.
    """

    def __init__(self, settings: WindowSettings) -> None:
        self._gap, self._longest = settings.gap_ms, settings.longest_ms
        self._span, self._clicks = settings.span_ms, settings.clicks
        self._searches, self._memory = settings.searches, settings.memory
        self._paired, self._keep = settings.basket, settings.keep_ms
        self._reach_minutes = settings.reach_minutes
        self._week = self._week_start = self.week_end = 0
        self.week_key = self._asked_in_week = b""

    def replay(
        self, now: Open, steps: Iterable[Step], settled: Callable[[], Iterable[Basket]]
    ) -> None:
        """Take steps, in order; `settled` gives what `give_back` wants, when there is a return."""
        for step in steps:
            if step.kind == CLICK:
                self.click(now, step)
            elif step.kind == SEARCH:
                self.search(now, step)
            elif step.kind == PURCHASE:
                self.purchase(now, step)
            else:
                self.give_back(now, step, settled())

    def search(self, now: Open, step: Step) -> None:
        """A search."""
        session = self._session(now, step)
        at = step.at
        query = query_hash(step.what)
        recent, names = session.recent, session.names
        if query in names:
            place = names.index(query)
            recent = recent[:place] + recent[place + 1 :]
            names = names[:place] + names[place + 1 :]
        elif len(names) == self._searches:
            recent, names = recent[1:], names[1:]
        session.recent = (*recent, (query, at, session.clicks))
        session.names = (*names, query)
        if step.query_id:
            self._remember(now.searched, step.query_id, (query, at))
        now.asked.add((self.asked_key(query, at), now.since))

    def asked_key(self, query: bytes, at: int) -> bytes:
        """Key of the total of those who asked a query in the week of `at`."""
        if not self._week_start <= at < self.week_end:
            self.week_of(at)
        return query + self._asked_in_week

    def week_of(self, at: int) -> int:
        """As `weeks.week_of`; also turns `week_end` and `week_key` to that week."""
        if not self._week_start <= at < self.week_end:
            self._week = week_of(at)
            self._week_start, self.week_end = week_end_ms(self._week - 1), week_end_ms(self._week)
            self.week_key, self._asked_in_week = week_key(self._week), asked_key(b"", at)
        return self._week

    def click(self, now: Open, step: Step) -> None:
        """A click on a product."""
        session = self._session(now, step)
        session.clicks += 1
        names, product, query_id = session.names, step.what, step.query_id
        if names:  # a click without a search before it says nothing of any query
            self._remember(session.clicked, product, names)
        if query_id:
            self._remember(now.clicked, product, (query_id, step.at))

    def purchase(self, now: Open, step: Step) -> tuple[Bought, Basket]:
        """A purchase, and the basket that it has joined."""
        session = self._session(now, step)
        bought = Bought(step.at, step.id, step.what, step.order, self._led_to(now, session, step))
        basket = session.basket
        if basket is None:
            basket = session.basket = Basket([], {}, since=now.since)
        basket.bought.append(bought)
        basket.products[step.what] = None
        if len(basket.products) > self._paired:
            basket.plain = False
        return bought, basket

    def give_back(self, now: Open, step: Step, settled: Iterable[Basket]) -> None:
        """A return: takes the latest purchase of the product that it can.

        `settled` are the baskets of the ledger, of every week that a return can reach.
        """
        self._session(now, step)
        best: tuple[int, str] | None = None
        of: Basket | None = None
        for basket in chain(settled, now.baskets()):
            if step.what not in basket.products:
                continue
            for bought in basket.bought:
                place = bought.at, bought.id
                if (
                    bought.product == step.what
                    and (not step.order or bought.order == step.order)
                    and (best is None or place > best)
                    and bought.at <= step.at <= week_end_ms(week_of(bought.at)) + self._keep
                    and not bought.taken
                    and bought.id not in now.taken
                ):
                    best, of = place, basket
        if best is not None and of is not None:
            now.taken.add(best[1])
            of.plain = False

    def _session(self, now: Open, step: Step) -> Session:
        """The session that the step belongs to, begun if need be; its last time is the step's."""
        at, label, last = step.at, step.session, now.last
        now.last = at
        if at - last <= self._gap and (not label or label == now.label):
            session = now.sessions[now.label]  # the last event's: it is open while that is near
            if at - session.start <= self._longest:
                session.last = at
                return session
        if at // MINUTE_MS - last // MINUTE_MS > self._reach_minutes:
            now.since = at // MINUTE_MS
        if at - last > self._gap:
            if not label:
                now.label = ""
                return self._begin(now, "", at)
        elif not label:
            label = now.label
        elif label != now.label and not now.label:
            first = now.sessions.pop("")  # began without an id, and takes the first that follows
            first.label = label
            self._end(now, label)
            now.sessions[label] = first
        now.label = label
        found = now.sessions.get(label)
        if found is None or at - found.last > self._gap or at - found.start > self._longest:
            return self._begin(now, label, at)
        found.last = at
        return found

    def _begin(self, now: Open, label: str, at: int) -> Session:
        self._end(now, label)
        session = now.sessions[label] = Session(label, at, at)
        return session

    def _end(self, now: Open, label: str) -> None:
        session = now.sessions.pop(label, None)
        if session is not None and session.basket is not None:
            now.ended.append(session.basket)

    def _led_to(self, now: Open, session: Session, step: Step) -> Led:
        at, product = step.at, step.what
        clicked_id, clicked_at = now.clicked.get(product, _NO_CLICK)
        if at - clicked_at > self._span:
            clicked_id = ""
        clicked = session.clicked.get(product, ())
        for query_id in (step.query_id, clicked_id):
            if query_id and query_id in now.searched:
                query, searched_at = now.searched[query_id]
                if at - searched_at <= self._span:
                    return ((query, query_id == clicked_id or query in clicked),)
        return tuple(
            [
                (query, query in clicked)
                for query, searched_at, clicks in reversed(session.recent)
                if at - searched_at <= self._span or session.clicks - clicks <= self._clicks
            ]
        )

    def _remember(self, kept: dict[str, _T], key: str, value: _T) -> None:
        """Put at the end; forget what was put there longest ago."""
        kept.pop(key, None)
        kept[key] = value
        if len(kept) > self._memory:
            del kept[next(iter(kept))]
