"""The page of a worker process: `/metrics`, `/livez` and `/readyz`, from a thread of its own."""

import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import msgspec

from streams.errors import SettingsError
from streams.process.probes import Health

App = Callable[[dict[str, Any], Any], Iterable[bytes]]
"""A WSGI application."""

_JSON = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))
_OK, _UNAVAILABLE, _NOT_FOUND = "200 OK", "503 Service Unavailable", "404 Not Found"
_PATHS = {"paths": ["/metrics", "/livez", "/readyz"]}


def page(metrics: App, health: Health | None) -> App:
    """The application: metrics as Prometheus reads them, and the probes in JSON.

    `/livez` and `/readyz` (also `/healthz`) answer 200 or, with what is wrong, 503. Without a
    `health` there are none.
    """

    def answer(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path in ("/metrics", "/"):
            return metrics(environ, start)
        if health is not None and path == "/livez":
            alive = health.alive
            return _say(start, _OK if alive.alive else _UNAVAILABLE, alive)
        if health is not None and path in ("/readyz", "/healthz"):
            ready = health.ready
            return _say(start, _OK if ready.ready else _UNAVAILABLE, ready)
        return _say(start, _NOT_FOUND, _PATHS)

    return answer


def _say(start: Any, status: str, told: Any) -> list[bytes]:
    start(status, list(_JSON))  # wsgiref adds the length to the list it is given
    return [msgspec.json.encode(told) + b"\n"]


class _Server(ThreadingMixIn, WSGIServer):
    """Threads, so that a slow reader of the metrics does not keep a probe waiting."""

    daemon_threads = True


class _Handler(WSGIRequestHandler):
    timeout = 10  # seconds; a client that says nothing keeps no thread

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a line for each probe and scrape says nothing."""


def serve(app: App, *, host: str, port: int) -> int:
    """Answer on this address until the process ends; the port really taken.

    Args:
        app: what answers.
        host: where to listen.
        port: 0 for any free one.

    Raises:
        SettingsError: the address cannot be had.
    """
    try:
        server = make_server(host, port, app, server_class=_Server, handler_class=_Handler)
    except OSError as error:
        raise SettingsError(
            f"metrics port {port} on {host} cannot be had ({error}): set CARTOGRAPH_METRICS_PORT "
            "to another one or to 0, and CARTOGRAPH_METRICS_HOST to an address of this machine"
        ) from error
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return int(server.server_port)
