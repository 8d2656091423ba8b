"""Find a `cartograph serve` of this graph on this machine, and ask it."""

import http.client
import os
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, urlencode

import msgspec

from streams.errors import BrokerError
from streams.process import private
from streams.process.status import run_folder
from streams.serve.answers import Alive
from streams.serve.problems import Problem, from_problem
from streams.serve.reader import Readiness
from streams.settings import Settings

_TIMEOUT_S = 60.0
_PROBE_TIMEOUT_S = 5.0
_OK = 200
_A = TypeVar("_A", bound=msgspec.Struct)


class Running(msgspec.Struct, frozen=True):
    """Where a read replica answers.

    Attributes:
        token: of this process, in a file that its owner alone may read: who may read the store may
            ask. Empty: it asks for none.
    """

    pid: int
    host: str
    port: int
    graph: str
    token: str = ""

    def __repr__(self) -> str:
        return f"Running({self.pid}, {self.address}, {self.graph})"

    @property
    def address(self) -> str:
        """For people and browsers."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def status_file(settings: Settings) -> Path:
    """The file in which a replica says where it answers, while it runs."""
    return run_folder(settings) / "serve.json"


def announce(settings: Settings, running: Running) -> None:
    """Say where this process answers."""
    file = status_file(settings)
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_suffix(f".{os.getpid()}")
    private.write(new, msgspec.json.encode(running) + b"\n")
    new.replace(file)


def withdraw(settings: Settings) -> None:
    """Take back what this process has announced; what another one has since stays."""
    told = _read(status_file(settings))
    if told is not None and told.pid == os.getpid():
        status_file(settings).unlink(missing_ok=True)


def find(settings: Settings) -> Running | None:
    """The replica that runs on this data folder; None where there is none, or another graph's.

    The file may be left over and its process number taken by another program, so the answer
    itself must name both.
    """
    told = _read(status_file(settings))
    if told is None or told.graph != settings.graph or not _is_alive(told.pid):
        return None
    try:
        status, body = _get(told, "/livez", _PROBE_TIMEOUT_S)
        alive = msgspec.json.decode(body, type=Alive) if status == _OK else None
    except (OSError, http.client.HTTPException, msgspec.MsgspecError):
        return None
    return told if alive == Alive(told.graph, told.pid) else None


def ask(running: Running, answer: type[_A], *path: str, **parameters: object) -> _A:
    """Ask a replica.

    Args:
        running: where it answers.
        answer: what it answers with.
        path: parts of the path below the root; percent-encoded here.
        parameters: of the query.

    Raises:
        ProblemError: the replica cannot answer, with what it says.
        BrokerError: it does not answer any more.
    """
    url = "/" + "/".join(quote(part, safe=":") for part in path)
    if parameters:
        url += "?" + urlencode(parameters)
    try:
        status, body = _get(running, url, _TIMEOUT_S)
        if status == _OK:
            return msgspec.json.decode(body, type=answer)
        raise from_problem(msgspec.json.decode(body, type=Problem))
    except (OSError, http.client.HTTPException, msgspec.MsgspecError) as error:
        raise _silent(running, error) from error


def readiness(running: Running) -> Readiness:
    """Whether a replica is ready, and how far it has read.

    Raises:
        BrokerError: it does not answer any more.
    """
    try:
        _, body = _get(running, "/readyz", _PROBE_TIMEOUT_S)
        return msgspec.json.decode(body, type=Readiness)
    except (OSError, http.client.HTTPException, msgspec.MsgspecError) as error:
        raise _silent(running, error) from error


def _silent(running: Running, error: Exception) -> BrokerError:
    return BrokerError(
        f"the replica at {running.address} (pid {running.pid}) does not answer as it should "
        f"({type(error).__name__} {error}): look at its log, or stop it and ask again"
    )


def _get(running: Running, url: str, timeout_s: float) -> tuple[int, bytes]:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(running.host, running.host)  # noqa: S104
    headers = {"Accept": "application/json"}
    if running.token:
        headers["Authorization"] = f"Bearer {running.token}"
    connection = http.client.HTTPConnection(host, running.port, timeout=timeout_s)
    try:
        connection.request("GET", url, headers=headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def _read(file: Path) -> Running | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Running)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
