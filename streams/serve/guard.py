"""The door of the read API: whoever may not ask, asks too much or too slowly, gets no further.

`Gate` decides, `Guarded` is the ASGI middleware before everything else. What is refused is told as
a problem (RFC 9457) and counted, never logged with what was sent: a header may hold a token.
"""

import asyncio
import hmac
import logging
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streams.errors import SettingsError
from streams.serve import metrics, tokens
from streams.serve.auth import Headers, Identity, Proxied, bearer, check_host, needed, require
from streams.serve.limits import COSTS, MAX_BODY_BYTES, Buckets, check_size, too_large, too_often
from streams.serve.problems import ProblemError, answer
from streams.settings import Settings

log = logging.getLogger(__name__)

BODY_S: Final = 10.0
"""Within which a body must have come, wall time."""

ANSWER_S: Final = 60.0
"""Within which a client must have taken what is sent to it, and a model have answered."""

SECURITY_HEADERS: Final[Mapping[bytes, bytes]] = {
    b"x-content-type-options": b"nosniff",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
    b"cache-control": b"no-store",
}
"""Unless an answer brings its own. No CORS header is ever sent: pages of other sites read nothing.

Source: OWASP's REST Security Cheat Sheet, "Security Headers".
"""

_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="cartograph"'}


class Refused(Exception):  # noqa: N818 - reads as a sentence where it is raised
    """A request that goes no further.

    Args:
        problem: what is answered.
        headers: beside it.
    """

    def __init__(self, problem: ProblemError, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(problem.detail)
        self.problem, self.headers = problem, dict(headers or {})


class Gate:
    """Decides on each request, as the settings say.

    Args:
        settings: mode, tokens, proxies, rates.
        own: a token of this process for commands of this machine; empty: none.
        clock_s: does not go back.
        now_ms: wall time, for tokens that expire.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        own: str = "",
        clock_s: Callable[[], float] = time.monotonic,
        now_ms: Callable[[], int] = lambda: int(time.time() * 1000),
    ) -> None:
        self._mode, self._own = settings.api_mode, own.encode()
        self._checker = tokens.Checker(tokens.file_of(settings))
        self._proxied = Proxied(
            settings.api_proxies, settings.api_user_header, settings.api_role_header
        )
        self._buckets = Buckets(settings.api_rate, settings.api_burst)
        self._clock_s, self._now_ms = clock_s, now_ms

    @property
    def wants_tokens(self) -> bool:
        """Whether nobody comes in without one."""
        return self._mode == "token"

    def admit(self, path: str, query: str, headers: Headers, peer: str) -> Identity | None:
        """Who asks; None: it does not matter for this path.

        Args:
            path: decoded.
            query: raw.
            headers: names in lower case.
            peer: address of the other end of the connection.

        Raises:
            Refused: it goes no further.
        """
        role = needed(path, query)
        if role is None:
            return None
        try:
            identity = self._identify(headers, peer)
            require(identity, role)
        except ProblemError as problem:
            self._take(f"refused {peer}", 1)
            challenge = _CHALLENGE if problem.status is HTTPStatus.UNAUTHORIZED else None
            raise Refused(problem, challenge) from problem
        if not identity.unlimited:
            self._take(identity.name, COSTS.get(path, 1))
        return identity

    def _take(self, client: str, cost: float) -> None:
        wait = self._buckets.take(client, self._clock_s(), cost)
        if wait:
            raise Refused(*too_often(wait))

    def _identify(self, headers: Headers, peer: str) -> Identity:
        token = bearer(headers)
        if token and self._own and hmac.compare_digest(token.encode(), self._own):
            return Identity("this machine", "admin", unlimited=True)
        if self._mode == "none":
            check_host(headers)
            return Identity(f"address {peer}", "admin")
        # A proxy may pass on a bearer token that is its own affair.
        if self._mode == "token" or (token or "").startswith(tokens.PREFIX):
            return self._bearer(token)
        return self._proxied.identify(peer, headers)

    def _bearer(self, token: str | None) -> Identity:
        if token is None:
            raise ProblemError(
                HTTPStatus.UNAUTHORIZED,
                "no-token",
                "send `Authorization: Bearer TOKEN`; the operator makes a token with "
                "`cartograph token create NAME`",
            )
        try:
            found = self._checker.identify(token, self._now_ms())
        except SettingsError as error:
            log.error("%s", error)  # noqa: TRY400 - the sentence says it all
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "no-tokens",
                "no token can be checked now: the operator finds the reason in the log",
            ) from error
        if found is None:
            raise ProblemError(
                HTTPStatus.UNAUTHORIZED,
                "bad-token",
                "this token is unknown, revoked or expired: ask the operator for another one",
            )
        return found


class Guarded:
    """ASGI middleware: sizes, the gate, time limits, security headers."""

    def __init__(
        self, app: ASGIApp, gate: Gate, *, body_s: float = BODY_S, answer_s: float = ANSWER_S
    ) -> None:
        self._app, self._gate = app, gate
        self._body_s, self._answer_s = body_s, answer_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        out = _Sender(send)
        try:
            self._check(scope)
            async with asyncio.timeout(self._answer_s):
                await self._app(scope, _Body(receive, self._body_s), out)
        except Refused as refused:
            await self._refuse(scope, receive, out, refused)
        except TimeoutError:
            if not out.begun:  # else uvicorn closes the connection in the midst of the answer
                await self._refuse(scope, receive, out, Refused(_too_slow()))

    def _check(self, scope: Scope) -> None:
        client = scope.get("client")
        query: bytes = scope["query_string"]
        try:
            check_size(scope.get("raw_path") or b"", query, scope["headers"])
        except ProblemError as problem:
            raise Refused(problem, {"Connection": "close"}) from problem
        peer = client[0] if client else ""
        self._gate.admit(scope["path"], query.decode("latin-1"), scope["headers"], peer)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, refused: Refused) -> None:
        metrics.REFUSED.labels(refused.problem.kind).inc()
        response = answer(Request(scope), refused.problem, refused.headers)
        await response(scope, receive, send)


class _Body:
    """What the client sends, within bounds of size and time."""

    def __init__(self, receive: Receive, seconds: float) -> None:
        self._receive, self._seconds = receive, seconds
        self._bytes, self._ended, self._deadline = 0, False, 0.0

    async def __call__(self) -> Message:
        if self._ended:  # now it is waited for the client to go away, which may be long after
            return await self._receive()
        loop = asyncio.get_running_loop()
        self._deadline = self._deadline or loop.time() + self._seconds
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError as error:
            raise Refused(_slow_body(), {"Connection": "close"}) from error
        self._bytes += len(message.get("body", b""))
        self._ended = not message.get("more_body", False)
        if self._bytes > MAX_BODY_BYTES:
            raise Refused(too_large(), {"Connection": "close"})
        return message


class _Sender:
    """Adds the security headers; knows whether an answer has begun."""

    def __init__(self, send: Send) -> None:
        self._send, self.begun = send, False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            there = {name.lower() for name, _ in message.get("headers", ())}
            added = [each for each in SECURITY_HEADERS.items() if each[0] not in there]
            message = {**message, "headers": [*message.get("headers", ()), *added]}
        await self._send(message)


def _slow_body() -> ProblemError:
    return ProblemError(
        HTTPStatus.REQUEST_TIMEOUT, "too-slow", f"a body must come within {BODY_S:.0f} s"
    )


def _too_slow() -> ProblemError:
    return ProblemError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "no-answer",
        f"there was no answer within {ANSWER_S:.0f} s: ask for less at once, or later",
    )
