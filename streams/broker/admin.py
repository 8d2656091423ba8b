"""Create, read and check the topics of a graph on any Kafka."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    GroupCoordinatorNotAvailableError,
    IncompatibleBrokerVersion,
    KafkaError,
    for_code,
)
from aiokafka.protocol.metadata import MetadataRequest

from streams.broker import handshake
from streams.broker.topic_ids import NO_ID, TopicsRequest
from streams.errors import BrokerError, TopicError
from streams.topics import ActualTopic, Difference, TopicSpec, differences

_TIMEOUT_MS = 30_000
_SEEN_TIMEOUT_S = 30.0
_POLL_S = 0.05

_UNKNOWN_TOPIC = 3
_NOT_ALLOWED = 29
_ALREADY_EXISTS = 36


@dataclass(frozen=True, slots=True)
class Applied:
    """What `apply` did.

    Attributes:
        created: full names, in the order of the plan.
        existing: those that were there before; they are never changed.
        differences: what about existing ones is not as planned.
        topics: full name -> the topic as it is now.
    """

    created: tuple[str, ...]
    existing: tuple[str, ...]
    differences: tuple[Difference, ...]
    topics: Mapping[str, ActualTopic]


async def apply(
    address: str, specs: Iterable[TopicSpec], *, options: Mapping[str, Any] | None = None
) -> Applied:
    """Create the topics that are missing; look at those that exist, without changing them.

    Args:
        address: `host:port`, several separated by commas.
        specs: from `streams.topics.plan`.
        options: further arguments of the aiokafka client (security protocol, SASL).

    Raises:
        BrokerError: no broker answers there.
        SettingsError: one refuses us.
        TopicError: the broker refuses to create one.
    """
    wanted = tuple(specs)
    names = [spec.name for spec in wanted]
    async with _admin(address, options) as admin:
        before = set(await _partitions(admin, names))
        missing = [spec for spec in wanted if spec.name not in before]
        if missing:
            await _create(admin, missing)
            await _until_seen(admin, names)
        topics = await _describe(admin, names)
    return Applied(
        created=tuple(spec.name for spec in missing),
        existing=tuple(name for name in names if name in before),
        differences=differences(wanted, topics),
        topics=topics,
    )


async def describe(
    address: str, names: Iterable[str], *, options: Mapping[str, Any] | None = None
) -> dict[str, ActualTopic]:
    """The topics of these full names as they are; those that do not exist are left out.

    Asking creates nothing, even where Kafka creates topics by itself.

    Raises:
        BrokerError: no broker answers there.
        SettingsError: one refuses us.
    """
    async with _admin(address, options) as admin:
        return await _describe(admin, list(names))


async def check_group(
    address: str, group: str, *, options: Mapping[str, Any] | None = None
) -> None:
    """Make sure that this user may read as this consumer group: a client would wait for ever.

    Raises:
        BrokerError: no broker answers there.
        TopicError: it may not.
    """
    async with _admin(address, options) as admin:
        try:
            await admin.list_consumer_group_offsets(group)
        except GroupAuthorizationFailedError as error:
            raise TopicError(
                f"this user may not read as the consumer group {group}: give it the rights that "
                "`cartograph topics rights` lists"
            ) from error
        except GroupCoordinatorNotAvailableError:
            pass  # of the first group that a new Kafka ever sees


@contextlib.asynccontextmanager
async def _admin(
    address: str, options: Mapping[str, Any] | None
) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(
        bootstrap_servers=address, request_timeout_ms=_TIMEOUT_MS, **(options or {})
    )
    try:
        try:
            await admin.start()
        except (KafkaError, OSError, TimeoutError) as error:
            raise await handshake.why(address, options or {}, error) from error
        try:
            yield admin
        except (KafkaError, OSError, TimeoutError) as error:
            raise BrokerError(
                f"Kafka at {address} answered, then failed ({type(error).__name__}: {error}): "
                "look at its log and at the rights of this user"
            ) from error
    finally:
        await admin.close()


async def _create(admin: AIOKafkaAdminClient, specs: list[TopicSpec]) -> None:
    new = [
        NewTopic(spec.name, spec.partitions, spec.replication, topic_configs=dict(spec.config))
        for spec in specs
    ]
    answer = await admin.create_topics(new)
    refused = [
        f"{name}: {message or for_code(code).__name__}"
        for name, code, message in answer.topic_errors
        if code not in (0, _ALREADY_EXISTS)  # another process may have been faster
    ]
    if refused:
        raise TopicError(
            "Kafka refuses to create topics: " + "; ".join(refused) + ". Check the rights of this "
            "user and that there are as many brokers as the replication setting says"
        )


async def _until_seen(admin: AIOKafkaAdminClient, names: list[str]) -> None:
    """Wait until the new topics can be used: creation is answered before every broker knows."""
    async with asyncio.timeout(_SEEN_TIMEOUT_S):
        while len(await _partitions(admin, names)) < len(names):
            await asyncio.sleep(_POLL_S)


async def _describe(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, ActualTopic]:
    found = await _partitions(admin, names)
    configs = await _configs(admin, list(found))
    return {
        name: ActualTopic(name, partitions, replication, configs.get(name, {}), topic_id)
        for name, (partitions, replication, topic_id) in found.items()
    }


async def _partitions(
    admin: AIOKafkaAdminClient, names: list[str]
) -> dict[str, tuple[int, int, str | None]]:
    """Full name -> partitions, replication, topic id, of the topics that exist and have leaders."""
    client = admin._client  # the admin's own metadata call may create topics, and knows no ids
    node = client.get_random_node()
    try:
        answer = await client.send(node, TopicsRequest(names))
    except IncompatibleBrokerVersion:
        answer = await client.send(node, MetadataRequest(names, False))
    found = {}
    for topic in answer.to_object()["topics"]:
        partitions = topic["partitions"]
        if topic["error_code"] == _NOT_ALLOWED:
            raise TopicError(
                f"this user may not look at {topic['topic']}: give it the rights that "
                "`cartograph topics rights` lists"
            )
        if topic["error_code"] == _UNKNOWN_TOPIC or not partitions:
            continue
        if any(partition["leader"] < 0 for partition in partitions):
            continue
        topic_id = topic.get("topic_id", NO_ID)
        found[topic["topic"]] = (
            len(partitions),
            min(len(partition["replicas"]) for partition in partitions),
            None if topic_id == NO_ID else topic_id.hex(),
        )
    return found


async def _configs(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    configs: dict[str, dict[str, str]] = {}
    for answer in await admin.describe_configs(asked):
        for _, _, _, name, entries in answer.resources:
            # Sensitive settings come without a value.
            configs[name] = {entry[0]: entry[1] for entry in entries if entry[1] is not None}
    return configs
