"""Cursors: where the next page begins, good for the question they were made for alone. Pure."""

import base64
import binascii
from hashlib import blake2b
from typing import Final

from streams.serve.problems import ProblemError, bad_request

_MARK_BYTES: Final = 6


def encode_cursor(question: str, place: bytes) -> str:
    """The cursor of a place in the answer to a question.

    Args:
        question: everything that decides what is listed, in one text.
        place: where the page ended.
    """
    return base64.urlsafe_b64encode(_mark(question) + place).rstrip(b"=").decode()


def decode_cursor(question: str, cursor: str) -> bytes:
    """The place a cursor stands for.

    Raises:
        ProblemError: it is damaged, or was given for another question.
    """
    try:
        data = base64.b64decode(
            cursor.encode() + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True
        )
    except (binascii.Error, ValueError) as error:
        raise bad_cursor() from error
    if data[:_MARK_BYTES] != _mark(question):
        raise bad_cursor()
    return data[_MARK_BYTES:]


def _mark(question: str) -> bytes:
    return blake2b(question.encode(), digest_size=_MARK_BYTES).digest()


def bad_cursor() -> ProblemError:
    """A cursor that leads nowhere."""
    return bad_request(
        "bad-cursor",
        "this cursor was not given for this question: ask again without `cursor`, and pass the "
        "`next` of each page on, with the same path and parameters",
    )
