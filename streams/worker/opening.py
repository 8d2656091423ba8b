"""Opens the store of a partition, with its state: its own, a checkpoint's, or none yet."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from faust.types import TP

from streams.checkpoint.copying import GivenUpError
from streams.checkpoint.recovery import Recovery
from streams.control.claims import Control
from streams.kafka.partition import Store
from streams.kafka.transport import Log
from streams.totals.owner import kept_of
from topology.errors import StoreLockedError
from topology.store.removal import remove

log = logging.getLogger(__name__)

_LOCK_TRIES_S = 30.0
_LOCK_POLL_S = 0.05


class Opening:
    """How a worker opens its stores.

    Args:
        stage: the worker's.
        inputs: full name of each input topic -> its logical name.
        folder: one folder for each partition stands in it.
        open_store: opens the store in a folder; raises StoreLockedError while another has it.
        control: knows which partitions ran before.
        allow_empty: the operator says that an empty store may take over such a partition.
        recovery: finds state for partitions that have none here.
    """

    def __init__(
        self,
        stage: str,
        inputs: Mapping[str, str],
        *,
        folder: Path,
        open_store: Callable[[Path], Store],
        control: Control,
        allow_empty: bool,
        recovery: Recovery,
    ) -> None:
        self._stage, self._inputs, self._folder = stage, inputs, folder
        self._open_store = open_store
        self._control = control
        self._allow_empty = allow_empty
        self.recovery = recovery

    @property
    def allow_empty(self) -> bool:
        """An empty store may take over a partition that ran before."""
        return self._allow_empty or self.recovery.rebuilds

    def in_order(self, numbers: Sequence[int]) -> list[list[int]]:
        """Partitions whose state is here, then those that have to wait for it."""
        here = [number for number in numbers if (self._folder / str(number) / "CURRENT").exists()]
        return [here, [number for number in numbers if number not in here]]

    async def open(self, number: int, wanted: Callable[[], bool], broker: Log) -> Store | None:
        """Open a partition's store; None: it was taken away meanwhile.

        Raises:
            StoreError: it cannot be opened, or stays locked.
            CheckpointError: there may be a checkpoint, but it cannot be had.
        """
        folder = self._folder / str(number)
        store = await self._unlocked(folder, wanted)
        if store is None:
            return None
        try:
            kept = kept_of(store)
            if kept is None:
                if self._control.last_claim(self._stage, number) is None:
                    return store
                store.close()
                return await self._recovered(number, folder, wanted)
            if await self._is_behind(number, kept.offsets, broker):
                newer = folder.with_name(f"{number}.newer")
                await asyncio.to_thread(remove, newer)
                if await self.recovery.restore(number, newer, wanted, beyond=kept.offsets):
                    store.close()
                    folder.rename(folder.with_name(f"{number}.behind-{time.time_ns() // 10**6}"))
                    newer.rename(folder)
                    return await self._unlocked(folder, wanted)
        except GivenUpError:
            store.close()
            return None
        except BaseException:
            store.close()
            raise
        return store

    async def _recovered(
        self, number: int, folder: Path, wanted: Callable[[], bool]
    ) -> Store | None:
        """The partition ran before, and this store has never been written."""
        await asyncio.to_thread(remove, folder)
        restored = await self.recovery.restore(number, folder, wanted)
        store = await self._unlocked(folder, wanted)
        if store is not None and not restored and self.allow_empty:
            self.recovery.from_log(number)
        return store

    async def _is_behind(self, number: int, offsets: Mapping[str, int], broker: Log) -> bool:
        """Records that the store has not read are gone, and a checkpoint may have read them."""
        if self.recovery.rebuilds or not self.recovery.keeps_checkpoints:
            return False
        first = await broker.beginnings([TP(topic, number) for topic in self._inputs])
        return any(
            offsets.get(logical, 0) < first[TP(topic, number)]
            for topic, logical in self._inputs.items()
        )

    async def _unlocked(self, folder: Path, wanted: Callable[[], bool]) -> Store | None:
        """Open a store; waits while its last process is dying."""
        deadline = time.monotonic() + _LOCK_TRIES_S
        while wanted():
            try:
                return await asyncio.to_thread(self._open_store, folder)
            except StoreLockedError:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(_LOCK_POLL_S)
        return None
