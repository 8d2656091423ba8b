"""Nothing vanishes (DESIGN, rule 8): over a whole run every record of every topic ended somehow."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from streams.events import decode_event
from streams.play import CATALOG, EVENTS, Played
from streams.playing import Producing
from streams.sample.make import Sizes, make
from streams.settings import Settings
from tests.kafka.counts import Books
from tests.kafka.helpers import read_all
from tests.kafka.running import Stages, create_all_topics, shop_settings, write

SEED, SIZES = 5, Sizes(products=200, shoppers=150, days=21)
AGAIN, OLD, BROKEN, SEEN, CROWD, BASKET, PAIRED = 40, 7, 9, 11, 500, 8, 3


@pytest.fixture(scope="module")
def settings(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("counts")
    return shop_settings(kafka, "counts", folder, basket_items=PAIRED, minute_events=50)


@pytest.fixture(scope="module")
def books(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Books:
    """The sample shop, and behind it some of everything that can become of a record."""
    folder = tmp_path_factory.mktemp("counts-sample")
    make(folder, SEED, SIZES)
    create_all_topics(settings)
    with Stages(settings) as stages:
        events, _ = settings.sources
        last_ms = asyncio.run(play(settings, folder))
        lines = (folder / "events.jsonl").read_bytes().splitlines()
        more = [*lines[-AGAIN:]]
        more += [click("early", last_ms - 40 * 86_400_000 + n) for n in range(OLD)]
        more += [b"{"] * BROKEN
        more += [msgspec.json.encode({"action_name": "impression"})] * SEEN
        more += [click("crowd", last_ms // 60_000 * 60_000 + n) for n in range(CROWD)]
        more += [
            msgspec.json.encode(
                {
                    "action_name": "purchase",
                    "timestamp": last_ms + n,
                    "client_id": "basket",
                    "product_id": f"in no catalog {n}",
                }
            )
            for n in range(BASKET)
        ]
        write(settings, events, [(b"k", line) for line in more])
        found = stages.rest()
        assert stages.stop() == 0
    return found


async def play(settings: Settings, folder: Path) -> int:
    """Produce the sample, in the order of time; the latest."""
    last_ms = 0

    def records() -> Iterator[Played]:
        nonlocal last_ms
        for line in (folder / "catalog.jsonl").read_bytes().splitlines():
            yield Played(CATALOG, b"k", line, None)
        lines = (folder / "events.jsonl").read_bytes().splitlines()
        for line in lines:
            last_ms = max(last_ms, msgspec.json.decode(line)["timestamp"])
            yield Played(EVENTS, b"k", line, None)

    events, catalog = settings.sources
    async with Producing(settings, {EVENTS: events, CATALOG: catalog}) as producing:
        await producing.play(records())
    return last_ms


def click(who: str, at_ms: int) -> bytes:
    told = {"action_name": "click", "timestamp": at_ms, "client_id": who, "product_id": "p"}
    return msgspec.json.encode(told)


def of(books: Books, stage: str, topic: str) -> dict[str, int]:
    """How the records of one topic ended in a stage."""
    return next(
        book.ended for book in books.books if book.stage == stage and book.topic.endswith(topic)
    )


def test_the_outcomes_of_every_stage_add_up_to_the_records_of_its_topics(books: Books):
    assert books.wrong == []
    assert {book.stage for book in books.books if book.records > 100} == {
        "route",
        "shoppers",
        "queries",
        "products",
        "graph",
    }


def test_what_route_sends_is_what_shoppers_and_products_read(books: Books, settings: Settings):
    events = of(books, "route", "shop.events")
    assert events["dead_letter"] == BROKEN
    assert events["unused"] >= SEEN
    assert sum(of(books, "shoppers", ".events").values()) == events["used"]
    assert (
        sum(of(books, "products", ".catalog").values())
        == of(books, "route", "shop.catalog")["used"]
    )


def test_duplicates_late_events_and_crowds_are_told_apart(books: Books, settings: Settings):
    ended = of(books, "shoppers", ".events")
    assert ended["late"] >= OLD
    assert ended["capped"] >= CROWD - settings.minute_events
    decoded = [decode_event(record.value or b"") for _, record in read_all(settings, "events")]
    ids = Counter((event.shopper, event.id) for event in decoded)
    repeated = sum(ids.values()) - len(ids)
    assert repeated >= AGAIN
    assert ended["duplicate"] <= repeated
    assert ended["used"] <= len(ids)
    assert sum(ended.values()) == len(decoded)


def test_what_waits_for_k_shoppers_or_a_product_and_what_was_not_paired_is_counted(books: Books):
    assert books.waiting["queries.waiting"] > 0
    assert books.waiting["products.waiting"] == BASKET
    assert books.waiting["graph.groups"] == 0
    assert books.other["pairs.capped"] == BASKET - PAIRED


def test_dead_letters_on_the_topic_are_those_that_were_counted(books: Books):
    assert books.dead == books.letters
    assert books.letters["not_json"] == BROKEN
