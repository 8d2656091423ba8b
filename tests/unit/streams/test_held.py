"""Stores of partitions that moved to another machine are told of."""

import os
from pathlib import Path

from streams.cli.held import left_behind, note_left
from streams.process import status
from streams.process.status import Status, stage_folder
from streams.settings import Settings

STORES = {"graph": {"0", "1", "2", "10"}, "products": {"0"}}


def worker(stage: str, *partitions: str, ready: bool = True, slot: int = 0) -> Status:
    return Status(stage=stage, slot=slot, pid=os.getpid(), ready=ready, partitions=partitions)


def test_what_no_worker_of_a_running_stage_holds_was_left():
    graphs = [worker("graph", "1"), worker("graph", "0", slot=1)]
    assert left_behind(graphs, STORES) == {"graph": ["2", "10"]}


def test_where_a_stage_does_not_run_or_is_opening_nobody_can_tell():
    assert left_behind([], STORES) == {}
    assert left_behind([worker("products")], {"graph": {"0"}}) == {}
    opening = [worker("graph", "1"), worker("graph", ready=False, slot=1)]
    assert left_behind(opening, STORES) == {}


def test_it_is_noted_for_the_stages_that_are_looked_at(tmp_path: Path):
    found = Settings().with_(data_dir=tmp_path)
    for stage, numbers in STORES.items():
        for number in numbers:
            (stage_folder(found, stage) / number).mkdir(parents=True)
    for each in (worker("graph", "0", "1", "10"), worker("products")):
        status.write(status.status_file(found, each.stage, each.slot), each)
    said: list[str] = []
    note_left(found, ["graph"], said.append)
    (line,) = said
    assert line.startswith("graph 2: counted as they were when they moved")
