"""A partition comes to a worker without its state: from the newest checkpoint, or from the log.

QUERIES, PRODUCTS and GRAPH read compacted topics alone, so what they keep can be made again from
them: an owner sends nothing until it has read its inputs to where they ended at its claim
(`Owner.take`), so nobody hears of what is half read. SHOPPERS reads events that are not kept for
ever: without a checkpoint it refuses, unless the operator says otherwise.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Literal

from streams.checkpoint import metrics
from streams.checkpoint.copying import GivenUpError, fetch
from streams.checkpoint.manifest import (
    Manifest,
    changed_settings,
    unfit,
)
from streams.checkpoint.place import Place
from streams.errors import CheckpointError, DamagedCheckpointError
from streams.process.status import Recovering

log = logging.getLogger(__name__)

_TRIES: Final = 4
_PAUSE_S: Final = 2.0
_AT_ONCE: Final = 2
"""Partitions that are fetched at the same time, each with several files."""

Source = Literal["checkpoint", "log"]


class Recovery:
    """What a worker does about partitions that come without their state.

    Args:
        stage: the worker's.
        graph: identity of the graph.
        place: opened in a thread when it is first needed; None: no checkpoints are kept.
        settings: those that change results, as they are now.
        rebuilds: the stage can be made again from its inputs (`StageSpec.rebuilds`).
    """

    def __init__(
        self,
        stage: str,
        graph: str,
        *,
        place: Callable[[], Place] | None,
        settings: Mapping[str, object],
        rebuilds: bool,
    ) -> None:
        self.rebuilds = rebuilds
        self._stage, self._graph, self._settings = stage, graph, settings
        self._open_place = place
        self._place: Place | None = None
        # Not asyncio's own threads: minutes of copying would keep all others from them.
        self._threads = ThreadPoolExecutor(_AT_ONCE, "restore")
        self._under_way: dict[int, Recovering] = {}
        self._counting = threading.Lock()  # several files of a partition come at a time
        self._begun: dict[int, float] = {}

    @property
    def under_way(self) -> tuple[Recovering, ...]:
        """Partitions that are being recovered, by number."""
        return tuple(self._under_way[number] for number in sorted(self._under_way))

    @property
    def keeps_checkpoints(self) -> bool:
        """There is a place of checkpoints."""
        return self._open_place is not None

    async def restore(
        self,
        number: int,
        folder: Path,
        wanted: Callable[[], bool],
        *,
        beyond: Mapping[str, int] | None = None,
    ) -> bool:
        """Bring the newest checkpoint that can be used to a folder that is not there, or empty.

        Args:
            number: of the partition.
            folder: of its store.
            wanted: whether the partition is still ours.
            beyond: only a checkpoint that has read these inputs at least so far, and one further.

        Returns:
            whether one is in the folder now.

        Raises:
            CheckpointError: the place cannot be read, and the stage cannot be made again without.
            GivenUpError: the partition was taken away.
        """
        if self._open_place is None:
            return False
        begun = time.monotonic()
        try:
            manifest = await self._tried(number, folder, wanted, beyond or {})
        except GivenUpError:
            self._under_way.pop(number, None)
            raise
        except CheckpointError as error:
            self._under_way.pop(number, None)
            metrics.RESTORES.labels(self._stage, "checkpoint", "failed").inc()
            if not self.rebuilds:
                raise
            log.error("%s/%d: %s", self._stage, number, error)  # noqa: TRY400 - goes on without
            return False
        if manifest is None:
            return False
        self._begun[number] = begun
        metrics.RESTORES.labels(self._stage, "checkpoint", "done").inc()
        log.info(
            "%s/%d restored from checkpoint %s: %d bytes in %.2f s",
            self._stage,
            number,
            manifest.checkpoint,
            manifest.size,
            time.monotonic() - begun,
        )
        if changed := changed_settings(manifest, self._settings):
            log.warning(
                "%s/%d: %s were others when checkpoint %s was made: what it holds stays as it is",
                self._stage,
                number,
                ", ".join(changed),
                manifest.checkpoint,
            )
        return True

    def from_log(self, number: int) -> None:
        """The partition is made again from its inputs."""
        self._begun[number] = time.monotonic()
        self._under_way[number] = Recovering(number, "log")
        metrics.RESTORES.labels(self._stage, "log", "done").inc()
        log.info("%s/%d is built again from its input topics", self._stage, number)

    def behind(self, number: int, records: int) -> None:
        """An open partition has so many records to read before it may send; 0 ends its recovery."""
        found = self._under_way.get(number)
        if found is None:
            return
        if records:
            self._under_way[number] = Recovering(
                number, found.source, found.done, found.total, records
            )
            return
        del self._under_way[number]
        begun = self._begun.pop(number, None)
        if begun is None:  # only a thread that heard late that nobody wants it any more said so
            return
        seconds = time.monotonic() - begun
        metrics.RESTORE_SECONDS.labels(self._stage, found.source).observe(seconds)
        log.info(
            "%s/%d is back after %.1f s, from the %s", self._stage, number, seconds, found.source
        )

    def forget(self) -> None:
        """All partitions were taken away."""
        self._under_way.clear()
        self._begun.clear()

    async def _tried(
        self, number: int, folder: Path, wanted: Callable[[], bool], beyond: Mapping[str, int]
    ) -> Manifest | None:
        """The manifest that was restored, with patience for a place that does not answer."""
        for turn in range(_TRIES):
            try:
                return await asyncio.get_running_loop().run_in_executor(
                    self._threads, self._newest, number, folder, wanted, beyond
                )
            except (GivenUpError, DamagedCheckpointError):
                raise
            except CheckpointError as error:
                if not wanted():
                    raise GivenUpError(f"{self._stage}/{number} was taken away") from error
                if turn == _TRIES - 1:
                    raise
                log.warning("%s/%d: %s; trying again", self._stage, number, error)
                await asyncio.sleep(_PAUSE_S * 2**turn)
        return None

    def _newest(
        self, number: int, folder: Path, wanted: Callable[[], bool], beyond: Mapping[str, int]
    ) -> Manifest | None:
        """Restore the newest checkpoint; an older one where that one is damaged."""
        wrong: DamagedCheckpointError | None = None
        for manifest in self._usable(number, beyond):
            if isinstance(manifest, DamagedCheckpointError):
                wrong = manifest
                continue
            self._under_way[number] = Recovering(number, "checkpoint", 0, manifest.size)
            try:
                fetch(
                    self._at(),
                    manifest,
                    folder,
                    wanted=wanted,
                    done=lambda size: self._add(number, size),
                )
            except DamagedCheckpointError as error:
                log.error(  # noqa: TRY400 - the next older one is tried
                    "%s/%d: checkpoint %s: %s",
                    self._stage,
                    number,
                    manifest.checkpoint,
                    error,
                )
                wrong = error
                continue
            return manifest
        if wrong is not None:
            raise wrong
        return None

    def _usable(
        self, number: int, beyond: Mapping[str, int]
    ) -> Iterator[Manifest | DamagedCheckpointError]:
        for found in self._at().newest(self._stage, number):
            if isinstance(found, DamagedCheckpointError):
                log.error("%s/%d: %s", self._stage, number, found)
                yield found
                continue
            why = unfit(found, graph=self._graph)
            if why:
                log.warning("%s/%d: checkpoint %s %s", self._stage, number, found.checkpoint, why)
            elif _has_read_on(found.offsets, beyond):
                yield found

    def _add(self, number: int, size: int) -> None:
        """More bytes came; it may have been taken away while they did."""
        with self._counting:
            found = self._under_way.get(number)
            if found is not None:
                self._under_way[number] = Recovering(
                    number, found.source, found.done + size, found.total
                )

    def _at(self) -> Place:
        if self._place is None:
            if self._open_place is None:
                raise CheckpointError("set CARTOGRAPH_CHECKPOINT_URL to restore checkpoints")
            self._place = self._open_place()
        return self._place


def _has_read_on(offsets: Mapping[str, int], beyond: Mapping[str, int]) -> bool:
    ahead = [offsets.get(topic, -1) - at for topic, at in beyond.items()]
    return not ahead or (min(ahead) >= 0 and max(ahead) > 0)
