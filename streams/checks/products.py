"""PRODUCTS counted anew from what it was told."""

from collections import Counter
from collections.abc import Iterator

import msgspec

from streams.checks.protocol import shown
from streams.ports import State
from streams.products.pairs import is_pair, node_of
from streams.products.rows import (
    Sums,
    decode_counted,
    decode_pair,
    decode_row,
    decode_sums,
    encode_sums,
)
from streams.state.scanning import each
from streams.totals.inbox import Inbox
from streams.totals.messages import BOUGHT, WEIGHT, WITH
from streams.totals.outbox import total_of
from streams.totals.tables import CODES
from streams.totals.wire import join, split
from topology.check import Problem


def check_products(state: State) -> Iterator[Problem]:
    """Sums, pairs and what is counted, records, and which products wait.

    Keeps about 150 bytes in memory for every product and pair that was bought.
    """
    inbox = Inbox(state)
    live, bought, pairs = Counter[bytes](), Counter[bytes](), Counter[bytes]()
    for key, n, _ in _told(state, inbox, "bought"):
        parts = split(key)
        if len(parts) == 3 and parts[1] == BOUGHT:
            live[parts[0]] += n > 0
            bought[parts[0]] += n
            yield from _claimed(state, parts, n)
        elif len(parts) == 4 and parts[1] == WITH and is_pair(parts[0], parts[2]):
            pairs[join(parts[0], parts[2])] += n
    for key, n, _ in _told(state, inbox, "asked"):
        parts = split(key)
        if len(parts) == 4 and parts[2] in WEIGHT:
            live[parts[0]] += n > 0
            counted = decode_counted(state.get("counted", key))[0]
            if counted != n:
                yield Problem("counted", shown(key), f"is {counted}, it was told {n}")
    yield from _of_sums(state, live, bought)
    yield from _of_pairs(state, pairs)
    yield from _of_records(state, live)


def _told(state: State, inbox: Inbox, topic: str) -> Iterator[tuple[bytes, int, bytes]]:
    for name, value in each(state, "held", CODES[topic]):
        yield name[1:], inbox.total(topic, name[1:]), value


def _claimed(state: State, parts: list[bytes], n: int) -> Iterator[Problem]:
    """All purchases of a product are told on."""
    if node := node_of(parts[0]):
        key = join(node.encode(), BOUGHT, parts[2])
        if (found := total_of(state, "claims", key)[0]) != n:
            yield Problem("totals", shown(key), f"is {found}, it was told {n}")


def _of_sums(state: State, live: Counter[bytes], bought: Counter[bytes]) -> Iterator[Problem]:
    for product, row in each(state, "sums"):
        wanted = Sums(live[product], bought[product])
        if row != encode_sums(wanted):
            found = decode_sums(row) if len(row) == len(encode_sums(wanted)) else "cut short"
            yield Problem("sums", shown(product), f"is {found}, it was told {wanted}")
    for product in live:
        if (live[product] or bought[product]) and state.get("sums", product) is None:
            yield Problem("sums", shown(product), "is missing")


def _of_pairs(state: State, pairs: Counter[bytes]) -> Iterator[Problem]:
    for name, row in each(state, "pairs"):
        if (found := decode_pair(row)) != pairs[name]:
            yield Problem("pairs", shown(name), f"is {found}, it was told {pairs[name]}")
    for name, n in pairs.items():
        if n and state.get("pairs", name) is None:
            yield Problem("pairs", shown(name), f"is missing, it was told {n}")


def _of_records(state: State, live: Counter[bytes]) -> Iterator[Problem]:
    waits = {product for product, n in live.items() if n > 0}
    for product, value in each(state, "products"):
        try:
            row = decode_row(value)
        except msgspec.MsgspecError as error:
            yield Problem("products", shown(product), f"cannot be read: {error}")
            continue
        if row.reading is not None:
            waits.discard(product)
        if (state.get("records", product) is not None) != (row.reading is not None):
            what = "is missing" if row.reading is not None else "is of a withdrawn product"
            yield Problem("records", shown(product), what)
    waiting = {product for product, _ in each(state, "waiting")}
    for product in waits ^ waiting:
        what = "is missing" if product in waits else "waits for nothing"
        yield Problem("waiting", shown(product), what)
