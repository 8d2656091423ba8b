"""Dead letters: where a record stood, why it was not read, its hash; never its bytes (rule 10)."""

import hashlib

import msgspec

from streams.ports import Record

TOPIC = "dead-letters"


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


_encode = msgspec.json.Encoder().encode
decode_dead_letter = msgspec.json.Decoder(DeadLetter).decode


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
        hashlib.sha256(value).hexdigest() if value else "",
        len(value or b""),
        item,
    )
    return f"{topic}/{partition}/{record.offset}/{item}".encode(), _encode(letter)
