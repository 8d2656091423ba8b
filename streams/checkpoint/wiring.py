"""The checkpoints of a worker as its settings say."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial

from streams.checkpoint.keeper import Keeper
from streams.checkpoint.manifest import result_settings
from streams.checkpoint.place import Place
from streams.checkpoint.pruning import LetGo
from streams.checkpoint.recovery import Recovery
from streams.control import generation_log
from streams.control.generations import LIVE, stages_of_base
from streams.errors import CheckpointError
from streams.kafka.partition import Partition
from streams.process.status import stage_folder
from streams.settings import Settings


def new_recovery(settings: Settings, stage: str, *, rebuilds: bool) -> Recovery:
    """What a worker of this stage does about partitions that come without their state."""
    return Recovery(
        stage,
        settings.graph,
        place=partial(place_of, settings) if settings.checkpoint_url else None,
        settings=result_settings(settings),
        rebuilds=rebuilds,
    )


def new_keeper(
    settings: Settings,
    stage: str,
    *,
    partitions: Callable[[], Mapping[int, Partition]],
    bundles: Callable[[], tuple[str, ...]],
    may_write: Callable[[], bool],
) -> Keeper | None:
    """What makes a worker's checkpoints; None where the settings name no place for them."""
    if not settings.checkpoint_url:
        return None
    return Keeper(
        settings,
        stage,
        stages=stages_of_base(settings.generation_base),
        folder=stage_folder(settings, stage),
        partitions=partitions,
        bundles=bundles,
        may_write=may_write,
        place=partial(place_of, settings),
        let_go=partial(let_go, settings),
    )


def let_go(settings: Settings) -> dict[str, LetGo]:
    """Checkpoints of generations that are dropped, where it was said that they may go; by name.

    Reads `graph.control`: ask it shortly before something is removed, and not in an event loop.

    Raises:
        BrokerError, TopicError: it cannot be read which those are.
        CheckpointError: see `place_of`.
    """
    found = asyncio.run(generation_log.read(generation_log.of_base(settings)))
    return {
        each.name: LetGo(place_of_generation(settings, each.name), each.let_go_ms)
        for each in found.dropped
        if each.let_go_ms
    }


def place_of_generation(settings: Settings, name: str) -> Place:
    """The place of another generation of the same graph, also of one that is dropped.

    Raises:
        CheckpointError: see `place_of`.
    """
    base = generation_log.of_base(settings)
    return place_of(base if name == LIVE else base.with_(generation=name))


def place_of(settings: Settings) -> Place:
    """The place of the graph's checkpoints.

    Raises:
        CheckpointError: the settings name none, or one that cannot be used.
    """
    return Place(url_of(settings), settings.names.own)


def url_of(settings: Settings) -> str:
    """Where the checkpoints of all generations are.

    Raises:
        CheckpointError: the settings name no place.
    """
    if not settings.checkpoint_url:
        raise CheckpointError(
            "there is no place of checkpoints: set CARTOGRAPH_CHECKPOINT_URL to a folder or a URL "
            "such as s3://bucket/folder"
        )
    return settings.checkpoint_url
