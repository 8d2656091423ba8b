"""What shoppers do in the sample shop: searches, clicks, purchases, returns, and their mess."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from streams.sample.lexicon import Kind
from streams.sample.shop import Bond, Item, Shop, mistyped

START_MS = 1_741_564_800_000
"""Monday 2025-03-10 00:00 UTC, the shop's first day."""

DAY_MS, MINUTE_MS = 86_400_000, 60_000
WANTED = 8.0
"""How much more a product is chosen by somebody whose intent is planted on one of its values."""

ASKS_INTENT, BUYS, ADDS_COMPLEMENT, ADDS_BEST_SELLER, RETURNS = 0.8, 0.6, 0.25, 0.1, 0.05
NO_SESSION, NO_QUERY_ID, DUPLICATE, DELAYED, LATE = 0.15, 0.25, 0.02, 0.02, 0.003
QUERY_TYPO, REAL_SEARCH = 0.03, 0.15

Timed = tuple[int, dict[str, object]]


@dataclass(frozen=True, slots=True)
class _Need:
    kind: Kind
    intent: str
    phrase: str
    query: str


class Visits:
    """Draws visits; everything follows from the shop and the generator handed in.

    Args:
        days: how long the shop is open, >= 1.
    """

    def __init__(self, shop: Shop, rng: Random, *, shoppers: int, days: int) -> None:
        self._shop, self._rng = shop, rng
        self._shoppers, self._days = shoppers, days
        self._kinds = {kind.name: kind for kind in shop.lexicon.kinds}
        self._wanted: dict[tuple[str, str], list[Bond]] = {}
        for bond in shop.planted:
            self._wanted.setdefault((bond.kind, bond.phrase), []).append(bond)
        self._items: dict[str, list[Item]] = {}
        for item in shop.items:
            self._items.setdefault(item.kind, []).append(item)
        best = sorted(shop.items, key=lambda item: (-item.weight, item.id))
        self._best_sellers = best[:8]
        self._weights: dict[tuple[str, str], list[float]] = {}
        self._count = 0

    def events(self) -> Iterator[Timed]:
        """(arrival in ms, event) in order of arrival, which is not quite that of event time."""
        arrivals: list[tuple[int, int, dict[str, object]]] = []
        for number in range(self._shoppers):
            shopper = f"shopper-{number:06d}@sample.example"
            for _ in range(self._sessions()):
                for at_ms, event in self._visit(shopper):
                    for arrival in self._arrivals(at_ms):
                        arrivals.append((arrival, len(arrivals), event))
        arrivals.sort(key=lambda arrival: arrival[:2])
        for arrival, _, event in arrivals:
            yield arrival, event

    def _sessions(self) -> int:
        return 1 + int(self._rng.expovariate(0.35))

    def _arrivals(self, at_ms: int) -> list[int]:
        rng = self._rng
        delay = rng.randrange(2_000)
        chance = rng.random()
        if chance < LATE:
            delay += rng.randrange(2 * 60, 6 * 60) * MINUTE_MS
        elif chance < LATE + DELAYED:
            delay += rng.randrange(5) * MINUTE_MS
        if rng.random() < DUPLICATE:
            return [at_ms + delay, at_ms + delay + rng.randrange(1, 60_000)]
        return [at_ms + delay]

    def _visit(self, shopper: str) -> Iterator[Timed]:
        rng = self._rng
        at_ms = START_MS + rng.randrange(self._days * DAY_MS)
        session = "" if rng.random() < NO_SESSION else f"s{rng.getrandbits(48):012x}"
        need = self._need()
        query_id = f"q{rng.getrandbits(48):012x}"
        yield at_ms, self._search(shopper, session, query_id, need.query, at_ms)
        results = self._choose(need, rng.randrange(2, 7))
        told = "" if rng.random() < NO_QUERY_ID else query_id
        clicked = []
        for item in results:
            at_ms += rng.randrange(5_000, 90_000)
            if rng.random() < 0.7:
                clicked.append(item)
                yield at_ms, self._event("click", shopper, session, told, item, at_ms)
        if rng.random() >= BUYS:
            return
        basket = [rng.choice(clicked) if clicked and rng.random() < 0.85 else results[0]]
        others = self._shop.lexicon.complements.get(need.kind.name, ())
        if others and rng.random() < ADDS_COMPLEMENT:
            basket.append(rng.choice(self._items[rng.choice(others)]))
        if rng.random() < ADDS_BEST_SELLER:
            basket.append(rng.choice(self._best_sellers))
        order = f"o{rng.getrandbits(48):012x}"
        at_ms += rng.randrange(20_000, 4 * MINUTE_MS)
        for place, item in enumerate(basket):
            event_query = told if place == 0 else ""
            bought = self._event("purchase", shopper, session, event_query, item, at_ms, order)
            yield at_ms, bought
            if rng.random() < RETURNS:
                later = at_ms + rng.randrange(2, 12) * DAY_MS
                yield later, self._event("return", shopper, "", "", item, later, order)

    def _need(self) -> _Need:
        rng = self._rng
        kind = rng.choice(self._shop.lexicon.kinds)
        noun = rng.choice(kind.query)
        if self._shop.searches and rng.random() < REAL_SEARCH:
            return _Need(kind, "", "", rng.choice(self._shop.searches))
        if rng.random() >= ASKS_INTENT:
            if rng.random() < 0.5:
                return _Need(kind, "", "", noun)
            name = rng.choice(kind.attributes)
            return _Need(kind, "", "", f"{rng.choice(self._shop.lexicon.values[name])} {noun}")
        intent, phrase = rng.choice(kind.intents)
        forms = (f"{noun} for {phrase}", f"{noun} for {phrase}", f"{phrase} {noun}")
        query = rng.choice(forms)
        return _Need(
            kind, intent, phrase, mistyped(query, rng) if rng.random() < QUERY_TYPO else query
        )

    def _choose(self, need: _Need, count: int) -> list[Item]:
        items = self._items[need.kind.name]
        key = need.kind.name, need.phrase
        if key not in self._weights:
            bonds = self._wanted.get(key, ())
            self._weights[key] = [
                item.weight
                * WANTED ** sum(item.values.get(bond.values) == bond.value for bond in bonds)
                for item in items
            ]
        drawn = self._rng.choices(items, self._weights[key], k=count)
        return list(dict.fromkeys(drawn)) if len(items) > count else drawn

    def _search(
        self, shopper: str, session: str, query_id: str, query: str, at_ms: int
    ) -> dict[str, object]:
        return self._common("search", shopper, session, query_id, at_ms) | {"user_query": query}

    def _event(
        self,
        action: str,
        shopper: str,
        session: str,
        query_id: str,
        item: Item,
        at_ms: int,
        order: str = "",
    ) -> dict[str, object]:
        attributes: dict[str, object] = {"object": {"object_id": item.id}}
        if order:
            attributes["order_id"] = order
        common = self._common(action, shopper, session, query_id, at_ms)
        return common | {"event_attributes": attributes}

    def _common(
        self, action: str, shopper: str, session: str, query_id: str, at_ms: int
    ) -> dict[str, object]:
        self._count += 1
        event: dict[str, object] = {
            "action_name": action,
            "event_id": f"e{self._count:08d}",
            "client_id": shopper,
            "timestamp": at_ms,
        }
        if query_id:
            event["query_id"] = query_id
        if session:
            event["session_id"] = session
        return event
