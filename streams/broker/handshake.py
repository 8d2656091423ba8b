"""Why a Kafka cannot be used: one whole conversation with a broker, and a sentence for how it ends.

Clients retry, log and in the end say "unable to bootstrap": they hide that the password is wrong, a
certificate has expired or the port speaks another protocol. What no retry mends is told at once.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Any

from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import (
    AuthenticationFailedError,
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from streams.errors import BrokerError, CartographError, SettingsError

_TIMEOUT_MS, _GOODBYE_S = 5_000, 1.0
_EXPIRED, _NOT_YET = 10, 9
_OTHER_NAME = (62, 64)
"""X509_V_ERR_CERT_HAS_EXPIRED, ..._NOT_YET_VALID, ..._HOSTNAME_MISMATCH, ..._IP_ADDRESS_MISMATCH.

Source: OpenSSL's x509_vfy.h.
"""


async def probe(address: str, options: Mapping[str, Any]) -> CartographError | None:
    """Connect, authenticate and ask for metadata, at each address until one answers.

    Args:
        address: `host:port`, several separated by commas.
        options: as of an aiokafka client.

    Returns:
        None where one answers. A SettingsError where one refuses us, so that trying again is of no
        use; else a BrokerError: nobody answers. No secret is in either.
    """
    silent: CartographError | None = None
    for place in address.split(","):
        found = await _ask(place, options)
        if found is None:
            return None
        if isinstance(found, SettingsError):
            silent = found
        silent = silent or found
    return silent


async def why(address: str, options: Mapping[str, Any], error: BaseException) -> CartographError:
    """The error to raise where a client could not start.

    Args:
        address: as it was given.
        options: as they were given.
        error: what the client raised.
    """
    return await probe(address, options) or BrokerError(
        f"Kafka at {address} answered, then failed ({type(error).__name__}: {error}): "
        "look at its log and at the rights of this user"
    )


async def _ask(place: str, options: Mapping[str, Any]) -> CartographError | None:
    host, _, port = place.rpartition(":")
    asked = {**options, "request_timeout_ms": _TIMEOUT_MS}
    try:
        async with _talking(host, int(port), **asked) as connection:
            # A listener with SASL answers the first question of anybody, and no second one.
            await connection.send(MetadataRequest([]))
    except (KafkaError, OSError, TimeoutError, ValueError) as error:
        reason = _reason(error, options) or await _other_protocol(host, port, error, options)
        if reason:
            return SettingsError(f"Kafka at {place} refuses this connection: {reason}")
        said = f"no Kafka answers at {place} ({type(error).__name__}: {error})"
        return BrokerError(f"{said}: {_hint(error, options)}")
    return None


def _hint(error: BaseException, options: Mapping[str, Any]) -> str:
    if options.get("security_protocol") == "SSL" and isinstance(error, KafkaError):
        # Certificates of clients are looked at after the handshake (TLS 1.3), and then it hangs up.
        return (
            "if it asks clients for a certificate, give CARTOGRAPH_KAFKA_CERT_FILE and "
            "CARTOGRAPH_KAFKA_KEY_FILE, signed by an authority that it trusts and not expired"
        )
    return "start one with `cartograph broker start`, or set CARTOGRAPH_KAFKA=HOST:PORT"


async def _other_protocol(
    host: str, port: str, error: BaseException, options: Mapping[str, Any]
) -> str | None:
    """Which protocol a port speaks that hangs up on us; a broker that dies speaks none."""
    if isinstance(error, ConnectionRefusedError | socket.gaierror | TimeoutError | ValueError):
        return None
    ours = options.get("security_protocol", "PLAINTEXT")
    for other in ("SSL", "SASL_SSL", "SASL_PLAINTEXT", "PLAINTEXT"):
        if other != ours and await _speaks(host, int(port), other):
            return (
                f"this port speaks {other}: set CARTOGRAPH_KAFKA_SECURITY={other}, or give the "
                f"port for {ours}"
            )
    if not ours.endswith("SSL") and await _speaks_tls(host, int(port)):
        return "this port speaks TLS: set CARTOGRAPH_KAFKA_SECURITY=SSL, or give another port"
    return None


async def _speaks(host: str, port: int, protocol: str) -> bool:
    """Whether a listener of this protocol answers; nothing of ours is sent."""
    nobody = {"sasl_plain_username": "nobody", "sasl_plain_password": "-"}
    try:
        async with _talking(
            host,
            port,
            security_protocol=protocol,
            sasl_mechanism="SCRAM-SHA-512" if protocol.startswith("SASL") else None,
            ssl_context=_any_certificate() if protocol.endswith("SSL") else None,
            request_timeout_ms=_TIMEOUT_MS,
            **(nobody if protocol.startswith("SASL") else {}),
        ) as connection:
            await connection.send(MetadataRequest([]))
    except (AuthenticationFailedError, SaslAuthenticationFailed, UnsupportedSaslMechanismError):
        return True
    except (KafkaError, OSError, TimeoutError):
        return False
    return True


async def _speaks_tls(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(_TIMEOUT_MS / 1000):
            _, writer = await asyncio.open_connection(host, port, ssl=_any_certificate())
    except (OSError, TimeoutError):
        return False
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


@contextlib.asynccontextmanager
async def _talking(host: str, port: int, **options: Any) -> AsyncIterator[AIOKafkaConnection]:
    """A connection whose socket is closed at the end, also where the broker refuses it."""
    connection = AIOKafkaConnection(host, port, **options)
    try:
        await connection.connect()
        yield connection
    finally:
        await _hang_up(connection)


async def _hang_up(connection: AIOKafkaConnection) -> None:
    """Close it, politely if the broker answers in time: a refused one waits for its goodbye."""
    protocol = connection._protocol
    if protocol is None:
        return
    await asyncio.wait([connection.close()], timeout=_GOODBYE_S)
    # aiokafka's connection forgets its writer as it closes; the protocol knows until it is lost.
    if protocol._transport is not None:
        protocol._transport.abort()
        await asyncio.wait([connection._closed_fut], timeout=_GOODBYE_S)


def _any_certificate() -> ssl.SSLContext:
    """For a look at a port that is told no secret: the certificate does not matter."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _reason(error: BaseException, options: Mapping[str, Any]) -> str | None:
    """What must be changed; None: perhaps it only is away."""
    security = options.get("security_protocol", "PLAINTEXT")
    if isinstance(error, ssl.SSLCertVerificationError):
        return _untrusted(error)
    if isinstance(error, ssl.SSLError):
        return _tls(error)
    if isinstance(error, UnsupportedSaslMechanismError):
        return (
            f"it does not take {options.get('sasl_mechanism')}: set "
            "CARTOGRAPH_KAFKA_SASL_MECHANISM to one that it offers"
        )
    if isinstance(error, IllegalSaslStateError):
        return f"this port asks for no SASL: CARTOGRAPH_KAFKA_SECURITY is {security}, give its own"
    if isinstance(error, AuthenticationFailedError | SaslAuthenticationFailed):
        return (
            f"it does not know user {options.get('sasl_plain_username')!r} with this password "
            f"under {options.get('sasl_mechanism')}: check CARTOGRAPH_KAFKA_USER, "
            "CARTOGRAPH_KAFKA_PASSWORD and CARTOGRAPH_KAFKA_SASL_MECHANISM"
        )
    return None


def _untrusted(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code == _EXPIRED:
        return "its certificate has expired: renew it, or set this machine's clock"
    if error.verify_code == _NOT_YET:
        return "its certificate is not valid yet: set this machine's clock"
    if error.verify_code in _OTHER_NAME:
        return (
            f"its certificate is for another name ({error.verify_message}): give in "
            "CARTOGRAPH_KAFKA a name that stands in it"
        )
    return (
        f"its certificate is signed by nobody we trust ({error.verify_message}): give the "
        "authority's certificate in CARTOGRAPH_KAFKA_CA_FILE"
    )


def _tls(error: ssl.SSLError) -> str:
    said = (error.reason or str(error)).upper()
    if "ALERT" in said:
        return (
            f"it does not take our certificate ({error.reason}): CARTOGRAPH_KAFKA_CERT_FILE must "
            "be signed by an authority that it trusts, and not have expired"
        )
    return (
        f"it speaks no TLS here ({error.reason}): give the port that does, or set "
        "CARTOGRAPH_KAFKA_SECURITY to PLAINTEXT or SASL_PLAINTEXT"
    )
