"""Says of a checkpoint that all its partitions are there, once they are."""

from collections.abc import Set as AbstractSet

from streams.checkpoint.manifest import Completed
from streams.checkpoint.place import Place


def complete(
    place: Place, checkpoint: str, whole: AbstractSet[tuple[str, int]], *, now_ms: int
) -> bool:
    """Say that a checkpoint is complete if it is; whether nobody had said so before.

    Whoever writes a partition calls it behind that, and again where the partition stood there
    already: the one that was the last may have been killed in between.

    Args:
        place: of one graph.
        checkpoint: its id.
        whole: stage and number of all partitions that it must have.
        now_ms: ms since 1970.
    """
    if not place.parts(checkpoint).keys() >= whole or place.completed(checkpoint) is not None:
        return False
    place.put_completed(Completed(checkpoint, now_ms, len(whole)))
    return True
