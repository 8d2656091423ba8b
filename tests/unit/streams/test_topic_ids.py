"""Asking a broker for its topics, also one that is too old to tell their ids."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import IncompatibleBrokerVersion
from aiokafka.protocol.metadata import MetadataRequest

from streams.broker import admin
from streams.broker.topic_ids import TopicsRequest

METADATA = 3


@pytest.mark.parametrize("versions", [{METADATA: (0, 9)}, {METADATA: (11, 13)}, {}])
def test_a_broker_that_does_not_take_version_10_is_refused(versions: dict[int, tuple[int, int]]):
    with pytest.raises(IncompatibleBrokerVersion):
        TopicsRequest(["a"]).prepare(versions)


def test_a_broker_that_takes_version_10_is_asked_in_it():
    assert TopicsRequest(["a"]).prepare({METADATA: (0, 13)}).API_VERSION == 10


def test_topics_of_a_broker_before_2_8_are_described_without_ids():
    topic = {
        "topic": "graph.events",
        "error_code": 0,
        "partitions": [{"leader": 1, "replicas": [1]}, {"leader": 1, "replicas": [1, 2]}],
    }

    class OldBroker:
        def get_random_node(self) -> int:
            return 1

        async def send(self, node: int, request: Any) -> Any:
            if not isinstance(request, MetadataRequest):
                request.prepare({METADATA: (0, 8)})
            return SimpleNamespace(to_object=lambda: {"topics": [topic]})

    found = asyncio.run(
        admin._partitions(SimpleNamespace(_client=OldBroker()), ["graph.events"])  # type: ignore[arg-type]
    )
    assert found == {"graph.events": (2, 1, None)}
