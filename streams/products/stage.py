"""PRODUCTS: what each product is, what was asked when it was bought, and what went with it.

Inputs `catalog`, `bought`, `asked`, `together`; outputs `claims` and `together` (keys and payloads:
`totals/messages.py`). The latest catalog record is read with the help of the models
(`reading.py`); its facts are claimed, and the product's totals are counted for its type
and concepts (`concepts.py`) and paired with others (`pairs.py`). Another record,
or a tombstone, takes back what the one before it claimed and counted.

A changed total is told at once, as a difference under the reading that holds; a changed reading
once its questions are answered, as a difference over all totals of the product. At rest what is
told is a function of the latest records and of the totals, in whatever order they came.
"""

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b

import msgspec

from models_onnx.spans import Claim, Judged, Tagged, Text
from streams.errors import StateError
from streams.events import Product, decode_product, encode_product
from streams.outcomes import DUPLICATE, STALE, USED
from streams.ports import Answers, Questions, Record
from streams.products.concepts import Concepts
from streams.products.counts import Scope, scope_of
from streams.products.pairs import Pairs, is_pair, node_of, sales_step
from streams.products.quality import ProductQuality
from streams.products.reading import ProductSettings as ProductSettings
from streams.products.reading import Read, read
from streams.products.rows import (
    NOTHING,
    Reading,
    Row,
    Stamp,
    decode_row,
    decode_sums,
    encode_row,
    encode_sums,
)
from streams.products.rows import TABLES as TABLES
from streams.products.sales import CALM_SLICE, ROWS_A_TOTAL, SLICE, Stepped
from streams.products.samples import SAMPLE, Samples
from streams.products.values import Values
from streams.state.derived import Derived
from streams.telling import hint_of
from streams.totals.inbox import Change
from streams.totals.messages import BOUGHT, CO_TYPE, FACT, WEIGHT, WITH, Together, encode
from streams.totals.owner import Wiring
from streams.totals.wire import join, split
from topology.ontology import Ontology

_MAX_POSITION = 1 << 62
PRODUCT = b"p"
_ROWS_A_READING = 4  # a reading with its scope takes as much memory as so many totals


def build_products(settings: ProductSettings, ontology: Ontology) -> Callable[[Wiring], "Products"]:
    """What makes the stage of a partition from its wiring."""
    return lambda wiring: Products(wiring, settings, ontology)


class _Newest(msgspec.Struct, frozen=True):
    """A catalog record that is yet to be read."""

    stamp: Stamp
    product: Product


class Products:
    """One partition of PRODUCTS; a `ports.Stage`."""

    def __init__(self, wiring: Wiring, settings: ProductSettings, ontology: Ontology) -> None:
        state, inbox, outbox = wiring.state, wiring.inbox, wiring.outbox
        self._state, self._inbox, self._outbox = state, inbox, outbox
        self._tally, self._read, self._reject = wiring.tally, wiring.read, wiring.reject
        self._settings, self._ontology = settings, ontology
        self._bundles = " ".join(settings.bundles)
        self._derived = Derived(state, self._bundles)
        self._samples = Samples(state, outbox, settings.bundles, self._derived)
        self._values = Values(outbox, self._samples)
        self._concepts = Concepts(state, inbox, outbox, self._samples, ontology)
        self._pairs = Pairs(
            state, inbox, outbox, ontology, max_distance=settings.max_distance, floor=settings.floor
        )
        self._unread: dict[bytes, _Newest] = {}
        self._stepped = Stepped(state)
        self._applied = 0
        self._known: dict[bytes, tuple[Reading, Scope]] = {}
        self._known_limit = wiring.cache_rows // _ROWS_A_READING
        self._tagged: dict[Text, Tagged] = {}
        self._judged: dict[Claim, Judged] = {}
        self._waiting = len(state.scan("waiting"))
        self._quality = ProductQuality(state, ontology)

    def gauges(self) -> dict[str, int]:
        """How many products wait.

        `waiting`: those that have totals and no catalog record that stands. `stepped`: those whose
        partners are yet to be told of their sales.
        """
        return {"waiting": self._waiting, "stepped": len(self._stepped)}

    def quality(self) -> Mapping[str, int]:
        """What catalog and title say, and which attributes have values: `ProductQuality.counts`."""
        return self._quality.counts()

    @property
    def outdated(self) -> int:
        """Products, and samples of evidence, of other bundles than those that answer now."""
        return self._derived.older

    def reread(self, limit: int) -> int:
        """Read up to `limit` of them again, from the newest record as it was kept; how many."""
        things = self._derived.oldest(limit)
        for thing in things:
            kind, key = thing[:1], thing[1:]
            if kind == SAMPLE:
                self._samples.restate(key)
            elif key not in self._unread:
                self._unread[key] = self._kept(key)
        return len(things)

    def apply(self, topic: str, partition: int, records: Sequence[Record]) -> None:
        self._applied += len(records)
        if topic == "catalog":
            for record in records:
                self._record(partition, record)
            return
        for change in self._read(topic, partition, records):
            parts = split(change.key)
            if not parts[0]:
                continue
            if topic == "bought":
                self._bought(parts, change)
            elif topic == "asked":
                self._asked(parts, change)
            elif topic == "together":
                self._together(parts, change)

    def wants(self) -> Questions:
        return self._settle()

    def learn(self, answers: Answers) -> None:
        self._tagged.update(answers.tagged)
        self._judged.update(answers.judged)

    def flush(self) -> None:
        if self._settle():
            raise StateError(
                f"flush before {len(self._unread)} products were read: a bug, please report it"
            )
        self._stepped.work(self._retell, max(SLICE, int(ROWS_A_TOTAL * self._applied)))
        self._applied = 0
        self._tagged.clear()
        self._judged.clear()
        self._quality.flush()
        if len(self._known) > self._known_limit:
            self._known.clear()

    def calm(self) -> None:
        """Tell partners of sales, a great deal of them in slices."""
        self._stepped.work(self._retell, CALM_SLICE)

    @property
    def is_idle(self) -> bool:
        """Whether all partners know of the sales."""
        return not self._stepped

    def _record(self, partition: int, record: Record) -> None:
        """A catalog record: kept to be read if it is the newest of its product."""
        if record.value is None:
            self._tally[f"catalog.{STALE}"] += 1  # a tombstone never means anything (DESIGN)
            return
        try:
            product = decode_product(record.value)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            self._reject("catalog", partition, record, "bad_product", type(error).__name__)
            return
        key = product.id.encode()
        if not node_of(key) or max(map(abs, product.position)) >= _MAX_POSITION:
            detail = "its id or position is out of range"
            self._reject("catalog", partition, record, "bad_product", detail)
            return
        stamp = Stamp(*product.position, blake2b(record.value, digest_size=8).digest())
        newest = self._newest(key)
        if newest is not None and stamp <= newest:
            self._tally[f"catalog.{DUPLICATE if stamp == newest else STALE}"] += 1
            return
        self._tally[f"catalog.{USED}"] += 1
        self._unread[key] = _Newest(stamp, msgspec.structs.replace(product, description=""))

    def _kept(self, product: bytes) -> _Newest:
        """The newest record as it was read last."""
        row, record = self._state.get("products", product), self._state.get("records", product)
        if row is None or record is None:
            raise StateError(
                f"the record of product {hint_of(product)} is gone: a bug, please report it; "
                "rebuild the partition"
            )
        return _Newest(decode_row(row).stamp, decode_product(record))

    def _newest(self, product: bytes) -> Stamp | None:
        if (unread := self._unread.get(product)) is not None:
            return unread.stamp
        row = self._state.get("products", product)
        return None if row is None else decode_row(row).stamp

    def _bought(self, parts: list[bytes], change: Change) -> None:
        product = parts[0]
        if len(parts) == 3 and parts[1] == BOUGHT:
            week, delta = parts[2], change.after - change.before
            self._sum(product, change, delta)
            if node := node_of(product):
                self._outbox.set("claims", join(node.encode(), BOUGHT, week), change.after)
            self._concepts.bought(self._reading(product)[1], week, delta)
        elif len(parts) == 4 and parts[1] == WITH and is_pair(product, parts[2]):
            self._pairs.bought(product, parts[2], parts[3], change, self._of(product))

    def _asked(self, parts: list[bytes], change: Change) -> None:
        if len(parts) != 4 or parts[2] not in WEIGHT:
            return
        product, query, kind, week = parts
        self._sum(product, change)
        payload = self._payload("asked", change)
        scope, total = self._reading(product)[1], (product, query, kind, week)
        self._concepts.asked(total, change.after, payload, scope, node_of(product))

    def _together(self, parts: list[bytes], change: Change) -> None:
        if len(parts) != 4:
            return
        product, kind, other, week = parts
        own = self._of(product)
        if kind == WITH and is_pair(other, product):
            payload = self._payload("together", change)
            self._pairs.told((product, other, week), change.after, payload, own)
        elif kind == CO_TYPE:
            self._pairs.told_type(other.decode(), week, change.after - change.before, own.type)

    def _payload(self, topic: str, change: Change) -> bytes:
        """What is said of a total that is not zero; the same for any order of senders."""
        entries = self._inbox.entries(topic, change.key)
        return min((entry.payload for entry in entries if entry.n and entry.payload), default=b"")

    def _of(self, product: bytes) -> Together:
        """What the product's partners are told of it, as it now counts."""
        bought = decode_sums(self._state.get("sums", product)).bought
        return Together(self._reading(product)[0].type, sales_step(bought))

    def _retell(self, product: bytes) -> int:
        known = self._of(product)
        return self._pairs.retell(product, known, known) + self._pairs.move(product, known, known)

    def _sum(self, product: bytes, change: Change, delta: int = 0) -> None:
        """Note that a total came, went or moved."""
        came = (change.after > 0) - (change.before > 0)
        if not came and not delta:
            return
        old = decode_sums(self._state.get("sums", product))
        new = old._replace(live=old.live + came, bought=old.bought + delta)
        if any(new):
            self._state.put("sums", product, encode_sums(new))
        else:
            self._state.delete("sums", product)
        if sales_step(old.bought) != sales_step(new.bought):
            self._stepped.add(product)
        if (old.live > 0) != (new.live > 0):
            self._wait(product)

    def _wait(self, product: bytes) -> None:
        """Note whether the product has totals and no record."""
        live = decode_sums(self._state.get("sums", product)).live
        row = self._state.get("products", product)
        waits = live > 0 and (row is None or decode_row(row).reading is None)
        if waits == (self._state.get("waiting", product) is not None):
            return
        self._waiting += 1 if waits else -1
        if waits:
            self._state.put("waiting", product, b"")
        else:
            self._state.delete("waiting", product)

    def _reading(self, product: bytes) -> tuple[Reading, Scope]:
        """What the product now counts as."""
        known = self._known.get(product)
        if known is None:
            row = self._state.get("products", product)
            reading = None if row is None else decode_row(row).reading
            known = (reading, scope_of(reading)) if reading is not None else (NOTHING, Scope())
            self._known[product] = known
        return known

    def _settle(self) -> Questions:
        """Take over the readings that are complete; what the others still need to know."""
        texts: dict[Text, None] = {}
        claims: dict[Claim, None] = {}
        for product, newest in list(self._unread.items()):
            found: Read | Questions = Read(NOTHING, {})
            if not newest.product.deleted:
                known = self._ontology, self._settings, self._tagged, self._judged
                found = read(newest.product, *known)
            if isinstance(found, Questions):
                texts.update(dict.fromkeys(found.texts))
                claims.update(dict.fromkeys(found.claims))
                continue
            del self._unread[product]
            self._take(product, newest, found)
        return Questions(list(texts), list(claims))

    def _take(self, product: bytes, newest: _Newest, found: Read) -> None:
        """From now on the product counts as what was found; what it was before is taken back."""
        old, old_scope = self._reading(product)
        new, new_scope = found.reading, scope_of(found.reading)
        node = node_of(product)
        self._keep(product, newest, new)
        self._known[product] = new, new_scope
        self._claim(node, old, found)
        self._values.move(node, old, new)
        self._quality.move(old, new)
        self._concepts.move(product, node, old_scope, new_scope)
        if old.type != new.type:
            known = self._of(product)
            was = Together(old.type, known.sales)
            self._pairs.retell(product, was, known)
            self._pairs.move(product, was, known)
        self._wait(product)

    def _keep(self, product: bytes, newest: _Newest, reading: Reading) -> None:
        """Keep what was read of a record, and the record, to be read again with other bundles."""
        row = self._state.get("products", product)
        before = None if row is None else decode_row(row)
        was = None if before is None or before.reading is None else before.bundles
        new = Row(newest.stamp, None if newest.product.deleted else reading, self._bundles)
        self._state.put("products", product, encode_row(new))
        if newest.product.deleted:
            self._derived.forget(PRODUCT + product, was)
            self._state.delete("records", product)
        else:
            self._derived.note(PRODUCT + product, was)
            self._state.put("records", product, encode_product(newest.product))

    def _claim(self, node: str, old: Reading, found: Read) -> None:
        for triple in old.facts:
            if triple not in found.claims:
                self._outbox.set("claims", _fact_key(node, triple), 0)
        for triple, claimed in found.claims.items():
            self._outbox.set("claims", _fact_key(node, triple), 1, encode(claimed))


def _fact_key(node: str, triple: tuple[str, str, str]) -> bytes:
    return join(node.encode(), FACT, *(part.encode() for part in triple))
