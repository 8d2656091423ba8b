"""Fixtures for every test: one real Kafka a session, a topic prefix of one's own, hypothesis."""

import asyncio
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples in every run, and no deadline: CI machines stall.
settings.register_profile("cartograph", derandomize=True, deadline=None)
settings.load_profile("cartograph")

CreateTopic = Callable[..., str]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever uses the broker carries the marker `kafka`."""
    for item in items:
        if "kafka" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.kafka)


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """Address of a real Kafka; a broker that does not come up fails the test, it never skips it."""
    if given := os.environ.get("CARTOGRAPH_TEST_KAFKA"):
        yield given
        return
    from streams.broker import process

    quick = {"log.cleaner.backoff.ms": "500", "log.initial.task.delay.ms": "500"}
    with (
        tempfile.TemporaryDirectory(prefix="cartograph-kafka-") as folder,
        process.running(Path(folder), properties=quick) as broker,
    ):
        yield broker.address


@pytest.fixture
def topic_prefix() -> str:
    """A prefix that no other test has: tests share the broker and never see each other."""
    return f"t{secrets.token_hex(4)}"


@pytest.fixture
def create_topic(kafka: str, topic_prefix: str) -> CreateTopic:
    """Call `create_topic("events", 4, {"cleanup.policy": "compact"})`: makes it, returns its name.

    The name is prefixed (`t1f00ba7.events`). Not from inside a running event loop.
    """
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic

    from streams.broker.admin import describe

    async def create(name: str, partitions: int, config: Mapping[str, str]) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
        await admin.start()
        try:
            topic = NewTopic(name, partitions, 1, topic_configs=dict(config))
            answer = await admin.create_topics([topic])
        finally:
            await admin.close()
        (outcome,) = answer.topic_errors
        assert outcome[1] == 0, f"cannot create {name}: {outcome}"
        for _ in range(200):  # creation is answered before the partitions have leaders
            if name in await describe(kafka, [name]):
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"{name} never came up")

    def create_named(
        name: str, partitions: int = 1, config: Mapping[str, str] | None = None
    ) -> str:
        full = f"{topic_prefix}.{name}"
        asyncio.run(create(full, partitions, config or {}))
        return full

    return create_named
