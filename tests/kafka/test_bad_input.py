"""Bad input through all stages: a dead letter with its reason each time, and the stream goes on.

One run takes all of it: a good record stands behind every bad one, and has to arrive.
"""

import asyncio
import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from streams.dead_letters import DeadLetter, decode_dead_letter
from streams.play import EVENTS, Played
from streams.playing import Producing
from streams.settings import Settings
from streams.shoppers.windows import query_hash
from streams.totals import wire
from streams.totals.messages import BOUGHT, CLICKED, WITH
from tests.kafka.counts import Books
from tests.kafka.helpers import read_all
from tests.kafka.running import (
    Stages,
    create_all_topics,
    facts_of,
    heard,
    shop_settings,
    write,
)
from topology.facts import Fact

NOW_MS = int(time.time() * 1000)
HOUR_MS = 3_600_000
START_MS = NOW_MS - 40 * HOUR_MS
CLICKS, BURST, PER_MINUTE = 100_000, 1_000, 120
BASKET, PAIRED = 5_000, 30
WALK = "shoes for a very long walk"


def event(action: str, at_ms: int, who: str | None, product: str | None, **more: object) -> bytes:
    told = {"action_name": action, "timestamp": at_ms, "client_id": who, "product_id": product}
    return json.dumps({name: value for name, value in {**told, **more}.items() if value}).encode()


def bought(at_ms: int, number: int | str) -> bytes:
    return event("purchase", at_ms, f"good-{number}", f"good-{number}")


def search(at_ms: int, who: str, query: str, query_id: str) -> bytes:
    told = {"user_query": query, "query_id": query_id, "client_id": who, "timestamp": at_ms}
    return json.dumps(told).encode()


def product(number: int | str, title: str = "Red canvas shoes", **more: object) -> bytes:
    return json.dumps({"product_id": f"good-{number}", "title": title, **more}).encode()


AFTER_MS = START_MS + 20 * HOUR_MS
DEEP = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
BIG = b'{"title":"' + b"x" * (10 << 20) + b'"}'

BAD_EVENTS: dict[str, tuple[bytes, str]] = {
    "garbage bytes": (bytes(range(128, 256)) * 9, "bad_utf8"),
    "a registry's framing": (b"\0\0\0\0\7" + bytes(range(256)), "not_json"),
    "no JSON": (b'{"action_name": "purchase", ', "not_json"),
    "an empty value": (b"", "not_json"),
    "another kind of JSON": (b"42", "wrong_type"),
    "wrong types": (b'{"action_name": {}, "client_id": [], "timestamp": true}', "wrong_type"),
    "no shopper": (event("purchase", AFTER_MS, None, "p"), "missing_id"),
    "nobody": (event("purchase", AFTER_MS, "undefined", "p"), "missing_id"),
    "no product": (event("purchase", AFTER_MS, "s", None), "missing_id"),
    "a product with a NUL": (event("purchase", AFTER_MS, "s", "a\0b"), "bad_id"),
    "a product of 10,000 letters": (event("purchase", AFTER_MS, "s", "p" * 10_000), "bad_id"),
    "no time": (event("purchase", 0, "s", "p"), "missing_time"),
    "a time that is none": (event("click", "noon", "s", "p"), "bad_time"),  # type: ignore[arg-type]
    "before 1970": (event("purchase", -5, "s", "p"), "bad_time"),
    "ten years ahead": (event("purchase", NOW_MS + 87_600 * HOUR_MS, "s", "p"), "future"),
    "10 MB": (BIG, "too_long"),
    "deep JSON": (DEEP, "too_deep"),
    "bad UTF-8": (b'{"action_name":"purchase","client_id":"\xff\xfe"}', "bad_utf8"),
    "a search for nothing": (search(AFTER_MS, "s", "  ", "q-0"), "empty_query"),
    "some record": (b'{"colour": "red"}', "unknown_record"),
}
BAD_PRODUCTS: dict[str, tuple[bytes, str]] = {
    "garbage bytes": (b"\x80" * 100, "bad_utf8"),
    "wrong types": (b'{"product_id": {"a": 1}, "title": "x"}', "missing_id"),
    "no id": (b'{"title": "x"}', "missing_id"),
    "nothing said": (b'{"product_id": "p"}', "unknown_record"),
    "10 MB": (BIG, "too_long"),
    "deep JSON": (DEEP, "too_deep"),
}
ODD_PRODUCTS = {
    "an empty title": product("empty", "", color="red"),
    "a title of 200,000 letters": product("long", "red shoes " * 20_000, color="red"),
    "5,000 attributes": product("wide", color="red", **{f"field {n}": "x" for n in range(5_000)}),
    "a title of odd characters": product(
        "odd", "red\u0000\u2028 \ud83d\ude00 sh\u00f6es", color="red"
    ),
}
TOTALS = ("searched", "bought", "asked", "together", "claims")
"""Of our own topics; what no sender of ours could have written."""
BAD_TOTALS: dict[str, tuple[bytes, bytes]] = {
    "a short key": (b"k", b"v"),
    "garbage": (b"\xff" * 40, b"\xff" * 40),
    "a negative total": wire.encode_total("bought", wire.Sent(1, 5, 1, b"p\0b\x0000001", -3, b"")),
}


STRANGE = (
    ("searched", b"q\0a\x0000001"),
    ("searched", b"\xff\0b\0\xfe\x0000001"),
    ("bought", b"p\0b\x0000001"),
    ("bought", b"\xff\0w\0\xfe\x0000001"),
    ("asked", b"p\0q\0b\x0000001"),
    ("together", b"p\0w\0o\x0000001"),
    ("claims", b"product:P\0f\0no relation\0no node\0nobody"),
    ("claims", b"attr:color\0u\0junk"),
    ("claims", b"type:shoes\0x\0junk\0used_for_aud\0junk\x0000001"),
    ("claims", b"whatever"),
)
"""Keys of totals that are written as ours are and mean nothing."""


class Run(NamedTuple):
    """What the run came to; `places` are offsets of the bad records by kind."""

    settings: Settings
    places: dict[str, tuple[str, int]]
    letters: dict[tuple[str, int], list[DeadLetter]]
    bought: Counter[bytes]
    searched: Counter[bytes]
    facts: dict[tuple[str, str, str], Fact]
    books: Books
    own: dict[str, list[tuple[str, int]]]


@pytest.fixture(scope="module")
def run(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("bad-input")
    settings = shop_settings(kafka, f"bad{time.time_ns() % 10**8}", folder, k_shoppers=1)
    create_all_topics(settings)
    with Stages(settings) as stages:
        places = feed(settings)
        stages.rest()
        own = spoil(settings)
        events, catalog = settings.sources
        write(settings, events, [(None, bought(NOW_MS, f"late-{n}")) for n in range(8)])
        write(settings, catalog, [(None, product(f"late-{n}", color="red")) for n in range(8)])
        books = stages.rest()
        assert stages.stop() == 0
    letters: dict[tuple[str, int], list[DeadLetter]] = {}
    for _, record in read_all(settings, "dead-letters", 1):
        assert record.value is not None
        letter = decode_dead_letter(record.value)
        letters.setdefault((letter.topic, letter.offset), []).append(letter)
    return Run(
        settings,
        places,
        letters,
        heard(settings, "bought"),
        heard(settings, "searched"),
        facts_of(settings),
        books,
        own,
    )


def feed(settings: Settings) -> dict[str, tuple[str, int]]:
    """Give the shop's topics everything, in the order of time; where the bad records stand."""
    events, catalog = settings.sources
    year_2010 = [(None, bought(1_262_304_000_000 + n, f"2010-{n}")) for n in range(8)]
    write(settings, events, year_2010)
    asyncio.run(walk(settings))
    rows: list[tuple[None, bytes]] = []
    kinds = list(BAD_EVENTS)
    for n, kind in enumerate(kinds):
        rows += [(None, BAD_EVENTS[kind][0]), (None, bought(AFTER_MS + n * 1_000, f"event-{n}"))]
    later = AFTER_MS + HOUR_MS
    items = [{"product_id": f"item-{n}"} for n in range(BASKET)]
    basket = event("purchase", later, "hoarder", None, items=items)
    unknown_query = event("purchase", later, "good-query", "good-query", query_id="never-asked")
    rows += [(None, basket), (None, unknown_query), (None, bought(later, "unknown"))]
    offsets = write(settings, events, rows)
    places = {f"event: {kind}": (events, offsets[2 * n]) for n, kind in enumerate(kinds)}
    kinds = list(BAD_PRODUCTS)
    rows = []
    for n, kind in enumerate(kinds):
        rows += [(None, BAD_PRODUCTS[kind][0]), (None, product(f"product-{n}", color="red"))]
    rows += [(None, odd) for odd in ODD_PRODUCTS.values()]
    offsets = write(settings, catalog, rows)
    write(settings, catalog, [(b"", None), (b"never seen", None), (b'"\xff', None)])
    return places | {f"product: {kind}": (catalog, offsets[2 * n]) for n, kind in enumerate(kinds)}


async def walk(settings: Settings) -> None:
    """A session of 100,000 clicks, then one of a minute in which nobody can click so much."""
    name, _ = settings.sources

    def steps() -> Iterator[bytes]:
        yield search(START_MS, "walker", WALK, "walk")
        step_ms = 16 * HOUR_MS // CLICKS
        for n in range(CLICKS):
            yield event("click", START_MS + n * step_ms, "walker", f"seen-{n % 500}")
        end = START_MS + 16 * HOUR_MS
        yield search(end + 1, "walker", WALK, "walk again")
        yield event("click", end + 2, "walker", "walked", query_id="walk again")
        yield event("purchase", end + 3, "walker", "walked", query_id="walk again")
        minute = (end // 60_000 + 60) * 60_000
        for n in range(BURST):
            yield event("click", minute + n, "robot", f"seen-{n % 500}")

    async with Producing(settings, {EVENTS: name}) as producing:
        await producing.play(Played(EVENTS, b"k", value, None) for value in steps())


def spoil(settings: Settings) -> dict[str, list[tuple[str, int]]]:
    """Write what is nothing to our own topics; where it stands."""
    found: dict[str, list[tuple[str, int]]] = {}
    for topic in TOTALS:
        name = settings.topic(topic)
        for kind, row in BAD_TOTALS.items():
            found.setdefault(kind, []).append((name, write(settings, name, [row])[0]))
        write(settings, name, [(b"a tombstone", None)])
    for place, (topic, key) in enumerate(STRANGE):
        row = wire.encode_total(topic, wire.Sent(1, 5, place + 1, key, 7, b"\xc1"))
        write(settings, settings.topic(topic), [row])
    for topic, value in (
        ("events", b"\xc1 no event"),
        ("catalog", b"\xc1 no product"),
        ("verdicts", b'{"fact_id": "zz", "verdict": "accepted", "by": "x", "at_ms": 1}'),
    ):
        name = settings.topic(topic)
        found.setdefault(topic, []).append((name, write(settings, name, [(b"k", value)])[0]))
    return found


def shoppers_of(run: Run, name: str) -> int:
    """Shoppers who bought a product, over all weeks."""
    prefix = wire.join(name.encode(), BOUGHT, b"")
    return sum(n for key, n in run.bought.items() if key.startswith(prefix))


BAD = {f"event: {kind}": told for kind, told in BAD_EVENTS.items()} | {
    f"product: {kind}": told for kind, told in BAD_PRODUCTS.items()
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_record_is_one_dead_letter_that_says_why_and_holds_no_bytes(run: Run, kind: str):
    value, reason = BAD[kind]
    (letter,) = run.letters[run.places[kind]]
    assert letter.reason == reason
    assert letter.size == len(value)
    assert letter.sha256 == (hashlib.sha256(value).hexdigest() if value else "")
    assert len(letter.detail) <= 300


@pytest.mark.parametrize("number", range(len(BAD_EVENTS)), ids=list(BAD_EVENTS))
def test_the_good_event_behind_a_bad_one_is_counted(run: Run, number: int):
    assert shoppers_of(run, f"good-event-{number}") == 1


@pytest.mark.parametrize("number", range(len(BAD_PRODUCTS)), ids=list(BAD_PRODUCTS))
def test_the_good_product_behind_a_bad_one_has_its_facts(run: Run, number: int):
    head = f"product:good-product-{number}"
    assert (head, "has_attribute:color", "value:color/red") in run.facts


@pytest.mark.parametrize("name", ["empty", "long", "wide", "odd"], ids=list(ODD_PRODUCTS))
def test_an_odd_product_is_used(run: Run, name: str):
    assert (f"product:good-{name}", "has_attribute:color", "value:color/red") in run.facts


def test_events_of_2010_are_used_and_make_nothing_late(run: Run):
    assert sum(shoppers_of(run, f"good-2010-{n}") for n in range(8)) == 8
    assert run.books.ended("late") == 0


def test_a_purchase_of_an_unknown_product_waits_for_it_and_an_unknown_query_does_no_harm(run: Run):
    assert shoppers_of(run, "good-unknown") == shoppers_of(run, "good-query") == 1
    assert run.books.waiting["products.waiting"] >= 2


def test_of_a_basket_of_5000_everything_is_counted_and_30_are_paired(run: Run):
    assert sum(shoppers_of(run, f"item-{n}") for n in range(BASKET)) == BASKET
    assert run.books.other["pairs.capped"] == BASKET - PAIRED
    pairs = [key for key in run.bought if key.startswith(b"item-") and wire.split(key)[1] == WITH]
    assert len(pairs) == PAIRED * (PAIRED - 1) // 2


def test_a_session_of_100_000_clicks_still_leads_to_its_purchase(run: Run):
    assert run.books.ended("capped") == BURST - PER_MINUTE
    assert shoppers_of(run, "walked") == 1
    prefix = wire.join(query_hash(WALK), CLICKED, b"walked", b"")
    assert [n for key, n in run.searched.items() if key.startswith(prefix)] == [1]


@pytest.mark.parametrize("kind", [*BAD_TOTALS, "events", "catalog", "verdicts"])
def test_what_no_stage_of_ours_wrote_is_a_dead_letter(run: Run, kind: str):
    for place in run.own[kind]:
        assert len(run.letters[place]) == 1, place


def test_the_stream_goes_on_behind_all_of_it(run: Run):
    assert sum(shoppers_of(run, f"good-late-{n}") for n in range(8)) == 8
    for n in range(8):
        head = f"product:good-late-{n}"
        assert (head, "has_attribute:color", "value:color/red") in run.facts


def test_every_record_ended_somehow_and_every_dead_letter_is_told_once(run: Run):
    assert run.books.wrong == []
    assert all(len(found) == 1 for found in run.letters.values())
    route = {book.topic: book.ended for book in run.books.books if book.stage == "route"}
    events, catalog = run.settings.sources
    assert route[events]["dead_letter"] == len(BAD_EVENTS)
    assert route[catalog]["dead_letter"] == len(BAD_PRODUCTS) + 1  # and a tombstone without a name
    assert route[catalog]["stale"] == 1
