"""Makes checkpoints of the partitions that a worker holds: by a schedule, and when asked.

A partition stands still only while RocksDB links its files; they are copied beside its work. What
goes wrong with the place of checkpoints is told, and tried again; it never stops the worker.
"""

import asyncio
import importlib.metadata
import logging
import secrets
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from streams.checkpoint import metrics
from streams.checkpoint.completing import complete
from streams.checkpoint.copying import GivenUpError, Hashes, Saved, save
from streams.checkpoint.manifest import Manifest, expected, is_id, new_id, result_settings
from streams.checkpoint.place import Place
from streams.checkpoint.pruning import LetGo, prune, remove_all
from streams.control.claims import CheckpointOrder
from streams.errors import CartographError, CheckpointError, StoreLockedError
from streams.kafka.partition import Partition
from streams.process import machine
from streams.process.status import CheckpointStatus
from streams.settings import Settings
from streams.totals.owner import Kept
from topology.errors import StoreError
from topology.store.layout import LAYOUT_VERSION
from topology.store.removal import remove

log = logging.getLogger(__name__)
_Done = TypeVar("_Done")

_LOOK_S: Final = 0.25
_AGAIN_S: Final = 30.0
_ORDER_S: Final = 600.0
"""How long an order holds for partitions that open late or fail at first."""

_TOKEN_S: Final = 3_600.0
_JITTER: Final = 10
"""Partitions begin within this part of the schedule's period, each at its own time."""


class Keeper:
    """The checkpoints of one worker process.

    Args:
        settings: with `checkpoint_url`.
        stage: the worker's.
        stages: all that a complete checkpoint has.
        folder: where the stage's stores stand; copies are made in it.
        partitions: those that are open, by number.
        bundles: ids of the models in use.
        may_write: whether our partitions can be nobody else's.
        place: opened in a thread when it is first needed, since that may import and connect.
        let_go: generation -> checkpoints that nobody needs; asked in that thread.
    """

    def __init__(
        self,
        settings: Settings,
        stage: str,
        *,
        stages: Iterable[str],
        folder: Path,
        partitions: Callable[[], Mapping[int, Partition]],
        bundles: Callable[[], tuple[str, ...]],
        may_write: Callable[[], bool],
        place: Callable[[], Place],
        let_go: Callable[[], Mapping[str, LetGo]] = dict,
    ) -> None:
        self._settings, self._stage, self._folder = settings, stage, folder
        self._expected = expected(stages, settings.partitions)
        self._partitions, self._bundles = partitions, bundles
        self._may_write, self._open_place, self._let_go = may_write, place, let_go
        self._place: Place | None = None
        self._hashes: dict[int, Hashes] = {}
        self._thread = ThreadPoolExecutor(1, "checkpoint")
        self._orders: dict[str, float] = {}
        self._made: set[tuple[str, int]] = set()
        self._not_before: dict[tuple[str, int], float] = {}
        self._tokens: dict[tuple[str, int], tuple[str, float]] = {}
        self._newest_ms: dict[int, int] = {}
        self.status = CheckpointStatus()

    def order(self, order: CheckpointOrder) -> None:
        """Make this checkpoint of all partitions now; what is no id is passed over."""
        if is_id(order.checkpoint):
            self._orders[order.checkpoint] = time.time() + _ORDER_S

    async def run(self) -> None:
        """Do what the schedule and orders say until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            await self.turn(time.time())

    async def turn(self, now: float) -> None:
        """Make what is due now, one partition after the other.

        Args:
            now: seconds since 1970.
        """
        self._orders = {each: until for each, until in self._orders.items() if until > now}
        partitions = self._partitions()
        self._hashes = {n: known for n, known in self._hashes.items() if n in partitions}
        wanted = {(each, n) for n in partitions for each in self._wanted(n, now)}
        self._made &= wanted
        self._tokens = {each: told for each, told in self._tokens.items() if each in wanted}
        self._not_before = {each: at for each, at in self._not_before.items() if each in wanted}
        for checkpoint, number in sorted(wanted - self._made):
            partition = self._partitions().get(number)
            if partition and self._not_before.get((checkpoint, number), 0.0) <= now:
                await self._make(checkpoint, number, partition)

    def tell_age(self, now: float) -> None:
        """Tell the age of the oldest of the newest checkpoints, also while one takes long.

        One that is not made yet counts from when its partition was opened.

        Args:
            now: seconds since 1970.
        """
        held = self._partitions().keys()
        self._newest_ms = {n: at for n, at in self._newest_ms.items() if n in held}
        for number in held:
            self._newest_ms.setdefault(number, int(now * 1000))
        oldest = min(self._newest_ms.values(), default=int(now * 1000))
        metrics.CHECKPOINT_AGE.labels(self._stage).set(max(0.0, now - oldest / 1000))

    def _wanted(self, number: int, now: float) -> list[str]:
        """Ids of the checkpoints that a partition should be in by now."""
        wanted = list(self._orders)
        every_s = self._settings.checkpoint_every_s
        if every_s:
            begun = int(now // every_s) * every_s
            spread = zlib.crc32(f"{self._stage}/{number}".encode()) / 2**32 * every_s / _JITTER
            if now >= begun + spread:
                wanted.append(new_id(begun * 1000))
        return wanted

    async def _make(self, checkpoint: str, number: int, partition: Partition) -> None:
        begun = time.monotonic()
        outcome = "failed"
        try:
            saved = await self._save(checkpoint, number, partition)
            self._made.add((checkpoint, number))
            outcome = "done"
            if saved is not None:
                self._note(saved, time.monotonic() - begun)
        except GivenUpError as error:
            outcome = "given_up"
            log.info("checkpoint %s: %s", checkpoint, error)
        except (CheckpointError, StoreError, OSError) as error:
            said = f"{self._stage}/{number}: no checkpoint {checkpoint}: {error}"
            log.error("%s", said)  # noqa: TRY400 - a sentence for the operator, no traceback
            self.status = CheckpointStatus(self.status.id, self.status.at_ms, said)
        if outcome != "done":
            self._not_before[checkpoint, number] = time.time() + _AGAIN_S
        metrics.CHECKPOINTS.labels(self._stage, outcome).inc()

    async def _save(self, checkpoint: str, number: int, partition: Partition) -> Saved | None:
        """Copy the partition and list it; None: it stood there already."""
        place = await self._opened()
        parts = await self._in_thread(partial(place.parts, checkpoint))
        if there := parts.get((self._stage, number)):
            self._newest_ms[number] = there.written_ms
            await self._in_thread(partial(self._complete, place, checkpoint))
            return None
        async with self._alone_with(number) as copy:
            kept = await partition.snapshot(copy)
            if kept is None:
                raise GivenUpError(f"{self._stage}/{number} was taken away")
            manifest = self._manifest(checkpoint, kept)
            saved = await self._in_thread(
                partial(
                    save,
                    place,
                    copy,
                    manifest,
                    hashes=self._hashes.setdefault(number, Hashes()),
                    token=self._token(checkpoint, number),
                    wanted=lambda: partition.alive and self._may_write(),
                )
            )
        await self._in_thread(partial(self._complete, place, checkpoint))
        return saved

    @asynccontextmanager
    async def _alone_with(self, number: int) -> AsyncIterator[Path]:
        """Where the copy of a partition is to be, and is no more afterwards.

        A worker on the same folder that had the partition before may still be copying from there.
        """
        copy = self._folder / f"{number}.checkpoint"
        held = machine.lock(copy.with_suffix(".copying"), patience_s=0, what="a checkpoint")
        with ExitStack() as stack:
            try:
                await self._in_thread(partial(stack.enter_context, held))
            except StoreLockedError as error:
                told = f"{self._stage}/{number}: the worker that had it before still copies it"
                raise GivenUpError(told) from error
            try:
                await self._in_thread(partial(remove, copy))
                yield copy
            finally:
                await self._in_thread(partial(remove, copy))

    def _token(self, checkpoint: str, number: int) -> str:
        """Names what is copied for this; a try soon after one that failed goes on with that."""
        token, at = self._tokens.get((checkpoint, number), ("", 0.0))
        if time.monotonic() - at > _TOKEN_S or not token:
            token = secrets.token_hex(4)
            self._tokens[checkpoint, number] = token, time.monotonic()
        return token

    def _manifest(self, checkpoint: str, kept: Kept) -> Manifest:
        return Manifest(
            checkpoint=checkpoint,
            stage=kept.stage,
            partition=kept.partition,
            graph=kept.graph,
            created_ms=int(time.time() * 1000),
            program=importlib.metadata.version("cartograph"),
            layout=LAYOUT_VERSION,
            incarnation=kept.incarnation,
            offsets=dict(kept.offsets),
            bundles=self._bundles(),
            settings=result_settings(self._settings),
        )

    def _complete(self, place: Place, checkpoint: str) -> None:
        """If all partitions are there, say so; the schedule then removes the oldest."""
        now_ms = int(time.time() * 1000)
        if not complete(place, checkpoint, self._expected, now_ms=now_ms):
            return
        log.info("checkpoint %s is complete", checkpoint)
        if self._settings.checkpoint_every_s:
            gone = prune(place, keep=self._settings.checkpoint_keep, now_ms=now_ms)
            if gone.checkpoints or gone.files:
                log.info("pruned %d checkpoints, %d files", len(gone.checkpoints), gone.files)
            self._remove_dropped(now_ms)

    def _remove_dropped(self, now_ms: int) -> None:
        """Those of dropped generations; what goes wrong with them is no failure of ours."""
        try:
            for name, found in self._let_go().items():
                gone = remove_all(found, now_ms=now_ms)
                if gone and (gone.checkpoints or gone.files):
                    log.info(
                        "%s is dropped: removed its %d checkpoints, %d files",
                        name,
                        len(gone.checkpoints),
                        gone.files,
                    )
        except CartographError as error:
            log.warning("checkpoints of dropped graphs are not removed now: %s", error)

    def _note(self, saved: Saved, seconds: float) -> None:
        manifest = saved.manifest
        metrics.CHECKPOINT_BYTES.labels(self._stage).inc(saved.copied)
        self._newest_ms[manifest.partition] = manifest.created_ms
        self.status = CheckpointStatus(manifest.checkpoint, manifest.created_ms, "")
        log.info(
            "checkpoint %s: %s/%d, %d bytes, %d of them copied, in %.2f s",
            manifest.checkpoint,
            *manifest.part,
            manifest.size,
            saved.copied,
            seconds,
        )

    async def _opened(self) -> Place:
        if self._place is None:
            self._place = await self._in_thread(self._open_place)
        return self._place

    async def _in_thread(self, work: Callable[[], _Done]) -> _Done:
        """In a thread of our own: what takes minutes must not keep others from asyncio's."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
