"""What passes between a partition and the models: answers, and what is to be kept of them."""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

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
