"""Who may ask what of the read API: roles, identities, and the rule of each path. Pure.

A role may do all that the ones before it may. `reader`: accepted facts, and the metrics.
`reviewer`: also held and rejected facts, which nobody should take for true. `admin`: everything,
which today is no more.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Literal, get_args
from urllib.parse import parse_qsl

from streams.serve.problems import ProblemError, bad_request

Role = Literal["reader", "reviewer", "admin"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
OPEN: Final = ("/livez", "/readyz")
"""Paths that a scheduler asks; they tell a process number and offsets, nothing of the graph."""

_LONGEST_NAME = 200
Headers = Iterable[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks.

    Attributes:
        name: of a token, a user of the proxy, or an address; the same for each of its requests.
        role: what it may ask.
        unlimited: it is this machine's own command, which no rate holds back.
    """

    name: str
    role: Role
    unlimited: bool = False


def needed(path: str, query: str) -> Role | None:
    """The least role that may ask this; None: anybody.

    Args:
        path: decoded, as the server routes it.
        query: raw. Where a parameter stands twice, the stricter one counts.
    """
    if path in OPEN:
        return None
    wanted = {value for name, value in parse_qsl(query) if name == "status"}
    return "reader" if wanted <= {"accepted"} else "reviewer"


def require(identity: Identity, role: Role) -> None:
    """Raise ProblemError (403) where the identity's role does not reach as far as `role`."""
    if ROLES.index(identity.role) < ROLES.index(role):
        raise ProblemError(
            HTTPStatus.FORBIDDEN,
            "role",
            f"this needs the role {role}, yours is {identity.role}: ask for facts that are "
            f"accepted, or use credentials of the role {role}",
        )


def is_loopback(host: str) -> bool:
    """Whether an address, or a name that browsers never look up elsewhere, is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_host(headers: Headers) -> None:
    """Refuse a request that a browser was led to send here under another site's name.

    Without authentication, a page of any site whose name is made to point to 127.0.0.1 could read
    the graph through the browser of somebody on this machine (DNS rebinding).

    Raises:
        ProblemError: 421, where the Host header names no loopback address.
    """
    named = only(headers, b"host") or ""
    host = named.rpartition(":")[0] if named.rpartition(":")[2].isdigit() else named
    if not is_loopback(host.strip("[]").lower()):
        raise ProblemError(
            HTTPStatus.MISDIRECTED_REQUEST,
            "host",
            "without authentication only requests to localhost, 127.0.0.1 or [::1] are answered: "
            "use one of these names, or set CARTOGRAPH_API_MODE=token",
        )


def bearer(headers: Headers) -> str | None:
    """The bearer token of a request; None where there is none.

    Raises:
        ProblemError: 400, the header stands there twice.
    """
    scheme, _, token = (only(headers, b"authorization") or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def only(headers: Headers, name: bytes) -> str | None:
    """The value of a header that may stand there once.

    Raises:
        ProblemError: 400: one of two may be what a client smuggled past a proxy.
    """
    values = [value for key, value in headers if key.lower() == name]
    if len(values) > 1:
        raise bad_request("header-twice", f"the header {name.decode()} may stand there once")
    return values[0].decode("latin-1").strip() if values else None


class Proxied:
    """Reads who asks from the headers of a proxy that is trusted by its address.

    Args:
        networks: of the proxies, as CIDR.
        user_header, role_header: their names; no role header: everybody is a reader.
    """

    def __init__(self, networks: Sequence[str], user_header: str, role_header: str) -> None:
        self._networks = [ipaddress.ip_network(each) for each in networks]
        self._user, self._role = user_header.encode(), role_header.encode()

    def identify(self, peer: str, headers: Headers) -> Identity:
        """Who asks.

        Args:
            peer: address of the other end of the connection, never one that a header names.
            headers: of the request.

        Raises:
            ProblemError: 403, not from a proxy, or no role of ours; 401, no user.
        """
        if not self._is_trusted(peer):
            raise ProblemError(
                HTTPStatus.FORBIDDEN,
                "not-the-proxy",
                "this address is none of CARTOGRAPH_API_PROXIES: ask through the proxy",
            )
        listed = list(headers)
        user = only(listed, self._user)
        if not user or len(user) > _LONGEST_NAME:
            raise ProblemError(
                HTTPStatus.UNAUTHORIZED,
                "no-user",
                f"the proxy names no user in {self._user.decode()}: let it authenticate people, "
                "or set CARTOGRAPH_API_USER_HEADER to the header it uses",
            )
        return Identity(f"user {user}", self._role_of(listed))

    def _is_trusted(self, peer: str) -> bool:
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)

    def _role_of(self, headers: Headers) -> Role:
        if not self._role:
            return "reader"
        told = {word.strip().lower() for word in (only(headers, self._role) or "").split(",")}
        found = [role for role in ROLES if role in told]
        if not found:
            raise ProblemError(
                HTTPStatus.FORBIDDEN,
                "no-role",
                f"the proxy gives no role in {self._role.decode()}: one of {', '.join(ROLES)}",
            )
        return found[-1]
