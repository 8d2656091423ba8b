"""Ask the graph as it was at a checkpoint, with the same questions as that of now."""

import contextlib
from collections.abc import Callable, Iterator

from streams.checkpoint.wiring import place_of
from streams.serve.ask import Asked, Local
from streams.serve.past import Joined, graph_manifests, open_graph_partitions
from streams.serve.reader import AsOf
from streams.settings import Settings
from topology.graph import Graph, Tables


class Past:
    """A graph that does not change any more.

    Args:
        tables: of all its partitions.
        as_of_ms: when the last of them was committed, ms since 1970.
    """

    def __init__(self, tables: Tables, as_of_ms: int) -> None:
        self.tables = tables
        self.graph = Graph(tables)
        self._as_of = AsOf(records=0, lag=None, newest_ms=as_of_ms, heard_ms=as_of_ms)

    def as_of(self) -> AsOf:
        """When it was so: nothing is known of the topic of facts."""
        return self._as_of


@contextlib.contextmanager
def asking_at(
    settings: Settings, checkpoint: str, note: Callable[[str], None] = lambda line: None
) -> Iterator[Asked]:
    """The graph of a checkpoint.

    Args:
        settings: with `checkpoint_url`.
        checkpoint: its id, or "latest".
        note: told what is fetched.

    Raises:
        CheckpointError: there is no such checkpoint, or it is damaged or lacks partitions.
    """
    found = graph_manifests(settings, place_of(settings), checkpoint)
    stores = open_graph_partitions(settings, found[0].checkpoint, note=note)
    try:
        at_ms = max(manifest.created_ms for manifest in found)
        yield Local(settings, Past(Joined(stores), at_ms))
    finally:
        for store in stores:
            store.close()
