"""Another secret than the graph's pseudonyms were made with is refused on a real Kafka."""

import asyncio
from pathlib import Path

import pytest

from streams.control.claims import Control
from streams.errors import SettingsError
from streams.kafka import connection
from streams.kafka.producer import Producer
from streams.route.checks import check_sources
from streams.settings import Settings
from streams.worker.process import SET_UP_WRONG
from tests.kafka.generations import call
from tests.kafka.helpers import read_all, wait_until
from tests.kafka.test_route import BEGIN_MS, Router, event, shop, write

OTHER = "another secret of these tests"
REFUSED = "CARTOGRAPH_SECRET is not the one"


def test_another_secret_is_refused_until_it_is_said_that_it_holds(
    kafka: str, topic_prefix: str, tmp_path: Path
):
    settings = shop(kafka, topic_prefix, tmp_path)
    write(settings, "searches", [event(1, BEGIN_MS, "search")])
    with Router(settings) as router:
        wait_until(lambda: len(read_all(settings, "events")) == 1, "routed")
        router.stop()
    other = settings.with_(secret=OTHER)
    write(settings, "searches", [event(2, BEGIN_MS + 1, "search")])
    with Router(other) as router:
        assert router.wait() == SET_UP_WRONG
        assert REFUSED in router.said()
    for words in (("forget", "ann"), ("dead-letters", "retry", "--all")):
        assert REFUSED in call(other, *words, code=2)
    assert read_all(settings, "erasures", 1) == []
    assert len(read_all(settings, "events")) == 1
    call(settings, "forget", "ann", "--wait", "0", code=1)
    assert len(read_all(settings, "erasures", 1)) == 1
    with Router(other.with_(allow_empty_store=True)) as router:
        wait_until(lambda: len(read_all(settings, "events")) == 2, "routed under the other one")
        router.stop()
        assert "is another one than before" in router.said(), "nobody does so unnoticed"
    with Router(settings) as router:
        assert router.wait() == SET_UP_WRONG
    call(other, "forget", "ann", "--wait", "0", code=1)


def test_of_two_that_start_at_once_with_different_secrets_one_is_refused(
    kafka: str, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    settings = shop(kafka, topic_prefix, tmp_path)
    have_read, note = asyncio.Barrier(2), Control.note_secret

    async def together(control: Control, secret: bytes) -> bytes:
        await have_read.wait()
        return await note(control, secret)

    async def start(one: Settings) -> None:
        producer = Producer(one.kafka, one.names, connection.options(one))
        await producer.start()
        try:
            await check_sources(one, producer, {})
        finally:
            await producer.stop()

    async def both() -> list[BaseException | None]:
        starts = (start(settings), start(settings.with_(secret=OTHER)))
        return await asyncio.gather(*starts, return_exceptions=True)

    monkeypatch.setattr(Control, "note_secret", together)
    ends = asyncio.run(both())
    assert {type(each) for each in ends} == {type(None), SettingsError}
