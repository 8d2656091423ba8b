"""Nothing lost, nothing counted twice, whenever a worker dies or sleeps (DESIGN, rules 1 and 2)."""

import random
import signal
import threading
import time
from collections import Counter
from pathlib import Path

from streams.settings import Settings
from tests.kafka.helpers import (
    Worker,
    create_topics,
    produce,
    read_all,
    tally,
    test_settings,
    totals,
    wait_until,
)


class Feed(threading.Thread):
    """Writes `count` events, some at a time, so that faults meet a stream and not a heap."""

    def __init__(self, settings: Settings, count: int, *, per_second: int) -> None:
        super().__init__(daemon=True)
        self.settings, self.count, self.per_second = settings, count, per_second
        self.expected: Counter[bytes] = Counter(
            b"%c%d" % (97 + n % 7, n % 97) for n in range(count)
        )

    def run(self) -> None:
        step = max(1, self.per_second // 20)
        for begin in range(0, self.count, step):
            some = range(begin, min(begin + step, self.count))
            rows = [(n % self.settings.partitions, b"%c%d" % (97 + n % 7, n % 97)) for n in some]
            produce(self.settings, "events", rows)
            time.sleep(0.05)


def by_letter(expected: Counter[bytes]) -> Counter[bytes]:
    added: Counter[bytes] = Counter()
    for key, n in expected.items():
        added[key[:1]] += n
    return added


def test_two_hops_are_exact_after_kills_at_random_moments(
    kafka: str, topic_prefix: str, tmp_path: Path
):
    settings = test_settings(kafka, topic_prefix, tmp_path)
    create_topics(settings)
    feed = Feed(settings, 30_000, per_second=4_000)
    chance = random.Random(7)
    restarts = []
    with Worker(settings, "counting") as counting, Worker(settings, "summing") as summing:
        wait_until(lambda: counting.is_ready and summing.is_ready, "both stages")
        feed.start()
        for kill in range(8):
            time.sleep(chance.uniform(0.05, 0.7))
            victim = counting if kill % 2 else summing
            victim.kill()
            victim.start()
            restarts.append(wait_until(lambda v=victim: v.is_ready, "the restart"))
        feed.join()
        wait_until(lambda: tally(settings, "counting")["events.used"] >= feed.count, "all read")
        expected = by_letter(feed.expected)
        wait_until(lambda: totals(settings, "asked") == expected, "the second hop")
        assert "sends everything again" not in counting.said() + summing.said()
    print("ready again after", ", ".join(f"{each:.2f}" for each in restarts), "s")
    assert tally(settings, "counting")["events.used"] == feed.count
    assert totals(settings, "searched") == feed.expected


def test_a_stopped_worker_that_wakes_up_does_no_harm(kafka: str, topic_prefix: str, tmp_path: Path):
    settings = test_settings(kafka, topic_prefix, tmp_path, session_timeout_ms=2_000)
    create_topics(settings)
    feed = Feed(settings, 8_000, per_second=1_000)
    with Worker(settings, slot=0) as first, Worker(settings, slot=1) as second:
        wait_until(lambda: first.is_ready and second.is_ready, "both workers")
        feed.start()
        time.sleep(0.5)
        first.signal(signal.SIGSTOP)
        time.sleep(4.0)  # its session ends, its partitions are given away
        first.signal(signal.SIGCONT)
        feed.join()
        wait_until(lambda: totals(settings, "searched") == feed.expected, "all told")
    assert tally(settings, "counting")["events.used"] == feed.count


def test_an_older_copy_of_a_store_tells_everything_again(
    kafka: str, topic_prefix: str, tmp_path: Path
):
    import shutil

    settings = test_settings(kafka, topic_prefix, tmp_path)
    create_topics(settings)
    feed = Feed(settings, 3_000, per_second=30_000)
    with Worker(settings) as worker:
        feed.run()
        wait_until(lambda: tally(settings, "counting")["events.used"] == 3_000, "the first part")
        assert worker.stop() == 0
        stores = tmp_path / topic_prefix / "counting"
        shutil.copytree(stores, tmp_path / "copy")
        worker.start()
        Feed(settings, 3_000, per_second=30_000).run()
        wait_until(lambda: tally(settings, "counting")["events.used"] == 6_000, "the second part")
        worker.kill()
        shutil.rmtree(stores)
        shutil.move(tmp_path / "copy", stores)
        worker.start()
        wait_until(lambda: tally(settings, "counting")["events.used"] == 6_000, "read again")
        twice = Counter({key: 2 * n for key, n in feed.expected.items()})
        wait_until(lambda: totals(settings, "searched") == twice, "told again")
        assert "sends everything again" in worker.said()
    floors = [
        record for _, record in read_all(settings, "searched") if len(record.key or b"") == 10
    ]
    assert len(floors) >= settings.partitions**2  # a marker of every sender in every partition
