"""Stores on this machine whose partitions are held elsewhere: they tell of when they moved."""

from collections.abc import Callable, Iterable

from streams.process import status
from streams.process.status import Status, stage_folder
from streams.settings import Settings


def left_behind(workers: Iterable[Status], stores: dict[str, set[str]]) -> dict[str, list[str]]:
    """Partitions that have a store here and no worker, though workers of their stage run here.

    A partition that moved to another machine leaves its store, from which it goes on if it comes
    back. Where no worker of a stage is ready nobody can tell: all may be stopped.

    Args:
        workers: that run on this machine.
        stores: stage -> numbers of the partitions that have a store.

    Returns:
        stage -> numbers, in order; without the stages that have none.
    """
    held: dict[str, set[str]] = {}
    busy: set[str] = set()
    for worker in workers:
        held.setdefault(worker.stage, set()).update(worker.partitions)
        if not worker.ready:
            busy.add(worker.stage)
    found = {
        stage: sorted(numbers - held[stage], key=int)
        for stage, numbers in stores.items()
        if stage in held and stage not in busy
    }
    return {stage: numbers for stage, numbers in found.items() if numbers}


def note_left(found: Settings, stages: Iterable[str], note: Callable[[str], None]) -> None:
    """Say which of the stores of these stages are of partitions that are held elsewhere."""
    alive = [each for each in status.read_all(found) if status.is_alive(each)]
    stores = {
        stage: {each.name for each in stage_folder(found, stage).glob("*") if each.name.isdigit()}
        for stage in stages
    }
    for stage, numbers in left_behind(alive, stores).items():
        note(
            f"{stage} {', '.join(numbers)}: counted as they were when they moved to another "
            "machine; ask there too, or remove these folders if they are not to come back: "
            f"{stage_folder(found, stage)}"
        )
