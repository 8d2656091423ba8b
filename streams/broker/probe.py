"""Ask a broker on loopback whether it really answers: a metadata request over a plain socket.

An open port is not enough: Kafka listens before it can serve. Only the embedded broker is asked
this way; any other Kafka may want TLS or a password and is asked through `admin`.
"""

import socket
import struct
from io import BytesIO

from aiokafka.protocol.api import RequestHeader_v1
from aiokafka.protocol.metadata import MetadataRequest_v5, MetadataResponse_v5

_MAX_RESPONSE_BYTES = 16 * 1024 * 1024


def answers(address: str, *, timeout_s: float = 2.0) -> bool:
    """Whether the broker at `address` (`host:port`) names itself as a member with a controller."""
    host, _, port = address.rpartition(":")
    request = MetadataRequest_v5([], False)
    message = RequestHeader_v1(request, 1, "cartograph-probe").encode() + request.encode()
    try:
        with socket.create_connection((host, int(port)), timeout=timeout_s) as connection:
            if connection.getsockname() == connection.getpeername():
                return False  # nobody listens: on loopback a client may connect to itself
            connection.sendall(struct.pack(">i", len(message)) + message)
            (size,) = struct.unpack(">i", _read(connection, 4))
            if not 4 < size <= _MAX_RESPONSE_BYTES:
                return False
            response = MetadataResponse_v5.decode(BytesIO(_read(connection, size)[4:]))
    except (OSError, ValueError, struct.error):
        return False
    return bool(response.brokers) and response.controller_id >= 0


def _read(connection: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = connection.recv(size - len(parts))
        if not part:
            raise ConnectionError("closed before the whole answer came")
        parts += part
    return bytes(parts)
