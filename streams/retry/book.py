"""Which dead letters stand, and what became of each: two passes over their topic, little memory.

The same record that is rejected twice (ROUTE sends some again after a crash) is one letter, and its
marks may stand anywhere behind it. So the first pass notes, by hash, where the newest copy of each
letter is and what its last mark says; the second knows of each record whether it counts. Between
them some 200 bytes a letter are kept, whatever the letters say.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple, get_args

import msgspec

from streams.dead_letters import (
    WAITING,
    DeadLetter,
    Mark,
    State,
    decode_dead_letter,
    decode_mark,
    marked,
)
from streams.ports import Record

_STATES: Final[tuple[State, ...]] = get_args(State)
_CODE: Final = {state: code for code, state in enumerate(_STATES)}
_STATE_BITS, _TRY_BITS = 4, 12
_TRY, _OFFSET = 1 << _STATE_BITS, 1 << (_STATE_BITS + _TRY_BITS)
_MOST_TRIES = (1 << _TRY_BITS) - 1


class Standing(NamedTuple):
    """A dead letter with what became of it.

    Attributes:
        at_ms: when it was noted, by Kafka's clock.
        stage: whose input it was.
        retries: how often it was retried, up to 4,095.
    """

    letter: DeadLetter
    at_ms: int
    stage: str
    state: State
    retries: int


class Where(NamedTuple):
    """Which dead letters are meant; None: any.

    Attributes:
        names: "topic/partition/offset", or one item of it, "topic/partition/offset/item".
        since_ms, until_ms: when they were noted; the end is exclusive.
        states: by default those that somebody should still do something about.
    """

    names: frozenset[str] | None = None
    reason: str | None = None
    topic: str | None = None
    partition: int | None = None
    stage: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    states: frozenset[State] | None = WAITING

    @property
    def chooses(self) -> bool:
        """Whether anything but the state is asked for."""
        return any(each is not None for each in self[:-1])

    def means(self, each: Standing) -> bool:
        """Whether this letter is meant."""
        letter = each.letter
        wanted = (
            (self.reason, letter.reason),
            (self.topic, letter.topic),
            (self.partition, letter.partition),
            (self.stage, each.stage),
        )
        if any(want is not None and want != have for want, have in wanted):
            return False
        if self.states is not None and each.state not in self.states:
            return False
        if self.since_ms is not None and each.at_ms < self.since_ms:
            return False
        if self.until_ms is not None and each.at_ms >= self.until_ms:
            return False
        names = self.names
        return names is None or letter.name in names or letter.name.rpartition("/")[0] in names


class Count(msgspec.Struct, frozen=True):
    """Dead letters that have this much in common."""

    stage: str
    topic: str
    reason: str
    state: State
    letters: int


class Book:
    """The first pass: `take` every record of the topic, then ask `standing` of each again.

    Args:
        stage_of: full topic name -> the stage that reads it.
    """

    def __init__(self, stage_of: Callable[[str], str]) -> None:
        self._stage_of = stage_of
        self._rows: dict[int, int] = {}
        self.unread = 0
        """Records that are neither a letter nor a mark: not written by us."""

    def take(self, records: Iterable[Record]) -> None:
        """Note what records say, in the order of the topic."""
        rows = self._rows
        for record in records:
            if (name := marked(record.key)) is not None:
                if (told := _mark(record)) is None:
                    self.unread += 1
                    continue
                place = _place(name, told.sha256)
                row = rows.get(place, 0)
                tries = row // _TRY % (1 << _TRY_BITS)
                if told.did != "dropped":
                    tries = min(tries + 1, _MOST_TRIES)
                rows[place] = row // _OFFSET * _OFFSET + tries * _TRY + _CODE[told.did]
            elif (letter := _letter(record)) is not None:
                place = _place(letter.name, letter.sha256)
                rows[place] = record.offset * _OFFSET + rows.get(place, 0) % _OFFSET
            else:
                self.unread += 1

    def standing(self, records: Iterable[Record], where: Where) -> Iterator[Standing]:
        """The letters among records that count and are meant."""
        for record in records:
            if marked(record.key) is not None or (letter := _letter(record)) is None:
                continue
            row = self._rows.get(_place(letter.name, letter.sha256))
            if row is None or row // _OFFSET != record.offset:
                continue
            found = Standing(
                letter,
                record.at_ms,
                self._stage_of(letter.topic),
                _STATES[row % _TRY],
                row // _TRY % (1 << _TRY_BITS),
            )
            if where.means(found):
                yield found


def history(records: Iterable[Record], letter: DeadLetter) -> list[tuple[int, Mark]]:
    """When what was done about a letter, in the order of the records."""
    marks = (
        (record.at_ms, _mark(record)) for record in records if marked(record.key) == letter.name
    )
    return [
        (at_ms, told) for at_ms, told in marks if told is not None and told.sha256 == letter.sha256
    ]


def count_up(found: Iterable[Standing]) -> list[Count]:
    """How many there are of each kind, the most first."""
    counts = Counter(
        (each.stage, each.letter.topic, each.letter.reason, each.state) for each in found
    )
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [Count(*kind, n) for kind, n in ordered]


def _place(name: str, sha256: str) -> int:
    """64 bits for a letter: of a million letters two share one with a chance of 1 in 37 million."""
    digest = hashlib.blake2b(f"{name}\0{sha256}".encode(), digest_size=8)
    return int.from_bytes(digest.digest(), "big")


def _letter(record: Record) -> DeadLetter | None:
    try:
        return decode_dead_letter(record.value or b"")
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def _mark(record: Record) -> Mark | None:
    try:
        return decode_mark(record.value or b"")
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
