"""Metadata of Kafka's version 10, which names topics' ids; aiokafka 0.14 stops at version 5.

Source: KIP-516 (topic identifiers), Kafka's MetadataRequest.json and MetadataResponse.json.
"""

from io import BytesIO

from aiokafka.errors import IncompatibleBrokerVersion
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    AbstractType,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

NO_ID = bytes(16)
"""What a broker answers for a topic that has no id."""


class Uuid(AbstractType):  # type: ignore[misc]
    """16 raw bytes."""

    @classmethod
    def encode(cls, value: bytes) -> bytes:
        return value

    @classmethod
    def decode(cls, data: BytesIO) -> bytes:
        return data.read(16)


class MetadataResponseV10(Response):  # type: ignore[misc]
    """The cluster and its topics, with their ids."""

    API_KEY = 3
    API_VERSION = 10
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("topic", CompactString("utf-8")),
                ("topic_id", Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("topic_authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_authorized_operations", Int32),
        ("tags", TaggedFields),
    )


class MetadataRequestV10(RequestStruct):  # type: ignore[misc]
    """Asks for topics by name."""

    FLEXIBLE_VERSION = True
    API_KEY = 3
    API_VERSION = 10
    RESPONSE_TYPE = MetadataResponseV10
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(
                ("topic_id", Uuid), ("name", CompactString("utf-8")), ("tags", TaggedFields)
            ),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class TopicsRequest(Request[MetadataRequestV10]):  # type: ignore[misc]
    """Topics by name, none of them created by asking (Kafka's default is to create)."""

    API_KEY = 3

    def __init__(self, names: list[str]):
        self._names = names

    def prepare(self, versions: dict[int, tuple[int, int]]) -> MetadataRequestV10:
        """The request for a broker that takes these versions of each kind of request.

        Raises:
            IncompatibleBrokerVersion: it is older than 2.8, the first that takes version 10.
        """
        lowest, highest = versions.get(self.API_KEY, (0, 0))
        if not lowest <= MetadataRequestV10.API_VERSION <= highest:
            raise IncompatibleBrokerVersion("the broker tells no topic ids: it is before Kafka 2.8")
        return self.build(MetadataRequestV10)

    def build(self, request_struct_class: type[MetadataRequestV10]) -> MetadataRequestV10:
        topics: list[tuple[bytes, str, dict[int, bytes]]] = [
            (NO_ID, name, {}) for name in self._names
        ]
        return request_struct_class(topics, False, False, False, {})
