"""Delete topics and consumer groups, and be sure that they are gone."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.admin import DeleteGroupsRequest

from streams.broker.admin import describe
from streams.errors import BrokerError, TopicError

_TIMEOUT_MS = 30_000
_POLL_S = 0.2
_UNKNOWN_TOPIC, _NON_EMPTY_GROUP, _UNKNOWN_GROUP = 3, 68, 69
_BUSY = frozenset((14, 15, 16))
"""The coordinator loads, is not there yet, or has moved: ask again."""


async def delete_topics(
    address: str, names: Iterable[str], *, options: Mapping[str, Any] | None = None
) -> None:
    """Delete topics by full name; those that do not exist are passed over.

    Raises:
        BrokerError: no broker answers, or the topics do not go.
        TopicError: it refuses, for example because `delete.topic.enable` is off.
    """
    wanted = list(await describe(address, list(names), options=options))
    if not wanted:
        return
    async with _Admin(address, options) as admin:
        answer = await admin.delete_topics(wanted)
        refused = [
            f"{told[0]}: {for_code(told[1]).__name__}"
            for told in answer.topic_error_codes
            if told[1] not in (0, _UNKNOWN_TOPIC)
        ]
    if refused:
        raise TopicError(
            f"Kafka does not delete topics: {'; '.join(refused)}. Check the rights of this user "
            "and the broker's delete.topic.enable, then give the command again"
        )
    try:
        async with asyncio.timeout(_TIMEOUT_MS / 1000):
            while await describe(address, wanted, options=options):
                await asyncio.sleep(_POLL_S)
    except TimeoutError as error:
        raise BrokerError(
            f"{', '.join(wanted)} are being deleted, but are still there after "
            f"{_TIMEOUT_MS // 1000} s: look at the broker's log and give the command again"
        ) from error


async def delete_groups(
    address: str,
    names: Iterable[str],
    *,
    patience_s: float,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Delete consumer groups; those that do not exist are passed over.

    Args:
        address: `host:port`, several separated by commas.
        names: of the groups.
        patience_s: how long to wait for members to leave; a static member that has ended is one
            until its session times out.
        options: further arguments of the aiokafka client.

    Raises:
        BrokerError: a group still has members after that, or no broker answers.
    """
    deadline = asyncio.get_running_loop().time() + patience_s
    left = list(names)
    async with _Admin(address, options) as admin:
        while True:
            left = [name for name in left if not await _is_gone(admin, name)]
            if not left:
                return
            if asyncio.get_running_loop().time() > deadline:
                raise BrokerError(
                    f"{', '.join(left)} still have members: stop what reads there, on every "
                    "machine, and give the command again"
                )
            await asyncio.sleep(_POLL_S)


async def _is_gone(admin: AIOKafkaAdminClient, group: str) -> bool:
    node = await admin.find_coordinator(group)
    answer = await admin._client.send(node, DeleteGroupsRequest([group]))
    ((_, code),) = answer.results
    if code in (0, _UNKNOWN_GROUP):
        return True
    if code == _NON_EMPTY_GROUP or code in _BUSY:
        return False
    raise BrokerError(
        f"Kafka does not delete the consumer group {group} ({for_code(code).__name__}): check the "
        "rights of this user"
    )


class _Admin:
    """An admin client whose errors are sentences."""

    def __init__(self, address: str, options: Mapping[str, Any] | None) -> None:
        self._address = address
        self._admin = AIOKafkaAdminClient(
            bootstrap_servers=address, request_timeout_ms=_TIMEOUT_MS, **(options or {})
        )

    async def __aenter__(self) -> AIOKafkaAdminClient:
        try:
            await self._admin.start()
        except (KafkaError, OSError) as error:
            await self._admin.close()
            raise BrokerError(f"no Kafka answers at {self._address} ({error})") from error
        return self._admin

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        await self._admin.close()
        if isinstance(error, KafkaError | OSError):
            raise BrokerError(
                f"Kafka at {self._address} answered, then failed ({type(error).__name__}: {error})"
            ) from error
