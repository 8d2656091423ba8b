"""When too many records cannot be read, the fault is in the source or its mapping: stop."""

from streams.errors import DeadLetterLimitError

_WINDOW = 100_000


class DeadLetterLimit:
    """Watches the share of dead letters among the last records.

    Args:
        stage: whose records they are, for the message.
        ratio: share at which the worker stops, 0..1.
        minimum: dead letters below which nothing happens.
        window: the share is over the last one to two windows of so many records.
    """

    def __init__(self, stage: str, *, ratio: float, minimum: int, window: int = _WINDOW) -> None:
        self._stage = stage
        self._ratio = ratio
        self._minimum = minimum
        self._window = max(window, minimum)
        self._before = self._now = (0, 0)

    def add(self, read: int, dead: int) -> None:
        """Count records and the dead letters among them.

        Raises:
            DeadLetterLimitError: the share is above the limit.
        """
        self._now = (self._now[0] + read, self._now[1] + dead)
        all_read = self._before[0] + self._now[0]
        all_dead = self._before[1] + self._now[1]
        if all_dead >= self._minimum and all_dead > self._ratio * all_read:
            raise DeadLetterLimitError(
                f"{self._stage} could not read {all_dead} of the last {all_read} records, more "
                f"than CARTOGRAPH_DEAD_LETTER_RATIO={self._ratio:g} allows: look at the reasons "
                "with `cartograph source check TOPIC`, correct the source or its mapping, or raise "
                "the limit"
            )
        if self._now[0] >= self._window:
            self._before, self._now = self._now, (0, 0)
