"""Dead letters: where a record stood, why it was not read, its hash; never its bytes (rule 10).

What a person did about one is a *mark* on the same topic: a record under `mark/<the letter's key>`.
Letters and marks are kept for the same time, and nothing that was written is ever changed.
"""

import hashlib
from typing import Final, Literal

import msgspec

from streams.ports import Record

TOPIC = "dead-letters"
_MARK: Final = b"mark/"
"""No topic name holds a slash, so no letter's key begins so and has five parts."""

State = Literal["open", "failed", "gone", "changed", "late", "sent", "unused", "dropped"]
"""What became of a dead letter: see `STATES`."""
STATES: Final[dict[State, str]] = {
    "open": "nobody has done anything about it",
    "failed": "retried, and ROUTE could not read it again",
    "gone": "retried, and its source does not keep the record any more",
    "changed": "retried, and other bytes stand at its place: the topic was made again",
    "late": "retried and sent, but older than the allowance: SHOPPERS counts it as late",
    "sent": "retried and sent",
    "unused": "retried: ROUTE reads it now, and the graph makes nothing of it",
    "dropped": "a person has dealt with it",
}
WAITING: Final[frozenset[State]] = frozenset(("open", "failed", "gone", "changed"))
"""Those that somebody should still do something about."""


class DeadLetter(msgspec.Struct, frozen=True):
    """A record that could not be read.

    Attributes:
        topic, partition, offset: where it can be read again; `topic` is the full topic name.
        reason: one word of a short fixed list, a metric label.
        detail: what was wrong, without any part of the record that could name a person.
        sha256: of the value, hex; empty when there was none.
        size: of the value in bytes.
        item: which part of the record, when one record holds several (0-based).
    """

    topic: str
    partition: int
    offset: int
    reason: str
    detail: str
    sha256: str = ""
    size: int = 0
    item: int = 0

    @property
    def name(self) -> str:
        """How people and marks name it: "topic/partition/offset/item"."""
        return f"{self.topic}/{self.partition}/{self.offset}/{self.item}"


class Mark(msgspec.Struct, frozen=True):
    """What became of a dead letter.

    Attributes:
        did: the state it is in from now on, never "open".
        sha256: of the letter; one of other bytes at the same place is another letter.
        reason, detail: why ROUTE refused it again, as in `DeadLetter`.
    """

    did: State
    sha256: str
    reason: str = ""
    detail: str = ""


_encode = msgspec.json.Encoder().encode
decode_dead_letter = msgspec.json.Decoder(DeadLetter).decode
decode_mark = msgspec.json.Decoder(Mark).decode


def dead_letter(
    topic: str, partition: int, record: Record, reason: str, detail: str, *, item: int = 0
) -> tuple[bytes, bytes]:
    """Key and value for the topic of dead letters; the same record gives the same key."""
    value = record.value
    letter = DeadLetter(
        topic,
        partition,
        record.offset,
        reason,
        detail[:300],
        hash_of(value),
        len(value or b""),
        item,
    )
    return letter.name.encode(), _encode(letter)


def hash_of(value: bytes | None) -> str:
    """What `DeadLetter.sha256` says of a record's value."""
    return hashlib.sha256(value).hexdigest() if value else ""


def mark(letter: DeadLetter, did: State, reason: str = "", detail: str = "") -> tuple[bytes, bytes]:
    """Key and value of the record that says what became of a letter."""
    return _MARK + letter.name.encode(), _encode(Mark(did, letter.sha256, reason, detail))


def marked(key: bytes | None) -> str | None:
    """The name of the letter that a mark with this key is about; None: it is no mark's key."""
    if key is None or not key.startswith(_MARK) or key.count(b"/") != 4:
        return None
    return key.removeprefix(_MARK).decode(errors="replace")
