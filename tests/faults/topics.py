"""Topics that are deleted, made again, cut at the beginning or at the end."""

from __future__ import annotations

import asyncio
from pathlib import Path

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from streams.broker import admin
from tests.kafka.helpers import wait_until


def delete_topic(kafka: str, name: str) -> None:
    """Delete a topic and wait until it is gone."""

    async def work() -> None:
        client = AIOKafkaAdminClient(bootstrap_servers=kafka)
        await client.start()
        try:
            await client.delete_topics([name])
        finally:
            await client.close()

    asyncio.run(work())
    wait_until(lambda: not asyncio.run(admin.describe(kafka, [name])), f"{name} gone")


def delete_records(kafka: str, name: str, before: dict[int, int]) -> None:
    """Delete what stands before an offset in each partition, as retention does."""

    async def work() -> None:
        client = AIOKafkaAdminClient(bootstrap_servers=kafka)
        await client.start()
        try:
            wanted = {TopicPartition(name, n): RecordsToDelete(at) for n, at in before.items()}
            await client.delete_records(wanted)
        finally:
            await client.close()

    asyncio.run(work())


def lose_end(broker_folder: Path, name: str, partition: int) -> None:
    """Cut the last byte off a partition's log, whose broker is down: Kafka drops that batch.

    It is what a machine that lost its power may do to a topic with one copy.
    """
    folder = broker_folder / "logs" / f"{name}-{partition}"
    log = max(folder.glob("*.log"), key=lambda file: int(file.stem))
    data = log.read_bytes()
    log.write_bytes(data[: len(data.rstrip(b"\0")) - 1])
    for index in folder.glob("*index"):
        index.unlink()
