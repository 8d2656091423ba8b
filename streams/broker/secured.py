"""Listeners with TLS and passwords beside the embedded broker's plain one: to try both on a laptop.

Everything stays on loopback, and the plain listener stays too: the broker itself uses it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

MECHANISMS = ("SCRAM-SHA-256", "SCRAM-SHA-512")


@dataclass(frozen=True, slots=True)
class Secured:
    """What is added to the broker.

    Attributes:
        ports: protocol ("SSL", "SASL_SSL", "SASL_PLAINTEXT") -> loopback TCP port.
        users: name -> password, known under both SCRAM mechanisms; they are made when the folder
            is formatted, and stay as they were then.
        keystore: PEM file with the private key (PKCS 8) and the certificates of the broker.
        truststore: PEM file of the authorities of clients' certificates; None: SSL asks for none.
        rights: whether users may do only what they were given the right to (Kafka's
            StandardAuthorizer); whoever comes over the plain listener may do everything.
    """

    ports: Mapping[str, int]
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    keystore: Path | None = None
    truststore: Path | None = None
    rights: bool = False

    def address(self, protocol: str) -> str:
        """What a client of this protocol is given, `host:port`."""
        return f"127.0.0.1:{self.ports[protocol]}"

    def listeners(self) -> str:
        """To be added to Kafka's `listeners` and `advertised.listeners`."""
        return "".join(f",{name}://127.0.0.1:{port}" for name, port in self.ports.items())

    def properties(self) -> dict[str, str]:
        """Kafka settings.

        Sources: Kafka's documentation, "Security": KIP-651 for PEM, KIP-900 for SCRAM users.
        """
        names = ("CONTROLLER:PLAINTEXT", "PLAINTEXT:PLAINTEXT", *(f"{p}:{p}" for p in self.ports))
        found = {
            "listener.security.protocol.map": ",".join(names),
            "sasl.enabled.mechanisms": ",".join(MECHANISMS),
        }
        for mechanism in MECHANISMS:
            for protocol in ("sasl_ssl", "sasl_plaintext"):
                found[f"listener.name.{protocol}.{mechanism.lower()}.sasl.jaas.config"] = (
                    "org.apache.kafka.common.security.scram.ScramLoginModule required;"
                )
        if self.keystore is not None:
            found |= {"ssl.keystore.type": "PEM", "ssl.keystore.location": str(self.keystore)}
        if self.truststore is not None:
            found |= {
                "ssl.truststore.type": "PEM",
                "ssl.truststore.location": str(self.truststore),
                "listener.name.ssl.ssl.client.auth": "required",
            }
        if self.rights:
            found |= {
                "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                "super.users": "User:ANONYMOUS",
                "allow.everyone.if.no.acl.found": "false",
            }
        return found

    def format_arguments(self) -> list[str]:
        """What `kafka-storage format` is told besides."""
        return [
            word
            for name, password in self.users.items()
            for mechanism in MECHANISMS
            for word in ("--add-scram", f"{mechanism}=[name={name},password={password}]")
        ]
