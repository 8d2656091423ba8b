"""`cartograph model backfill` waits for all workers that it saw and all that they have left."""

import pytest

from streams.cli import backfill
from streams.cli.backfill import WorkerBackfill
from streams.control.claims import BackfillOrder
from streams.errors import StateError
from streams.settings import Settings

ORDER = BackfillOrder(50.0)


def answers(monkeypatch: pytest.MonkeyPatch, *looks: list[tuple[str, int, float]]) -> list[int]:
    """What the workers say, look by look; the last one for ever. Counts the looks."""
    seen: list[int] = []

    def rows(found: Settings) -> list[WorkerBackfill]:
        seen.append(1)
        return [WorkerBackfill(*each) for each in looks[min(len(seen), len(looks)) - 1]]

    monkeypatch.setattr(backfill, "_rows", rows)
    monkeypatch.setattr(backfill.time, "sleep", lambda _: None)
    return seen


def test_it_is_done_when_nobody_has_anything_left(monkeypatch):
    seen = answers(
        monkeypatch,
        [("queries-0", 0, 0.0), ("products-0", 9, 0.0)],  # not heard yet
        [("queries-0", 0, 50.0), ("products-0", 3, 50.0)],
        [("queries-0", 0, 50.0)],  # products is starting again
        [("queries-0", 0, 50.0), ("products-0", 2, 50.0)],
        [("queries-0", 0, 50.0), ("products-0", 0, 50.0)],
    )
    rows = backfill._wait(Settings(), ORDER, 60)
    assert [each.outdated for each in rows] == [0, 0]
    assert len(seen) == 5


def test_an_order_to_stop_is_done_when_it_is_heard(monkeypatch):
    seen = answers(monkeypatch, [("graph-0", 7, 50.0)], [("graph-0", 7, 0.0)])
    assert backfill._wait(Settings(), BackfillOrder(0.0), 60)[0].outdated == 7
    assert len(seen) == 2


def test_it_does_not_wait_longer_than_it_may(monkeypatch):
    answers(monkeypatch, [("graph-0", 7, 50.0)])
    assert backfill._wait(Settings(), ORDER, 0)[0].outdated == 7


def test_without_a_worker_it_says_that_the_order_stands(monkeypatch):
    answers(monkeypatch, [])
    with pytest.raises(StateError, match="the order is given, and stands"):
        backfill._wait(Settings(), ORDER, 60)
