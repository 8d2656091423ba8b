"""One partition of a stage on a real store and a real Kafka: `Owner` with a clock and a network.

Order of things (DESIGN, rule 1): apply a batch, settle what models are asked, commit state and
offsets in one write; then send only what is committed, one chunk at a time, and note that it was
acknowledged. Before each commit and each send the lease is asked whether we may still write. After
every `await` the partition may have been taken away; `alive` says so.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

from streams.erasures import Erasure
from streams.errors import StateError
from streams.kafka.fetch import Span
from streams.kafka.lease import Lease
from streams.models.answers import ANSWERS, Answer
from streams.monitoring import metrics
from streams.monitoring.step_times import StepTimes
from streams.ports import Message, Rereads, State
from streams.process import logs
from streams.source_times import earlier
from streams.totals.owner import KEPT, Kept, Owner, kept_of, without_incarnation

_ROUNDS = 1_000


log = logging.getLogger(__name__)


class Store(State, Protocol):
    """A state that is opened, copied and closed."""

    def checkpoint(self, path: Path) -> None: ...

    def close(self) -> None: ...


class Pace(NamedTuple):
    """How much may be in memory or under way.

    Attributes:
        flush_s, flush_records: when a partition commits, whichever comes first.
        send_records: messages of a chunk.
        unsent_limit: keys to send above which a partition stops reading until they are fewer.
    """

    flush_s: float
    flush_records: int
    send_records: int
    unsent_limit: int


Send = Callable[[Sequence[Message], int | None], Awaitable[None]]
"""Produces messages, with the source time of the earliest event behind them (`source_times`), and
waits for the acknowledgement."""


class Partition:
    """Reads spans, commits, sends.

    Args:
        owner: started, with its claim.
        store: the owner's state, closed by `close`.
        topics: full name of an input topic -> its logical name.
        lease, send, answer, pace: as their types say.
    """

    def __init__(
        self,
        owner: Owner,
        store: Store,
        *,
        topics: Mapping[str, str],
        lease: Lease,
        send: Send,
        answer: Answer,
        pace: Pace,
    ) -> None:
        self.owner = owner
        self.alive = True
        self.report = metrics.TallyReport(owner.name, owner.tally)
        self._store = store
        self._topics = topics
        self._lease = lease
        self._send = send
        self._answer = answer
        self._pace = pace
        self._lock = asyncio.Lock()
        self._is_copying = False
        self._wake = asyncio.Event()
        self._sent = asyncio.Event()
        self._to_forget: list[Erasure] = []
        self._unsaved = 0
        self._dirty_since: float | None = None
        self._oldest_ms: int | None = None
        self._to_publish_ms: int | None = None
        self._source_ms: int | None = None
        self._to_tell_ms: int | None = None
        self._told_ms: int | None = None
        self._times = StepTimes(owner.name)
        self._publish_seconds = metrics.PUBLISH_SECONDS.labels(owner.name)
        self._messages = metrics.MESSAGES.labels(owner.name)
        self._wake.set()  # what a crash left unsent goes out without waiting for a record

    def _is_alive(self) -> bool:
        return self.alive

    def forget(self, erasures: Sequence[Erasure]) -> None:
        """Take note of erasures; no further event is read before they are obeyed."""
        self._to_forget.extend(erasures)
        self._wake.set()

    async def read(self, topic: str, span: Span) -> None:
        """Apply a span of an input topic (full name); waits while too much is unsent."""
        arrived = time.monotonic()
        # What is held back goes out by reading on: to wait for it would be to wait for ever.
        while self.alive and not self.owner.behind and self._has_too_much():
            self._sent.clear()
            self._wake.set()
            await self._sent.wait()
        async with self._lock:
            if not self.alive:
                return
            begun = self._times.waited(arrived)
            logical = self._topics[topic]
            expected = self.owner.next_offset(logical)
            if expected is not None and span.start > expected:
                raise StateError(
                    f"{topic}/{self.owner.partition}: offsets {expected} to {span.start - 1} were "
                    "not read: a bug, please report it; the worker starts again from its store"
                )
            self._obey()
            self.owner.read(logical, span.records, span.next)
            if span.records:
                first_ms = span.records[0].at_ms
                self._oldest_ms = min(self._oldest_ms or first_ms, first_ms)
                self._source_ms = earlier(self._source_ms, span.source_ms)
            self._touch(len(span.records))
            is_settled = await self._settle()
            self._times.applied(begun, len(span.records))
            if is_settled and self._unsaved >= self._pace.flush_records:
                await self._save()
                self._wake.set()

    def _has_too_much(self) -> bool:
        return self.owner.outbox.waiting > self._pace.unsent_limit

    async def run(self) -> None:
        """Commit and send until the partition is closed."""
        logs.bind(partition=self.owner.partition)
        while self.alive:
            await self._wake.wait()
            self._wake.clear()
            full = True
            while full and self.alive:
                async with self._lock:
                    messages = await self._next_chunk()
                if messages:
                    await self._produce(messages)
                # A smaller chunk ends a cycle: what came meanwhile may wait and collect.
                full = len(messages) >= self._pace.send_records

    def tick(self, now: float) -> None:
        """Start a commit if something waits for longer than the flush time."""
        if self._dirty_since is not None and now - self._dirty_since >= self._pace.flush_s:
            self._wake.set()

    async def calm(self) -> None:
        """Nothing arrives: let the stage release what may wait, then commit and send."""
        async with self._lock:
            if not self.alive:
                return
            self.owner.stage.calm()
            self._touch(0)
            await self._settle()
        self._wake.set()

    @property
    def store(self) -> Store:
        """The owner's state, for what it says of itself."""
        return self._store

    @property
    def outdated(self) -> int:
        """How many things were derived with other bundles than those that answer now."""
        stage = self.owner.stage
        return stage.outdated if self.alive and isinstance(stage, Rereads) else 0

    async def reread(self, limit: int) -> int:
        """Derive at most so many of them again; how many. None while too much is unsent."""
        async with self._lock:
            stage = self.owner.stage
            if not self.alive or not isinstance(stage, Rereads):
                return 0
            if self._has_too_much():
                return 0
            taken = stage.reread(limit)
            if taken:
                self._touch(taken)
                await self._settle()
            return taken

    @property
    def rests(self) -> bool:
        """All that was read is committed, told and acknowledged, and nothing waits for a calm."""
        told = self._dirty_since is None and self.owner.outbox.idle and not self._to_forget
        return told and self.owner.stage.is_idle

    @asynccontextmanager
    async def held(self) -> AsyncIterator[bool]:
        """Nothing is applied or asked meanwhile; True if all that was is committed."""
        async with self._lock:
            yield self.alive and await self._save()

    async def drain(self) -> None:
        """Before a wanted end: commit, and send all that there is."""
        while self.alive and (self._dirty_since is not None or not self.owner.outbox.idle):
            self._wake.set()
            await asyncio.sleep(0.01)

    async def snapshot(self, path: Path) -> Kept | None:
        """Copy what is committed to a new folder, by hard links, without its incarnation.

        Whoever opens the copy sends everything again. A worker that is killed meanwhile leaves its
        own store so too: it will send more than it had to.

        Returns:
            what the store says of itself; None: it was taken away, and there is no copy.
        """
        async with self._lock:
            row = self._store.get("meta", KEPT) if self.alive and await self._save() else None
            if row is None:
                return None
            self._is_copying = True
            try:
                self._write_kept(without_incarnation(row))
                try:
                    await asyncio.to_thread(self._store.checkpoint, path)
                finally:
                    self._write_kept(row)
                return kept_of(self._store)
            finally:
                self._is_copying = False
                if not self.alive:
                    self._store.close()

    def _write_kept(self, row: bytes) -> None:
        self._store.put("meta", KEPT, row)
        self._store.commit()

    def close(self) -> None:
        """Let go of the store; what was not committed is read again by the next owner."""
        self.alive = False
        self._wake.set()
        self._sent.set()
        if not self._is_copying:  # a copy that is under way lets go of it at its end
            self._store.close()

    async def _settle(self) -> bool:
        """Answer what the stage asks; False if the partition was taken away meanwhile."""
        for _ in range(_ROUNDS):
            questions = self.owner.wants()
            if not questions:
                return True
            asked = time.monotonic()
            answered = await self._answer(questions, self._store)
            self._times.answered(asked)
            if not self.alive:
                return False
            for key, value in answered.rows:
                self._store.put(ANSWERS, key, value)
            self.owner.learn(answered.answers)
        log.debug("still asked: %r", questions)
        raise StateError(
            f"{self.owner.name}/{self.owner.partition} asks models without end: a bug, please "
            "report it. CARTOGRAPH_LOG_LEVEL=debug logs what is asked"
        )

    async def _save(self) -> bool:
        """Commit if something changed and we may write; False if we may not any more."""
        if self._dirty_since is None:
            return self.alive
        if not await self._lease.wait(self._is_alive):
            return False
        begun = time.monotonic()
        self.owner.commit()
        self._times.committed(begun, self._unsaved)
        self._unsaved = 0
        self._dirty_since = None
        if self._oldest_ms is not None:
            self._to_publish_ms = min(self._to_publish_ms or self._oldest_ms, self._oldest_ms)
            self._oldest_ms = None
        self._to_tell_ms = earlier(self._to_tell_ms, self._source_ms)
        self._source_ms = None
        return True

    async def _next_chunk(self) -> list[Message]:
        self._obey()
        if not self.alive or not await self._save():
            return []
        if not self.owner.outbox.under_way:
            self._told_ms, self._to_tell_ms = self._to_tell_ms, None
        messages = self.owner.take(self._pace.send_records)
        if not messages:
            self._to_publish_ms = None
        return messages

    async def _produce(self, messages: list[Message]) -> None:
        oldest_ms, self._to_publish_ms = self._to_publish_ms, None
        if not await self._lease.wait(self._is_alive):
            return
        begun = time.monotonic()
        await self._send(messages, self._told_ms)
        self._times.sent(begun)
        self._messages.inc(len(messages))
        if oldest_ms is not None:
            self._publish_seconds.observe(max(0.0, time.time() - oldest_ms / 1000))
        async with self._lock:
            if self.alive:
                self.owner.settled()
                self._touch(0)
        self._sent.set()

    def _obey(self) -> None:
        """Hand what was noted to the stage; called under the lock."""
        if self._to_forget and self.alive:
            erasures, self._to_forget = self._to_forget, []
            self.owner.forget(erasures)
            self._touch(0)

    def _touch(self, records: int) -> None:
        self._unsaved += records
        if self._dirty_since is None:
            self._dirty_since = time.monotonic()
