"""The graph as it was: GRAPH's partitions of a checkpoint, opened to be read.

Partitions follow each other's totals with some delay, and a checkpoint takes them one after the
other: what came within that time may stand in some partitions and not in others.
"""

import contextlib
import heapq
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from streams.checkpoint.copying import fetch
from streams.checkpoint.manifest import Manifest, check_id, expected, unfit
from streams.checkpoint.place import Place
from streams.checkpoint.pruning import manifests
from streams.checkpoint.wiring import place_of
from streams.errors import CheckpointError
from streams.layout.migration import open_store
from streams.registry import SPECS
from streams.settings import Settings
from topology.graph import TABLES as GRAPH_TABLES
from topology.graph import Graph, Tables
from topology.keys import COUNTERS
from topology.store.layout import LAYOUT_VERSION, OLDEST_LAYOUT, layout_of
from topology.store.rocksdb import RocksStore

GRAPH: Final = "graph"
_READ: Final = (*GRAPH_TABLES, "held", "meta")


def fetched_graph_partitions(
    settings: Settings, checkpoint: str, *, note: Callable[[str], None] = lambda line: None
) -> list[Path]:
    """Folders of GRAPH's partitions of a checkpoint, by number.

    They are fetched once and kept in `data_dir`, in a folder named by the checkpoint; whoever does
    not need it any more removes it.

    Args:
        settings: with `checkpoint_url`.
        checkpoint: its id, or "latest": the newest that has all partitions of GRAPH.
        note: told what is fetched.

    Raises:
        CheckpointError: there is no such checkpoint, or it is damaged or lacks partitions.
    """
    place = place_of(settings)
    found = graph_manifests(settings, place, checkpoint)
    folder = travel_folder(settings, found[0].checkpoint)
    for manifest in found:
        target = folder / str(manifest.partition)
        if not (target / "CURRENT").exists():
            note(f"fetching {manifest.stage}/{manifest.partition}: {manifest.size:,} bytes ...")
            fetch(place, manifest, target)
        # It may have been fetched by an older program, or one that was killed behind the fetch.
        if layout_of(target, create=False, oldest=OLDEST_LAYOUT) < LAYOUT_VERSION:
            open_store(target, SPECS[GRAPH].all_tables).close()
    return [folder / str(manifest.partition) for manifest in found]


def open_graph_partitions(
    settings: Settings, checkpoint: str, *, note: Callable[[str], None] = lambda line: None
) -> list[RocksStore]:
    """The same, opened to be read; the caller closes them.

    Raises:
        CheckpointError: see `fetched_graph_partitions`.
    """
    stores: list[RocksStore] = []
    try:
        for folder in fetched_graph_partitions(settings, checkpoint, note=note):
            stores.append(RocksStore(folder, _READ, read_only=True, still=True))
    except BaseException:
        for store in stores:
            store.close()
        raise
    return stores


@contextlib.contextmanager
def graph_at(
    settings: Settings, checkpoint: str, *, note: Callable[[str], None] = lambda line: None
) -> Iterator[Graph]:
    """The whole graph of a checkpoint, to be read (`open_graph_partitions`)."""
    stores = open_graph_partitions(settings, checkpoint, note=note)
    try:
        yield Graph(Joined(stores))
    finally:
        for store in stores:
            store.close()


def graph_manifests(settings: Settings, place: Place, checkpoint: str) -> list[Manifest]:
    """The manifests of all partitions of GRAPH, by number.

    Raises:
        CheckpointError: see `open_graph_partitions`.
    """
    wanted = expected([GRAPH], settings.partitions)
    if checkpoint == "latest":
        whole = (each for each in reversed(place.ids()) if place.parts(each).keys() >= wanted)
        checkpoint = next(whole, "")
        if not checkpoint:
            raise CheckpointError(
                f"{place.url} has no checkpoint of all {settings.partitions} partitions of GRAPH: "
                "make one with `cartograph checkpoint create`"
            )
    found = [each for each in manifests(place, check_id(checkpoint)) if each.stage == GRAPH]
    lacking = sorted(wanted - {each.part for each in found})
    if lacking:
        raise CheckpointError(
            f"checkpoint {checkpoint} lacks {len(lacking)} of {settings.partitions} partitions of "
            "GRAPH: `cartograph checkpoint list` shows which are complete"
        )
    for each in found:
        if why := unfit(each, graph=settings.graph):
            raise CheckpointError(f"checkpoint {checkpoint} {why}: use another one")
    return found


def travel_folder(settings: Settings, checkpoint: str) -> Path:
    """Where the partitions of a checkpoint are kept to be read."""
    return settings.data_dir / settings.names.own / "checkpoints" / checkpoint / GRAPH


class Joined:
    """The tables of several partitions as if they were one; only to be read.

    A fact and its index rows stand in the partition of its head, so no key is in two of them but
    those of the counters, which add up.

    Args:
        stores: of all partitions.
    """

    def __init__(self, stores: Sequence[Tables]) -> None:
        self._stores = stores

    def get(self, table: str, key: bytes) -> bytes | None:
        """The row of whichever partition has it."""
        found = (store.get(table, key) for store in self._stores)
        return next((row for row in found if row is not None), None)

    def put(self, table: str, key: bytes, value: bytes) -> None:
        """Raise CheckpointError: a checkpoint does not change."""
        raise CheckpointError("a checkpoint can only be read")

    def delete(self, table: str, key: bytes) -> None:
        """Raise CheckpointError: a checkpoint does not change."""
        raise CheckpointError("a checkpoint can only be read")

    def scan(
        self,
        table: str,
        prefix: bytes = b"",
        *,
        after: bytes | None = None,
        limit: int | None = None,
    ) -> list[tuple[bytes, bytes]]:
        """Entries of all partitions, in key order; counters of one key are added up."""
        rows = heapq.merge(
            *(store.scan(table, prefix, after=after, limit=limit) for store in self._stores)
        )
        if table != COUNTERS:
            return list(rows if limit is None else islice(rows, limit))
        added: dict[bytes, int] = {}
        for key, value in rows:
            added[key] = added.get(key, 0) + int(value)
        found = [(key, b"%d" % count) for key, count in added.items()]
        return found if limit is None else found[:limit]
