"""`cartograph model reload|status`: the models of running workers."""

import asyncio
import secrets
import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from models_onnx import bundle as bundles
from streams.cli import which
from streams.cli.model import model
from streams.cli.orders import can_be_heard
from streams.cli.shell import FOUND_WRONG, JSON, note, say, settings, show, table, told
from streams.control.claims import TOPIC, Reload, reload_record
from streams.errors import StateError
from streams.kafka import connection
from streams.kafka.producer import Producer
from streams.models.models import TASKS, Task
from streams.process import status
from streams.process.status import Status
from streams.settings import Settings

_PATIENCE_S, _LOOK_S = 120.0, 0.2


class WorkerModels(msgspec.Struct):
    """The models of one worker process."""

    worker: str
    bundles: tuple[str, ...]
    degraded: str
    outcome: str
    said: str
    outdated: int = 0


@model.command("reload")
@told
def reload(
    task: Annotated[str, typer.Argument(help=f"Which model: {', '.join(TASKS)}.")],
    folder: Annotated[
        Path | None,
        typer.Argument(help="The bundle; by default the one that the settings name."),
    ] = None,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for the workers.")] = (
        _PATIENCE_S
    ),
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Load another bundle in all running workers of the graph; exit code 1 if one keeps the old.

    Each worker verifies it, asks it its golden inputs, and exchanges it between two batches.
    Workers on other machines do the same, with the folder of the same name there; they are heard of
    in their own logs and status files. What was derived with the old bundle stays as it is until
    `cartograph model backfill`.
    """
    found = settings()
    request = _request(found, task, folder)
    waiting = [each for own in which.every_stored(found) for each in _asking(own, request)]
    if waiting:
        found = which.serving(found)
        request = _request(found, task, folder)
        waiting = _asking(found, request)
    if not waiting:
        raise StateError(
            f"no worker on {found.data_dir} that asks a {task} model runs here: start one with "
            "`cartograph worker`, which loads what the settings name"
        )
    asyncio.run(_send(found, request))
    rows = _answers(found, request, len(waiting), wait)
    show(rows, as_json=as_json, text=lambda: _print(rows))
    if folder is not None and any(each.outcome == "done" for each in rows):
        note(
            f"  the next start loads what CARTOGRAPH_{task.upper()}_BUNDLE names: set it to "
            f"{request.folder} too"
        )
    if len(rows) < len(waiting):
        note(f"  {len(waiting) - len(rows)} worker(s) did not answer in {wait:g} s")
    if len(rows) < len(waiting) or any(each.outcome == "failed" for each in rows):
        raise typer.Exit(FOUND_WRONG)


@model.command("status")
@told
def model_status(as_json: Annotated[bool, JSON] = False) -> None:
    """The bundles that workers on this machine use; exit code 1 if one is degraded."""
    rows = [_row(each) for each in running_workers(which.stored(settings())) if each.models.bundles]
    show(rows, as_json=as_json, text=lambda: _print(rows))
    if any(each.degraded for each in rows):
        raise typer.Exit(FOUND_WRONG)


_ASK: dict[str, tuple[str, ...]] = {
    "tagging": ("queries", "products"),
    "cleaning": ("products",),
    "synonyms": ("graph",),
}
"""Stages by the model that they ask (`registry.py`)."""


def _request(found: Settings, task: str, folder: Path | None) -> Reload:
    """The request, its bundle verified here first: most mistakes are told at once.

    Raises:
        BundleError: the bundle in `folder` is damaged, or for another task.
        StateError: no such task.
    """
    known: Task | None = next((each for each in TASKS if each == task), None)
    if known is None:
        raise StateError(f"there is no model for {task!r}: say {' or '.join(TASKS)}")
    named = {
        "tagging": found.tagging_bundle,
        "cleaning": found.cleaning_bundle,
        "synonyms": found.synonyms_bundle,
    }
    bundles.load(folder or named[known] or bundles.shipped(known), task=known)
    return Reload(secrets.token_hex(8), known, str(folder.resolve()) if folder else "")


def _asking(found: Settings, request: Reload) -> list[Status]:
    return [each for each in running_workers(found) if each.stage in _ASK[request.task]]


def running_workers(found: Settings) -> list[Status]:
    """Workers of this machine that are ready."""
    return [each for each in status.read_all(found) if each.ready and status.is_alive(each)]


async def _send(found: Settings, request: Reload) -> None:
    await can_be_heard(found)
    producer = Producer(found.kafka, found.names, connection.options(found))
    await producer.start()
    try:
        await producer.send_one(TOPIC, *reload_record(request))
    finally:
        await producer.stop()


def _answers(found: Settings, request: Reload, count: int, wait_s: float) -> list[WorkerModels]:
    deadline = time.monotonic() + wait_s
    while True:
        told_ = [
            each
            for each in running_workers(found)
            if each.models.reload == request.token and each.models.outcome
        ]
        if len(told_) >= count or time.monotonic() >= deadline:
            return [_row(each) for each in told_]
        time.sleep(_LOOK_S)


def _row(each: Status) -> WorkerModels:
    models = each.models
    return WorkerModels(
        f"{each.stage}-{each.slot}",
        models.bundles,
        models.degraded,
        models.outcome,
        models.said,
        models.outdated,
    )


def _print(rows: list[WorkerModels]) -> None:
    if not rows:
        say("no worker that asks a model runs here")
        return
    table(
        ("worker", "bundles", "older left", "last reload", ""),
        [
            (
                each.worker,
                " ".join(each.bundles),
                f"{each.outdated:,}",
                each.outcome,
                each.degraded or each.said,
            )
            for each in rows
        ],
    )
    if any(each.outdated for each in rows):
        say("the graph is mixed: `cartograph model backfill` derives again what older bundles said")
