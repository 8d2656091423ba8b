"""Copies of partitions: one worker at a time, each file read once, and how old the newest are."""

import asyncio
import logging
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from streams.checkpoint import copying, metrics
from streams.checkpoint.copying import Hashes
from streams.checkpoint.manifest import new_id
from streams.checkpoint.place import Place
from streams.checkpoint.pruning import LetGo
from streams.control.claims import CheckpointOrder
from streams.errors import BrokerError, CheckpointError
from tests.unit.streams.test_checkpoints import NOON, keeper, partition, place_in, turns


class Slow(Place):
    """A place at which the first file does not come to its end before it may."""

    def __init__(self, url: str, prefix: str) -> None:
        super().__init__(url, prefix)
        self.begun, self.may_end = threading.Event(), threading.Event()

    def put_file(self, source: Path, stored: str) -> None:
        self.begun.set()
        self.may_end.wait(10)
        super().put_file(source, stored)


def test_two_workers_on_one_folder_do_not_copy_a_partition_over_each_other(tmp_path: Path):
    """One still copies when the other has the partition already; its copy stays untouched."""
    slow = Slow(str(tmp_path / "place"), "graph")
    order = CheckpointOrder("20261105T120000Z-0a1b2c")
    one = partition(tmp_path)
    first = keeper(tmp_path, {0: one}, checkpoint_every_s=0)
    first._place = slow

    async def work() -> None:
        first.order(order)
        copying = asyncio.create_task(first.turn(time.time()))
        await asyncio.to_thread(slow.begun.wait)
        one.close()
        second = keeper(tmp_path, {0: partition(tmp_path, claim=8)}, checkpoint_every_s=0)
        second.order(order)
        before = sorted(each.name for each in (tmp_path / "products/0.checkpoint").iterdir())
        await second.turn(time.time())
        after = sorted(each.name for each in (tmp_path / "products/0.checkpoint").iterdir())
        assert before == after
        assert second.status.said == "", "it is no failure: it is tried again"
        slow.may_end.set()
        await copying
        assert place_in(tmp_path).ids() == [], "the first has lost the partition"
        second._not_before.clear()
        await second.turn(time.time())

    asyncio.run(work())
    manifest = place_in(tmp_path).manifest(order.checkpoint, "products", 0)
    assert manifest is not None
    assert manifest.incarnation == 8
    assert {file.name for file in manifest.files} >= {"CURRENT", "cartograph-layout"}
    assert not list(tmp_path.glob("products/*.checkpoint"))


def test_of_tables_that_are_gone_no_hash_is_kept_and_others_are_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    read: list[str] = []
    monkeypatch.setattr(copying, "hash_of", lambda path: read.append(path.name) or path.name)
    hashes, pool = Hashes(), ThreadPoolExecutor(2)
    files = [tmp_path / name for name in ("1.sst", "2.sst", "CURRENT")]
    for number, file in enumerate(files):
        file.write_bytes(bytes(number))
    assert hashes.of(files, pool) == hashes.of(files, pool) == ["1.sst", "2.sst", "CURRENT"]
    assert sorted(read) == ["1.sst", "2.sst", "CURRENT", "CURRENT"]
    hashes.of(files[1:], pool)
    assert len(hashes._known) == 1
    pool.shutdown()


def test_the_age_of_the_oldest_partition_grows_while_a_checkpoint_takes_long(tmp_path: Path):
    slow, now = Slow(str(tmp_path / "place"), "graph"), time.time()
    held = {number: partition(tmp_path, number) for number in (0, 1)}
    made = keeper(tmp_path, held, checkpoint_every_s=0)
    made._place = slow
    made.order(CheckpointOrder("20261105T120000Z-0a1b2c"))

    def age(later: float) -> float:
        made.tell_age(now + later)
        return metrics.CHECKPOINT_AGE.labels("products")._value.get()

    async def work() -> None:
        assert age(0) == pytest.approx(0, abs=0.1), "it counts from when they were opened"
        copying = asyncio.create_task(made.turn(now))
        await asyncio.to_thread(slow.begun.wait)
        assert age(500) == pytest.approx(500, abs=0.1)
        slow.may_end.set()
        await copying

    asyncio.run(work())
    assert age(500) < 500, "of both there is one that is younger"


def test_what_another_process_wrote_before_counts_for_the_age(tmp_path: Path):
    one = {0: partition(tmp_path)}
    order = CheckpointOrder("20261105T120000Z-0a1b2c")
    for _ in range(2):
        made = keeper(tmp_path, one, checkpoint_every_s=0)
        made.order(order)
        turns(made, time.time())
    made.tell_age(time.time() + 60)
    assert metrics.CHECKPOINT_AGE.labels("products")._value.get() == pytest.approx(60, abs=20)
    written = place_in(tmp_path).parts(order.checkpoint)["products", 0].written_ms
    assert made._newest_ms == {0: written}


class Unreachable(Place):
    """A place that does not answer."""

    def ids(self) -> list[str]:
        raise CheckpointError("nobody answers")


@pytest.mark.parametrize("broken", ["", "place", "kafka"])
def test_the_schedule_removes_what_a_dropped_graph_left_and_survives_that_it_cannot(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, broken: str
):
    now = NOON + 500
    for name, age_s in (("try", 25 * 3_600), ("young", 3_600)):
        old = keeper(tmp_path / name, {0: partition(tmp_path / name)})
        old._place = Place(str(tmp_path / "place"), f"graph.{name}")
        turns(old, now)
        for file in (tmp_path / "place" / f"graph.{name}").rglob("*"):
            os.utime(file, (time.time() - age_s,) * 2)

    def let_go() -> dict[str, LetGo]:
        if broken == "kafka":
            raise BrokerError("no Kafka answers")
        kind = Unreachable if broken == "place" else Place
        names = ("try", "young", "none")
        said_ms = int((time.time() - 25 * 3_600) * 1000)
        return {n: LetGo(kind(str(tmp_path / "place"), f"graph.{n}"), said_ms) for n in names}

    held = {number: partition(tmp_path / "live", number) for number in (0, 1)}
    made = keeper(tmp_path, held, checkpoint_url=str(tmp_path / "place"))
    made._expected, made._let_go = {("products", 0), ("products", 1)}, let_go
    with caplog.at_level(logging.INFO):
        turns(made, now)
    assert place_in(tmp_path).completed(new_id(NOON * 1000)) is not None
    assert made.status.said == "", "its own checkpoint is made"
    left = {each.name for each in (tmp_path / "place").iterdir()}
    assert left == (
        {"graph", "graph.young"} if not broken else {"graph", "graph.young", "graph.try"}
    )
    said = (
        "checkpoints of dropped graphs are not removed now" if broken else "try is dropped: removed"
    )
    assert said in caplog.text
