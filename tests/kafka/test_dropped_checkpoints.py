"""What becomes of the checkpoints of a graph that was dropped, on a real broker."""

import asyncio
import os
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.checkpoint.copying import Hashes, save
from streams.checkpoint.place import Place
from streams.checkpoint.wiring import new_keeper, place_of_generation
from streams.control import generation_log
from streams.control.claims import CheckpointOrder, checkpoint_record
from streams.control.generations import Generation, generation_record
from streams.process import status
from streams.settings import Settings
from tests.contracts.test_checkpoint_place import fresh, manifest
from tests.kafka.generations import call, told
from tests.kafka.helpers import wait_until
from tests.kafka.running import Stages, create_all_topics, shop_settings
from tests.kafka.test_tidy import another

pytestmark = pytest.mark.kafka

ID, ORDERED = "20261105T120000Z", "20261105T130000Z-0a1b2c"


@pytest.fixture
def settings(kafka: str, topic_prefix: str, tmp_path: Path) -> Settings:
    found = shop_settings(kafka, topic_prefix, tmp_path / "data").with_(
        partitions=1,
        checkpoint_url=str(tmp_path / "place"),
        checkpoint_every_s=3_600,
        session_timeout_ms=6_000,
    )
    create_all_topics(found)
    asyncio.run(join(found))
    return found


async def join(settings: Settings) -> None:
    """A broker that never saw a group answers no question about one for a while."""
    async with AIOKafkaConsumer(
        bootstrap_servers=settings.kafka, group_id=settings.group("graph"), enable_auto_commit=False
    ) as consumer:
        tp = TopicPartition(settings.topic("claims"), 0)
        consumer.assign([tp])
        await consumer.commit({tp: 0})


def keep(settings: Settings, folder: Path, *names: str) -> dict[str, Place]:
    """A checkpoint of each of these generations."""
    store = folder / "store"
    store.mkdir(exist_ok=True)
    (store / "CURRENT").write_text("MANIFEST-000001\n")
    places = {name: place_of_generation(settings, name) for name in names}
    for place in places.values():
        save(place, store, manifest(checkpoint=ID), hashes=Hashes(), token=fresh())
    return places


def standing(places: dict[str, Place]) -> set[str]:
    return {name for name, place in places.items() if place.ids() or place.files()}


def test_they_go_with_the_next_pruning_and_those_of_graphs_that_stand_stay(
    settings: Settings, tmp_path: Path
):
    for name in ("try", "strict", "kept"):
        another(settings, name)
    places = keep(settings, tmp_path, "live", "try", "strict", "kept")
    assert "--keep-checkpoints, said until then, keeps them" in call(
        settings, "graph", "drop", "try"
    )
    said = call(settings, "graph", "drop", "kept", "--keep-checkpoints")
    assert "stay; --no-keep-checkpoints lets them go" in said
    assert standing(places) == set(places), "drop itself removes none"

    said = call(settings, "checkpoint", "prune")
    assert "try is dropped: its 1 checkpoints stay until 24 hours after the drop" in said
    assert standing(places) == set(places)
    of_one = call(settings.with_(generation="strict"), "checkpoint", "prune", "--grace-hours", "0")
    assert "dropped" not in of_one
    assert standing(places) == set(places)
    said = call(settings, "checkpoint", "prune", "--grace-hours", "0")
    assert "try is dropped: removed its 1 checkpoints, 1 files, 16 bytes" in said
    assert "kept is dropped: its 1 checkpoints stay" in said
    assert standing(places) == {"live", "strict", "kept"}

    assert not told(settings, "graph", "drop", "kept")["checkpoints_go"], "what was said holds"
    assert told(settings, "graph", "drop", "kept", "--no-keep-checkpoints")["checkpoints_go"]
    (row,) = told(settings, "checkpoint", "prune", "--grace-hours", "0")["dropped"]
    assert (row["generation"], row["removed"], row["checkpoints"]) == ("kept", True, [ID])
    assert standing(places) == {"live", "strict"}
    assert told(settings, "checkpoint", "prune", "--grace-hours", "0")["dropped"] == []


def test_of_one_that_an_older_program_dropped_or_was_killed_over_they_stay(
    settings: Settings, tmp_path: Path
):
    """The operator was told that they do; and a drop that is not done has dropped nothing."""
    places = keep(settings, tmp_path, "old", "half", "try")
    for name, state in (("old", "dropped"), ("half", "dropping")):
        record = generation_record(
            Generation(name=name, state=state, let_go_ms=int(name == "half"))
        )  # type: ignore[arg-type]
        asyncio.run(generation_log.write(settings, record))
    asyncio.run(generation_log.write(settings, generation_record(Generation(name="try"))))
    said = call(settings, "checkpoint", "prune", "--grace-hours", "0")
    assert "`cartograph graph drop old --no-keep-checkpoints` lets them go" in said
    assert standing(places) == {"old", "half", "try"}

    assert told(settings, "graph", "drop", "half") == {
        "dropped": "half",
        "before": False,
        "checkpoints_go": True,
    }
    record = generation_record(Generation(name="try", state="dropping"))
    asyncio.run(generation_log.write(settings, record))
    assert not told(settings, "graph", "drop", "try")["checkpoints_go"], "--keep-checkpoints holds"
    call(settings, "checkpoint", "prune", "--grace-hours", "0")
    assert standing(places) == {"old", "try"}


def test_the_first_ones_go_too_once_another_answers(settings: Settings, tmp_path: Path):
    another(settings, "heir")
    places = keep(settings, tmp_path, "live", "heir")
    call(settings, "graph", "swap", "heir", "--force")
    call(settings, "graph", "drop", "live")
    call(settings, "checkpoint", "prune", "--grace-hours", "0")
    assert standing(places) == {"heir"}


def test_workers_of_any_graph_know_whose_may_go(settings: Settings):
    for name, go in (("try", 5), ("kept", 0)):
        record = generation_record(Generation(name=name, state="dropped", let_go_ms=go))
        asyncio.run(generation_log.write(settings, record))
    for own in (settings, settings.with_(generation="heir", generation_base="totals")):
        made = new_keeper(own, "graph", partitions=dict, bundles=tuple, may_write=lambda: True)
        assert made is not None
        (found,) = made._let_go().items()
        assert (found[0], found[1].since_ms) == ("try", 5)
        assert found[1].place._root == f"{settings.checkpoint_url}/{settings.prefix}.try"


def test_a_worker_that_completes_a_checkpoint_removes_them(settings: Settings, tmp_path: Path):
    places = keep(settings, tmp_path, "try", "strict")
    for file in (tmp_path / "place").rglob("*"):
        os.utime(file, (time.time() - 25 * 3_600,) * 2)
    said_ms = int((time.time() - 25 * 3_600) * 1000)
    record = generation_record(Generation(name="try", state="dropped", let_go_ms=said_ms))
    asyncio.run(generation_log.write(settings, record))
    place = place_of_generation(settings, "live")
    for stage in ("shoppers", "queries", "products"):
        told_of = manifest(checkpoint=ORDERED, stage=stage)
        save(place, tmp_path / "store", told_of, hashes=Hashes(), token=fresh())
    with Stages(settings, ("graph",)) as stages:
        wait_until(lambda: [each for each in status.read_all(settings) if each.ready] != [], "it")
        asyncio.run(generation_log.write(settings, checkpoint_record(CheckpointOrder(ORDERED))))
        wait_until(lambda: place.completed(ORDERED) is not None, "its checkpoint")
        wait_until(lambda: standing(places) == {"strict"}, "the end of what is dropped")
        assert stages.stop() == 0


def test_without_kafka_one_graph_is_pruned_all_the_same(settings: Settings, tmp_path: Path):
    places = keep(settings, tmp_path, "live")
    said = call(settings.with_(kafka="127.0.0.1:9"), "checkpoint", "prune")
    assert "removed 0 checkpoints" in said
    assert standing(places) == {"live"}
