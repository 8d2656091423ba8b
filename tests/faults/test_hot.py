"""One product in half of all clicks and purchases costs the stages no more than any other."""

import random
from collections import Counter

from streams.events import encode_event, encode_product
from tests.faults.hot import Timed, of_one_product, sample_shop
from tests.in_process import STAGES
from topology.store.memory import MemoryStore

EVENTS, FLUSH = 16_000, 200


def accesses(share: float) -> Counter[str]:
    """How often each stage reads or writes a row of its store, without the first half."""
    shop, products = sample_shop(random.Random(3))
    stages, count = Timed({name: MemoryStore() for name in STAGES}), Counter[str]()
    for name, store in stages.stores.items():
        for access in ("get", "put", "delete", "scan"):
            _count(store, access, name, count)
    stages.land("catalog", [encode_product(each) for each in products])
    stages.settle()
    values = [encode_event(event) for event in of_one_product(EVENTS, 0.4, share, shop)]
    for begin in range(0, EVENTS, FLUSH):
        if begin == EVENTS // 2:
            count.clear()
        stages.land("events", values[begin : begin + FLUSH])
        stages.pass_on()
    return count


def _count(store: object, access: str, name: str, count: Counter[str]) -> None:
    real = getattr(store, access)

    def counted(*args: object, **named: object) -> object:
        found = real(*args, **named)
        count[name] += len(found) if access == "scan" else 1
        return found

    setattr(store, access, counted)


def test_a_hot_product_takes_no_more_rows_than_others() -> None:
    calm, hot = accesses(0.0), accesses(0.5)
    assert hot["products"] > EVENTS // 10
    for stage in ("shoppers", "queries", "products", "graph"):
        assert hot[stage] <= 1.2 * calm[stage], (stage, calm, hot)
