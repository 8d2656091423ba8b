"""`cartograph checkpoint create|list|restore|verify`: copies of what the partitions keep."""

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Annotated

import msgspec
import typer

from streams.checkpoint.completing import complete
from streams.checkpoint.manifest import (
    KEPT_STAGES,
    Manifest,
    changed_settings,
    check_id,
    expected,
    new_id,
    result_settings,
)
from streams.checkpoint.place import Place
from streams.checkpoint.pruning import manifests
from streams.checkpoint.restoring import check_files, restore_all
from streams.checkpoint.wiring import place_of, url_of
from streams.cli import which
from streams.cli.orders import can_be_heard
from streams.cli.shell import FOUND_WRONG, JSON, group, note, say, settings, show, table, told
from streams.control.claims import TOPIC, CheckpointOrder, checkpoint_record
from streams.control.generations import stages_of_base
from streams.errors import CheckpointError, StateError
from streams.kafka import connection
from streams.kafka.producer import Producer
from streams.process import status
from streams.settings import Settings

checkpoint = group("Checkpoints: copies of what the partitions keep, at checkpoint_url.")

_LOOK_S, _SAY_S = 0.5, 10.0
_PATIENCE_S = 600.0
Id = Annotated[str, typer.Argument(metavar="ID", help="Of `checkpoint list`; or: latest.")]


class Listed(msgspec.Struct):
    """One checkpoint.

    Attributes:
        complete: all partitions of all stages are there.
        parts: how many are.
        size: bytes of all files that it names.
        created_ms: the first and the last commit in it, ms since 1970.
    """

    id: str
    complete: bool
    parts: int
    size: int
    created_ms: tuple[int, int]
    bundles: tuple[str, ...]
    programs: tuple[str, ...]


@checkpoint.command("create")
@told
def checkpoint_create(
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for all.")] = _PATIENCE_S,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Ask all running workers for a checkpoint, and wait until all partitions are there.

    Workers on other machines are asked too. Exit code 1 if some are missing in the end.
    """
    found = settings()
    url_of(found)
    found = which.serving(found)
    place = place_of(found)
    wanted = new_id(time.time_ns() // 10**6, secrets.token_hex(3))
    whole = expected(stages_of_base(found.generation_base), found.partitions)
    asyncio.run(_send(found, CheckpointOrder(wanted)))
    missing = _wait(place, wanted, whole, wait)
    if missing:
        for worker in _failures(found):
            note(f"  {worker}")
        note(
            f"cartograph: {len(missing)} partitions are missing in {wanted} after {wait:g} s, for "
            f"example {missing[0][0]}/{missing[0][1]}: are workers of all stages running, with the "
            "same CARTOGRAPH_CHECKPOINT_URL? Their logs say what went wrong"
        )
        raise typer.Exit(FOUND_WRONG)
    # The worker that wrote the last partition may only be about to say so.
    complete(place, wanted, whole, now_ms=time.time_ns() // 10**6)
    row = _listed(place, wanted)
    show(
        row,
        as_json=as_json,
        text=lambda: say(f"{wanted}: {row.parts} partitions, {row.size:,} bytes"),
    )


@checkpoint.command("list")
@told
def checkpoint_list(as_json: Annotated[bool, JSON] = False) -> None:
    """All checkpoints of this graph, the oldest first."""
    place = place_of(which.kept(settings()))
    rows = [_listed(place, each) for each in place.ids()]

    def text() -> None:
        if not rows:
            say(f"there is no checkpoint at {place.url}")
            return
        table(
            ("id", "partitions", "", "bytes", "bundles"),
            [
                (
                    each.id,
                    each.parts,
                    "complete" if each.complete else "not complete",
                    each.size,
                    " ".join(each.bundles),
                )
                for each in rows
            ],
        )

    show(rows, as_json=as_json, text=text)


@checkpoint.command("restore")
@told
def checkpoint_restore(
    checkpoint_id: Id,
    stages: Annotated[str, typer.Option(help="Which stages, separated by commas.")] = ",".join(
        KEPT_STAGES
    ),
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Put a checkpoint's stores into this data folder, verified; its workers must not run.

    Folders that are there have to be moved away first. A restore that was interrupted goes on when
    it is given again with the same ID. Workers that start then send all their totals again, and
    read on from where the checkpoint was.
    """
    found = which.kept(settings())
    place = place_of(found)
    running = [each for each in status.read_all(found) if status.is_alive(each)]
    if running:
        raise StateError(
            f"{running[0].stage}-{running[0].slot} (pid {running[0].pid}) runs on "
            f"{found.data_dir}: stop its workers before their stores are replaced"
        )
    wanted = [stage.strip() for stage in stages.split(",") if stage.strip()]
    if unknown := sorted(set(wanted) - set(KEPT_STAGES)):
        raise StateError(f"{unknown[0]} keeps no state: the stages are {', '.join(KEPT_STAGES)}")
    chosen = _chosen(place, checkpoint_id)
    parts = [each for each in manifests(place, chosen) if each.stage in wanted]
    if not parts:
        raise CheckpointError(f"there is no checkpoint {chosen} at {place.url} with such stages")
    begun, size = time.monotonic(), sum(part.size for part in parts)
    note(f"restoring {len(parts)} partitions of {chosen}, {size:,} bytes")
    stood = restore_all(found, place, parts, note=_progress(size))
    _say_changes(found, parts)
    value = {
        "checkpoint": chosen,
        "partitions": len(parts),
        "stood_there": stood,
        "bytes": size,
        "seconds": time.monotonic() - begun,
    }
    also = f" ({stood} of them stood there already)" if stood else ""
    show(
        value,
        as_json=as_json,
        text=lambda: say(
            f"{len(parts)} partitions of {chosen}{also}, {size:,} bytes in "
            f"{value['seconds']:.1f} s: start the workers"
        ),
    )


@checkpoint.command("verify")
@told
def checkpoint_verify(checkpoint_id: Id, as_json: Annotated[bool, JSON] = False) -> None:
    """Read every file of a checkpoint and compare its hash; exit code 1 if one is wrong."""
    found = which.kept(settings())
    place = place_of(found)
    chosen = _chosen(place, checkpoint_id)
    parts = manifests(place, chosen)
    if not parts:
        raise CheckpointError(f"there is no checkpoint {chosen} at {place.url}")
    problems = check_files(place, parts)
    said = place.completed(chosen)
    whole = set() if said and said.parts == len(parts) else expected(KEPT_STAGES, found.partitions)
    lacking = sorted(whole - {part.part for part in parts})
    value = {
        "checkpoint": chosen,
        "partitions": len(parts),
        "lacking": [f"{stage}/{number}" for stage, number in lacking],
        "problems": problems,
    }

    def text() -> None:
        say(f"{chosen}: {len(parts)} partitions, {len(lacking)} lacking, {len(problems)} problems")
        for line in problems:
            say(f"  {line}")

    show(value, as_json=as_json, text=text)
    if problems or lacking:
        raise typer.Exit(FOUND_WRONG)


async def _send(found: Settings, order: CheckpointOrder) -> None:
    await can_be_heard(found)
    producer = Producer(found.kafka, found.names, connection.options(found))
    await producer.start()
    try:
        await producer.send_one(TOPIC, *checkpoint_record(order))
    finally:
        await producer.stop()


def _wait(
    place: Place, wanted: str, whole: set[tuple[str, int]], wait_s: float
) -> list[tuple[str, int]]:
    """Until all partitions stand at the place; those that are missing when the time is over."""
    deadline, said = time.monotonic() + wait_s, time.monotonic()
    while True:
        missing = sorted(whole - place.parts(wanted).keys())
        if not missing or time.monotonic() >= deadline:
            return missing
        if time.monotonic() - said >= _SAY_S:
            note(f"  {_awaited(missing, len(whole))}")
            said = time.monotonic()
        time.sleep(_LOOK_S)


def _awaited(missing: Sequence[tuple[str, int]], of: int) -> str:
    stages = ", ".join(dict.fromkeys(stage for stage, _ in missing))
    return f"{of - len(missing)} of {of} partitions; waiting for workers of {stages}"


def _failures(found: Settings) -> list[str]:
    """What workers of this machine say of their last try."""
    return [
        each.checkpoint.said
        for each in status.read_all(found)
        if each.checkpoint.said and status.is_alive(each)
    ]


def _chosen(place: Place, told_id: str) -> str:
    if told_id != "latest":
        return check_id(told_id)
    for each in reversed(place.ids()):
        if place.completed(each) is not None:
            return each
    raise CheckpointError(
        f"{place.url} has no complete checkpoint: `cartograph checkpoint list` shows what there is"
    )


def _listed(place: Place, wanted: str) -> Listed:
    parts = manifests(place, wanted)
    files = {file.stored: file.size for part in parts for file in part.files}
    times = [part.created_ms for part in parts]
    return Listed(
        wanted,
        place.completed(wanted) is not None,
        len(parts),
        sum(files.values()),
        (min(times, default=0), max(times, default=0)),
        tuple(sorted({bundle for part in parts for bundle in part.bundles})),
        tuple(sorted({part.program for part in parts})),
    )


def _say_changes(found: Settings, parts: list[Manifest]) -> None:
    now = result_settings(found)
    changed = sorted({name for part in parts for name in changed_settings(part, now)})
    if changed:
        note(
            f"  {', '.join(changed)} were others when the checkpoint was made: what it holds stays "
            "as it is, new records follow the settings of now"
        )


def _progress(total: int) -> Callable[[int], None]:
    done, said = 0, time.monotonic()

    def tell(size: int) -> None:
        nonlocal done, said
        done += size
        if time.monotonic() - said >= _SAY_S:
            note(f"  {done:,} of {total:,} bytes")
            said = time.monotonic()

    return tell
