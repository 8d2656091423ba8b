"""Only a topic that was made again ends a worker: a Kafka that will not say is asked again."""

import asyncio
from collections.abc import Mapping

import pytest

from streams.broker import admin
from streams.errors import BrokerError, SettingsError, TopicError
from streams.kafka import connection, topic_watch
from streams.settings import Settings
from streams.topics import ActualTopic

KNOWN = {"graph.events": "aa"}


def actual(topic_id: str) -> dict[str, ActualTopic]:
    return {"graph.events": ActualTopic("graph.events", 4, 1, {}, topic_id)}


def test_a_refusal_or_an_outage_is_no_end_and_certificates_are_read_once(
    monkeypatch: pytest.MonkeyPatch,
):
    told = [BrokerError("away"), SettingsError("refused"), actual("aa"), actual("bb")]
    answers = iter(told)
    made, asked_with = [], []

    def options(settings: Settings) -> dict[str, object]:
        made.append(settings)
        return {"number": len(made)}

    async def describe(
        address: str, names: Mapping[str, str], *, options: Mapping[str, object]
    ) -> dict[str, ActualTopic]:
        assert names == KNOWN
        asked_with.append(options)
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(topic_watch, "_EVERY_S", 0.0)
    monkeypatch.setattr(connection, "options", options)
    monkeypatch.setattr(admin, "describe", describe)
    with pytest.raises(TopicError, match=r"graph\.events was deleted and made again"):
        asyncio.run(topic_watch.watch_topics(Settings(), KNOWN))
    assert asked_with == [{"number": 1}] * 4
