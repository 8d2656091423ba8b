"""Partitions whose state is elsewhere: restored, built again or refused; nothing lost or twice."""

import asyncio
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from streams.checkpoint.manifest import File, Manifest, new_id
from streams.checkpoint.place import Place
from streams.control.claims import CheckpointOrder, checkpoint_record
from streams.kafka.producer import Producer
from streams.settings import Settings
from streams.topics import Names
from tests.kafka.helpers import (
    Worker,
    create_topics,
    kept,
    tally,
    test_settings,
    totals,
    wait_until,
)
from tests.kafka.test_kill import Feed, by_letter
from tests.s3 import serving


@pytest.fixture
def settings(kafka: str, topic_prefix: str, tmp_path: Path) -> Settings:
    found = test_settings(
        kafka, topic_prefix, tmp_path / "data", checkpoint_url=str(tmp_path / "checkpoints")
    )
    create_topics(found)
    return found


def order(settings: Settings, stage: str) -> str:
    """Ask the workers for a checkpoint; its id, when all partitions of the stage are in it."""
    wanted = new_id(time.time_ns() // 10**6, "%06x" % (time.time_ns() % 0xFFFFFF))
    place = Place(settings.checkpoint_url, settings.prefix)

    async def send() -> None:
        producer = Producer(settings.kafka, Names(settings.prefix), {})
        await producer.start()
        await producer.send_one("control", *checkpoint_record(CheckpointOrder(wanted)))
        await producer.stop()

    asyncio.run(send())
    numbers = {(stage, number) for number in range(settings.partitions)}
    wait_until(lambda: place.parts(wanted).keys() >= numbers, "the checkpoint")
    return wanted


def used(settings: Settings) -> Callable[[int], bool]:
    return lambda count: tally(settings, "counting")["events.used"] == count


def feed(settings: Settings, count: int = 3_000) -> Feed:
    made = Feed(settings, count, per_second=30_000)
    made.run()
    return made


def lose(settings: Settings, stage: str) -> None:
    shutil.rmtree(settings.data_dir / settings.prefix / stage)


@pytest.mark.parametrize("where", ["folder", "moto"])
def test_a_lost_folder_is_restored_and_reads_on(settings: Settings, tmp_path: Path, where: str):
    with ExitStack() as stack:
        if where != "folder":
            url = stack.enter_context(serving(where, tmp_path / "s3"))
            settings = settings.with_(checkpoint_url=url)
        worker = stack.enter_context(Worker(settings))
        told = feed(settings)
        wait_until(lambda: used(settings)(3_000), "the first part")
        made = order(settings, "counting")
        feed(settings)
        wait_until(lambda: used(settings)(6_000), "the second part")
        worker.kill()
        lose(settings, "counting")
        worker.start()
        wait_until(lambda: worker.is_ready and used(settings)(6_000), "read again")
        twice = told.expected + told.expected
        wait_until(lambda: totals(settings, "searched") == twice, "told again")
        wait_until(lambda: worker.status is not None and not worker.status.recovering, "its end")
        said = worker.said()
    assert said.count(f"restored from checkpoint {made}") == settings.partitions
    assert said.count("sends everything again") == settings.partitions
    assert said.count("from the checkpoint") == settings.partitions  # and is back
    row = kept(settings, "counting", 0)
    assert row is not None
    assert row.incarnation >= 0


def test_a_stage_of_compacted_inputs_is_built_again_from_them(settings: Settings):
    plain = settings.with_(checkpoint_url="")
    with Worker(plain, "counting") as counting, Worker(plain, "summing") as summing:
        told = feed(settings)
        expected = by_letter(told.expected)
        wait_until(lambda: totals(settings, "asked") == expected, "all told")
        summing.kill()
        lose(settings, "summing")
        summing.start()
        wait_until(lambda: summing.said().count("is back after") == 4, "it is built again")
        feed(settings)
        twice = expected + expected
        wait_until(lambda: totals(settings, "asked") == twice, "all told")
        counting.kill()
        lose(settings, "counting")
        counting.start()
        assert counting.wait() == 2
        assert "CARTOGRAPH_CHECKPOINT_URL" in counting.said()


def test_of_a_damaged_checkpoint_the_older_one_is_taken(settings: Settings):
    place = Place(settings.checkpoint_url, settings.prefix)
    with Worker(settings) as worker:
        told = feed(settings)
        wait_until(lambda: used(settings)(3_000), "the first part")
        older = order(settings, "counting")
        time.sleep(1.1)  # ids have seconds
        feed(settings)
        wait_until(lambda: used(settings)(6_000), "the second part")
        newer = order(settings, "counting")
        worker.kill()
        bad, gone = (own_table(place, (older, newer), number) for number in (0, 1))
        Path(settings.checkpoint_url, settings.prefix, "files", bad.stored).write_bytes(b"x")
        place.remove_file(gone.stored)
        lose(settings, "counting")
        worker.start()
        wait_until(lambda: worker.is_ready and used(settings)(6_000), "read again")
        twice = told.expected + told.expected
        wait_until(lambda: totals(settings, "searched") == twice, "told again")
        said = worker.said()
    for number, why in ((0, "is damaged"), (1, "is missing")):
        assert f"counting/{number}: checkpoint {newer}" in said
        assert why in said
        assert f"counting/{number} restored from checkpoint {older}" in said
    assert f"counting/2 restored from checkpoint {newer}" in said


def own_table(place: Place, ids: tuple[str, str], number: int) -> File:
    """A table that the newer checkpoint of a partition has and the older one has not."""
    found = [place.manifest(each, "counting", number) for each in ids]
    tables = [{f.stored: f for f in m.files if f.name.endswith(".sst")} for m in found if m]
    return tables[1][min(tables[1].keys() - tables[0].keys())]


def test_a_store_behind_the_log_gives_way_to_a_newer_checkpoint(settings: Settings):
    with Worker(settings) as worker:
        told = feed(settings)
        wait_until(lambda: used(settings)(3_000), "the first part")
        worker.kill()
        stores = settings.data_dir / settings.prefix / "counting"
        shutil.copytree(stores, settings.data_dir / "old")
        worker.start()
        feed(settings)
        wait_until(lambda: used(settings)(6_000), "the second part")
        order(settings, "counting")
        worker.kill()
        shutil.rmtree(stores)
        shutil.move(settings.data_dir / "old", stores)
        asyncio.run(delete_records(settings, "events", 1_000))
        feed(settings)
        worker.start()
        wait_until(lambda: worker.is_ready and used(settings)(9_000), "read on")
        thrice = told.expected + told.expected + told.expected
        wait_until(lambda: totals(settings, "searched") == thrice, "told again")
        assert "were deleted before they were read" not in worker.said()
    assert len(list(stores.glob("*.behind-*"))) == settings.partitions


async def delete_records(settings: Settings, topic: str, before: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka)
    await admin.start()
    name = settings.topic(topic)
    await admin.delete_records(
        {TopicPartition(name, n): RecordsToDelete(before) for n in range(settings.partitions)}
    )
    await admin.close()


def test_machines_come_and_go_under_load_and_partitions_move_with_their_state(
    settings: Settings, tmp_path: Path
):
    """Two data folders stand for two machines: what moves finds no state on the other."""
    here = settings.with_(session_timeout_ms=2_000, checkpoint_every_s=1)
    there = here.with_(data_dir=tmp_path / "other")
    told = Feed(settings, 9_000, per_second=1_000)
    with ExitStack() as stack:
        first = stack.enter_context(Worker(here))
        summing = [stack.enter_context(Worker(each, "summing")) for each in (here, there)]
        wait_until(lambda: first.is_ready, "the first machine")
        told.start()
        wait_until(lambda: kept_checkpoints(settings, "counting") > 0, "a checkpoint of all")
        second = stack.enter_context(Worker(there))
        moved = wait_until(lambda: holds(first) + holds(second) == 4 > holds(first), "half moved")
        print(f"shared after {moved:.2f} s")
        time.sleep(1.2)
        assert first.stop() == 0
        summing[0].kill()
        left = wait_until(lambda: holds(second) == 4 and holds(summing[1]) == 4, "all moved")
        print(f"taken over after {left:.2f} s")
        first.start()
        wait_until(lambda: holds(first) + holds(second) == 4 > holds(second), "half moved back")
        told.join()
        wait_until(lambda: totals(settings, "searched") == told.expected, "all told")
        expected = by_letter(told.expected)
        wait_until(lambda: totals(settings, "asked") == expected, "all told on")
        assert "restored from checkpoint" in second.said()


def kept_checkpoints(settings: Settings, stage: str) -> int:
    """How many there are of the partition that has fewest."""
    place = Place(settings.checkpoint_url, settings.prefix)
    return min(len(list(place.newest(stage, n))) for n in range(settings.partitions))


def holds(worker: Worker) -> int:
    told = worker.status
    return len(told.partitions) if told and told.ready else 0


def test_a_worker_that_is_killed_while_it_copies_goes_on_from_its_own_store(settings: Settings):
    every = settings.with_(checkpoint_every_s=1)
    told = Feed(settings, 6_000, per_second=3_000)
    with Worker(every) as worker:
        wait_until(lambda: worker.is_ready, "the worker")
        told.start()
        for _ in range(3):
            time.sleep(0.6)
            worker.kill()
            worker.start()
            wait_until(lambda: worker.is_ready, "its restart")
        told.join()
        wait_until(lambda: totals(settings, "searched") == told.expected, "all told")
        place = Place(settings.checkpoint_url, settings.prefix)
        wait_until(lambda: kept_checkpoints(settings, "counting") > 1, "checkpoints")
        worker.kill()
        lose(settings, "counting")
        worker.start()
        wait_until(lambda: worker.is_ready, "it is restored")
        wait_until(lambda: used(settings)(6_000), "read again")
        wait_until(lambda: totals(settings, "searched") == told.expected, "told again")
    assert all(isinstance(found, Manifest) for found in place.newest("counting", 1))
