"""Errors of the HTTP API as RFC 9457 says: `application/problem+json`, each with what to do."""

from http import HTTPStatus
from typing import Any, Final

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from streams.errors import CartographError
from topology.errors import BadFactError, BadNodeError

MEDIA_TYPE: Final = "application/problem+json"
_TYPES: Final = "urn:cartograph:problem:"


class Problem(msgspec.Struct, frozen=True):
    """What a failed request answers.

    Attributes:
        type: names the kind of problem, for programs; never changes.
        title: the kind, for people.
        status: of HTTP.
        detail: what was wrong with this request and what to do instead.
        instance: path of the request.
    """

    type: str
    title: str
    status: int
    detail: str
    instance: str = ""


class ProblemError(CartographError):
    """A request that cannot be answered.

    Args:
        status: of HTTP.
        kind: ends the problem's type: "no-such-fact".
        detail: what was wrong and what to do instead.
    """

    def __init__(self, status: HTTPStatus, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.kind, self.detail = status, kind, detail


def not_found(kind: str, detail: str) -> ProblemError:
    """What was asked for is not in the graph."""
    return ProblemError(HTTPStatus.NOT_FOUND, kind, detail)


def bad_request(kind: str, detail: str) -> ProblemError:
    """The request itself is wrong."""
    return ProblemError(HTTPStatus.BAD_REQUEST, kind, detail)


def from_problem(problem: Problem) -> ProblemError:
    """The error that another process told as a problem."""
    return ProblemError(
        HTTPStatus(problem.status), problem.type.removeprefix(_TYPES), problem.detail
    )


def add_handlers(api: FastAPI) -> None:
    """Let every error of `api` be told as a problem."""
    api.add_exception_handler(ProblemError, _on_problem)
    api.add_exception_handler(BadNodeError, _on_bad_id)
    api.add_exception_handler(BadFactError, _on_bad_id)
    api.add_exception_handler(RequestValidationError, _on_invalid)
    api.add_exception_handler(HTTPException, _on_http)
    api.add_exception_handler(Exception, _on_bug)


def answer(request: Request, problem: ProblemError, headers: Any = None) -> Response:
    """The response that tells a problem."""
    value = Problem(
        type=_TYPES + problem.kind,
        title=problem.status.phrase,
        status=problem.status.value,
        detail=problem.detail,
        instance=request.scope["path"],
    )
    return Response(
        msgspec.json.encode(value), problem.status.value, headers=headers, media_type=MEDIA_TYPE
    )


def _on_problem(request: Request, error: Exception) -> Response:
    if not isinstance(error, ProblemError):
        return _on_bug(request, error)
    return answer(request, error)


def _on_bad_id(request: Request, error: Exception) -> Response:
    return answer(request, bad_request("bad-id", str(error)))


def _on_invalid(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        return _on_bug(request, error)
    wrong = "; ".join(
        f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.errors()
    )
    detail = f"{wrong}. The parameters are described in /openapi.json"
    return answer(request, ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "bad-parameter", detail))


def _on_http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        return _on_bug(request, error)
    status = HTTPStatus(error.status_code)
    if status is HTTPStatus.NOT_FOUND:
        problem = not_found("no-such-path", "there is no such path: /openapi.json names them all")
    elif status is HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = (error.headers or {}).get("Allow", "another method")
        problem = ProblemError(status, "method-not-allowed", f"use {allowed} on this path")
    else:
        problem = ProblemError(status, "http", str(error.detail))
    return answer(request, problem, error.headers)


def _on_bug(request: Request, error: Exception) -> Response:
    """Starlette logs the error with its trace; what it says may hold data, so it is not told."""
    del error
    detail = "this is a bug of Cartograph: please report it with the log of `cartograph serve`"
    return answer(request, ProblemError(HTTPStatus.INTERNAL_SERVER_ERROR, "bug", detail))
