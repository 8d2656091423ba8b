"""What a large row costs: an event's work and bytes do not grow with its session."""

import random
from collections import Counter
from collections.abc import Sequence

import pytest

from streams.erasures import Erasure
from streams.events import Click, Event, Purchase, Return, Search
from streams.shoppers import ledger as shopper_ledger
from streams.shoppers import stage as shoppers
from streams.shoppers import store as shopper_store
from streams.shoppers.deferred import PER_EVENT
from streams.shoppers.deferred import TABLE as UNTOLD
from streams.shoppers.rows import LEDGER
from streams.shoppers.sessions import Sessions
from streams.shoppers.stage import Shoppers
from streams.shoppers.store import PIECES
from streams.shoppers.windows import DAY_MS, MINUTE_MS, WindowSettings, standing
from streams.weeks import week_end_ms, week_of
from tests.properties.test_shoppers_erasures import WINDOWS as WITH_ERASURES
from tests.properties.test_shoppers_erasures import check as check_erasures
from tests.properties.test_shoppers_sets import check
from tests.strategies_events import LOOSE, MONDAY_MS, TIGHT, Partition, random_events

RULES = WindowSettings()
FLUSH = 50


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts steps that are replayed, and keys that are worked out from baskets."""
    count: Counter[str] = Counter()
    for name in ("search", "click", "purchase", "give_back"):
        _count(monkeypatch, Sessions, name, count)
    standing_of = shopper_ledger.standing_of

    def counted(*args: object) -> set[bytes]:
        found = standing_of(*args)  # type: ignore[arg-type]
        count["steps"] += len(found)
        return found

    monkeypatch.setattr(shopper_ledger, "standing_of", counted)
    return count


def _count(patch: pytest.MonkeyPatch, owner: type, name: str, count: Counter[str]) -> None:
    real = getattr(owner, name)

    def counted(*args: object) -> object:
        count["steps"] += 1
        return real(*args)

    patch.setattr(owner, name, counted)


def capped(n: int, at: int) -> Event:
    """So many searches and clicks a minute that each new one takes another's place, or none."""
    if n % 8 == 0:
        return Purchase(f"e{n}", at, "hot", f"p{n % 997}")
    return Click(f"e{n}", at, "hot", f"p{n % 997}")


def jumbled(n: int, at: int) -> Event:
    """Every second event is older than the one before it."""
    return Purchase(f"e{n}", at - n % 2 * MINUTE_MS, "hot", f"p{n % 997}", "", "s")


def receipts(n: int, at: int) -> Event:
    """A till with a session for each three items, and returns."""
    if n % 50 == 49:
        return Return(f"e{n}", at, "hot", f"p{(n - 7) % 997}")
    return Purchase(f"e{n}", at, "hot", f"p{n % 997}", "", f"s{n // 3}")


def wholesale(n: int, at: int) -> Event:
    """One basket without end."""
    return Purchase(f"e{n}", at, "hot", f"p{n}", "", "s")


def fed(
    make: object,
    count: int,
    step_ms: int,
    work: Counter[str],
    erasures: Sequence[Erasure] = (),
) -> list[tuple[float, float]]:
    """Steps of work and bytes put, each by event, of each quarter of a stream; half is others'."""
    partition, found = Partition(RULES), list[tuple[float, float]]()
    partition.forget(erasures)
    put = partition.store.put
    size = Counter[str]()

    def counted(table: str, key: bytes, value: bytes) -> None:
        size["bytes"] += len(value)
        put(table, key, value)

    partition.store.put = counted  # type: ignore[method-assign]
    for quarter in range(4):
        work.clear()
        size.clear()
        for start in range(quarter * count // 4, (quarter + 1) * count // 4, FLUSH):
            events: list[Event] = []
            for n in range(start, start + FLUSH):
                at = MONDAY_MS + 2 * MINUTE_MS + n * step_ms
                events += [make(n, at), Click(f"o{n}", at, f"other{n // 8}", "p")]  # type: ignore[operator]
            partition.take(events)
            partition.owner.commit()
        found.append((work["steps"] / (count // 4), size["bytes"] / (count // 4)))
    return found


@pytest.mark.parametrize("step_ms", [20, 2_000])
@pytest.mark.parametrize("make", [capped, jumbled, receipts, wholesale])
def test_the_work_and_the_bytes_of_an_event_do_not_grow_with_its_session(
    make: object, step_ms: int, work: Counter[str]
) -> None:
    quarters = fed(make, 8_000, step_ms, work)
    # Two events a turn, each of which pays for so many steps; what settles is replayed once more.
    assert all(steps <= 2 * 2 * PER_EVENT + 4 for steps, _ in quarters), quarters
    assert all(size <= 2_500 for _, size in quarters), quarters


def test_nor_do_they_where_what_the_shopper_did_before_was_forgotten(work: Counter[str]) -> None:
    erasure = Erasure("hot", MONDAY_MS - DAY_MS, "t", 0)
    quarters = fed(wholesale, 4_000, 2_000, work, [erasure])
    assert all(steps <= 2 * 2 * PER_EVENT + 4 for steps, _ in quarters), quarters


def test_nor_while_weeks_of_others_leave_the_ledger(
    work: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shoppers, "_SWEEP", 10)
    partition = Partition(WindowSettings(keep_ms=DAY_MS))
    over_ms = week_end_ms(week_of(MONDAY_MS)) + DAY_MS + RULES.allowance_ms
    partition.take([Search(f"s{n}", MONDAY_MS, f"s{n}", "tea") for n in range(1_000)])
    for start in range(0, 3_000, FLUSH):
        at = over_ms - MINUTE_MS
        partition.take([wholesale(n, at + n) for n in range(start, start + FLUSH)])
        partition.owner.commit()
    assert len(partition.rows(LEDGER)) == 1_000
    work.clear()
    for start in range(3_000, 4_000, FLUSH):
        at = over_ms + 1
        partition.take([wholesale(n, at + n) for n in range(start, start + FLUSH)])
        partition.owner.commit()
    assert 0 < len(partition.rows(LEDGER)) < 900  # it takes many flushes
    assert work["steps"] <= (2 * PER_EVENT + 4) * 1_000


def test_others_are_told_with_the_flush_that_they_came_with_and_the_large_row_by_a_calm() -> None:
    partition, shown = Partition(RULES), set[tuple[str, bytes]]()
    hot: list[Event] = []
    for start in range(0, 4_000, 100):
        events = [wholesale(n, MONDAY_MS + n) for n in range(start, start + 100)]
        hot += events
        other = Search(f"o{start}", MONDAY_MS + start, f"other{start}", f"query {start}")
        partition.take([*events, other])
        partition.owner.commit()
        shown |= standing([other], RULES)
        assert shown <= {
            (topic, key)
            for topic in ("searched",)
            for key, _, _ in partition.owner.outbox.scan(topic, b"")
        }
    assert not partition.owner.stage.is_idle
    assert partition.rows(UNTOLD)
    partition.open()  # what waits is committed
    assert not partition.owner.stage.is_idle
    assert set(partition.totals()) == standing(hot, RULES) | shown
    assert not partition.rows(UNTOLD)


def test_a_return_that_waits_finds_the_week_that_is_about_to_go() -> None:
    rules = WindowSettings(keep_ms=DAY_MS, large_row=20)
    partition = Partition(rules)
    bought = Purchase("b", MONDAY_MS, "hot", "p", "", "s")
    back_ms = week_end_ms(2701) + DAY_MS
    bulk = [Purchase(f"x{n}", back_ms - 5_000 + n, "hot", f"x{n}", "", "t") for n in range(60)]
    back = Return("r", back_ms, "hot", "p")
    for events in ([bought], [Click("c", back_ms - MINUTE_MS * 60, "hot", "p")], bulk, [back]):
        partition.take(events)
        partition.owner.commit()
    assert partition.rows(UNTOLD)
    partition.take([Click("z", back_ms + 11 * MINUTE_MS, "ann", "p")])
    partition.owner.commit()
    assert set(partition.totals()) == standing([bought, *bulk, back], rules)


@pytest.mark.parametrize("windows", [TIGHT, LOOSE], ids=["tight", "loose"])
def test_a_row_in_pieces_is_the_same_row(
    windows: WindowSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shopper_store, "WHOLE_BYTES", 150)
    for seed in range(120):
        rng = random.Random(f"pieces {seed}")
        check(windows, random_events(rng, rng.choice((15, 40, 120)), 50, 1), seed)


@pytest.mark.parametrize("windows", WITH_ERASURES, ids=["tight", "loose"])
def test_so_it_is_to_erasures(windows: WindowSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shopper_store, "WHOLE_BYTES", 150)
    for seed in range(60):
        check_erasures(windows, f"pieces {seed}")


def _live(names: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> Partition:
    monkeypatch.setattr(shopper_store, "WHOLE_BYTES", 150)
    partition = Partition(RULES)
    for n in range(20):
        partition.take([Click(f"{n}", MONDAY_MS + n, each, f"p{n}") for each in names])
        partition.owner.commit()
    return partition


def test_pieces_go_with_their_row(monkeypatch: pytest.MonkeyPatch) -> None:
    partition = _live(("ann", "anna", "a\0nn"), monkeypatch)
    stage = partition.owner.stage
    assert isinstance(stage, Shoppers)
    assert partition.rows(PIECES)
    partition.open()
    partition.take([Click("20", MONDAY_MS + 20, "ann", "p20")])
    partition.owner.commit()
    partition.take([Click("z", MONDAY_MS + 5 * DAY_MS, "zoe", "p")])
    partition.owner.commit()
    assert not partition.rows(PIECES)
