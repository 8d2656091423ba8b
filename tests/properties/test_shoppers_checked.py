"""`state check` over large rows: those that wait, those in pieces, and both at once."""

import random
from collections.abc import Callable

import pytest

from streams.checks.shoppers import check_shoppers
from streams.events import Click, Purchase
from streams.shoppers import store as shopper_store
from streams.shoppers.deferred import TABLE as UNTOLD
from streams.shoppers.store import PIECES
from streams.shoppers.windows import WindowSettings
from tests.strategies_events import LOOSE, MONDAY_MS, TIGHT, Partition, random_events
from topology.check import Problem
from topology.store.memory import MemoryStore


def problems(partition: Partition, rules: WindowSettings) -> list[Problem]:
    return list(check_shoppers(MemoryStore(partition.store.durable), rules))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of the tests are large."""
    monkeypatch.setattr(shopper_store, "WHOLE_BYTES", 150)


@pytest.mark.parametrize("windows", [TIGHT, LOOSE], ids=["tight", "loose"])
def test_after_every_commit_all_is_as_it_should_be(windows: WindowSettings) -> None:
    waited = in_pieces = 0
    for seed in range(40):
        rng = random.Random(f"checked {seed}")
        partition = Partition(windows)
        events = random_events(rng, rng.choice((15, 40, 120)), 50, 1)
        while events:
            size = rng.choice((1, 3, 10))
            partition.take(events[:size])
            del events[:size]
            partition.owner.commit()
            if rng.random() < 0.2:
                partition.open()
            waited += bool(partition.rows(UNTOLD))
            in_pieces += bool(partition.rows(PIECES))
            assert problems(partition, windows) == [], seed
    assert waited > 40
    assert in_pieces > 40


Change = Callable[[dict[str, dict[bytes, bytes]]], None]


def without(table: str, place: int) -> Change:
    """A row of a table is gone."""
    return lambda tables: tables[table].pop(sorted(tables[table])[place])  # type: ignore[return-value]


def untold(count: bytes) -> Change:
    return lambda tables: tables[UNTOLD].__setitem__(b"hot", count)


def piece(key: bytes) -> Change:
    return lambda tables: tables[PIECES].__setitem__(key, b"\0\0\0\0")


@pytest.mark.parametrize(
    ("plant", "says"),
    [
        (without(UNTOLD, 0), "the ledger comes to"),
        (untold(b"3"), "the ledger comes to"),
        (untold(b"999"), "cannot be read"),
        (untold(b"all"), "cannot be read"),
        (without(PIECES, 0), "piece 0 should be"),
        (without(PIECES, -2), "should be"),
        (piece(b"0000000003ann0000000000"), "stands whole"),
        (piece(b"0000000003hot0000000099"), "should be"),
    ],
    ids=["told", "fewer", "more", "no-number", "first", "one-before-last", "whole", "too-far"],
)
def test_a_fault_in_a_large_row_that_waits_is_found(plant: Change, says: str) -> None:
    rules = WindowSettings(large_row=20)
    partition = Partition(rules)
    bought = [Purchase(f"e{n:03}", MONDAY_MS + n * 1_000, "hot", f"p{n}") for n in range(30)]
    for each in (*bought[::2], *bought[1::2]):  # out of order: all of the row has to be worked out
        partition.take([each])
        partition.owner.commit()
    partition.take([Click("a", MONDAY_MS, "ann", "p")])
    partition.owner.commit()
    assert partition.rows(UNTOLD)
    assert len(partition.rows(PIECES)) > 2
    assert problems(partition, rules) == []
    plant(partition.store.durable)
    assert any(says in each.what for each in problems(partition, rules))
