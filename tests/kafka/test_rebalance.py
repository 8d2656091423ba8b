"""Workers come and go: every partition has one owner, every record is counted once."""

import signal
from pathlib import Path

from tests.kafka.helpers import Worker, create_topics, tally, test_settings, totals, wait_until
from tests.kafka.test_kill import Feed


def test_who_leaves_for_good_is_not_waited_for(kafka: str, topic_prefix: str, tmp_path: Path):
    settings = test_settings(kafka, topic_prefix, tmp_path, partitions=4, session_timeout_ms=30_000)
    create_topics(settings)
    with Worker(settings, slot=0) as stays, Worker(settings, slot=1) as goes:
        wait_until(
            lambda: bool(
                stays.is_ready
                and goes.is_ready
                and sorted(stays.status.partitions + goes.status.partitions) == list("0123")
            ),
            "they share",
        )
        goes.signal(signal.SIGUSR1)
        assert goes.wait() == 0
        moved = wait_until(
            lambda: stays.is_ready and sorted(stays.status.partitions) == list("0123"),
            "the other one has all, long before the session is over",
            timeout_s=15.0,
        )
        print(f"left for good: taken over after {moved:.2f} s")
        assert "was not left" not in goes.said()


def test_three_workers_join_and_leave(kafka: str, topic_prefix: str, tmp_path: Path):
    settings = test_settings(kafka, topic_prefix, tmp_path, partitions=6, session_timeout_ms=2_000)
    create_topics(settings)
    feed = Feed(settings, 12_000, per_second=1_500)
    workers = [Worker(settings, slot=slot) for slot in range(3)]

    def held() -> list[str]:
        told = [worker.status for worker in workers]
        return sorted(n for each in told if each and each.ready for n in each.partitions)

    def shared_with(new: Worker) -> bool:
        told = new.status
        return told is not None and bool(told.partitions) and held() == list("012345")

    try:
        workers[0].start()
        wait_until(lambda: len(held()) == 6, "one worker has all")
        feed.start()
        for each in workers[1:]:
            each.start()
            moved = wait_until(lambda w=each: shared_with(w), "the new one has its share")
            print(f"shared after {moved:.2f} s")
        workers[0].kill()
        workers[0].start()
        # Its session may be over before it is up: then the others have all for a while.
        back = wait_until(lambda: shared_with(workers[0]), "the killed one is back")
        print(f"killed one of three: back after {back:.2f} s")
        assert workers[1].stop() == 0
        left = wait_until(lambda: held() == list("012345"), "two have all")
        print(f"one left: taken over after {left:.2f} s")
        feed.join()
        wait_until(lambda: totals(settings, "searched") == feed.expected, "all told")
    finally:
        for each in workers:
            each.__exit__()
    assert tally(settings, "counting")["events.used"] == feed.count
