"""A full disk: workers stop with a sentence, lose nothing, and go on once space is freed."""

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.process import status
from streams.worker.process import SET_UP_WRONG
from tests.faults.disk import NoDiskError, fill, free, small_disk
from tests.kafka.helpers import (
    Worker,
    create_topics,
    kept,
    produce,
    tally,
    test_settings,
    totals,
    wait_until,
)

FREE_SPACE = "free space, then start the worker again"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    try:
        with small_disk(tmp_path / "small", 32) as folder:
            yield folder
    except NoDiskError as error:
        pytest.skip(str(error))


def test_a_full_disk_of_a_worker(kafka: str, topic_prefix: str, disk: Path):
    settings = test_settings(kafka, topic_prefix, disk)
    create_topics(settings)
    with Worker(settings) as worker:
        # The log is no part of the data folder where it matters: on the screen of an operator.
        worker.log = disk.parent / "worker.log"
        worker.kill()
        worker.start()
        produce(settings, "events", ((n % 4, b"a%d" % (n % 50)) for n in range(2_000)))
        wait_until(lambda: tally(settings, "counting")["events.used"] == 2_000, "the first part")
        fill(disk)
        produce(settings, "events", ((n % 4, b"b%d" % (n % 50)) for n in range(2_000)))
        assert worker.wait() == SET_UP_WRONG
        assert FREE_SPACE in worker.said()
        status.status_file(settings, "counting", 0).unlink()
        fill(disk)
        worker.start()
        assert worker.wait() == SET_UP_WRONG, "it must not start on a full disk"
        assert "the data folder cannot be written" in worker.said()
        assert "Traceback" not in worker.said()
        free(disk)
        worker.start()
        expected = Counter({b"%c%d" % (c, n): 40 for c in b"ab" for n in range(50)})
        wait_until(lambda: totals(settings, "searched") == expected, "all told")
    assert tally(settings, "counting")["events.used"] == 4_000


def test_a_log_that_rotted_makes_its_store_an_older_one_that_tells_everything_again(
    kafka: str, topic_prefix: str, tmp_path: Path
):
    settings = test_settings(kafka, topic_prefix, tmp_path, partitions=1)
    create_topics(settings)
    with Worker(settings) as worker:
        for turn in range(3):
            produce(settings, "events", ((0, b"%d" % n) for n in range(500)))
            read = (turn + 1) * 500
            wait_until(lambda n=read: tally(settings, "counting")["events.used"] == n, "read")
        worker.kill()
        folder = tmp_path / topic_prefix / "counting" / "0"
        log = max(folder.glob("*.log"), key=lambda file: file.stat().st_size)
        data = bytearray(log.read_bytes())
        data[len(data) * 3 // 4] ^= 0xFF
        log.write_bytes(data)
        worker.start()
        wait_until(lambda: "sends everything again" in worker.said(), "the next start")
        assert "its write-ahead log was damaged" in worker.said()
        wait_until(lambda: tally(settings, "counting")["events.used"] == 1_500, "read again")
        expected = Counter({b"%d" % n: 3 for n in range(500)})
        wait_until(lambda: totals(settings, "searched") == expected, "all told")


def test_a_table_that_rotted_stops_the_worker_and_a_rebuilt_store_is_exact(
    kafka: str, topic_prefix: str, tmp_path: Path
):
    settings = test_settings(kafka, topic_prefix, tmp_path, partitions=1, write_buffer_mb=1)
    create_topics(settings)
    folder = tmp_path / topic_prefix / "counting" / "0"
    with Worker(settings) as worker:
        rows = [(0, b"%d-%s" % (n, b"x" * 200)) for n in range(9_000)]
        while not list(folder.glob("*.sst")):
            produce(settings, "events", rows)
            wait_until(lambda: at_rest(settings), "read")
        worker.stop()
        for table in folder.glob("*.sst"):
            data = bytearray(table.read_bytes())
            for place in range(0, len(data) - 2_000, 4_096):
                data[place + 100] ^= 0xFF
            table.write_bytes(data)
        worker.start()
        produce(settings, "events", rows)
        assert worker.wait(60) == SET_UP_WRONG
        assert f"{folder} is damaged" in worker.said()
        shutil.rmtree(folder)
        worker.settings = settings.with_(allow_empty_store=True)
        worker.start()
        wait_until(lambda: at_rest(settings), "all read again", 60)
        count = tally(settings, "counting")["events.used"]
        expected = Counter({value: count // 9_000 for _, value in rows})
        wait_until(lambda: totals(settings, "searched") == expected, "all told", 60)


def at_rest(settings: object) -> bool:
    """The one partition has read whole rounds of 9,000."""
    row = kept(settings, "counting", 0)  # type: ignore[arg-type]
    return row is not None and row.tally.get("events.used", 1) % 9_000 == 0
