"""A library that says the same again and again is heard once in a while."""

import logging
from collections.abc import Callable

EVERY_S = 30.0
"""Without it five workers write 450 lines a second while their broker is away."""


class Repeats(logging.Filter):
    """Lets a message of these loggers pass, then for a while no more of its kind.

    A kind is a logger and the text before its arguments are put in. The next one that passes says
    how many were kept back.

    Args:
        names: loggers, with all below them.
        clock: seconds, only rising.
    """

    def __init__(self, names: tuple[str, ...], *, clock: Callable[[], float]) -> None:
        super().__init__()
        self._names = names
        self._clock = clock
        self._heard: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is to be written; it may get a few words more."""
        if record.name.partition(".")[0] not in self._names:
            return True
        kind, now = (record.name, str(record.msg)), self._clock()
        last, kept_back = self._heard.get(kind, (float("-inf"), 0))
        if now - last < EVERY_S:
            self._heard[kind] = (last, kept_back + 1)
            return False
        self._heard[kind] = (now, 0)
        if kept_back:
            record.msg = f"{record.getMessage()} (and {kept_back} times more since)"
            record.args = ()
        return True
