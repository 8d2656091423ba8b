"""What `cartograph worker` runs: ROUTE, and the stages of every generation that is kept.

`graph.control` says which those are (`generations.Serving`); it is followed, so a swap starts the
stages of the new generation here, and a drop ends those of the old one, while all others go on.
"""

import asyncio
import contextlib
import logging
import shutil
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from pathlib import Path

from streams.control import generation_log, generation_note
from streams.control.generations import LIVE, Generation, Generations, settings_of
from streams.errors import StateError, StoreLockedError
from streams.process import machine
from streams.process.status import run_folder
from streams.settings import STAGES, Settings
from streams.worker.process import BROKE, OK
from streams.worker.supervisor import Command, Supervisor, command_of, slots

log = logging.getLogger(__name__)

ROUTE = "route"
_LOCK_POLL_S = 1.0


def lock_file(settings: Settings) -> Path:
    """Who runs the stages of a generation beside the first on this machine holds its lock."""
    return run_folder(settings) / "supervisor.lock"


def folders_of(settings: Settings, generation: Generation) -> tuple[Path, ...]:
    """All that a machine keeps of a generation alone.

    Args:
        settings: of the generation.
        generation: which one.
    """
    folder = settings.data_dir / settings.names.own
    if generation.name != LIVE:
        return (folder, run_folder(settings))
    return (*(folder / stage for stage in generation.stages), folder / "replica")


def run_worker(settings: Settings, stages: Sequence[str] = STAGES) -> int:
    """Run workers of these stages until a signal comes; the exit code of the whole.

    Raises:
        SettingsError: a stage that nobody knows.
        BrokerError, TopicError: it cannot be read which generations there are.
        StateError: the settings name a generation that there is not.
    """
    return asyncio.run(_run(Fleet(settings, stages)))


async def _run(fleet: "Fleet") -> int:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, fleet.stop)
    loop.add_signal_handler(signal.SIGUSR1, lambda: fleet.stop(for_good=True))
    return await fleet.run()


class Fleet:
    """A supervisor for each generation that is kept, and one for ROUTE.

    Args:
        settings: where they name a generation, its stages alone are run.
        stages: which of them.
        command: how a worker is started.
    """

    def __init__(
        self, settings: Settings, stages: Sequence[str], *, command: Command = command_of
    ) -> None:
        slots(settings, stages)  # a stage that nobody knows is told at once
        self._settings, self._stages, self._command = settings, stages, command
        self._units: dict[str, _Unit] = {}
        self._stopping = asyncio.Event()
        self._for_good = False
        self._code = OK

    def stop(self, *, for_good: bool = False) -> None:
        """Ask all workers to end; `run` returns when they have.

        Args:
            for_good: they will not start again here: they leave their consumer groups.
        """
        self._for_good = for_good
        self._stopping.set()

    @property
    def running(self) -> tuple[str, ...]:
        """Names of the generations whose stages should run here; "route" for ROUTE."""
        return tuple(self._units)

    async def run(self) -> int:
        """Keep all of them running until `stop`, or until one cannot run; the exit code."""
        following = asyncio.create_task(self._follow(), name="generations")
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait([following, stopping], return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                following.result()
        finally:
            for task in (following, stopping):
                task.cancel()
            await asyncio.gather(following, stopping, return_exceptions=True)
            for unit in self._units.values():
                unit.stop(for_good=self._for_good)
            await asyncio.gather(*(unit.task for unit in self._units.values()))
        return self._code

    async def _follow(self) -> None:
        async with contextlib.aclosing(self._generations()) as told:
            async for found in told:
                await self._adjust(found)

    async def _adjust(self, found: Generations) -> None:
        """End what is not kept any more, or runs with other settings; start what is not running."""
        generation_note.write(self._settings, found)
        wanted = self._wanted(found)
        for name, unit in list(self._units.items()):
            if unit.of != wanted.get(name):
                unit.stop(for_good=name not in wanted)
                await unit.task
                del self._units[name]
        await self._forget(found)
        for name, (settings, stages) in wanted.items():
            if name not in self._units:
                log.info("running %s of %s", ", ".join(stages), settings.names.own)
                self._units[name] = self._unit(settings, stages, locked=name not in _FIRST)

    async def _generations(self) -> AsyncGenerator[Generations, None]:
        if not self._settings.generation:
            async with contextlib.aclosing(generation_log.follow(self._settings)) as told:
                async for found in told:
                    yield found
        yield await generation_log.read(self._settings)
        await self._stopping.wait()

    def _wanted(self, found: Generations) -> dict[str, "_Wanted"]:
        """Generation, or ROUTE -> settings and stages of what should run here."""
        base = generation_log.of_base(self._settings)
        named = self._settings.generation
        wanted: dict[str, _Wanted] = {}
        if named:
            kept = [found.find(named)]
        else:
            if ROUTE in self._stages:
                wanted[ROUTE] = (base, [ROUTE])
            told = [found.get(name) for name in found.serving.kept]
            kept = [each for each in told if each is not None and each.usable]
        # Prometheus asks at set ports: those of the first one's workers, then of their heirs'.
        watched = LIVE if found.live.usable else found.serving.name
        for generation in kept:
            if stages := [each for each in self._stages if each in generation.stages]:
                settings = settings_of(base, generation)
                if generation.name == watched and base.metrics_port:
                    routes = base.workers_of(ROUTE) if ROUTE in wanted else 0
                    settings = settings.with_(metrics_port=base.metrics_port + routes)
                wanted[generation.name] = (settings, stages)
        if named and not wanted:
            raise StateError(
                f"generation {named!r} has no stage {', '.join(self._stages)}: it has "
                f"{', '.join(kept[0].stages)}"
            )
        return wanted

    def _unit(self, settings: Settings, stages: list[str], *, locked: bool) -> "_Unit":
        supervisor = Supervisor(settings, slots(settings, stages), command=self._command)
        lock = lock_file(settings) if locked else None
        return _Unit(supervisor, lock, self._ended, of=(settings, stages))

    def _ended(self, code: int) -> None:
        """A supervisor gave up: what an operator must change ends all."""
        self._code = self._code or code
        self._stopping.set()

    async def _forget(self, found: Generations) -> None:
        """Remove what this machine keeps of generations that are dropped, whoever ran them."""
        base = generation_log.of_base(self._settings)
        for generation in (found.live, *found.all):
            if generation.state != "dropped" or generation.name in self._units:
                continue
            settings = settings_of(base, generation)
            for folder in folders_of(settings, generation):
                if folder.is_dir():
                    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
                    log.info("%s is dropped: %s is removed", settings.names.own, folder)


_FIRST = (ROUTE, LIVE)
_Ended = Callable[[int], None]
_Wanted = tuple[Settings, list[str]]


class _Unit:
    """A supervisor that runs until it is asked to stop, once it has its lock.

    Attributes:
        of: the settings and stages that it runs.
    """

    def __init__(
        self, supervisor: Supervisor, lock: Path | None, ended: "_Ended", of: "_Wanted"
    ) -> None:
        self._supervisor, self._lock, self._tell, self.of = supervisor, lock, ended, of
        self._stopping = asyncio.Event()
        self.task = asyncio.create_task(self._run())

    def stop(self, *, for_good: bool) -> None:
        """Ask its workers to end, for good or for now; `task` is done when they have."""
        self._stopping.set()
        self._supervisor.stop(for_good=for_good)

    async def _run(self) -> None:
        code = BROKE
        try:
            async with held(self._lock, self._stopping) as has_it:
                if has_it and not self._stopping.is_set():
                    code = await self._supervisor.run()
        finally:
            if not self._stopping.is_set():
                self._tell(code)


@contextlib.asynccontextmanager
async def held(file: Path | None, stopping: asyncio.Event) -> AsyncIterator[bool]:
    """Hold a lock, waited for until it can be had or `stopping`; whether it is held."""
    if file is None:
        yield True
        return
    with contextlib.ExitStack() as stack:
        is_told = False
        while not stopping.is_set():
            try:
                stack.enter_context(machine.lock(file, patience_s=0.0, what=str(file.parent.name)))
                break
            except StoreLockedError as error:
                if not is_told:
                    log.warning("waiting: %s", error)
                    is_told = True
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), _LOCK_POLL_S)
        yield not stopping.is_set()
