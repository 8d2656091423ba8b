"""How clients reach Kafka: the same settings for aiokafka, its admin client and Faust."""

import asyncio
import ssl
from typing import Any

import faust
from aiokafka.helpers import create_ssl_context
from faust.types.auth import CredentialsT

from streams.broker import handshake
from streams.errors import BrokerError, SettingsError
from streams.settings import Settings

REACH_S = 5.0
"""How long a worker looks for its broker at the start."""


def options(settings: Settings) -> dict[str, Any]:
    """Arguments of an aiokafka client besides its address.

    Raises:
        SettingsError: a certificate file cannot be read.
    """
    chosen: dict[str, Any] = {"security_protocol": settings.kafka_security}
    if settings.kafka_security.endswith("SSL"):
        chosen["ssl_context"] = _ssl_context(settings)
    if settings.kafka_security.startswith("SASL"):
        chosen["sasl_mechanism"] = settings.kafka_sasl_mechanism
        chosen["sasl_plain_username"] = settings.kafka_user
        chosen["sasl_plain_password"] = settings.kafka_password
    return chosen


def credentials(settings: Settings) -> CredentialsT | None:
    """The same for Faust; None: plain text."""
    if settings.kafka_security == "PLAINTEXT":
        return None
    context = _ssl_context(settings) if settings.kafka_security.endswith("SSL") else None
    if settings.kafka_security == "SSL":
        return faust.SSLCredentials(context)
    return faust.SASLCredentials(
        username=settings.kafka_user,
        password=settings.kafka_password,
        mechanism=settings.kafka_sasl_mechanism,
        ssl_context=context,
    )


async def check_reachable(settings: Settings) -> None:
    """Wait until one of the brokers answers whom it knows.

    Raises:
        BrokerError: none does within `REACH_S`, or no address is set.
        SettingsError: one refuses us, which no waiting mends.
    """
    if not settings.kafka:
        raise BrokerError(
            "no Kafka is named: set CARTOGRAPH_KAFKA=HOST:PORT, or start the embedded one with "
            "`cartograph broker start`"
        )
    deadline = asyncio.get_running_loop().time() + REACH_S
    while (error := await handshake.probe(settings.kafka, options(settings))) is not None:
        late = asyncio.get_running_loop().time() > deadline
        if late or isinstance(error, SettingsError):
            raise error
        await asyncio.sleep(0.2)


def _ssl_context(settings: Settings) -> ssl.SSLContext:
    try:
        context: ssl.SSLContext = create_ssl_context(
            cafile=settings.kafka_ca_file or None,
            certfile=settings.kafka_cert_file or None,
            keyfile=settings.kafka_key_file or None,
            password=settings.kafka_key_password or None,
        )
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"the TLS files cannot be used ({error}): check CARTOGRAPH_KAFKA_CA_FILE, "
            "CARTOGRAPH_KAFKA_CERT_FILE and CARTOGRAPH_KAFKA_KEY_FILE"
        ) from error
    return context
