"""How errors are told in logs and status files: what an operator needs, nothing of any record.

Our own errors are sentences. Those of the system (files, sockets, Kafka, RocksDB) name paths and
addresses. What Python and libraries raise on *data* quotes it: a key, a text, a number. Of these
the kind and the place are told, and the words only at level debug (DESIGN, rule 10).
"""

import hashlib
import traceback
from collections.abc import Iterator

from models_onnx.errors import ModelError
from streams.errors import BadMessageError, CartographError
from topology.errors import BadFactError, BadNodeError, TopologyError

_OURS = (CartographError, TopologyError, ModelError)
_QUOTES = (
    *(BadMessageError, BadNodeError, BadFactError),
    *(ValueError, TypeError, LookupError, ArithmeticError, AttributeError, AssertionError),
)
_CONTEXT = "_cartograph_context"
_WITHHELD = "its words may quote a record: CARTOGRAPH_LOG_LEVEL=debug tells them"


def words_of(error: BaseException, *, all_words: bool = False) -> str:
    """An error in one line.

    Args:
        error: any.
        all_words: also words that may quote a record.
    """
    kind = type(error).__name__
    if isinstance(error, _QUOTES) and not all_words:
        return f"{kind} ({_WITHHELD})"
    return str(error) if isinstance(error, _OURS) else f"{kind}: {error}"


def trace_of(error: BaseException, *, all_words: bool = False) -> str:
    """An error with its causes and the lines of code that led to each, the first cause first."""
    lines = []
    for each in _chain(error):
        lines += traceback.format_tb(each.__traceback__)
        lines.append(f"{type(each).__name__}: {words_of(each, all_words=all_words)}\n")
    return "".join(lines).rstrip()


def during(error: BaseException, **context: object) -> None:
    """Note what was worked on when an error was raised: stage, topic, partition, offset."""
    known = getattr(error, _CONTEXT, {})
    setattr(error, _CONTEXT, {**context, **known})


def context_of(error: BaseException) -> dict[str, object]:
    """What `during` noted."""
    return dict(getattr(error, _CONTEXT, {}))


def hint_of(key: bytes) -> str:
    """Eight hex digits to tell keys of a store apart by, without their words."""
    return hashlib.blake2b(key, digest_size=4).hexdigest()


def _chain(error: BaseException) -> Iterator[BaseException]:
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield from _chain(before)
    yield error
