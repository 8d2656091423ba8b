"""Start, stop and look at the embedded broker; any process may, the folder says who runs.

In the folder: `server.properties` (with the ports, kept from the first start), `broker.json` (pid
and address, while it runs), `broker.log`, `start.lock`, and `logs/`, Kafka's data.
"""

import atexit
import contextlib
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from streams.broker import identity, launch, probe, resolve
from streams.broker.properties import AFTER_A_CRASH, Ports, read_ports, render
from streams.broker.secured import Secured
from streams.errors import BrokerError

_POLL_S = 0.05
_START_TRIES = 3
_STOP_TIMEOUT_S = 20.0
_LEAVING_S = 5.0
"""How long a killed broker may keep its ports: the command line that it is known by goes first."""


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker that answers."""

    address: str
    pid: int
    folder: Path


@dataclass(frozen=True, slots=True)
class BrokerStatus:
    """What the folder of a broker says now.

    Attributes:
        running: its process is alive.
        answers: it also answers a metadata request.
        address: `host:port`; of the last start where it is not running, None before the first.
        pid: None where it is not running.
        note: one sentence for the operator.
    """

    folder: Path
    running: bool
    answers: bool
    address: str | None
    pid: int | None
    note: str


def start(
    folder: Path,
    *,
    detach: bool,
    heap_mb: int = 512,
    properties: Mapping[str, str] | None = None,
    timeout_s: float = 60.0,
    secured: Secured | None = None,
) -> Broker:
    """Start a broker on the data of `folder` (made if missing) and wait until it answers.

    Args:
        folder: owned by the broker; one broker a folder.
        detach: True: it lives until `stop`. False: it ends with this process, however that ends
            (on Linux also by SIGKILL).
        heap_mb: Java heap, MiB.
        properties: Kafka settings for this start only, for example `log.cleaner.backoff.ms`.
        timeout_s: how long to wait for the first answer.
        secured: listeners with TLS and passwords besides.

    Raises:
        BrokerError: one runs there already, its jars cannot be had, or it does not come up. There
            is no stand-in for a missing Kafka: the message says how to name one that runs.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with _start_lock(folder):
        there = identity.read(folder)
        if there is not None:
            raise BrokerError(
                f"a broker already runs on {folder} (pid {there.pid}, {there.address}): "
                "use it, or stop it first with `cartograph broker stop`"
            )
        command = launch.java_command(resolve.java(), resolve.class_path(), heap_mb=heap_mb)
        ended_by_itself = identity.file(folder).exists()
        overrides = {**(AFTER_A_CRASH if ended_by_itself else {}), **(properties or {})}
        if secured is not None:
            overrides = {**secured.properties(), **overrides}
        broker = _come_up(
            folder, command, overrides, secured=secured, detach=detach, timeout_s=timeout_s
        )
    if not detach:
        _stop_at_exit(broker)
    return broker


def stop(folder: Path, *, timeout_s: float = _STOP_TIMEOUT_S) -> bool:
    """Stop the broker of `folder`: SIGTERM, and SIGKILL after `timeout_s`. True if one ran."""
    folder = folder.resolve()
    live = identity.read(folder)
    if live is None:
        identity.forget(folder)
        return False
    for number, wait_s in ((signal.SIGTERM, timeout_s), (signal.SIGKILL, _STOP_TIMEOUT_S)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(live.pid, number)
        deadline = time.monotonic() + wait_s
        while time.monotonic() < deadline:
            if not identity.is_alive(live.pid, folder):
                identity.forget(folder)
                return True
            time.sleep(_POLL_S)
    raise BrokerError(
        f"the broker of {folder} (pid {live.pid}) does not end, even by SIGKILL: "
        "its disk may hang; look at the system's log"
    )


def status(folder: Path) -> BrokerStatus:
    """What is known of the broker of `folder`, without changing anything."""
    folder = folder.resolve()
    live = identity.read(folder)
    if live is not None:
        answers = probe.answers(live.address)
        note = "answers" if answers else f"does not answer (yet): see {launch.log_file(folder)}"
        return BrokerStatus(folder, True, answers, live.address, live.pid, note)
    settings = _settings_file(folder)
    if not settings.exists():
        return BrokerStatus(folder, False, False, None, None, "never started")
    address = read_ports(settings.read_text()).address
    left = identity.file(folder).exists()
    note = "ended without being stopped; its data is kept" if left else "stopped; its data is kept"
    return BrokerStatus(folder, False, False, address, None, note)


@contextlib.contextmanager
def running(
    folder: Path,
    *,
    heap_mb: int = 512,
    properties: Mapping[str, str] | None = None,
    secured: Secured | None = None,
) -> Iterator[Broker]:
    """A broker that is stopped when the block ends, its data kept."""
    broker = start(folder, detach=False, heap_mb=heap_mb, properties=properties, secured=secured)
    try:
        yield broker
    finally:
        stop(broker.folder)


def _come_up(
    folder: Path,
    java: list[str],
    overrides: Mapping[str, str],
    *,
    secured: Secured | None,
    detach: bool,
    timeout_s: float,
) -> Broker:
    """Write the settings, format the storage once, start, wait for an answer."""
    settings, logs = _settings_file(folder), folder / "logs"
    ports = _ports_of(settings) if settings.exists() else launch.free_ports()
    for _ in range(_START_TRIES):
        if not launch.are_free(ports):
            ports = launch.free_ports()
        more = secured.listeners() if secured else ""
        settings.write_text(render(logs, ports, overrides, listeners=more))
        if not (logs / "meta.properties").exists():  # Kafka writes it last
            launch.format_storage(java, settings, secured.format_arguments() if secured else ())
        tail = launch.Tail(launch.log_file(folder))
        process = launch.spawn([*java, *identity.arguments(folder)], tail.path, detach=detach)
        try:
            identity.write(folder, process.pid, ports.address)
            failure = _wait_for_answer(process, ports, timeout_s)
        except BaseException:  # Ctrl-C while it comes up: leave nothing behind
            _kill(process, folder)
            raise
        if failure is None:
            return Broker(ports.address, process.pid, folder)
        _kill(process, folder)
        if not tail.says_port_taken():
            break
        ports = launch.free_ports()  # somebody took it since we looked
    raise BrokerError(
        f"Kafka did not come up on {folder}: {failure}. Its last lines (all in {tail.path}):\n"
        f"{tail.text()}\nOften: too little memory ({java[1]}), a full disk, or a folder that "
        "another version wrote; a new folder starts empty. Or set CARTOGRAPH_KAFKA=HOST:PORT."
    )


def _ports_of(settings: Path) -> Ports:
    """Those of the last start, which clients know, once who had them has left or stays."""
    ports = read_ports(settings.read_text())
    deadline = time.monotonic() + _LEAVING_S
    while not launch.are_free(ports) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    return ports


def _wait_for_answer(
    process: subprocess.Popen[bytes], ports: Ports, timeout_s: float
) -> str | None:
    """None when it answers, else why not."""
    deadline = time.monotonic() + timeout_s
    while not probe.answers(ports.address):
        if process.poll() is not None:
            return f"it ended with code {process.returncode}"
        if time.monotonic() > deadline:
            return f"no answer within {timeout_s:.0f} s"
        time.sleep(_POLL_S)
    return None


def _kill(process: subprocess.Popen[bytes], folder: Path) -> None:
    process.kill()
    while process.poll() is None:
        time.sleep(_POLL_S)
    identity.forget(folder)


@contextlib.contextmanager
def _start_lock(folder: Path) -> Iterator[None]:
    """Two starts of one folder at the same time: the second is refused, not left waiting."""
    with (folder / "start.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BrokerError(
                f"another process is starting a broker on {folder} right now: "
                "wait for it and use that one (`cartograph broker status`)"
            ) from error
        yield


def _stop_at_exit(broker: Broker) -> None:
    owner = os.getpid()

    def stop_own() -> None:
        alive = identity.read(broker.folder)
        # A forked child inherits this, and a later broker on the folder belongs to somebody else.
        if os.getpid() == owner and alive is not None and alive.pid == broker.pid:
            stop(broker.folder)

    atexit.register(stop_own)


def _settings_file(folder: Path) -> Path:
    return folder / identity.SETTINGS
