"""HTTP connections with an end to waiting: uvicorn waits for ever for the head of a request."""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S: Final = 10.0
"""From a connection, or the first byte of its next request, to the end of the request's head."""

ANSWER_S: Final = 90.0
"""From the head of a request until its answer is sent: longer than `guard` waits for it."""

MAX_HEAD_BYTES: Final = 32_768
MAX_CONNECTIONS: Final = 500
"""Open at once; the next ones are answered with 503. Below what 1,024 files of a process allow."""


class ImpatientProtocol(H11Protocol):
    """Closes connections whose request does not come (Slowloris)."""

    head_s, answer_s = HEAD_S, ANSWER_S
    _waiting: asyncio.TimerHandle | None = None
    _answering: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        if self._waiting is None and (before is None or before.response_complete):
            self._wait()
        super().data_received(data)
        if self.cycle is not before:
            self._stop_waiting()
            self._answering = self.loop.call_later(self.answer_s, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        if self._answering is not None:
            self._answering.cancel()
            self._answering = None
        super().on_response_complete()
        if self.cycle.response_complete is False:  # of a pipelined request, read just now
            self._answering = self.loop.call_later(self.answer_s, self.transport.abort)

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        # Closed once all is sent: for ever, if the other end takes nothing.
        self._answering = self.loop.call_later(self.answer_s, self.transport.abort)

    def _wait(self) -> None:
        self._waiting = self.loop.call_later(self.head_s, self._give_up)

    def _stop_waiting(self) -> None:
        for timer in (self._waiting, self._answering):
            if timer is not None:
                timer.cancel()
        self._waiting = self._answering = None

    def _give_up(self) -> None:
        self._waiting = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.abort()
