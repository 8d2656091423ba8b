"""Orders for generations that are given at one moment."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.broker import admin
from streams.control import generation_log
from streams.control.generations import Generation, Generations, Offsets, order_record
from streams.errors import StateError, TopicError
from streams.replay import build as replay
from streams.replay.build import Order
from streams.settings import Settings
from tests.kafka.helpers import create_topics, test_settings

pytestmark = pytest.mark.kafka


@pytest.fixture
def base(kafka: str, topic_prefix: str, tmp_path: Path) -> Settings:
    found = test_settings(kafka, topic_prefix, tmp_path, partitions=1)
    create_topics(found)
    return found


@pytest.fixture
def met(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Orders wait for one another when they have read the log and not written yet: [how many]."""
    count, waiting, all_here = [1], [0], asyncio.Event()
    stretch_of = replay.stretch_of

    async def met_stretch(settings: Settings, generation: Generation) -> tuple[Offsets, Offsets]:
        found = await stretch_of(settings, generation)
        waiting[0] += 1
        if waiting[0] >= count[0]:
            all_here.set()
        await all_here.wait()
        return found

    monkeypatch.setattr(replay, "stretch_of", met_stretch)
    yield count
    assert waiting[0] >= count[0], "or they were not ordered at one moment"


def given_at_once(base: Settings, met: list[int], *orders: Order) -> list[Generation | Exception]:
    met[0] = len(orders)

    async def work() -> list[Generation | BaseException]:
        given = (replay.prepare(base, each) for each in orders)
        return await asyncio.gather(*given, return_exceptions=True)

    found = asyncio.run(work())
    assert all(isinstance(each, Generation | Exception) for each in found)
    return found  # type: ignore[return-value]


def log_of(base: Settings) -> Generations:
    return asyncio.run(generation_log.read(base))


def test_orders_at_one_moment_get_names_of_their_own(base: Settings, met: list[int]):
    orders = [Order(changes={"k_shoppers": n}) for n in (5, 6, 7)]
    made = given_at_once(base, met, *orders)
    found = log_of(base)
    assert {each.name for each in found.all} == {"g1", "g2", "g3"}
    for order, each in zip(orders, made, strict=True):
        assert isinstance(each, Generation), each
        assert each.changes == order.changes
        assert found.get(each.name) == each, "who reads the log later sees what the order was told"
        own = generation_log.of_base(base).with_(prefix=f"{base.prefix}.{each.name}")
        assert log_of(own).get(each.name) == each, "and so do its own workers"


def test_of_two_orders_for_one_name_the_later_is_told_of_the_first(base: Settings, met: list[int]):
    orders = [Order("try", changes={"k_shoppers": n}) for n in (5, 6)]
    made = given_at_once(base, met, *orders)
    (first,) = [each for each in made if isinstance(each, Generation)]
    (told,) = [each for each in made if isinstance(each, StateError)]
    assert "'try' was ordered with" in str(told)
    assert str(first.changes) in str(told)
    assert log_of(base).all == (first,)


@pytest.mark.parametrize("name", ["", "try"])
def test_one_order_given_twice_at_once_is_one_generation(base: Settings, met: list[int], name: str):
    """As the second would go on with the first if it came a second later."""
    one, other = given_at_once(base, met, Order(name), Order(name))
    assert isinstance(one, Generation), one
    assert one == other
    assert log_of(base).all == (one,)


def test_topics_of_an_order_that_came_a_moment_before_are_not_taken_for_a_strangers(
    base: Settings, monkeypatch: pytest.MonkeyPatch
):
    describe, others = admin.describe, Order(changes={"k_shoppers": 9})

    async def late(*args: object, **options: object) -> object:
        monkeypatch.setattr(replay.admin, "describe", describe)
        await replay.prepare(base, others)
        return await describe(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(replay.admin, "describe", late)
    mine = asyncio.run(replay.prepare(base, Order(changes={"k_shoppers": 8})))
    assert (mine.name, mine.changes) == ("g2", {"k_shoppers": 8})
    assert log_of(base).find("g1").changes == {"k_shoppers": 9}


def test_topics_that_no_order_knows_are_a_strangers(base: Settings):
    create_topics(base.with_(prefix=f"{base.prefix}.g1"))
    with pytest.raises(TopicError, match="belongs to another graph"):
        asyncio.run(replay.prepare(base, Order()))
    assert log_of(base).all == ()


def test_an_order_that_was_killed_behind_its_record_is_gone_on_with(base: Settings):
    noted = Generation(name="g1", order="0a", changes={"k_shoppers": 5})
    asyncio.run(generation_log.write(base, order_record(noted)))
    assert asyncio.run(replay.prepare(base, Order(changes={"k_shoppers": 5}))) == noted
