"""The replica of the generation that answers, and the way from one to the next.

`graph.control` says which generation answers. Another one gets a replica of its own beside the one
that answers, in a folder of its own; once that has caught up, requests go to it, each whole to one
of them. Then the old one stops reading and lets go of its store; its folder stays, so that to swap
back costs what has come since. The folder of a generation that was dropped is removed.

Which generation answered last is noted beside the replicas: a process that starts again while the
next one is being read begins with that one, and nobody sees half a graph.
"""

import asyncio
import contextlib
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from typing import Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

from models_onnx.errors import ModelError
from streams.control import generation_log
from streams.control.generations import Generations, settings_of
from streams.errors import CartographError, StateError
from streams.serve.follow import Follower, replica_folder
from streams.settings import Settings
from topology.errors import TopologyError

log = logging.getLogger(__name__)

_GRACE_S, _POLL_S = 10.0, 0.01
_AGAIN_S = 10.0


class Side(Protocol):
    """All that answers about one generation: its replica, and the API over it."""

    @property
    def follower(self) -> Follower: ...

    @property
    def app(self) -> ASGIApp: ...

    async def warm(self) -> None:
        """Wait until its models are loaded."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


NewSide = Callable[[Settings], Side]
"""Makes what answers about the generation of these settings; its replica is not read yet."""


class _Answering:
    """A side with its reading task and the requests that are under way."""

    def __init__(self, name: str, side: Side) -> None:
        self.name, self.side = name, side
        self.requests = 0
        self.reading = asyncio.create_task(side.follower.run(), name=f"follow {name}")

    async def caught_up(self) -> None:
        """Wait until it is; raises what ended the reading."""
        waiting = asyncio.create_task(self.side.follower.caught_up.wait())
        try:
            await asyncio.wait([waiting, self.reading], return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if self.reading.done():
            self.reading.result()

    @contextlib.contextmanager
    def request(self) -> Iterator[ASGIApp]:
        """The API for one request, to its end."""
        self.requests += 1
        try:
            yield self.side.app
        finally:
            self.requests -= 1

    async def end(self) -> None:
        """Stop reading; let go once nobody asks any more."""
        self.reading.cancel()
        await asyncio.gather(self.reading, return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GRACE_S):
                while self.requests:
                    await asyncio.sleep(_POLL_S)
        self.side.close()


class Switch:
    """Answers with the generation that `graph.control` says; an ASGI application.

    Args:
        settings: where they name a generation, that one answers whatever is swapped.
        new_side: makes what answers about a generation.
    """

    def __init__(self, settings: Settings, new_side: NewSide) -> None:
        self._settings, self._new_side = settings, new_side
        self._base = generation_log.of_base(settings)
        self._file = settings.data_dir / settings.prefix / "replica-serving"
        self._current: _Answering | None = None
        self._ending: dict[str, asyncio.Task[None]] = {}
        self._broken: asyncio.Future[None]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request with one generation."""
        with self._now().request() as app:
            await app(scope, receive, send)

    async def ready(self) -> None:
        """Wait until what answers has read all that there was when it began."""
        while not self._now().side.follower.caught_up.is_set():
            await asyncio.sleep(_POLL_S)
        await self._now().side.warm()

    async def start(self) -> None:
        """Open the replica that answers first, and begin to read it.

        Raises:
            BrokerError, TopicError: the control topic cannot be read.
            StoreLockedError, StoreOwnerError: the replica cannot be opened.
            StateError: the settings name a generation that there is not.
        """
        found = await generation_log.read(self._settings)
        name = self._settings.generation or self._last(found) or found.serving.name
        self._current = await self._begin(found, name)

    async def run(self) -> None:
        """Read, and follow the swaps, until cancelled or until the replica cannot be read.

        Raises:
            BrokerError, TopicError: as `Follower.run`.
        """
        self._broken = asyncio.get_running_loop().create_future()
        swapping = asyncio.create_task(self._follow(), name="swap")
        try:
            while True:
                current = self._now()
                ends = (current.reading, swapping, self._broken)
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                if self._broken.done():
                    self._broken.result()
                if swapping.done():
                    swapping.result()
                    return
                if current is self._current:
                    current.reading.result()
                    return
        finally:
            swapping.cancel()
            await asyncio.gather(swapping, return_exceptions=True)
            self._now().reading.cancel()
            await asyncio.gather(
                self._now().reading, *self._ending.values(), return_exceptions=True
            )

    def close(self) -> None:
        """Let go of what answers; nothing may be asked any more."""
        if self._current is not None:
            self._current.side.close()

    def _now(self) -> _Answering:
        if self._current is None:
            raise StateError("start comes first: a bug, please report it")
        return self._current

    async def _follow(self) -> None:
        if self._settings.generation:
            await asyncio.Event().wait()
        building: asyncio.Task[None] | None = None
        try:
            async with contextlib.aclosing(generation_log.follow(self._base)) as told:
                async for found in told:
                    if building is not None:
                        building.cancel()
                        await asyncio.gather(building, return_exceptions=True)
                    await self._forget(found)
                    building = asyncio.create_task(self._go_to(found, found.serving.name))
                    building.add_done_callback(self._watch)
        finally:
            if building is not None:
                building.cancel()
                await asyncio.gather(building, return_exceptions=True)

    async def _go_to(self, found: Generations, name: str) -> None:
        """Build the replica of a generation beside the one that answers; then it answers."""
        while self._now().name != name:
            try:
                await self._swap(found, name)
            except (CartographError, TopologyError, ModelError) as error:
                log.error("%s cannot answer yet, %s goes on: %s", name, self._now().name, error)  # noqa: TRY400
                await asyncio.sleep(_AGAIN_S)
        self._note(name)

    async def _swap(self, found: Generations, name: str) -> None:
        log.info("reading %s, while %s answers", name, self._now().name)
        fresh = await self._begin(found, name)
        try:
            await fresh.caught_up()
            await fresh.side.warm()
        except BaseException:
            self._end(fresh)
            raise
        old, self._current = self._now(), fresh
        self._end(old)
        log.info("%s answers", name)

    async def _begin(self, found: Generations, name: str) -> _Answering:
        if name in self._ending:  # two processes, or two of us, cannot have one store
            await asyncio.shield(self._ending[name])
        # Not in a thread: rocksdict holds the GIL while it opens a store, so answers would wait for
        # as long (25 to 90 ms for 50 MB), and who is cancelled meanwhile would leave it open.
        return _Answering(name, self._new_side(settings_of(self._base, found.find(name))))

    def _end(self, answering: _Answering) -> None:
        """Let one go in the background: whoever is cancelled meanwhile must not stop that."""
        self._ending[answering.name] = asyncio.create_task(answering.end())

    def _note(self, name: str) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        new = self._file.with_suffix(f".{os.getpid()}")
        new.write_text(name, encoding="utf-8")
        new.replace(self._file)

    def _last(self, found: Generations) -> str:
        """The generation that answered last, if it still can; empty: none did."""
        try:
            name = self._file.read_text(encoding="utf-8").strip()
        except OSError:
            return ""
        generation = found.get(name)
        if generation is None or not generation.usable:
            return ""
        folder = replica_folder(settings_of(self._base, generation))
        return name if folder.is_dir() else ""

    def _watch(self, building: asyncio.Task[None]) -> None:
        error = None if building.cancelled() else building.exception()
        if error is not None and not self._broken.done():
            self._broken.set_exception(error)

    async def _forget(self, found: Generations) -> None:
        """Remove the replicas of generations that are dropped."""
        for generation in (found.live, *found.all):
            folder = replica_folder(settings_of(self._base, generation))
            if generation.usable or generation.name == self._now().name or not folder.is_dir():
                continue
            if (ending := self._ending.get(generation.name)) is not None:
                await asyncio.wait([ending])  # it may have the store open yet
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def serving_settings(settings: Settings) -> Settings:
    """Settings of the generation that answers; those that name one stay. Not in an event loop.

    Raises:
        BrokerError, TopicError: the control topic cannot be read.
    """
    return asyncio.run(generation_log.as_serving(settings))
