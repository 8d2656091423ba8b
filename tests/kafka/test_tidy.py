"""`cartograph topics tidy` on a real broker: every graph that stands, and no other."""

import asyncio
from pathlib import Path

import pytest

from streams.broker import admin, removal
from streams.control import generation_log, tidying
from streams.control.generations import Generation, Generations, generation_record
from streams.replay.build import own_topics
from streams.settings import Settings
from streams.topics import REMAIN
from streams.totals.tables import CODES
from streams.totals.wire import Sent, encode_total
from tests.kafka.generations import beside, call, told
from tests.kafka.helpers import read_all
from tests.kafka.running import create_all_topics, shop_settings, write

pytestmark = pytest.mark.kafka

KEY = b"q\0a\x0002000"
LIVES = tuple(
    encode_total("claims", Sent(0, incarnation, 1, KEY, 1, b"words")) for incarnation in (1, 2)
)


@pytest.fixture
def settings(kafka: str, topic_prefix: str, tmp_path: Path) -> Settings:
    found = shop_settings(kafka, topic_prefix, tmp_path).with_(partitions=1)
    create_all_topics(found)
    write(found, found.topic("claims"), LIVES, partition=0)
    return found


def say(settings: Settings, generation: Generation) -> None:
    asyncio.run(generation_log.write(settings, generation_record(generation)))


def another(settings: Settings, name: str, **more: object) -> Settings:
    """A generation beside the first, with what a sender said in two lives."""
    generation = Generation(name=name, state="built", **more)  # type: ignore[arg-type]
    say(settings, generation)
    asyncio.run(admin.apply(settings.kafka, own_topics(settings, generation)))
    own = beside(settings, name)
    write(own, own.topic("claims"), LIVES, partition=0)
    return own


def buried(settings: Settings) -> list[bytes | None]:
    return [record.key for _, record in read_all(settings, "claims") if record.value is None]


def take_away(settings: Settings) -> None:
    names = [settings.topic(name) for name in settings.names.owned() if name not in REMAIN]
    asyncio.run(removal.delete_topics(settings.kafka, names))


def test_all_graphs_that_stand_are_tidied_each_topic_once(settings: Settings):
    tried, gone = another(settings, "try"), another(settings, "gone")
    another(settings, "sums", base="totals")
    say(settings, Generation(name="gone", state="dropped"))
    rows = told(settings, "topics", "tidy")
    names = {(each["generation"], each["topic"]) for each in rows}
    first, whole = ({(name, topic) for topic in CODES} for name in ("live", "try"))
    sums = {("sums", topic) for topic in CODES if topic not in ("searched", "bought")}
    assert names == first | whole | sums
    assert len(names) == len(rows)
    for own in (settings, tried, beside(settings, "sums")):
        assert buried(own) == [LIVES[0][0]]
    assert buried(gone) == []
    assert sum(each["tombstones"] for each in rows) == 3


def test_of_one_that_is_named_alone(settings: Settings):
    tried = another(settings, "try")
    rows = told(settings.with_(generation="try"), "topics", "tidy", "claims")
    assert [(each["generation"], each["topic"]) for each in rows] == [("try", "claims")]
    assert (buried(settings), buried(tried)) == ([], [LIVES[0][0]])
    refused = call(settings.with_(generation="nobody"), "topics", "tidy", code=2)
    assert "there is no generation 'nobody'" in refused


def test_when_the_first_ones_stages_are_dropped_its_heir_is_tidied(settings: Settings):
    """The first one's topics of totals are no more; the job that tidied them goes on."""
    heir = another(settings, "heir")
    say(settings, Generation(name="live", state="dropped"))
    take_away(settings)
    assert {each["generation"] for each in told(settings, "topics", "tidy")} == {"heir"}
    assert buried(heir) == [LIVES[0][0]]


def test_a_topic_that_cannot_be_tidied_is_told_and_keeps_no_other_from_it(settings: Settings):
    tried, last = another(settings, "another"), another(settings, "try")
    take_away(tried)
    said = call(settings, "topics", "tidy", "claims", code=2)
    assert f"{tried.topic('claims')} cannot be tidied" in said
    assert f"{tried.topic('claims')} could not be tidied, 2 other topics were" in said
    assert (buried(settings), buried(last)) == ([LIVES[0][0]], [LIVES[0][0]])


def test_one_that_is_dropped_meanwhile_is_no_failure(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    tried = another(settings, "try")
    reading = generation_log.read

    async def dropping(found: Settings) -> Generations:
        """Somebody drops it once it is known what is to be tidied."""
        known = await reading(found)
        if "try" in {each.name for each in known.all if each.usable}:
            gone = generation_record(Generation(name="try", state="dropping"))
            await generation_log.write(found, gone)
            names = [tried.topic(name) for name in tried.names.owned()]
            await removal.delete_topics(found.kafka, names)
        return known

    monkeypatch.setattr(generation_log, "read", dropping)
    rows = asyncio.run(tidying.tidy_all(settings, ["claims"]))
    assert [(each.generation, each.tombstones) for each in rows] == [("live", 1)]
