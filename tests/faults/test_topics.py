"""Topics whose offsets mean other records than before: an error that says so, never a reset."""

import asyncio
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.errors import TopicError
from streams.kafka import topic_watch
from streams.kafka.graph_topics import check_topics
from streams.settings import Settings
from streams.worker.lag import lags
from streams.worker.process import KAFKA_AWAY, SET_UP_WRONG
from tests.faults.scene import Place, place
from tests.faults.topics import delete_records, delete_topic, lose_end
from tests.kafka.helpers import (
    Worker,
    create_topics,
    produce,
    tally,
    test_settings,
    totals,
    wait_until,
)
from tests.kafka.running import Stages, create_all_topics, shop_settings, write
from tests.kafka.test_bad_input import NOW_MS, bought


def read(settings: Settings, count: int) -> None:
    wait_until(lambda: tally(settings, "counting")["events.used"] == count, f"{count} read")


def refused(settings: Settings) -> str:
    """The sentence with which the small stage does not start."""
    with Worker(settings) as worker:
        assert worker.wait(30) == SET_UP_WRONG
        told = worker.status
        assert told is not None
        assert "Traceback" not in worker.said()
        return told.error


def test_records_that_are_deleted_before_a_running_worker_read_them_are_counted_as_lost(
    kafka: str, topic_prefix: str, tmp_path: Path
):
    settings = test_settings(kafka, topic_prefix, tmp_path, partitions=1, session_timeout_ms=20_000)
    create_topics(settings)
    with Worker(settings) as worker:
        produce(settings, "events", [(0, b"a")] * 10)
        read(settings, 10)
        worker.signal(signal.SIGSTOP)
        produce(settings, "events", [(0, b"b")] * 10)  # the fetch under way may still get these
        produce(settings, "events", [(0, b"c")] * 10)
        delete_records(kafka, settings.topic("events"), {0: 25})
        worker.signal(signal.SIGCONT)
        assert worker.wait() == KAFKA_AWAY  # to be started again
        assert "records were deleted" in worker.said()
        worker.start()
        wait_until(lambda: totals(settings, "searched")[b"c"] == 5, "those that are left")
        assert "records of events were deleted before they were read" in worker.said()
    assert totals(settings, "searched")[b"a"] == 10


def test_a_topic_that_is_made_again_while_it_is_read(kafka: str, topic_prefix: str, tmp_path: Path):
    settings = test_settings(kafka, topic_prefix, tmp_path)
    create_topics(settings)
    with Worker(settings) as worker:
        produce(settings, "events", ((n % 4, b"a") for n in range(40)))
        read(settings, 40)
        delete_topic(kafka, settings.topic("events"))
        create_topics(settings)
        produce(settings, "events", ((n % 4, b"b") for n in range(8)))
        assert worker.wait(30) in (KAFKA_AWAY, SET_UP_WRONG)
    assert "was deleted and made again" in refused(settings)
    assert tally(settings, "counting")["events.used"] == 40


def test_a_topic_that_is_made_again_and_longer_than_before_is_found_by_its_id(
    kafka: str, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    settings = test_settings(kafka, topic_prefix, tmp_path)
    create_topics(settings)
    monkeypatch.setattr(topic_watch, "_EVERY_S", 0.1)

    async def known() -> dict[str, str]:
        found = await check_topics(settings, ["events"])
        return {name: topic.topic_id for name, topic in found.items() if topic.topic_id}

    ids = asyncio.run(known())
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(topic_watch.watch_topics(settings, ids), 1.0))
    delete_topic(kafka, settings.topic("events"))
    create_topics(settings)
    with pytest.raises(TopicError, match="was deleted and made again"):
        asyncio.run(asyncio.wait_for(topic_watch.watch_topics(settings, ids), 10.0))


@pytest.fixture(scope="module")
def own() -> Iterator[Place]:
    """A broker that may be killed."""
    with (
        tempfile.TemporaryDirectory(prefix="cartograph-faults-") as folder,
        place(Path(folder)) as found,
    ):
        yield found


def test_topics_that_lost_their_end(own: Place, topic_prefix: str, tmp_path: Path):
    settings = test_settings(own.address, topic_prefix, tmp_path / "a", partitions=1)
    shop = shop_settings(own.address, f"{topic_prefix}s", tmp_path / "b")
    create_topics(settings)
    create_all_topics(shop)
    events, _ = shop.sources
    for n in range(3):  # a batch each
        produce(settings, "events", [(0, b"a")] * 10)
        write(shop, events, [(None, bought(NOW_MS, f"{n}"))])
    with Worker(settings) as worker, Stages(shop, ["route"]) as stages:
        read(settings, 30)
        wait_until(lambda: has_read(shop, events) == 3, "ROUTE")
        stages.stop()
        worker.signal(signal.SIGSTOP)  # still runs when the broker is back
        own.kill()
        lose_end(own.folder, settings.topic("events"), 0)
        lose_end(own.folder, events, 0)
        own.start()
        worker.signal(signal.SIGCONT)
        produce(settings, "events", [(0, b"b")] * 5)
        assert worker.wait(30) == KAFKA_AWAY
        assert "cannot be read on at 30" in worker.said()
    assert "has read events up to 30, but the topic ends at 25" in refused(settings)
    (said,) = Stages(shop, ["route"]).refused()
    assert f"ROUTE has read {events}/0 up to 3, but it ends at 2" in said
    assert "CARTOGRAPH_ALLOW_EMPTY_STORE=1" in said


def test_a_control_topic_that_was_made_again(kafka: str, topic_prefix: str, tmp_path: Path):
    settings = test_settings(kafka, topic_prefix, tmp_path, partitions=1)
    create_topics(settings)
    produce(settings, "events", [(0, b"a")] * 10)
    for _ in range(2):
        with Worker(settings) as worker:
            wait_until(lambda: totals(settings, "searched") == {b"a": 10}, "told")
            wait_until(lambda w=worker: w.is_ready, "ready")
            assert worker.stop() == 0
    delete_topic(kafka, settings.topic("control"))
    create_topics(settings)
    assert "the control topic" in refused(settings)
    assert totals(settings, "searched") == {b"a": 10}


def has_read(settings: Settings, topic: str) -> int:
    """Where ROUTE goes on, as Kafka knows it."""
    (found,) = asyncio.run(lags(settings, {"route": [topic]}))
    return found.read
