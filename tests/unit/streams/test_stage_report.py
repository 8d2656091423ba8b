"""What a worker reports of its partitions: sums, the oldest, growth counted once."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from streams.monitoring.metrics import REGISTRY
from streams.totals.cache_count import CacheCount
from streams.worker.stage_report import StageReport
from topology.store.figures import StoreFigures, add_up, figures
from topology.store.rocksdb import RocksStore, StoreMemory

NOW_S = 1_700_000_000.0


def sample(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def partition(store: RocksStore, **said: Callable[[], dict[str, int]]) -> SimpleNamespace:
    """What a report asks of a partition."""
    stage = SimpleNamespace(**said)
    caches = {name: SimpleNamespace(cache=CacheCount(), waiting=3) for name in ("inbox", "outbox")}
    return SimpleNamespace(store=store, owner=SimpleNamespace(stage=stage, **caches))


@pytest.fixture
def stores(tmp_path: Path):
    memory = StoreMemory(cache_bytes=8 << 20, write_buffer_bytes=4 << 20)
    made = [RocksStore(tmp_path / name, ("a", "b"), memory=memory) for name in "xy"]
    for number, store in enumerate(made, start=1):
        for key in range(1_000 * number):
            store.put("a", b"%d" % key, b"v" * 100)
        store.commit()
        store.flush()
    yield memory, made
    for store in made:
        store.close()


def test_a_store_says_what_it_holds(stores):
    _, (one, other) = stores
    found = figures(one)
    assert found.rows["a"] == 1_000
    assert found.rows["b"] == 0
    assert found.live_bytes > 0
    assert found.table_reader_bytes > 0
    assert found.level0_files == 1
    assert (found.stopped, found.delayed_write_bytes, found.background_errors) == (0, 0, 0)
    both = add_up([found, figures(other)])
    assert both.rows["a"] == 3_000
    assert both.live_bytes > found.live_bytes
    assert both.level0_files == 1
    assert add_up([]) == StoreFigures({})
    other.close()
    assert figures(other) == StoreFigures({})


def test_the_store_that_is_held_back_most_is_told():
    some = [StoreFigures({}, delayed_write_bytes=n, stopped=1) for n in (0, 900, 300)]
    assert add_up(some).delayed_write_bytes == 300
    assert add_up(some).stopped == 3


def test_reports_add_partitions_up_and_count_growth_once(stores):
    memory, (one, other) = stores
    hour_ms = int(NOW_S * 1000) - 3_600_000
    first = partition(
        one,
        marks=lambda: {"watermark": hour_ms},
        held_since=lambda: {"same_as": hour_ms, "is_a": hour_ms + 1_000},
        quality=lambda: {"facts.is_a.held": 2, "reasons.is_a.held.new_type": 2},
        gauges=lambda: {"groups": 1},
    )
    second = partition(
        other,
        marks=lambda: {"watermark": hour_ms - 5_000},
        held_since=lambda: {"same_as": hour_ms - 7_000},
        quality=lambda: {"facts.is_a.held": 3},
        gauges=lambda: {"groups": 4},
    )
    first.owner.inbox.cache.hits = 10
    report = StageReport("t9", memory, now_s=lambda: NOW_S)
    for turn in range(6):
        report.tell([first, second], turn=turn)
    first.owner.inbox.cache.hits += 5
    report.tell([first, second], turn=6)
    assert sample("cartograph_items", stage="t9", what="groups") == 5
    assert sample("cartograph_unsent_keys", stage="t9") == 6
    assert sample("cartograph_watermark_delay_seconds", stage="t9") == 3_600
    assert sample("cartograph_held_age_seconds", relation="same_as") == 3_607
    assert sample("cartograph_facts", relation="is_a", status="held") == 5
    assert sample("cartograph_store_rows", stage="t9", table="a") == 3_000
    limit = sample("cartograph_rocksdb_block_cache_limit_bytes", stage="t9")
    assert limit == 8 << 20
    assert sample("cartograph_cache_lookups_total", stage="t9", cache="inbox", outcome="hit") == 15
    report.tell([second], turn=10)  # a partition moved away
    assert sample("cartograph_held_age_seconds", relation="is_a") is None
    assert sample("cartograph_fact_reasons", relation="is_a", status="held", reason="new_type") == 0
    assert sample("cartograph_store_rows", stage="t9", table="a") == 2_000
    report.tell([], turn=11)
    assert sample("cartograph_watermark_delay_seconds", stage="t9") == 0, "its new owner tells it"
