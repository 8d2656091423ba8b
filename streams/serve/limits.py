"""How much a client may ask of the read API: how often, how large. Pure; time is handed in."""

import math
from collections import OrderedDict
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from streams.serve.problems import ProblemError

MAX_BODY_BYTES: Final = 1 << 20
MAX_PATH_BYTES: Final = 4_096
MAX_QUERY_BYTES: Final = 16_384
"""A cursor of 4,000 and a query of 1,000 characters, each byte of UTF-8 percent-encoded."""

MAX_HEADERS: Final = 64
_CLIENTS: Final = 10_000
COSTS: Final = {"/v1/intents": 2, "/v1/intents:batch": 20}
"""Questions that a path counts for: a model reads the queries of these, up to 100 in a batch."""


class Buckets:
    """A token bucket for each client: `burst` questions at once, `rate` a second on average.

    Args:
        rate: refilled a second; 0: no limit.
        burst: what a bucket holds.
        clients: that are remembered; the one not heard for longest is forgotten first, which can
            only let somebody ask more.
    """

    def __init__(self, rate: float, burst: int, *, clients: int = _CLIENTS) -> None:
        self._rate, self._burst, self._clients = rate, float(burst), clients
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str, now_s: float, cost: float = 1.0) -> float:
        """Seconds until the client may ask this; 0: it may now, and it is taken.

        Args:
            client: its identity.
            now_s: of a clock that does not go back.
            cost: at most the burst.
        """
        if not self._rate:
            return 0.0
        left, since = self._left.get(client, (self._burst, now_s))
        left = min(self._burst, left + (now_s - since) * self._rate)
        wait = max(0.0, (cost - left) / self._rate)
        self._left[client] = (left if wait else left - cost, now_s)
        self._left.move_to_end(client)
        if len(self._left) > self._clients:
            self._left.popitem(last=False)
        return wait


def too_often(wait_s: float) -> tuple[ProblemError, dict[str, str]]:
    """The problem, and its Retry-After in whole seconds."""
    seconds = max(1, math.ceil(wait_s))
    problem = ProblemError(
        HTTPStatus.TOO_MANY_REQUESTS,
        "too-often",
        f"too many questions: ask again in {seconds} s, and less often, or let the operator raise "
        "CARTOGRAPH_API_RATE",
    )
    return problem, {"Retry-After": str(seconds)}


def check_size(path: bytes, query: bytes, headers: Sequence[tuple[bytes, bytes]]) -> None:
    """Raise ProblemError (413, 414, 431) where a request is larger than any that makes sense."""
    if len(path) > MAX_PATH_BYTES or len(query) > MAX_QUERY_BYTES:
        raise ProblemError(
            HTTPStatus.REQUEST_URI_TOO_LONG,
            "too-long",
            f"a path has at most {MAX_PATH_BYTES:,} bytes, a query {MAX_QUERY_BYTES:,}",
        )
    if len(headers) > MAX_HEADERS:
        raise ProblemError(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            "too-many-headers",
            f"a request has at most {MAX_HEADERS} headers: leave out those that are not needed",
        )
    for name, value in headers:
        if name == b"content-length" and (not value.isdigit() or int(value[:20]) > MAX_BODY_BYTES):
            raise too_large()


def too_large() -> ProblemError:
    """A body that is larger than any that makes sense."""
    return ProblemError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "too-large",
        f"a body has at most {MAX_BODY_BYTES:,} bytes: ask in several batches",
    )
