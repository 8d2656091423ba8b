"""Keys of the graph's tables, and who owns what: bytes in, bytes out.

| table    | key                              | value                                   |
|----------|----------------------------------|-----------------------------------------|
| facts    | fact id, 16 bytes                | status, 1 byte; the fact as JSON        |
| by_head  | head NUL relation NUL tail       | status, 1 byte; fact id, 16 bytes       |
| by_tail  | tail NUL relation NUL head       | status, 1 byte; fact id, 16 bytes       |
| counters | relation NUL status              | number of facts, decimal                |

Node ids and relations never hold a NUL byte (`topology.facts`), so keys come apart as they were
put together, and all that begins with one node stands side by side.
"""

from typing import Final, Literal

from topology.errors import BadFactError
from topology.facts import STATUSES, Status

Direction = Literal["out", "in"]
"""Out: the node is the head; in: the node is the tail."""

FACTS: Final = "facts"
BY_HEAD: Final = "by_head"
BY_TAIL: Final = "by_tail"
COUNTERS: Final = "counters"
TABLES: Final = (FACTS, BY_HEAD, BY_TAIL, COUNTERS)

NUL: Final = b"\0"
ID_BYTES: Final = 16
_CODE: Final = {"accepted": b"a", "held": b"h", "rejected": b"r"}
_STATUS: Final[dict[int, Status]] = {_CODE[status][0]: status for status in STATUSES}


def id_key(fact_id: str) -> bytes:
    """The 16 bytes of a fact id.

    Raises:
        BadFactError: it is not 32 hex digits.
    """
    try:
        key = bytes.fromhex(fact_id)
    except ValueError as error:
        raise BadFactError(f"{fact_id!r} is no fact id: it has 32 hex digits") from error
    if len(key) != ID_BYTES:
        raise BadFactError(f"{fact_id!r} is no fact id: it has 32 hex digits")
    return key


def status_code(status: Status) -> bytes:
    """One byte for a status."""
    return _CODE[status]


def status_of(row: bytes) -> Status:
    """The status a row of `facts`, `by_head` or `by_tail` begins with.

    Raises:
        BadFactError: the row is damaged.
    """
    try:
        return _STATUS[row[0]]
    except (IndexError, KeyError) as error:
        raise BadFactError(
            f"a row begins with {row[:1]!r}, no status: the store is damaged, restore a checkpoint"
        ) from error


def index_key(first: str, relation: str, last: str) -> bytes:
    """Key of an index: by_head with (head, relation, tail), by_tail with (tail, relation, head)."""
    return f"{first}\0{relation}\0{last}".encode()


def index_prefix(node: str, relation: str = "", other: str = "") -> bytes:
    """What all index keys of the node begin with; with `other`, its beginning, whole or cut."""
    if relation:
        return f"{node}\0{relation}\0{other}".encode()
    return f"{node}\0".encode()


def split_index_key(key: bytes) -> tuple[str, str, str]:
    """Inverse of `index_key`.

    Raises:
        BadFactError: the key is damaged.
    """
    parts = key.split(NUL)
    if len(parts) != 3:
        raise BadFactError(f"index key {key!r} is damaged: restore a checkpoint")
    return parts[0].decode(), parts[1].decode(), parts[2].decode()


def index_row(status: Status, id_bytes: bytes) -> bytes:
    """Value of an index entry."""
    return _CODE[status] + id_bytes


def counter_key(relation: str, status: Status) -> bytes:
    """Key of the number of facts with this relation and status."""
    return f"{relation}\0{status}".encode()


def owner_of(head: str) -> str:
    """Who keeps the facts of a head, as `claims` and `verdicts` are keyed.

    A product and a type own themselves, a concept belongs to its type, a value to its attribute:
    ``concept:shoes[color=red]`` to ``type:shoes``, ``value:color/red`` to ``attr:color``.
    """
    kind, _, rest = head.partition(":")
    if kind == "concept":
        return "type:" + rest.partition("[")[0]
    if kind == "value":
        return "attr:" + rest.partition("/")[0]
    return head
