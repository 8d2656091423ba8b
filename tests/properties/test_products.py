"""PRODUCTS at rest is a function of the latest records and the totals, in any order."""

from collections import Counter
from collections.abc import Iterator
from hashlib import blake2b
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from models_onnx.spans import Claim, Text
from streams.events import Product, decode_product, encode_product
from streams.ports import Questions
from streams.products.pairs import sales_step
from streams.products.reading import Read, read
from streams.products.rows import NOTHING
from streams.products.stage import ProductSettings, build_products
from streams.totals.messages import (
    Asked,
    Together,
    Why,
    With,
    decode_asked,
    decode_together,
    encode,
)
from streams.totals.wire import join
from tests.one_partition import OnePartition, Tell, Totals, left, small_ontology

ONTOLOGY = small_ontology()
SETTINGS = ProductSettings(max_distance=2, floor=3, tagging_bundle="t", cleaning_bundle="c")
PRODUCTS = [b"p1", b"p1", b"p 2", b"p3", b"p4", b"p5"]
TITLES = [
    "",
    "red slip resistant shoes",
    "Running shoes, blue",
    "mug green",
    "waterproof boots",
    "Travel mugs, red",
    "zorbs",
    "zorb and travel mug",
]
TYPE_NAMES = {
    "fashion": "fashion",
    "shoes": "shoe",
    "running-shoes": "running-shoe",
    "boots": "boot",
    "kitchen": "kitchen",
    "mug": "mug",
}
CATEGORIES = [(), ("Fashion",), ("Fashion", "Footwear"), ("Kitchen", "Mug")]
ATTRIBUTES = [
    {},
    {"baseColour": ["red"]},
    {"gender": ["mens"], "features": ["waterproof", "odd"]},
    {"gender": ["womens"], "brand": ["Nordwind"], "weight": ["2 kg"]},
]
ASKED = [
    Asked("shoes for nurses", (("used_for_aud", "intent:audience/nurse", 1.0),), (), (), "t"),
    Asked("boots hiking", (("xWant", "intent:activity/hiking", 0.9),), (), (), "t"),
    Asked(
        "hiking shoes for nurses",
        (("xWant", "intent:activity/hiking", 0.9), ("used_for_aud", "intent:audience/nurse", 0.8)),
        (),
        (),
        "t",
    ),
    Asked("red", (), (), (), "t"),
    *(
        Asked(
            f"{' '.join(types)} for nurses",
            (("used_for_aud", "intent:audience/nurse", 1.0),),
            types,
            (),
            "t",
        )
        for types in (("shoes",), ("boots",), ("running-shoes", "shoes"), ("mug",), ("fashion",))
    ),
    *(
        Asked(f"nurse {word}", (("used_for_aud", "intent:audience/nurse", 1.0),), (), (), "t")
        for word in ("clogs", "shoes", "mug", "gift", "wear", "red shoes")
    ),
]
TOGETHER = [Together(slug, 7) for slug in ("", "boots", "mug", "unheard-of")]
WEEKS = [b"02000", b"02000", b"02001"]
QUERIES = [b"q%d" % number for number in range(8)]


def random_record(rng: Random) -> tuple[bytes, bytes]:
    """A catalog record; two may well claim the same position."""
    product = Product(
        rng.choice(PRODUCTS).decode(),
        title=rng.choice(TITLES),
        category=rng.choice(CATEGORIES),
        attributes=rng.choice(ATTRIBUTES),
        position=(rng.randrange(2), rng.randrange(10)),
        deleted=rng.randrange(5) == 0,
    )
    return product.id.encode(), encode_product(product)


def random_tell(rng: Random) -> Tell:
    """A total or a marker; the same stamp always says the same of the same key."""
    topic = rng.choice(["bought", "bought", "asked", "asked", "asked", "together"])
    sender, incarnation = rng.choice([0, 0, 1]), rng.choice([0, 0, 0, 1, 2])
    if rng.randrange(25) == 0:
        return Tell(topic, sender, incarnation, 0, None)
    product, week, version = rng.choice(PRODUCTS), rng.choice(WEEKS), rng.randrange(4)
    key: tuple[bytes, ...]
    if topic == "asked":
        key = product, rng.choice(QUERIES), rng.choice([b"b", b"c"]), week
    elif topic == "together":
        kinds = [(b"w", rng.choice(PRODUCTS)), (b"t", rng.choice([b"boots", b"mug", b"odd"]))]
        key = product, *rng.choice(kinds), week
    elif rng.randrange(2):
        key = product, b"b", week
    else:
        key = product, b"w", rng.choice(PRODUCTS), week
    said = Random(repr((topic, sender, incarnation, version, key)))
    n, payload = said.choice([0, 1, 2, 40, 100]), b""
    if n and topic == "asked":
        payload = encode(said.choice(ASKED))
    elif n and topic == "together" and key[1] == b"w":
        payload = encode(said.choice(TOGETHER))
    return Tell(topic, sender, incarnation, version, key, n, payload)


def random_input(seed: int, size: int) -> list[Tell | tuple[bytes, bytes]]:
    rng = Random(seed)
    return [random_record(rng) if rng.randrange(8) == 0 else random_tell(rng) for _ in range(size)]


INPUT = st.builds(random_input, st.integers(0, 2**32), st.integers(0, 120))


def run(given_input: list[Tell | tuple[bytes, bytes]], rng: Random) -> OnePartition:
    build = build_products(SETTINGS, ONTOLOGY)
    stage = OnePartition("products", build, ["together", "claims"])
    for one in given_input:
        if isinstance(one, Tell):
            stage.read(one.topic, one.record())
        else:
            stage.read("catalog", one)
        match rng.randrange(8):
            case 0:
                stage.commit()
            case 1:
                stage.commit()
                stage = stage.crashed()
    stage.commit()
    return stage


class Oracle:
    """The totals by brute force, from what is left of the input."""

    def __init__(self, given_input: list[Tell | tuple[bytes, bytes]], stage: OnePartition) -> None:
        self.sums = left(one for one in given_input if isinstance(one, Tell))
        self.read = {key: read_alone(one, stage) for key, one in newest(given_input).items()}
        self.totals: Counter[tuple[str, bytes]] = Counter()
        self.payloads: dict[tuple[str, bytes], bytes] = {}
        self.behind: dict[tuple[str, bytes], tuple[set[str], set[str]]] = {}
        for product in set(PRODUCTS):
            self.claim(product)
        for (topic, key), (n, payloads) in self.sums.items():
            getattr(self, topic)(key, n, min(filter(None, payloads), default=b""))
        for name, (queries, products) in self.behind.items():
            why = Why(lowest(queries, 5), lowest(products, 3), ("c", "t"))
            self.payloads[name] = encode(why)

    def told(self) -> Totals:
        return {name: (n, self.payloads.get(name, b"")) for name, n in self.totals.items() if n}

    def add(self, topic: str, *parts: str | bytes, n: int, payload: bytes | None = None) -> None:
        name = topic, join(*(part.encode() if isinstance(part, str) else part for part in parts))
        self.totals[name] += n
        if payload is not None:
            self.payloads[name] = payload

    def reading(self, product: bytes):
        return self.read[product].reading if product in self.read else NOTHING

    def claim(self, product: bytes) -> None:
        if product not in self.read:
            return
        for triple, claimed in self.read[product].claims.items():
            self.add("claims", node(product), "f", *triple, n=1, payload=encode(claimed))
        reading = self.read[product].reading
        own_type = [f"value:product_type/{TYPE_NAMES[reading.type]}"] if reading.type else []
        for value in {*reading.used, *reading.phrases, *own_type}:
            attribute, text = value.removeprefix("value:").split("/")
            text = text.replace("-", " ")
            self.add("claims", f"attr:{attribute}", "u", value, n=1, payload=text.encode())
        for phrase in reading.phrases:
            parts = "attr:product_type", "k", phrase, f"type:{reading.type or 'unknown'}"
            self.add("claims", *parts, n=1)
            name = "claims", join(*(part.encode() for part in parts))
            self.behind.setdefault(name, (set(), set()))[1].add(node(product))

    def concepts(self, product: bytes) -> Iterator[tuple[str, str]]:
        reading = self.reading(product)
        return ((f"type:{slug}", value) for slug in reading.types for value in reading.values)

    def bought(self, key: tuple[bytes, ...], n: int, _: bytes) -> None:
        product, kind, *rest = key
        if kind == b"w":
            other, week = rest
            own = self.own(product)
            if product < other and own.type:
                self.add("together", other, "t", own.type, week, n=n)
            of_weeks = [self.sums.get(("bought", (*key[:3], each))) for each in set(WEEKS)]
            shoppers = sum(each[0] for each in of_weeks if each)
            if product < other and shoppers >= SETTINGS.floor:
                self.add("together", other, "w", product, week, n=n, payload=encode(own))
            return
        self.add("claims", node(product), "b", rest[0], n=n)
        for slug in self.reading(product).types:
            self.add("claims", f"type:{slug}", "n", rest[0], n=n)
        for kind_node, value in self.concepts(product):
            self.add("claims", kind_node, "v", value, rest[0], n=n)

    def asked(self, key: tuple[bytes, ...], n: int, payload: bytes) -> None:
        product, _, kind, week = key
        said, weight = decode_asked(payload), n * (2 if kind == b"c" else 1)
        types = self.reading(product).types
        asked = [slug for slug in types if counts_for(slug, types, said.types)]
        for relation, intent, _ in said.intents:
            for slug in asked:
                self.add("claims", f"type:{slug}", "i", relation, intent, week, n=weight)
            for kind_node, value in self.concepts(product):
                if kind_node.removeprefix("type:") not in asked:
                    continue
                parts = kind_node, "x", value, relation, intent, week
                self.add("claims", *parts, n=weight)
                name = (
                    "claims",
                    b"\0".join(part.encode() if isinstance(part, str) else part for part in parts),
                )
                queries, products = self.behind.setdefault(name, (set(), set()))
                queries.add(said.query)
                products.add(node(product))

    def own(self, product: bytes) -> Together:
        bought = sum(
            n
            for (topic, k), (n, _) in self.sums.items()
            if topic == "bought" and k[:2] == (product, b"b")
        )
        return Together(self.reading(product).type, sales_step(bought))

    def together(self, key: tuple[bytes, ...], n: int, payload: bytes) -> None:
        product, kind, other, week = key
        own = self.own(product)
        its = Together(other.decode(), 0) if kind == b"t" else decode_together(payload)
        known = its.type in ONTOLOGY.types and own.type in ONTOLOGY.types
        distance = ONTOLOGY.distance(its.type, own.type) if known else -1
        if distance > SETTINGS.max_distance:
            return
        both = ((other, product, its, own), (product, other, own, its))
        for head, tail, here, there in both:
            if kind == b"t" and known:
                said = encode(With(here.type, there.type, distance, 0))
                ends = f"type:{here.type}", "t", f"type:{there.type}"
                self.add("claims", *ends, week, n=n, payload=said)
            elif kind == b"w" and other < product:
                said = encode(With(here.type, there.type, distance, there.sales))
                self.add("claims", node(head), "c", node(tail), week, n=n, payload=said)


def counts_for(slug: str, types: tuple[str, ...], named: tuple[str, ...]) -> bool:
    """Whether the intents of a query that names types count for one of the product's types."""
    if set(types) & set(named):
        return any(slug == name or name in ONTOLOGY.ancestors(slug) for name in named)
    return not any(slug in ONTOLOGY.ancestors(name) for name in named)


def node(product: bytes) -> str:
    return "product:" + product.decode().replace(" ", "%20")


def lowest(texts: set[str], size: int) -> tuple[str, ...]:
    ranked = sorted(texts, key=lambda text: blake2b(text.encode(), digest_size=12).digest())
    return tuple(ranked[:size])


def read_alone(product: Product, stage: OnePartition) -> Read:
    """What the record says, by asking for one answer after the other."""
    tagged: dict[Text, object] = {}
    judged: dict[Claim, object] = {}
    if product.deleted:
        return Read(NOTHING, {})
    while isinstance(found := read(product, ONTOLOGY, SETTINGS, tagged, judged), Questions):
        for text in found.texts[:1]:
            tagged[text] = stage.tagger.tag([text])[0]
        for claim in found.claims[:1]:
            judged[claim] = stage.cleaner.judge([claim])[0]
    return found


@given(INPUT, st.randoms(use_true_random=False))
def test_what_is_told_is_what_records_and_totals_say(given_input, rng: Random):
    stage = run(given_input, rng)
    assert stage.told() == Oracle(given_input, stage).told()


@given(INPUT, st.randoms(use_true_random=False))
def test_neither_order_nor_repeats_nor_crashes_change_it(given_input, rng: Random):
    other = [*given_input, *given_input[:5]]
    rng.shuffle(other)
    one, two = run(given_input, rng), run(other, rng)
    for table in (
        "totals",
        "products",
        "sums",
        "counted",
        "pairs",
        "reached",
        "stepped",
        "behind",
        "waiting",
    ):
        assert one.store.durable.get(table, {}) == two.store.durable.get(table, {}), table


@given(INPUT, st.randoms(use_true_random=False))
def test_waiting_products_have_totals_and_no_record_that_stands(given_input, rng: Random):
    sums = left(one for one in given_input if isinstance(one, Tell))
    stage = run(given_input, rng)
    standing = {product for product, latest in newest(given_input).items() if not latest.deleted}
    waiting = {
        key[0]
        for (topic, key) in sums
        if topic == "asked" or (topic == "bought" and key[1] == b"b")
    } - standing
    assert stage.owner.stage.gauges()["waiting"] == len(waiting)
    assert stage.crashed().owner.stage.gauges()["waiting"] == len(waiting)


def newest(given_input) -> dict[bytes, Product]:
    latest: dict[bytes, tuple[tuple[int, int], bytes, bytes]] = {}
    for one in given_input:
        if not isinstance(one, Tell):
            key, value = one
            row = decode_product(value).position, blake2b(value, digest_size=8).digest(), value
            latest[key] = max(row, latest.get(key, row))
    return {key: decode_product(row[2]) for key, row in latest.items()}
