"""How far a replay is, and when it is done."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from streams.control.generations import Generation, settings_of
from streams.errors import CartographError
from streams.registry import SPECS
from streams.settings import Settings
from streams.worker import lag
from streams.worker.bounds import Stretch
from streams.worker.lag import Lag
from streams.worker.supervisor import Supervisor

_POLL_S = 1.0
_QUIET_POLLS = 3
_KEEPING_UP_POLLS = 10
_DOWN_POLLS = 60
Say = Callable[["Progress"], None]


class Progress(NamedTuple):
    """How far a replay is.

    Attributes:
        read, of: records of the topics that the generation shares with the first.
        read_now: how many of them this run has read.
        behind: stage -> records of any input that it has still to read.
        seconds: since the first stage was ready.
        rests: all is read, told and scored.
    """

    read: int
    of: int
    read_now: int
    behind: dict[str, int]
    seconds: float
    rests: bool = False


class Replayed(msgspec.Struct):
    """How a replay ended.

    Attributes:
        records: read by this run, of the topics shared with the first graph.
        seconds: from the first stage that was ready until the last record was told.
        rests: True: nothing is left. False: it keeps up with what the first graph still reads.
    """

    generation: str
    records: int
    seconds: float
    per_second: float
    rests: bool


def stage_inputs(settings: Settings, generation: Generation) -> dict[str, list[str]]:
    """Stage -> full names of all topics it reads."""
    own = settings_of(settings, generation)
    return {stage: [own.topic(name) for name in SPECS[stage].inputs] for stage in generation.stages}


async def lags(settings: Settings, generation: Generation) -> list[Lag]:
    """How far every stage of a generation is behind what it is to read.

    Raises:
        BrokerError: the broker does not answer.
    """
    own = settings_of(settings, generation)
    stretch = Stretch(
        {own.topic(name): numbers for name, numbers in generation.starts.items()},
        {own.topic(name): numbers for name, numbers in generation.ends.items()},
    )
    return await lag.lags(own, stage_inputs(settings, generation), stretch)


class Watch:
    """Waits until all is read and told, or until it keeps up with what is still written.

    Args:
        before: how far the stages were when they were not running yet.
    """

    def __init__(
        self,
        settings: Settings,
        generation: Generation,
        supervisor: Supervisor,
        before: list[Lag],
    ) -> None:
        self._settings, self._generation, self._supervisor = settings, generation, supervisor
        self._shared = _shared(settings, generation)
        self._began_read = self._sum(before, "read")
        self._before = before
        self._moved_at = time.time()
        self._quiet = self._keeping_up = 0
        self._earlier: deque[list[Lag]] = deque(maxlen=_KEEPING_UP_POLLS)

    async def run(self, say: Say) -> Replayed:
        """Look once a second until it is done."""
        began_at, down = 0.0, 0
        while not self.is_done:
            await asyncio.sleep(_POLL_S)
            workers = self._supervisor.status()
            errors = [told.error for told in workers if told.error]
            down = down + 1 if errors else 0
            if down > _DOWN_POLLS:
                raise CartographError("; ".join(errors))
            if len(workers) < len(self._supervisor.restarts):
                continue
            began_at = began_at or min(told.ready_at for told in workers)
            if not began_at:
                continue
            now = await lags(self._settings, self._generation)
            self.look(now, rests=all(told.ready and told.rests for told in workers))
            say(self._progress(now, time.time() - began_at))
        seconds = max((self._moved_at if self._quiet else time.time()) - began_at, 0.001)
        records = self._sum(self._before, "read") - self._began_read
        rate = round(records / seconds, 1)
        name = self._generation.name
        return Replayed(name, records, round(seconds, 3), rate, rests=self._quiet >= _QUIET_POLLS)

    @property
    def is_done(self) -> bool:
        """Nothing has moved for some looks, or it keeps up with what moves."""
        return max(self._quiet, self._keeping_up) >= _QUIET_POLLS

    def look(self, now: list[Lag], *, rests: bool) -> None:
        """Take note of how far the stages are.

        Args:
            now: of every stage and input.
            rests: all workers have told and scored all that they have read.
        """
        if now != self._before or not rests:
            self._moved_at = time.time()
        still = now == self._before and rests and not any(each.behind for each in now)
        self._quiet = self._quiet + 1 if still else 0
        keeps_up = not self._generation.ends and self._keeps_up(now)
        self._keeping_up = self._keeping_up + 1 if keeps_up else 0
        self._earlier.append(now)
        self._before = now

    def _keeps_up(self, now: list[Lag]) -> bool:
        """While what it shares grows, nothing ever rests: to read all that there was ten looks ago
        is enough then. Where nothing grows, all that was read has to come to its end.
        """
        if len(self._earlier) < _KEEPING_UP_POLLS:
            return False
        then = self._earlier[0]
        grows = self._sum(now, "end") > self._sum(then, "end")
        return grows and all(
            each.read >= before.end for each, before in zip(now, then, strict=True)
        )

    def _sum(self, lags: list[Lag], what: str) -> int:
        """Of the inputs that it shares with the first: records read, or to be read."""
        shared = (each for each in lags if (each.stage, each.topic) in self._shared)
        return sum(getattr(each, what) for each in shared)

    def _progress(self, now: list[Lag], seconds: float) -> Progress:
        of = self._sum(now, "end")
        behind: dict[str, int] = {}
        for each in now:
            behind[each.stage] = behind.get(each.stage, 0) + each.behind
        read = self._sum(now, "read")
        return Progress(read, of, read - self._began_read, behind, seconds, self._quiet > 0)


def _shared(settings: Settings, generation: Generation) -> set[tuple[str, str]]:
    """(stage, full name) of the inputs that are not told by a stage of the generation."""
    own = settings_of(settings, generation).names
    mine = {own.of(name) for name in own.owned()}
    return {
        (stage, topic)
        for stage, topics in stage_inputs(settings, generation).items()
        for topic in topics
        if topic not in mine
    }
