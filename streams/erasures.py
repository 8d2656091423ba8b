"""Records of `graph.erasures`: who is to be forgotten up to when, and what became of it. Pure.

An erasure has the key `<pseudonym>/<until_ms>`: a second one of the same shopper does not push the
first out of the compacted topic. The owner of the shopper answers under `done/<token>`; an answer
names nobody, and without the erasure, which has the token too, it cannot be linked to anybody.
Every graph beside the first that keeps shoppers (`control/generations.py`) answers for itself,
under `done/<token>/<generation>`: that one of them has obeyed says nothing of another.
"""

import secrets

import msgspec

TOPIC = "erasures"
_DONE = b"done/"


class Erasure(msgspec.Struct, frozen=True):
    """A shopper is to be forgotten.

    Attributes:
        shopper: pseudonym, as in `graph.events`.
        until_ms: event time; visits that began after its minute count (`windows.remembered`).
        token: names this request, so that who made it finds the answer.
        offset: of its record; -1 before it is written.
    """

    shopper: str
    until_ms: int
    token: str
    offset: int = -1


class Done(msgspec.Struct, frozen=True):
    """What an erasure took back, told by the owner of the shopper when it is committed.

    Attributes:
        token: of the erasure; offset: of its record.
        partition: of SHOPPERS.
        sessions: that were open, or stood in the ledger with what was bought in them.
        ledger_rows: weeks of the shopper's ledger that were changed or removed.
        totals: that became smaller by one.
        generation: of which graph the owner answers; "": the first.
    """

    token: str
    offset: int
    partition: int
    sessions: int
    ledger_rows: int
    totals: int
    generation: str = ""


_encode = msgspec.json.Encoder().encode
_erasure = msgspec.json.Decoder(Erasure).decode
_done = msgspec.json.Decoder(Done).decode


def new_erasure(shopper: str, until_ms: int) -> Erasure:
    """A request of its own token, for a pseudonym."""
    return Erasure(shopper, until_ms, secrets.token_hex(8))


def erasure_record(erasure: Erasure) -> tuple[bytes, bytes]:
    """Key and value of an erasure."""
    return b"%s/%d" % (erasure.shopper.encode(), erasure.until_ms), _encode(erasure)


def done_record(done: Done) -> tuple[bytes, bytes]:
    """Key and value of an answer."""
    name = f"{done.token}/{done.generation}" if done.generation else done.token
    return _DONE + name.encode(), _encode(done)


def read_record(offset: int, key: bytes | None, value: bytes | None) -> Erasure | Done | None:
    """What a record of the topic says; None: a tombstone.

    Raises:
        ValueError: it is none of ours.
    """
    if key is None or value is None:
        return None
    try:
        if key.startswith(_DONE):
            return _done(value)
        erasure = _erasure(value)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise ValueError(f"offset {offset}: no erasure ({error})") from error
    if not erasure.shopper or erasure_record(erasure)[0] != key:
        raise ValueError(f"offset {offset}: the key does not go with the value")
    return msgspec.structs.replace(erasure, offset=offset)
