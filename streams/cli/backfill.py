"""`cartograph model backfill`: derive again what older bundles said."""

import asyncio
import time
from typing import Annotated

import msgspec
import typer

from streams.cli import which
from streams.cli.model import model
from streams.cli.orders import can_be_heard
from streams.cli.reload import running_workers
from streams.cli.shell import FOUND_WRONG, JSON, note, say, settings, show, table, told
from streams.control.claims import TOPIC, BackfillOrder, backfill_record
from streams.errors import StateError
from streams.kafka import connection
from streams.kafka.producer import Producer
from streams.settings import Settings

_LOOK_S, _SAY_S = 0.2, 10.0
_RATE = 50.0


class WorkerBackfill(msgspec.Struct):
    """How far one worker process is: what is left, and at most how many a second."""

    worker: str
    outdated: int
    rate: float


@model.command("backfill")
@told
def model_backfill(
    rate: Annotated[
        float,
        typer.Option(min=0, max=1e6, help="Products, queries, pairs a second and worker; 0: stop."),
    ] = _RATE,
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for the end; 0: only give the order.")
    ] = 86_400.0,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Derive again what other bundles than those in use have said; exit code 1 if some is left.

    The workers do it beside their own work, at this rate. The order stands until another one: it
    outlives this command and any crash, and holds for later exchanges too. Until it is done the
    graph is mixed; then it is what the bundles in use make of everything.
    """
    found = which.serving(settings())
    order = BackfillOrder(rate)
    asyncio.run(_send(found, order))
    rows = _wait(found, order, wait)
    show(rows, as_json=as_json, text=lambda: _print(rows))
    if any(each.outdated for each in rows) and rate and wait:
        raise typer.Exit(FOUND_WRONG)


async def _send(found: Settings, order: BackfillOrder) -> None:
    await can_be_heard(found)
    producer = Producer(found.kafka, found.names, connection.options(found))
    await producer.start()
    try:
        await producer.send_one(TOPIC, *backfill_record(order))
    finally:
        await producer.stop()


def _wait(found: Settings, order: BackfillOrder, wait_s: float) -> list[WorkerBackfill]:
    """Until all workers of this machine have heard the order and, with a rate, are done."""
    deadline, said = time.monotonic() + wait_s, time.monotonic()
    seen: set[str] = set()
    while True:
        rows = _rows(found)
        names = {each.worker for each in rows}
        seen |= names
        if not seen:
            raise StateError(
                f"no worker on {found.data_dir} that asks a model runs here: the order is given, "
                "and stands for those that start, with `cartograph worker`"
            )
        left = sum(each.outdated for each in rows)
        # One that is just starting again has not said what it has left.
        heard = names == seen and all(each.rate == order.rate for each in rows)
        if (heard and not (left and order.rate)) or time.monotonic() >= deadline:
            return rows
        if time.monotonic() - said >= _SAY_S:
            note(f"  {left:,} left")
            said = time.monotonic()
        time.sleep(_LOOK_S)


def _rows(found: Settings) -> list[WorkerBackfill]:
    return [
        WorkerBackfill(f"{each.stage}-{each.slot}", each.models.outdated, each.models.backfill)
        for each in running_workers(found)
        if each.models.bundles
    ]


def _print(rows: list[WorkerBackfill]) -> None:
    table(
        ("worker", "left", "a second"),
        [(each.worker, f"{each.outdated:,}", f"{each.rate:g}") for each in rows],
    )
    left = sum(each.outdated for each in rows)
    say(f"{left:,} left: the graph is mixed" if left else "done: all is of the bundles in use")
