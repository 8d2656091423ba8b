"""A partition's store, opened and brought up to the layout of this program."""

import logging
from collections.abc import Sequence
from pathlib import Path

from streams.layout.steps import bring_up
from streams.totals.owner import KEPT, without_incarnation
from topology.store.layout import LAYOUT_VERSION, OLDEST_LAYOUT, write_layout
from topology.store.rocksdb import RocksStore, StoreMemory

log = logging.getLogger(__name__)


def open_store(
    path: Path, tables: Sequence[str], *, memory: StoreMemory | None = None
) -> RocksStore:
    """Open a store to be written, whatever layout it has that this program knows.

    While rows are changed the file of the layout says `1>2`, so that an older program, which does
    not look into the rows, refuses the store from the first moment on. The rows and their layout
    are one commit; a kill before or behind it is made good by the next call.

    A store whose last commits are lost, since the end of its log was damaged, is an older one now:
    it goes on without its incarnation, as a restored checkpoint. That is written here, because the
    next to open it finds a sound log.

    Raises:
        StoreLayoutError, StateError: it cannot be brought up; the message says what to do.
        StoreLockedError, StoreError: see `RocksStore`.
    """
    store = RocksStore(path, tables, memory=memory, oldest=OLDEST_LAYOUT)
    try:
        if store.lost_commits:
            _go_on_as_restored(store)
        if store.layout == LAYOUT_VERSION:
            return store
        write_layout(path, f"{store.layout}>{LAYOUT_VERSION}")
        bring_up(store)
        write_layout(path)
    except BaseException:
        store.close()
        raise
    log.info("%s: brought up from layout %d to %d", path, store.layout, LAYOUT_VERSION)
    store.layout = LAYOUT_VERSION
    return store


def _go_on_as_restored(store: RocksStore) -> None:
    log.error(
        "%s: the end of its write-ahead log was damaged; it goes on from the commit before that "
        "and sends everything again: look at the disk",
        store.path,
    )
    row = store.get("meta", KEPT)
    if row is not None:
        store.put("meta", KEPT, without_incarnation(row))
        store.commit()
