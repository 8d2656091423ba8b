"""The settings file of the embedded broker: a pure function of its folder and ports."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from streams.errors import BrokerError

HEADER = "# Written by `cartograph broker start` at every start; changes made here are lost."

MAX_MESSAGE_BYTES = 11 * 1024 * 1024
"""Largest batch of records a broker takes: values of 10 MB must pass, to be refused by us."""


AFTER_A_CRASH: Mapping[str, str] = {
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
}
"""A broker that was killed is refused until its last session has run out (KIP-631): make it short
for this start, 3.5 s instead of 31 s."""

_LISTENERS = re.compile(
    r"^listeners=PLAINTEXT://[^,\n]*:(\d+),CONTROLLER://[^,\n]*:(\d+)(?:,[A-Z_]+://[^,\n]*)*$", re.M
)


@dataclass(frozen=True, slots=True)
class Ports:
    """Loopback TCP ports: one for clients, one that only the broker itself uses."""

    clients: int
    controller: int

    @property
    def address(self) -> str:
        """What a client is given, `host:port`."""
        return f"127.0.0.1:{self.clients}"


def render(
    logs: Path, ports: Ports, overrides: Mapping[str, str] | None = None, *, listeners: str = ""
) -> str:
    """The text of `server.properties`.

    Args:
        logs: folder of the topics' data; written absolute, so that the folder may be moved.
        ports: where to listen. The controller is named by address, not by a voter in the storage
            (`--standalone`), so that both ports may change between starts.
        overrides: Kafka property -> value, added to or replacing those below.
        listeners: further ones, as `secured.Secured.listeners` gives them.

    Sources: kafka-python's template for 4.x; research/ecosystem.md 7B; Kafka's broker settings.
    """
    settings = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{ports.controller}",
        "listeners": f"PLAINTEXT://{ports.address},CONTROLLER://127.0.0.1:{ports.controller}"
        + listeners,
        "advertised.listeners": f"PLAINTEXT://{ports.address}{listeners}",
        "inter.broker.listener.name": "PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "log.dirs": str(logs),
        **_SETTINGS,
        **(overrides or {}),
    }
    lines = [f"{name}={_escape(value)}" for name, value in settings.items()]
    return "\n".join([HEADER, *lines, ""])


def read_ports(text: str) -> Ports:
    """The ports of a settings file that `render` wrote.

    Raises:
        BrokerError: somebody else wrote it.
    """
    found = _LISTENERS.search(text)
    if not text.startswith(HEADER) or found is None:
        raise BrokerError(
            "server.properties in the broker's folder was not written by cartograph: "
            "choose another folder, or remove it together with the data beside it"
        )
    return Ports(int(found[1]), int(found[2]))


def _escape(value: str) -> str:
    """A value as Java's Properties.load reads it back."""
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")


_SETTINGS: Mapping[str, str] = {
    # One node: a copy of its own topics cannot stand elsewhere.
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "2",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "2",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "2",
    # A topic that is missing is an error to be seen, not a topic with default settings.
    "auto.create.topics.enable": "false",
    "num.partitions": "1",
    # Events with old timestamps would be deleted on arrival; topics that forget say so themselves.
    "log.retention.ms": "-1",
    "message.max.bytes": str(MAX_MESSAGE_BYTES),
    "replica.fetch.max.bytes": str(MAX_MESSAGE_BYTES),
    # Workers join at once, and a test may declare a dead one gone within a second.
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    # Room for hundreds of partitions in a small heap: 10 MiB of index each is the default.
    "log.segment.bytes": str(128 * 1024 * 1024),
    "log.index.size.max.bytes": str(1024 * 1024),
    "log.cleaner.dedupe.buffer.size": str(32 * 1024 * 1024),
    "log.cleaner.threads": "1",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "4",
    # A laptop that stalls for some seconds must not lose its only broker.
    "broker.session.timeout.ms": "30000",
}
