"""The Java process of the embedded broker: its command line, its storage, its log, its ports."""

import base64
import ctypes
import os
import queue
import secrets
import signal
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from streams.broker.properties import Ports
from streams.errors import BrokerError

_LOG_LINES = 20
_LOG_MAX_BYTES = 16 * 1024 * 1024
_PR_SET_PDEATHSIG = 1
_FORMAT_TIMEOUT_S = 60

_PORTS = range(20_000, 30_000)
"""Below what systems hand out to outgoing connections (Linux: from 32768), one of which could
otherwise sit on the broker's port while it is away."""


def java_command(java: Path, class_path: str, *, heap_mb: int) -> list[str]:
    """The command line up to the main class.

    Serial collector and first compiler only: measured on 2 cores, the start takes 1.4 s instead of
    1.7, memory falls by a fifth, and even after 8 million records the broker needs less CPU.
    """
    return [
        str(java),
        f"-Xmx{heap_mb}m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-XX:+ExitOnOutOfMemoryError",  # a broker that cannot go on must be seen to have ended
        "-Djava.awt.headless=true",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-Dorg.slf4j.simpleLogger.showDateTime=true",
        "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS",
        "-cp",
        class_path,
    ]


def format_storage(java: list[str], settings: Path, more: Sequence[str] = ()) -> None:
    """Prepare an empty data folder, once; `more` is told to Kafka's tool besides.

    Raises:
        BrokerError: with what Kafka's tool said.
    """
    command = [*java, "kafka.tools.StorageTool", "format", "--ignore-formatted"]
    command += ["--cluster-id", _cluster_id(), "--config", str(settings), *more]
    try:
        done = subprocess.run(  # noqa: S603 - our own checked jars
            command, capture_output=True, text=True, check=False, timeout=_FORMAT_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BrokerError(f"cannot prepare the broker's folder: {error}") from error
    if done.returncode != 0:
        lines = (done.stdout + done.stderr).splitlines()[-_LOG_LINES:]
        raise BrokerError(
            f"cannot prepare the broker's folder {settings.parent}: "
            "it may be full, read-only, or hold another cluster's data. Kafka says:\n"
            + "\n".join(lines)
        )


def spawn(command: list[str], log: Path, *, detach: bool) -> subprocess.Popen[bytes]:
    """Start the broker, its output appended to `log`.

    It gets a session of its own: Ctrl-C in the terminal reaches the workers first. A thread waits
    for it as long as both live, since Linux sends the parent-death signal when the *thread* that
    started a child ends.
    """
    started: queue.SimpleQueue[subprocess.Popen[bytes] | OSError] = queue.SimpleQueue()
    die_with_parent = None if detach else _die_with(os.getpid())

    def keep() -> None:
        try:
            with log.open("ab") as output:
                process = subprocess.Popen(  # noqa: S603 - our own checked jars
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    preexec_fn=die_with_parent,
                )
        except OSError as error:
            started.put(error)
            return
        started.put(process)
        process.wait()

    threading.Thread(target=keep, name="broker-keeper", daemon=True).start()
    result = started.get()
    if isinstance(result, OSError):
        raise BrokerError(f"cannot run {command[0]}: {result}") from result
    return result


def _die_with(parent: int) -> Callable[[], None] | None:
    """What the child runs before Java: ask Linux for SIGTERM when its parent ends."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl  # looked up here: a forked child must not

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:  # it ended before we asked
            os._exit(1)

    return ask


def log_file(folder: Path) -> Path:
    """Everything the broker says."""
    return folder / "broker.log"


class Tail:
    """What a log says from now on; a log grown too large is set aside first."""

    def __init__(self, path: Path):
        if path.exists() and path.stat().st_size > _LOG_MAX_BYTES:
            path.replace(path.with_suffix(".log.1"))
        self.path = path
        self._from = path.stat().st_size if path.exists() else 0

    def text(self) -> str:
        """The last lines, of this start only."""
        return "\n".join(self._new().splitlines()[-_LOG_LINES:])

    def says_port_taken(self) -> bool:
        """Whether the start failed because somebody else has the port."""
        return "Address already in use" in self._new()

    def _new(self) -> str:
        with self.path.open("rb") as file:
            file.seek(self._from)
            return file.read().decode(errors="replace")


def free_ports() -> Ports:
    """Two loopback ports that nobody has now."""
    clients = _free_port()
    controller = _free_port()
    while controller == clients:
        controller = _free_port()
    return Ports(clients, controller)


def are_free(ports: Ports) -> bool:
    """Whether both ports can be had now."""
    return all(_is_free(port) for port in (ports.clients, ports.controller))


def _free_port() -> int:
    for _ in range(100):
        port = _PORTS.start + secrets.randbelow(len(_PORTS))
        if _is_free(port):
            return port
    raise BrokerError(f"no free port between {_PORTS.start} and {_PORTS.stop} on 127.0.0.1")


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        # As Java does: a port whose last connections are still fading counts as free.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _cluster_id() -> str:
    """22 characters of base64, not starting with "-", which the tool would take for an option."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text
