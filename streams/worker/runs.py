"""What the worker processes of all stages have in common, ROUTE's too."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from faust.types import TP

from streams.errors import CartographError
from streams.kafka.lease import Lease
from streams.kafka.transport import SpanApp
from streams.monitoring import metrics
from streams.monitoring.lag_clock import LagClock
from streams.process.probes import Reason
from streams.process.status import CheckpointStatus, ModelStatus, Recovering


class Run(Protocol):
    """A worker process from start to stop."""

    failed: "asyncio.Future[BaseException]"

    @property
    def ready(self) -> bool: ...

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why it is not ready; empty: it is."""
        ...

    @property
    def held(self) -> tuple[str, ...]: ...

    @property
    def rests(self) -> bool: ...

    @property
    def models(self) -> ModelStatus: ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def leave(self) -> None: ...


@runtime_checkable
class Recovers(Protocol):
    """A run that keeps state: it makes checkpoints, and finds the state of its partitions."""

    @property
    def recovering(self) -> tuple[Recovering, ...]: ...

    @property
    def checkpoint(self) -> CheckpointStatus: ...


def not_ready(
    lease: Lease,
    *,
    is_rebalancing: bool,
    held: int,
    assigned: int | None,
    recovering: Sequence[Recovering] = (),
) -> tuple[Reason, ...]:
    """Why a worker that runs cannot work on all that it should; empty: it can.

    Args:
        lease: renewed by the heartbeats that its broker answers.
        is_rebalancing: Kafka is moving partitions.
        held: partitions that are open.
        assigned: those that Kafka gave, None before it has given any.
        recovering: partitions that came without their state; those that are open do not count.
    """
    if assigned is None:
        return (Reason("unassigned", "Kafka has given it no partitions yet"),)
    reasons = []
    if not lease.is_good:
        words = "its broker has answered no heartbeat lately: it neither writes nor sends"
        reasons.append(Reason("broker", words))
    if is_rebalancing:
        reasons.append(Reason("rebalancing", "Kafka is moving partitions between workers"))
    if held < assigned:
        reasons.append(Reason("opening", f"{held} of {assigned} partitions are open"))
        if coming := [each for each in recovering if not each.is_open]:
            done, total = sum(each.done for each in coming), sum(each.total for each in coming)
            words = (
                f"being restored: {len(coming)} partitions, {done:,} of {total:,} bytes are here"
            )
            reasons.append(Reason("recovering", words))
    return tuple(reasons)


def catching_up(recovering: Iterable[Recovering]) -> tuple[Reason, ...]:
    """What holds open partitions back that came without their state; empty: nothing."""
    reading = [each for each in recovering if each.is_open]
    if not reading:
        return ()
    records = sum(each.behind for each in reading)
    words = (
        f"of {len(reading)} partitions nothing is sent before {records:,} records are read again"
    )
    return (Reason("recovering", words),)


async def watch_app(app: SpanApp) -> None:
    """Run a Faust app; raises what it crashed with."""
    await app.start()
    await app.wait_until_stopped()
    raise app.crash_reason or CartographError("Faust stopped by itself")


async def report_lag(
    app: SpanApp, stage: str, positions: Mapping[TP, int], clock: LagClock[TP], *, settled: bool
) -> None:
    """Set the lag of each input topic: records of all its partitions, seconds of the worst.

    What was said last stands where Kafka does not answer.

    Args:
        app: whose consumer asks for the ends.
        stage: which.
        positions: of the partitions that are held.
        clock: of the same.
        settled: `positions` are all that Kafka gave; another worker tells of what was given away.
    """
    records: dict[str, int] = {}
    seconds: dict[str, float] = {}
    if settled:
        gone = {tp.topic for tp in clock.let_go(positions)} - {tp.topic for tp in positions}
        records, seconds = dict.fromkeys(gone, 0), dict.fromkeys(gone, 0.0)
    ends, now_ms = await app.consumer.ends_now(positions), int(time.time() * 1000)
    for tp, behind in clock.behind(ends, positions, now_ms).items():
        records[tp.topic] = records.get(tp.topic, 0) + behind.records
        if behind.seconds is not None:
            seconds[tp.topic] = max(seconds.get(tp.topic, 0.0), behind.seconds)
    for topic, count in records.items():
        metrics.LAG.labels(stage, topic).set(count)
    for topic, waits in seconds.items():
        metrics.LAG_SECONDS.labels(stage, topic).set(waits)
