"""One worker process: `python -m streams.worker.process STAGE SLOT`, settings as JSON on stdin.

Started by `supervisor.py` alone. SIGTERM ends it for a while: its place in the consumer group is
kept. SIGUSR1 ends it for good: others take its partitions over at once. Ends with 0 when asked to,
2 when it cannot run as it is set up, 3 when Kafka is away, 1 when something else broke: then it is
worth another try.
"""

import asyncio
import contextlib
import errno
import gc
import importlib.metadata
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from models_onnx.errors import ModelError
from streams.errors import BrokerError, CartographError, DeposedError
from streams.monitoring import metrics
from streams.process import logs, machine, status
from streams.process.probes import Health, Ready, Reason
from streams.process.status import ModelStatus, Status
from streams.settings import Settings
from streams.telling import context_of, words_of
from streams.worker.runs import Recovers, Run, catching_up
from topology.errors import TopologyError

OK, BROKE, SET_UP_WRONG, KAFKA_AWAY = 0, 1, 2, 3
NewRun = Callable[[Settings, str, int], Run]
"""Makes the run of a stage and slot; called inside the event loop."""

_LOCK_PATIENCE_S = 8.0  # longer than a worker drains whose supervisor was killed
_STATUS_S = 0.05
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)
_COLLECT_RESTING_S, _COLLECT_BUSY_S = 600.0, 3_600.0
log = logging.getLogger(__name__)


def main(new_run: NewRun, arguments: list[str]) -> int:
    """Run a worker until it ends; its exit code."""
    os.umask(0o077)  # as of `cartograph` itself: what is kept is for its owner alone
    stage, slot = arguments[0], int(arguments[1])
    settings = Settings.from_json(sys.stdin.buffer.read())
    worker = f"{stage}-{slot}"
    logs.set_up(worker, level=settings.log_level, as_json=settings.log_json)
    file = status.status_file(settings, stage, slot)
    told = Status(stage=stage, slot=slot, pid=os.getpid(), started_at=time.time())
    health = Health()
    lock_file = file.with_suffix(".lock")
    try:
        with machine.lock(lock_file, patience_s=_LOCK_PATIENCE_S, what=f"worker {worker}"):
            status.write(file, told)
            try:
                told.metrics_port = metrics.serve_metrics(
                    settings.metrics_port,
                    version=importlib.metadata.version("cartograph"),
                    host=settings.metrics_host,
                    health=health,
                )
                asyncio.run(_work(new_run, settings, told, health))
            except BaseException as error:
                told.error = _sentence(error)
                raise
            finally:
                told.ready, told.partitions = False, ()
                _note(file, told)
    except KeyboardInterrupt:
        return OK
    except (CartographError, TopologyError, ModelError) as error:
        log.error("%s", words_of(error))  # noqa: TRY400 - a sentence for the operator
        return _code(error)
    except OSError as error:
        if _is_of_disk(error):
            log.error("%s", _sentence(error))  # noqa: TRY400 - as above
        else:
            log.exception("the worker broke; it starts again from its stores")
        return _code(error)
    except Exception:
        log.exception("the worker broke; it starts again from its stores")
        return BROKE
    return OK


def exit_now(code: int) -> None:
    """End at once: Faust's threads would keep the process for seconds, with nothing left to do."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


async def _work(new_run: NewRun, settings: Settings, told: Status, health: Health) -> None:
    """Start the run, keep its status file, wait for a signal or a failure."""
    asked_to_stop, for_good = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked_to_stop.set)

    def stop_for_good() -> None:
        for_good.set()
        asked_to_stop.set()

    loop.add_signal_handler(signal.SIGUSR1, stop_for_good)
    run = new_run(settings, told.stage, told.slot)
    starting = asyncio.create_task(_start(run))
    stopping = asyncio.create_task(asked_to_stop.wait())
    telling = asyncio.create_task(_tell(run, settings, told, health))
    ends: list[asyncio.Future[Any]] = [stopping, run.failed]
    begun: list[asyncio.Future[Any]] = [*ends, starting]
    try:
        await asyncio.wait(begun, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if run.failed.done():
            raise run.failed.result()
        await run.stop()
        if for_good.is_set():
            await run.leave()
    finally:
        telling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await telling
        # asyncio.run would wait for all tasks, some of which never end: leave from here.
        _leave(settings, told, sys.exc_info()[1])


def _leave(settings: Settings, told: Status, error: BaseException | None) -> None:
    told.ready, told.partitions = False, ()
    code = OK
    if error is not None:
        told.error, code = _sentence(error), _code(error)
        with logs.bound(**context_of(error)):
            if code == BROKE and not isinstance(error, DeposedError):
                log.error("the worker broke; it starts again from its stores", exc_info=error)
            else:
                log.error("%s", told.error)
    _note(status.status_file(settings, told.stage, told.slot), told)
    exit_now(code)


async def _start(run: Run) -> None:
    await run.start()
    # What lives until the end is never looked at again; spans make many short-lived objects. The
    # caches are hundreds of MB of old ones: to look through them costs a busy worker a tenth of its
    # time, so that is left for when it rests, or for once an hour (`_tell`).
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 1_000)


async def _tell(run: Run, settings: Settings, told: Status, health: Health) -> None:
    file = status.status_file(settings, told.stage, told.slot)
    collected, is_noted = time.monotonic(), False
    before: tuple[object, ...] = ()
    while True:
        passed = time.monotonic() - collected
        if passed > (_COLLECT_RESTING_S if told.rests else _COLLECT_BUSY_S):
            gc.collect()
            collected = time.monotonic()
        ready, held, rests, models = run.ready, run.held, run.rests, run.models
        recovering = run.recovering if isinstance(run, Recovers) else ()
        checkpoint = run.checkpoint if isinstance(run, Recovers) else told.checkpoint
        reasons = run.reasons
        degraded = _degraded(models) + catching_up(recovering)
        health.beat(Ready(not reasons, reasons, degraded))
        now = (ready, held, rests, models, recovering, checkpoint, reasons)
        if now != before:
            before = now
            told.ready, told.partitions, told.rests, told.models = ready, held, rests, models
            told.recovering, told.checkpoint, told.reasons = recovering, checkpoint, reasons
            if ready and not told.ready_at:
                told.ready_at = time.time()
                log.info("ready after %.2f s", told.ready_at - told.started_at)
            is_noted = False
        is_noted = is_noted or _note(file, told)
        await asyncio.sleep(_STATUS_S)


def _note(file: Path, told: Status) -> bool:
    """Write the status, or leave it: that it cannot be written must never hide why we end."""
    try:
        status.write(file, told)
    except OSError:
        return False
    return True


def _is_of_disk(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in _DISK_ERRORS


def _degraded(models: ModelStatus) -> tuple[Reason, ...]:
    """What works, but not as it was set up."""
    found = [Reason("cpu", models.degraded)] if models.degraded else []
    if models.outdated:
        words = f"{models.outdated:,} things were derived with older bundles"
        found.append(Reason("mixed", f"{words}; `cartograph model backfill` derives them again"))
    return tuple(found)


def _code(error: BaseException) -> int:
    if isinstance(error, BrokerError):
        return KAFKA_AWAY
    if isinstance(error, DeposedError):
        return BROKE
    known = isinstance(error, CartographError | TopologyError | ModelError)
    return SET_UP_WRONG if known or _is_of_disk(error) else BROKE


def _sentence(error: BaseException) -> str:
    if _is_of_disk(error):
        return (
            f"the data folder cannot be written ({error}): free disk space, or correct the rights "
            "of CARTOGRAPH_DATA_DIR, then start again; nothing is lost"
        )
    return words_of(error)
