"""PRODUCTS: what a product counts for, what it is paired with, and what takes that back."""

import msgspec
import pytest

from streams.errors import StateError
from streams.events import Product, encode_product
from streams.outcomes import DEAD_LETTER, DUPLICATE, STALE, USED
from streams.products.stage import ProductSettings, build_products
from streams.totals.messages import (
    Asked,
    Together,
    Why,
    With,
    decode_why,
    decode_with,
    encode,
    is_key,
)
from streams.totals.wire import join, split
from tests.one_partition import OnePartition, Tell, small_ontology
from topology.scoring import step

ONTOLOGY = small_ontology()
SETTINGS = ProductSettings(max_distance=2, tagging_bundle="tagging@1", cleaning_bundle="cleaning@1")
WEEK = b"02000"
NURSES = Asked("shoes nurses", (("used_for_aud", "intent:audience/nurse", 0.9),), (), (), "t")


class Shop:
    """A partition of PRODUCTS and those who tell it something; versions rise."""

    def __init__(self, settings: ProductSettings = SETTINGS) -> None:
        build = build_products(settings, ONTOLOGY)
        self.stage = OnePartition("products", build, ["together", "claims"])
        self.version = 0

    def record(self, title: str, at: int, product: str = "p1", **fields: object) -> None:
        record = Product(product, title, position=(0, at), **fields)
        self.stage.read("catalog", (product.encode(), encode_product(record)))

    def tell(self, topic: str, *key: bytes, n: int, payload: bytes = b"") -> None:
        self.version += 1
        tell = Tell(topic, 0, 1, self.version, key, n, payload if n else b"")
        self.stage.read(topic, tell.record())

    def asks(self, n: int, query: bytes = b"q1", said: Asked = NURSES, *, kind=b"c") -> None:
        self.tell("asked", b"p1", query, kind, WEEK, n=n, payload=encode(said))

    def claims(self, head: str, kind: str) -> dict[tuple[str, ...], int]:
        self.stage.commit()
        prefix = join(head.encode(), kind.encode(), b"")
        return {
            tuple(part.decode() for part in split(key)[2:]): n
            for (topic, key), (n, _) in self.stage.told().items()
            if topic == "claims" and key.startswith(prefix)
        }

    def payload(self, *key: str, topic: str = "claims") -> bytes:
        self.stage.commit()
        return self.stage.told()[topic, join(*(part.encode() for part in key))][1]


def test_totals_wait_for_the_record_and_then_count_for_its_type_and_values():
    shop = Shop()
    shop.tell("bought", b"p1", b"b", WEEK, n=5)
    shop.asks(2)
    assert shop.claims("product:p1", "b") == {("02000",): 5}
    assert shop.claims("type:boots", "n") == {}
    assert shop.stage.owner.stage.gauges()["waiting"] == 1

    shop.record("waterproof boots", 1)
    assert shop.claims("type:boots", "n") == {("02000",): 5}
    assert shop.claims("type:shoes", "n") == {("02000",): 5}
    assert shop.claims("type:fashion", "n") == {}
    assert shop.claims("type:boots", "v") == {("value:feature/waterproof", "02000"): 5}
    why = ("used_for_aud", "intent:audience/nurse", "02000")
    assert shop.claims("type:boots", "i") == {why: 4}  # a click weighs 2
    assert shop.claims("type:boots", "x") == {("value:feature/waterproof", *why): 4}
    assert shop.stage.owner.stage.gauges()["waiting"] == 0
    sample = decode_why(shop.payload("type:boots", "x", "value:feature/waterproof", *why))
    assert sample.queries == ("shoes nurses",)
    assert sample.products == ("product:p1",)
    assert sample.bundles == ("cleaning@1", "tagging@1")


def test_a_new_title_takes_the_old_ones_claims_back():
    shop = Shop()
    shop.tell("bought", b"p1", b"b", WEEK, n=5)
    shop.record("red boots", 1)
    assert len(shop.claims("product:p1", "f")) == 2
    assert shop.claims("attr:color", "u") == {("value:color/red",): 1}
    shop.record("green mug", 2)
    assert set(shop.claims("product:p1", "f")) == {
        ("has_type", "type:mug", "text"),
        ("has_attribute:color", "value:color/green", "text"),
    }
    assert shop.claims("type:boots", "n") == {}
    assert shop.claims("type:mug", "n") == {("02000",): 5}
    assert shop.claims("attr:color", "u") == {("value:color/green",): 1}
    assert shop.payload("attr:color", "u", "value:color/green") == b"green"


def test_what_titles_call_a_type_that_the_ontology_lacks_is_told_with_the_type_they_count_as():
    shop = Shop()
    shop.record("red travel mugs", 1)
    shop.record("Zorb and travel mug", 1, "p2", category=("Footwear",))
    shop.record("zorbs", 1, "p3")
    mug, zorb = "value:product_type/travel-mug", "value:product_type/zorb"
    assert shop.claims("attr:product_type", "k") == {
        (mug, "type:mug"): 1,
        (mug, "type:shoes"): 1,
        (zorb, "type:shoes"): 1,
        (zorb, "type:unknown"): 1,
    }
    assert shop.claims("attr:product_type", "u") == {
        (mug,): 2,
        (zorb,): 2,
        ("value:product_type/mug",): 1,  # the types that the products count as
        ("value:product_type/shoe",): 1,
    }
    assert shop.payload("attr:product_type", "u", mug) == b"travel mug"
    assert all(is_key(topic, key) for topic, key in shop.stage.told())
    assert not is_key("claims", b"attr:color\0k\0value:color/red\0type:mug")
    sample = decode_why(shop.payload("attr:product_type", "k", mug, "type:shoes"))
    assert sample == Why((), ("product:p2",), ("cleaning@1", "tagging@1"))


def test_another_title_another_type_and_no_record_take_a_phrase_back():
    shop = Shop()
    mug = "value:product_type/travel-mug"
    shop.record("travel mug", 1)
    shop.record("travel mug", 1, "p2")
    assert shop.claims("attr:product_type", "k") == {(mug, "type:mug"): 2}
    shop.record("travel mug", 2, category=("Footwear",))
    assert shop.claims("attr:product_type", "k") == {(mug, "type:mug"): 1, (mug, "type:shoes"): 1}
    sample = decode_why(shop.payload("attr:product_type", "k", mug, "type:mug"))
    assert sample.products == ("product:p2",)
    shop.record("red mug", 3)
    assert shop.claims("attr:product_type", "k") == {(mug, "type:mug"): 1}
    shop.record("", 4, "p2", deleted=True)
    assert shop.claims("attr:product_type", "k") == {}
    assert shop.claims("attr:product_type", "u") == {("value:product_type/mug",): 1}


def test_the_record_with_the_newest_position_counts_not_the_last_to_arrive():
    shop = Shop()
    shop.record("green mug", 7)
    shop.record("red boots", 3)
    shop.record("green mug", 7)
    assert ("has_type", "type:mug", "text") in shop.claims("product:p1", "f")
    shop.record("red boots", 4)
    assert ("has_type", "type:mug", "text") in shop.claims("product:p1", "f")
    tally = shop.stage.owner.tally
    counted = [tally[f"catalog.{name}"] for name in (USED, STALE, DUPLICATE)]
    assert counted == [1, 2, 1]


def test_a_withdrawn_product_claims_nothing_but_its_sales_and_stays_withdrawn():
    shop = Shop()
    shop.tell("bought", b"p1", b"b", WEEK, n=5)
    shop.asks(3)
    shop.record("red boots", 1)
    shop.stage.commit()
    shop.record("", 2, deleted=True)
    shop.record("red boots", 1)
    shop.stage.commit()
    assert set(shop.stage.told()) == {("claims", join(b"product:p1", b"b", WEEK))}
    assert shop.stage.owner.stage.gauges()["waiting"] == 1
    assert not shop.stage.store.durable["behind"]


def test_records_that_cannot_be_read_are_dead_letters_and_tombstones_are_passed_over():
    shop = Shop()
    bad = [b"\xff", b"[]", b'{"id":1}', b'{"id":""}', b'{"id":"a\\u0000b"}', b"[" * 100_000]
    bad += [b'{"id":"a","position":[1,99999999999999999999]}', b'{"id":"a","title":"\\ud800"}']
    bad += [b'{"id":"' + b"x" * 201 + b'"}']
    shop.stage.read("catalog", *((b"key", value) for value in bad), (b"key", None))
    shop.record("", 1, "p2")
    shop.stage.commit()
    tally = shop.stage.owner.tally
    counted = [tally[f"catalog.{name}"] for name in (DEAD_LETTER, STALE, USED)]
    assert counted == [len(bad), 1, 1]
    assert tally["dead.bad_product"] == len(bad)


def test_odd_totals_do_no_harm():
    shop = Shop()
    shop.record("red boots", 1)
    for topic in ("bought", "asked", "together"):
        for key in [(b"p1",), (b"", b"b", WEEK), (b"p1", b"?", b"q", WEEK), (b"\xff", b"b", WEEK)]:
            shop.tell(topic, *key, n=1, payload=b"\xff")
    shop.tell("asked", b"p1", b"q", b"b", WEEK, n=1, payload=b"\xc1")
    shop.tell("asked", b"\xff", b"q", b"b", WEEK, n=1, payload=encode(NURSES))
    shop.tell("together", b"p1", b"w", b"p0", WEEK, n=1, payload=b"\xc1")
    shop.tell("bought", b"p1", b"w", b"p1", WEEK, n=1)
    assert shop.claims("type:boots", "i") == {}
    assert shop.claims("product:p1", "c") == {("product:p0", "02000"): 1}  # of no type
    assert not any(topic == "together" for topic, _ in shop.stage.told())


def test_a_query_that_means_something_else_now_counts_for_that_alone():
    shop = Shop()
    shop.record("red boots", 1)
    shop.asks(3)
    hiking = Asked("hiking", (("xWant", "intent:activity/hiking", 0.9),), (), (), "t")
    shop.asks(3, said=hiking)
    assert shop.claims("type:boots", "i") == {("xWant", "intent:activity/hiking", "02000"): 6}
    shop.asks(0)
    assert shop.claims("type:boots", "i") == {}
    assert shop.claims("type:boots", "x") == {}


def test_a_sample_has_five_queries_at_most_and_follows_the_totals():
    shop = Shop()
    shop.record("red boots", 1)
    for number in range(9):
        said = msgspec.structs.replace(NURSES, query=f"nurse shoes {number}")
        shop.asks(1, b"q%d" % number, said)
    key = "type:boots", "x", "value:color/red", "used_for_aud", "intent:audience/nurse", "02000"
    before = decode_why(shop.payload(*key)).queries
    assert len(before) == 5
    for text in before:
        shop.asks(0, b"q" + text[-1:].encode())
    after = decode_why(shop.payload(*key)).queries
    assert len(after) == 4
    assert not set(after) & set(before)


def test_a_co_purchase_is_told_with_the_type_and_told_again_when_it_changes():
    shop = Shop()
    key = "p2", "w", "p1", "02000"
    shop.tell("bought", b"p1", b"w", b"p2", WEEK, n=4)
    assert shop.payload(*key, topic="together") == encode(Together("", 0))
    shop.record("boots", 1)
    assert shop.payload(*key, topic="together") == encode(Together("boots", 0))
    shop.tell("bought", b"p1", b"b", WEEK, n=4)
    assert shop.payload(*key, topic="together") == encode(Together("boots", 4))


def test_a_pair_of_one_shopper_waits_but_counts_between_types():
    shop = Shop()
    shop.record("boots", 1)
    for week, other in ((WEEK, b"p2"), (WEEK, b"p3"), (b"02001", b"p3")):
        shop.tell("bought", b"p1", b"w", other, week, n=1)
    shop.stage.commit()
    told = {key: n for (topic, key), (n, _) in shop.stage.told().items() if topic == "together"}
    assert told == {
        b"p2\0t\0boots\x0002000": 1,
        b"p3\0t\0boots\x0002000": 1,
        b"p3\0t\0boots\x0002001": 1,
        b"p3\0w\0p1\x0002000": 1,
        b"p3\0w\0p1\x0002001": 1,
    }
    shop.tell("bought", b"p1", b"w", b"p3", WEEK, n=0)
    shop.stage.commit()
    left = [key for topic, key in shop.stage.told() if topic == "together"]
    assert sorted(left) == [b"p2\0t\0boots\x0002000", b"p3\0t\0boots\x0002001"]


def test_a_co_purchase_is_judged_by_how_far_the_types_are():
    shop = Shop()
    for other, kind in ((b"a", "shoes"), (b"b", "mug"), (b"c", ""), (b"d", "unheard-of")):
        shop.tell("together", b"p1", b"w", other, WEEK, n=3, payload=encode(Together(kind, 9)))
        if kind:
            shop.tell("together", b"p1", b"t", kind.encode(), WEEK, n=3)
    shop.tell("bought", b"p1", b"b", WEEK, n=70)
    claim = "c", "product:p1", "02000"
    assert decode_with(shop.payload("product:b", *claim)) == With("mug", "", -1, 64)

    shop.record("boots", 1)
    assert decode_with(shop.payload("product:a", *claim)) == With("shoes", "boots", 1, 64)
    back = decode_with(shop.payload("product:p1", "c", "product:a", "02000"))
    assert back == With("boots", "shoes", 1, 9)
    assert shop.claims("product:b", "c") == {}  # too far
    assert decode_with(shop.payload("product:c", *claim)) == With("", "boots", -1, 64)
    assert decode_with(shop.payload("product:d", *claim)) == With("unheard-of", "boots", -1, 64)
    assert shop.claims("type:shoes", "t") == {("type:boots", "02000"): 3}
    pair = decode_with(shop.payload("type:shoes", "t", "type:boots", "02000"))
    assert pair == With("shoes", "boots", 1, 0)

    shop.record("mug", 2)
    assert shop.claims("product:a", "c") == {}
    assert shop.claims("type:shoes", "t") == {}
    assert shop.claims("type:mug", "t") == {("type:mug", "02000"): 6}  # either with the other


def test_sales_are_told_to_co_purchases_in_steps():
    shop = Shop()
    shop.tell("together", b"p1", b"w", b"a", WEEK, n=1, payload=encode(Together("", 0)))
    told = []
    for n in (15, 30, 31, 32):
        shop.tell("bought", b"p1", b"b", WEEK, n=n)
        told.append(decode_with(shop.payload("product:a", "c", "product:p1", "02000")).bought)
    assert told == [15, 30, 30, 32]


def test_steps_are_exact_below_64_and_keep_six_bits_above():
    assert [step(n) for n in range(64)] == list(range(64))
    for n in range(64, 5_000):
        assert step(n) <= n < step(n) * 33 / 32
        assert bin(step(n)).rstrip("0").count("") - 3 <= 6
        assert step(step(n)) == step(n) >= step(n - 1)


def test_a_burst_of_totals_on_one_product_never_scans_what_came_before(monkeypatch):
    shop = Shop()
    shop.record("red boots", 1)
    shop.tell("bought", b"p1", b"b", WEEK, n=1)
    for number in range(200):
        shop.asks(1, b"q%d" % number)
    shop.stage.commit()
    scans = []
    monkeypatch.setattr(shop.stage.store, "scan", lambda *args, **more: scans.append(args) or [])
    for n in range(2, 50):
        shop.asks(n, b"q7")
        shop.tell("bought", b"p1", b"b", WEEK, n=66 + n % 2)
    shop.asks(5, b"q-new")
    shop.stage.commit()
    assert len(scans) <= 2  # once a batch, for a new step of the sales, both ways


def test_a_product_id_keeps_its_odd_signs_in_its_node():
    shop = Shop()
    shop.record("red boots", 1, "a/b c")
    shop.tell("bought", b"a/b c", b"b", WEEK, n=2)
    assert shop.claims("product:a%2Fb%20c", "b") == {("02000",): 2}


def test_flush_before_the_answers_is_refused():
    shop = Shop()
    shop.record("red boots", 1)
    with pytest.raises(StateError, match="before 1 products"):
        shop.stage.owner.commit()


def test_a_record_without_a_text_asks_nothing():
    shop = Shop()
    shop.record("", 1)
    shop.stage.commit()
    assert shop.stage.questions == 0
