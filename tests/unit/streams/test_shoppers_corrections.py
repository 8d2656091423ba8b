"""SHOPPERS: what a correction takes back, where the fast path once differed from the clear one."""

from streams.events import Click, Event, Purchase, Search
from streams.shoppers.windows import HOUR_MS, MINUTE_MS, WindowSettings, standing
from streams.weeks import week_end_ms
from tests.strategies_events import Partition

NOON = week_end_ms(2700) + 12 * HOUR_MS


def search(ident: str, at: int, query: str) -> Event:
    return Search(ident, at, "ann", query)


def buy(ident: str, at: int, product: str = "p") -> Event:
    return Purchase(ident, at, "ann", product)


def test_a_purchase_that_comes_with_what_pushes_an_event_out_is_looked_at_again_later() -> None:
    rules = WindowSettings(minute_events=3, searches=2)
    first = [Click("2e0103", NOON, "ann", "p"), search("2e04323", NOON + 40_000, "lamp")]
    first.append(search("2e0309", NOON + 10_000, "lamp"))
    second = [buy("2e0742", NOON + MINUTE_MS), search("2e0000", NOON, "shoes")]
    third = [search("2e01314", NOON + MINUTE_MS, "tea")]
    partition = Partition(rules)
    for some in (first, second, third):
        partition.take(some)
        partition.owner.commit()
    assert set(partition.totals()) == standing([*first, *second, *third], rules)
    assert partition.outcomes() == {"used": 5, "capped": 1}


def test_a_pair_that_a_basket_takes_back_still_stands_for_a_settled_one_of_its_week() -> None:
    """The basket goes on in the week after, whose ledger alone was looked at."""
    end = week_end_ms(2700)
    rules = WindowSettings(gap_ms=5 * MINUTE_MS, span_ms=5 * MINUTE_MS, basket=2, raw_events=1)
    first = [buy("a", end - 3 * HOUR_MS, "p3"), buy("b", end - 3 * HOUR_MS, "p4")]
    second = [buy("c", end - 2 * MINUTE_MS, "p3"), buy("d", end - MINUTE_MS, "p4")]
    others = enumerate(("p2", "p1", "p5", "p0"))
    third = [buy(f"e{n}", end + MINUTE_MS, name) for n, name in others]
    partition = Partition(rules)
    for some in (first, second):
        partition.take(some)
        partition.owner.commit()
    partition.open()
    partition.take(third)
    assert set(partition.totals()) == standing([*first, *second, *third], rules)
