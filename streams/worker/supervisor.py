"""Keeps the worker processes of the stages running: one process a stage and slot.

A worker that is killed while it works starts again at once; one that breaks does so the first time,
then after a growing pause; one that cannot run as it is set up ends everything, with its sentence.
Workers end with this process, however that ends (on Linux). SIGTERM ends them for a while and keeps
their places in the consumer groups; SIGUSR1 for good, so that others take over at once.
"""

import asyncio
import contextlib
import logging
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streams.errors import SettingsError
from streams.process import machine, status
from streams.process.status import Status
from streams.settings import STAGES, Settings
from streams.worker.process import KAFKA_AWAY, OK, SET_UP_WRONG

log = logging.getLogger(__name__)

_STOP_S = 15.0
_DELAYS_S = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)
_STEADY_S = 60.0
Command = Callable[[str, int], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Slot:
    """One worker process that should run."""

    stage: str
    number: int

    def __str__(self) -> str:
        return f"{self.stage}-{self.number}"


def command_of(stage: str, number: int) -> Sequence[str]:
    """How a worker of the real stages is started."""
    return [sys.executable, "-m", "streams.worker_main", stage, str(number)]


def slots(settings: Settings, stages: Sequence[str]) -> list[Slot]:
    """All workers that the settings ask for.

    Raises:
        SettingsError: a stage that nobody knows.
    """
    unknown = [stage for stage in stages if stage not in STAGES]
    if unknown:
        raise SettingsError(
            f"no such stage: {', '.join(unknown)}; the stages are {', '.join(STAGES)}"
        )
    return [Slot(stage, number) for stage in stages for number in range(settings.workers_of(stage))]


class Supervisor:
    """Starts workers, starts them again, stops them.

    Args:
        settings: handed to every worker on its standard input, so that no secret stands on a
            command line.
        wanted: the workers.
        command: how a worker is started.
    """

    def __init__(
        self, settings: Settings, wanted: Sequence[Slot], *, command: Command = command_of
    ) -> None:
        self._settings = settings
        self._wanted = wanted
        self._command = command
        self._stopping = asyncio.Event()
        self._asks_with = signal.SIGTERM
        self._processes: dict[Slot, asyncio.subprocess.Process] = {}
        self._pids: dict[Slot, int] = {}
        self._code = OK
        self._saw_kafka = False
        self.restarts: dict[Slot, int] = dict.fromkeys(wanted, 0)

    def stop(self, *, for_good: bool = False) -> None:
        """Ask all workers to end; `run` returns when they have.

        Args:
            for_good: they will not start again here: they leave their consumer groups.
        """
        self._asks_with = signal.SIGUSR1 if for_good else signal.SIGTERM
        self._stopping.set()
        for process in self._processes.values():
            self._ask(process)

    def _ask(self, process: asyncio.subprocess.Process) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(self._asks_with)

    def status(self) -> list[Status]:
        """What the workers say of themselves.

        One that has said nothing since it was started is not ready, whatever an earlier one said.
        """
        found = [(slot, self._told(slot)) for slot in self._wanted]
        return [
            told if told.pid == self._pids.get(slot) else _silent(told)
            for slot, told in found
            if told is not None
        ]

    async def run(self) -> int:
        """Keep the workers running until `stop`, or until one cannot run; the exit code."""
        async with asyncio.TaskGroup() as group:
            for place, slot in enumerate(self._wanted):
                group.create_task(self._keep(slot, place), name=str(slot))
        return self._code

    async def _keep(self, slot: Slot, place: int) -> None:
        fails = 0
        while not self._stopping.is_set():
            begun = time.monotonic()
            code, pid = await self._once(slot, place)
            told = self._told(slot)
            # Where one was ready the address is right: a Kafka that is away comes back.
            self._saw_kafka = self._saw_kafka or self._has_been_ready()
            if self._stopping.is_set():
                return
            if code == SET_UP_WRONG or (code == KAFKA_AWAY and not self._saw_kafka):
                said = told.error if told and told.pid == pid else ""
                log.error("%s: %s", slot, said or "cannot run; its own line above says why")
                self._code = SET_UP_WRONG
                self.stop()
                return
            worked = told is not None and told.pid == pid and told.ready_at > 0
            was_killed = worked and code == -signal.SIGKILL
            if was_killed or time.monotonic() - begun > _STEADY_S:
                fails = 0  # it did nothing wrong, however often somebody kills it
            delay_s = _DELAYS_S[min(fails, len(_DELAYS_S) - 1)]
            fails += not was_killed
            self.restarts[slot] += 1
            log.warning("%s ended with %s; starting it again in %s s", slot, code, delay_s)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay_s)

    async def _once(self, slot: Slot, place: int) -> tuple[int, int]:
        """Run a worker process to its end; its exit code, negative after a signal, and its pid."""
        process = await asyncio.create_subprocess_exec(
            *self._command(slot.stage, slot.number),
            *filter(None, [self._settings.generation]),  # for people, and for worker_ready.py
            stdin=asyncio.subprocess.PIPE,
            preexec_fn=machine.die_with_parent(),
            start_new_session=True,  # Ctrl-C reaches this process alone, which then stops them
        )
        self._processes[slot], self._pids[slot] = process, process.pid
        try:
            if self._stopping.is_set():
                self._ask(process)  # it was being started when we were asked to stop
            if process.stdin is not None:
                with contextlib.suppress(ConnectionError):
                    process.stdin.write(self._of_one(place).to_json())
                    await process.stdin.drain()
                process.stdin.close()
            return await self._ended(process), process.pid
        finally:
            del self._processes[slot]

    async def _ended(self, process: asyncio.subprocess.Process) -> int:
        ended = asyncio.create_task(process.wait())
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait([ended, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        done, _ = await asyncio.wait([ended], timeout=_STOP_S)
        if not done:
            process.kill()
        return await ended

    def _of_one(self, place: int) -> Settings:
        """The settings of one worker: each has a metrics port of its own."""
        port = self._settings.metrics_port
        return self._settings.with_(metrics_port=port + place if port else 0)

    def _has_been_ready(self) -> bool:
        found = [self._told(slot) for slot in self._wanted]
        return any(told is not None and told.ready_at for told in found)

    def _told(self, slot: Slot) -> Status | None:
        return status.read(status.status_file(self._settings, slot.stage, slot.number))


def _silent(told: Status) -> Status:
    """Of a worker whose file another process wrote last."""
    return Status(stage=told.stage, slot=told.slot, pid=told.pid)
