"""What passes between a partition and the models: answers, and what is to be kept of them."""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from models_onnx.spans import Claim, Term, Text, ValuePair
from streams.ports import Answers, Questions, State

ANSWERS = "answers"
"""Table of a partition's store: hash of a question -> bytes of its answer."""


class Answered(NamedTuple):
    """Answers, and rows that the asking partition keeps of them in its table `ANSWERS`."""

    answers: Answers
    rows: Sequence[tuple[bytes, bytes]]


Answer = Callable[[Questions, State], Awaitable[Answered]]


async def no_models(questions: Questions, state: State) -> Answered:
    """For stages that ask nothing."""
    del questions, state
    return Answered(Answers({}, {}), [])


def text_key(text: Text, bundle_id: str) -> bytes:
    """Under what a tagged text is kept, 16 bytes."""
    return _hashed("t", text.text, text.kind, text.type, bundle_id)


def claim_key(claim: Claim, bundle_id: str) -> bytes:
    """Under what a judged claim is kept, 16 bytes."""
    return _hashed("c", claim.text, claim.type, claim.attribute, claim.value, bundle_id)


def pair_key(pair: ValuePair, bundle_id: str) -> bytes:
    """Under what a judged pair of values is kept, 16 bytes."""
    return _hashed("p", pair.a, pair.b, pair.attribute, bundle_id)


def term_key(term: Term, bundle_id: str) -> bytes:
    """Under what the senses of a value are kept, 16 bytes."""
    return _hashed("s", term.text, bundle_id)


def _hashed(*parts: str) -> bytes:
    # Lengths in front: no two lists of parts may run together into the same bytes.
    told = b"".join(b"%d:%s" % (len(part), part) for part in map(str.encode, parts))
    return hashlib.blake2b(told, digest_size=16).digest()
