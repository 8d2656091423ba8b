"""Partners hear of a product's sales in slices, in the order in which they moved."""

from streams.products.sales import Stepped
from topology.store.memory import MemoryStore


class Shop:
    def __init__(self, partners: dict[bytes, int]) -> None:
        self.partners = partners
        self.store = MemoryStore()
        self.stepped = Stepped(self.store)
        self.told: list[bytes] = []

    def retell(self, product: bytes) -> int:
        self.told.append(product)
        return self.partners[product]

    def work(self, rows: int) -> list[bytes]:
        self.told = []
        self.stepped.work(self.retell, rows)
        self.store.commit()
        return self.told


def test_a_product_with_many_partners_holds_the_others_up_by_as_many_rows():
    shop = Shop({b"big": 900, b"b": 10, b"c": 10})
    for product in shop.partners:
        shop.stepped.add(product)
    assert shop.work(100) == [b"big"]
    told = [shop.work(100) for _ in range(10)]
    assert told[:8] == [[]] * 8
    assert [each for some in told for each in some] == [b"b", b"c"]
    assert len(shop.stepped) == 0


def test_a_product_that_moves_on_while_it_waits_is_told_of_once():
    shop = Shop({b"a": 1})
    for _ in range(5):
        shop.stepped.add(b"a")
    assert shop.work(100) == [b"a"]
    assert shop.work(100) == []


def test_what_waits_outlives_a_crash_and_is_forgotten_once_it_is_told():
    shop = Shop({b"a": 90, b"b": 1})
    shop.stepped.add(b"a")
    shop.stepped.add(b"b")
    shop.work(10)
    shop.stepped = Stepped(shop.store)
    assert shop.work(10) == [b"b"]
    assert len(Stepped(shop.store)) == 0
