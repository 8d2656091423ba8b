"""What the index by bundle of a stage must hold, told from the rows themselves.

The stages keep the index as they go (`state/derived.py`); this is the clear version of it, for
those who check a store or bring it up to date.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from streams.graph.rows import TABLE as SUMS
from streams.graph.rows import decode_likely, decode_meant
from streams.graph.senses import CODE as MEANT
from streams.ports import State
from streams.products.rows import decode_row
from streams.products.samples import SAMPLE
from streams.products.stage import PRODUCT
from streams.queries import decode_query
from streams.state.derived import TABLE, key_of
from streams.state.scanning import each
from streams.totals.messages import NAMED_BY, WITH_BOTH, decode_asked, decode_why
from streams.totals.tables import CODES

LIKELY: Final = b"s"
_COUNT_BYTES: Final = 8

Derived = Iterator[tuple[bytes, str]]
"""Things, and the ids of the bundles that each was derived with."""


def _of_queries(state: State) -> Derived:
    for query, row in each(state, "queries"):
        if told := decode_query(row).told:
            yield query, decode_asked(told).bundle


def _of_products(state: State) -> Derived:
    for product, value in each(state, "products"):
        row = decode_row(value)
        if row.reading is not None:
            yield PRODUCT + product, row.bundles
    for name, total in each(state, "totals", CODES["claims"]):
        payload = total[_COUNT_BYTES:]
        if payload and name.split(b"\0")[1] in (WITH_BOTH, NAMED_BY):
            yield SAMPLE + name[1:], " ".join(decode_why(payload).bundles)


def _of_graph(state: State) -> Derived:
    for name, row in each(state, SUMS, b"attr:"):
        code = name.split(b"\0")[1]
        if code == LIKELY and (bundle := decode_likely(row).bundle):
            yield name, bundle
        elif code == MEANT:
            yield name, decode_meant(row).bundle


_OF: Final[Mapping[str, Callable[[State], Derived]]] = {
    "queries": _of_queries,
    "products": _of_products,
    "graph": _of_graph,
}


def derived_things(state: State, stage: str) -> Derived:
    """Everything that the stage derived with models, from its rows; in no certain order."""
    of = _OF.get(stage)
    return iter(()) if of is None else of(state)


def index_of(state: State, stage: str) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Where the index by bundle is not what the rows say: key, what it should hold, what it holds.

    An entry should be `there`, a count has its digits; of entries too many how many there are.
    """
    if stage not in _OF:
        return
    counts, told = Counter[bytes](), Counter[bytes]()
    for thing, bundles in derived_things(state, stage):
        counts[bundles.encode()] += 1
        key = key_of(bundles, thing)
        if state.get(TABLE, key) is None:
            yield key, b"there", b""
    wanted = {b"c" + bundles: b"%d" % n for bundles, n in counts.items()}
    for key, value in each(state, TABLE):
        if key.startswith(b"d"):
            told[key[1:].partition(b"\0")[0]] += 1
        elif (n := wanted.pop(key, b"")) != value:
            yield key, n, value
    for key, n in wanted.items():
        yield key, n, b""
    for named, found in told.items():
        if found > counts[named]:  # which ones, only the whole set of them would say
            yield b"d" + named, b"%d" % counts[named], b"%d" % found


def rebuild(state: State, stage: str) -> int:
    """Make the index by bundle what the rows say; how many entries were missing or too many."""
    if stage not in _OF:
        return 0
    wrong, counts = 0, Counter[str]()
    wanted: set[bytes] = set()
    for thing, bundles in derived_things(state, stage):
        key = key_of(bundles, thing)
        wanted.add(key)
        counts[bundles] += 1
        if state.get(TABLE, key) is None:
            state.put(TABLE, key, b"")
            wrong += 1
    for key, _ in list(each(state, TABLE)):
        if key not in wanted and key.startswith(b"d"):
            state.delete(TABLE, key)
            wrong += 1
        elif key.startswith(b"c"):
            state.delete(TABLE, key)
    for bundles, n in counts.items():
        state.put(TABLE, b"c" + bundles.encode(), b"%d" % n)
    return wrong
