"""JSON lines in, JSON lines out, in order and in flat memory: what `cartograph model` is made of.

Whatever has arrived is answered at once, so that a program at the other end of a pipe may ask line
by line. A line that cannot be read has a record {"id", "error"} for an answer, the rest goes on.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec

AT_ONCE = 512
"""Questions of one call to a model."""

MAX_LINE_BYTES = 16 << 20
"""A longer line is not kept in memory; it is answered with an error."""

_READ_BYTES = 1 << 18
_BOM = b"\xef\xbb\xbf"

Asked = TypeVar("Asked", bound=msgspec.Struct)


class Line(NamedTuple):
    """A line with its number from 1; `data` is None where it was too long."""

    number: int
    data: bytes | None


class Outcome(NamedTuple):
    """How many lines were answered, and how many of these with an error."""

    lines: int
    bad: int


class Failure(msgspec.Struct, frozen=True):
    """The answer to a line that cannot be read; `id` is null where it has none."""

    id: str | int | None
    error: str


def answer(
    read: Callable[[int], bytes],
    write: Callable[[bytes], object],
    flush: Callable[[], object],
    line_type: type[Asked],
    wants: str,
    ask: Callable[[Sequence[Asked]], Sequence[msgspec.Struct]],
) -> Outcome:
    """Answer every line of a stream, in order.

    Args:
        read: up to so many bytes of what has arrived, b"" at the end (`sys.stdin.buffer.read1`).
        write: takes the bytes of an answer.
        flush: called when what has arrived is answered.
        line_type: what a line must hold.
        wants: the same in words, for errors.
        ask: one answer for each question, AT_ONCE of them at most.
    """
    decoder = msgspec.json.Decoder(line_type)
    lines = bad = 0
    for part in parts(read):
        asked: list[Asked] = []
        failures: list[Failure | None] = []
        for line in part:
            try:
                asked.append(_read(line, decoder, wants))
                failures.append(None)
            except _BadLineError as error:
                failures.append(error.failure)
        answers = iter(ask(asked) if asked else ())
        for failure in failures:
            write(msgspec.json.encode(next(answers) if failure is None else failure) + b"\n")
        flush()
        lines += len(failures)
        bad += len(failures) - len(asked)
    return Outcome(lines, bad)


def parts(read: Callable[[int], bytes]) -> Iterator[list[Line]]:
    """Whole lines as they arrive, at most AT_ONCE together; blank ones are passed over."""
    rest, number, too_long = b"", 0, False
    while True:
        arrived = read(_READ_BYTES)
        *whole, rest = (rest + arrived).split(b"\n") if arrived else (rest, b"")
        found: list[Line] = []
        for data in whole:
            number += 1
            if too_long or len(data) > MAX_LINE_BYTES:
                found.append(Line(number, None))
            elif data.strip():
                found.append(Line(number, data.removeprefix(_BOM) if number == 1 else data))
            too_long = False
        if len(rest) > MAX_LINE_BYTES:
            rest, too_long = b"", True
        for start in range(0, len(found), AT_ONCE):
            yield found[start : start + AT_ONCE]
        if not arrived:
            return


class _BadLineError(Exception):
    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.error)
        self.failure = failure


def _read(line: Line, decoder: msgspec.json.Decoder[Asked], wants: str) -> Asked:
    if line.data is None:
        said = f"line {line.number}: longer than {MAX_LINE_BYTES:,} bytes; cut it"
        raise _BadLineError(Failure(None, said))
    try:
        return decoder.decode(line.data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        said = f"line {line.number}: {error}; a line is {wants}"
        raise _BadLineError(Failure(_id(line.data), said)) from error


def _id(data: bytes) -> str | int | None:
    try:
        read: Any = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    found = read.get("id") if isinstance(read, dict) else None
    return found if isinstance(found, str | int) and not isinstance(found, bool) else None
