"""What ROUTE and SHOPPERS would make of a sample of a shop's topics, before anything is built.

Pure: runs the real ROUTE over records, under a secret of its own, and counts what comes out. The
sessions and pairs here are an estimate for people (gap between events, last search before a
purchase), not the windows of SHOPPERS.
"""

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

import msgspec

from streams.dead_letters import TOPIC as DEAD_LETTERS
from streams.dead_letters import DeadLetter, decode_dead_letter
from streams.events import Click, Event, Purchase, Return, Search, decode_event
from streams.outcomes import OUTCOMES
from streams.ports import Record
from streams.route.stage import CATALOG, EVENTS, Route, RouteSettings
from streams.sources.said import REASONS, WHYS
from streams.weeks import DAY_MS

SESSION_GAP_MS: Final = 30 * 60_000
_OWN_SECRET: Final = b"source check: nothing of it is kept"


class Trouble(msgspec.Struct, frozen=True):
    """Why records were rejected.

    Attributes:
        reason: a word of `streams.sources.said.REASONS`; `meaning` says it in a sentence.
        count: parts of records.
        example: detail of the first one, and where it stands: "topic/partition/offset".
    """

    reason: str
    meaning: str
    count: int
    example: str
    where: str


class SourceCheck(msgspec.Struct, frozen=True):
    """What a sample holds.

    Attributes:
        records: read; `outcomes` says how they ended, and sums to it.
        troubles: why parts of them were rejected, the most frequent first.
        unused: why parts were read and not used.
        events: kind -> count, without duplicates; products: catalog records.
        shoppers, sessions: distinct pseudonyms; their events with no gap over 30 minutes.
        joined: purchases with a search before them in the session, or by query id.
        pairs: distinct (shopper, query, product) of those; `co_pairs` of products of one session.
        first_ms, last_ms: event time; None without events.
        days: between the two, at least one hour's worth.
        pairs_per_day: to expect, `pairs` and `co_pairs` over `days`.
        advice: what to look at, in sentences.
    """

    records: int
    outcomes: dict[str, int]
    troubles: list[Trouble]
    unused: dict[str, int]
    events: dict[str, int]
    products: int
    shoppers: int
    sessions: int
    joined: int
    pairs: int
    co_pairs: int
    first_ms: int | None
    last_ms: int | None
    days: float
    pairs_per_day: float
    advice: list[str]


Happened: TypeAlias = Search | Click | Purchase
Batch: TypeAlias = tuple[str, int, Sequence[Record]]


def check(settings: RouteSettings, batches: Iterable[Batch]) -> SourceCheck:
    """What ROUTE makes of (topic, partition, records) batches.

    Args:
        settings: of ROUTE; the secret is not used.
        batches: a sample of one or more topics; searches and purchases are joined over all.

    Raises:
        SourceError: a topic has no format, or a format cannot be used.
    """
    sample = _Sample(Route(dataclasses.replace(settings, secret=_OWN_SECRET)))
    for topic, partition, records in batches:
        sample.take(topic, partition, records)
    found = _Sessions(sample.events.values())
    times = [event.at_ms for event in sample.events.values()]
    days = max((max(times) - min(times)) / DAY_MS, 1 / 24) if times else 0.0
    unused: dict[str, int] = {
        why: count for why in WHYS if (count := sample.tally[f"unused.{why}"])
    }
    checked = SourceCheck(
        sample.records,
        sample.outcomes(),
        sample.troubles(),
        unused,
        dict(sorted(sample.kinds.items())),
        sample.products,
        len({event.shopper for event in sample.events.values()}),
        found.sessions,
        found.joined,
        len(found.pairs),
        found.co_pairs,
        min(times, default=None),
        max(times, default=None),
        days,
        (len(found.pairs) + found.co_pairs) / days if days else 0.0,
        [],
    )
    return msgspec.structs.replace(checked, advice=_advice(checked))


class _Sample:
    """What came out of ROUTE, added up."""

    def __init__(self, route: Route) -> None:
        self.records = self.products = 0
        self.tally: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.events: dict[str, Happened] = {}
        self._route = route
        self._seen: set[str] = set()
        self._topics: set[str] = set()
        self._examples: dict[str, DeadLetter] = {}

    def take(self, topic: str, partition: int, records: Sequence[Record]) -> None:
        """Route a batch."""
        self._topics.add(topic)
        self.records += len(records)
        routed = self._route.route(topic, partition, records)
        self.tally.update(routed.tally)
        for message in routed.messages:
            if message.topic == EVENTS:
                self._take_event(decode_event(message.value))
            elif message.topic == CATALOG:
                self.products += 1
            elif message.topic == DEAD_LETTERS:
                letter = decode_dead_letter(message.value)
                self._examples.setdefault(letter.reason, letter)

    def _take_event(self, event: Event) -> None:
        if event.id in self._seen:
            return
        self._seen.add(event.id)
        self.kinds[str(event.__struct_config__.tag)] += 1
        if not isinstance(event, Return):
            self.events[event.id] = event

    def outcomes(self) -> dict[str, int]:
        """Outcome -> records, over all topics."""
        ends = OUTCOMES
        found = {end: sum(self.tally[f"{topic}.{end}"] for topic in self._topics) for end in ends}
        return {end: count for end, count in found.items() if count}

    def troubles(self) -> list[Trouble]:
        """Why parts were rejected, the most frequent first."""
        found = [
            Trouble(
                reason,
                meaning,
                self.tally[f"dead.{reason}"],
                letter.detail,
                f"{letter.topic}/{letter.partition}/{letter.offset}",
            )
            for reason, meaning in REASONS.items()
            if (letter := self._examples.get(reason)) is not None
        ]
        return sorted(found, key=lambda trouble: -trouble.count)


class _Sessions:
    """Sessions, and the pairs in them, of events in any order."""

    def __init__(self, events: Iterable[Happened]) -> None:
        self.sessions = self.joined = self.co_pairs = 0
        self.pairs: set[tuple[str, str, str]] = set()
        by_shopper: dict[str, list[Happened]] = defaultdict(list)
        for event in events:
            by_shopper[event.shopper].append(event)
        for each in by_shopper.values():
            each.sort(key=lambda event: (event.at_ms, not isinstance(event, Search), event.id))
            self._count(each)

    def _count(self, events: list[Happened]) -> None:
        by_query_id = {e.query_id: e for e in events if isinstance(e, Search) and e.query_id}
        last_ms, own = -1, ""
        search: Search | None = None
        basket: set[str] = set()
        for event in events:
            cut = bool(event.session and own and event.session != own)
            if last_ms < 0 or event.at_ms - last_ms > SESSION_GAP_MS or cut:
                self._close(basket)
                self.sessions += 1
                search, basket, own = None, set(), ""
            last_ms, own = event.at_ms, event.session or own
            if isinstance(event, Search):
                search = event
            elif isinstance(event, Purchase):
                basket.add(event.product)
                led = by_query_id.get(event.query_id, search)
                if led is not None:
                    self.joined += 1
                    self.pairs.add((event.shopper, led.query, event.product))
        self._close(basket)

    def _close(self, basket: set[str]) -> None:
        self.co_pairs += len(basket) * (len(basket) - 1) // 2


def _advice(found: SourceCheck) -> list[str]:
    """What an operator should look at."""
    words: list[str] = []
    bad = found.outcomes.get("dead_letter", 0)
    if not found.records:
        return ["The sample is empty: is this the right topic, and has it records?"]
    if bad * 5 > found.records:
        words.append(
            f"{bad} of {found.records} records cannot be read, most for "
            f"{found.troubles[0].reason!r}: check the topic's format or mapping file."
        )
    searches, purchases = found.events.get("search", 0), found.events.get("purchase", 0)
    if not found.events and found.products:
        return [*words, "Products only: check it together with the topics of events."]
    if not purchases:
        words.append(
            "No purchase: without any there are no pairs. Does `purchase_actions` name the shop's "
            "word for it, or are purchases in another topic?"
        )
    if not searches:
        words.append("No search: only co-purchases can be learnt. Are searches in another topic?")
    if searches and purchases and found.joined * 10 < purchases:
        words.append(
            f"Only {found.joined} of {purchases} purchases follow a search: do searches and "
            "purchases carry the same client id, and is the sample long enough?"
        )
    if found.shoppers and found.sessions and found.events and purchases + searches:
        each = sum(found.events.values()) / found.shoppers
        if each > 10_000:
            words.append(f"{each:.0f} events a shopper: is one id used for everybody?")
    return words
