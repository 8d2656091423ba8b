"""Random small worlds: what happens in them, and what the graph must be in the end.

The oracle counts by brute force from the *set* of events (`windows.standing`) and closes the gate
of k shoppers by hand; then it tells PRODUCTS and GRAPH the final totals and the latest records
once, in one partition, without a fault. The pipeline under test gets there by every detour.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from random import Random

from models_onnx.fakes import FakeCleaner, FakeMatcher, FakeTagger
from models_onnx.spans import Text
from streams.erasures import Erasure
from streams.events import (
    Click,
    Event,
    Product,
    Purchase,
    Return,
    Search,
    encode_event,
    encode_product,
)
from streams.graph.same import TABLE as BLOCKS
from streams.graph.stage import build_graph
from streams.products.stage import ProductSettings, build_products
from streams.queries import QuerySettings, asked_of, build_queries
from streams.shoppers.stage import build_shoppers
from streams.shoppers.windows import MINUTE_MS, WindowSettings, query_hash, remembered, standing
from streams.state.derived import TABLE as DERIVED
from streams.topics import partition_of
from streams.totals.messages import ASKED, USED_BY, encode
from streams.totals.wire import Sent, encode_total, join
from tests.brute_blocks import judged_pairs
from tests.simulation.world import Models, Part, World
from topology.facts import SAME_AS, decode_fact
from topology.graph import Graph
from topology.ontology import Ontology, default_ontology
from topology.phrases import is_known
from topology.scoring import ScoringSettings

PARTITIONS = 2
K = 2
DAY_MS = 1_440 * MINUTE_MS
START_MS = 1_741_564_800_000  # a Monday
WINDOWS = WindowSettings(
    keep_ms=5 * DAY_MS, minute_events=3, basket=3, cache_shoppers=2, large_row=5
)
# What has left the ledger cannot be taken back: in worlds with erasures it stays.
WINDOWS_KEPT = replace(WINDOWS, keep_ms=60 * DAY_MS)
# Everything is a fact at once, so that small worlds have some.
SCORING = ScoringSettings(z=0.5, floor=0.5, min_support=1.0, min_products=1, type_support=1)
LEXICON = {
    "product_type": ("shoes", "socks", "running shoes", "gum shoes", "gumshoes", "zorbs"),
    "color": ("red", "blue"),
    "feature": ("waterproof",),
    "audience": ("nurses", "men"),
    "brand": ("nordwind", "nord wind", "nordwinds"),
    "material": ("rubber", "caoutchouc", "latex"),
}
# What the next bundles know: other values, another type, another intent, no "gum shoes".
NEXT_LEXICON = {
    **LEXICON,
    "product_type": ("shoes", "running shoes", "gumshoes", "zorbs"),
    "color": ("red",),
    "audience": ("nurses",),
}
QUERIES = ("red shoes for nurses", "shoes for nurses", "waterproof shoes", "socks for men", "gift")
TITLES = (
    "Red latex Shoes",
    "Blue caoutchouc Socks",
    "waterproof running shoes",
    "red waterproof shoes",
    "Nordwind rubber shoes",
    "nord wind latex socks",
    "blue caoutchouc Nordwinds shoes",
    "gum shoes",
    "red Gumshoes",
    "blue zorb zorbs",
    "thing",
    "",
)
SETS = {"rubber": frozenset({"rubber", "caoutchouc"}), "hue": frozenset({"red", "blue"})}
NEXT_SETS = {
    "rubber": frozenset({"caoutchouc", "latex"}),
    "sap": frozenset({"latex", "rubber"}),
}
MODELS = Models(FakeTagger(LEXICON), FakeCleaner(LEXICON), FakeMatcher(sets=SETS))
NEXT = Models(
    FakeTagger(NEXT_LEXICON, bundle_id="tagging@0.0.1-rules-fake"),
    FakeCleaner(NEXT_LEXICON, bundle_id="cleaning@0.0.1-rules-fake"),
    FakeMatcher(accept=0.99, bundle_id="synonyms@0.0.1-rules-fake", sets=NEXT_SETS),
)
STEPS = {
    **{
        "arrive": 8,
        "work": 14,
        "read": 8,
        "send": 6,
        "land": 7,
        "compact": 3,
        "watch": 1,
        "save": 2,
    },
    **{"crash": 3, "boot": 0.7, "restore": 1, "depose": 1.5, "hand back": 1, "claim again": 0.6},
    **{"end": 0.5, "late claim": 0.4, "late send": 3, "lost send": 0.7, "calm": 1},
    **{"exchange": 1, "reread": 2, "forget": 1.5, "hear": 2},
}


@cache
def ontology() -> Ontology:
    return default_ontology()


def parts(models: Models = MODELS, windows: WindowSettings = WINDOWS) -> dict[str, Part]:
    """The real stages, wired as in the product."""
    tagging, cleaning = models.tagger.bundle_id, models.cleaner.bundle_id
    letters = ("dead-letters",)
    return {
        "shoppers": Part(("events",), ("searched", "bought", *letters), build_shoppers(windows)),
        "queries": Part(
            ("searched",),
            ("asked", *letters),
            build_queries(QuerySettings(k=K, bundle=tagging), ontology()),
        ),
        "products": Part(
            ("catalog", "bought", "asked", "together"),
            ("together", "claims", *letters),
            build_products(
                ProductSettings(tagging_bundle=tagging, cleaning_bundle=cleaning), ontology()
            ),
        ),
        "graph": Part(
            ("claims", "verdicts"),
            ("facts", *letters),
            build_graph(SCORING, ontology(), models.matcher.bundle_id),
        ),
    }


@dataclass(frozen=True)
class Case:
    """A world and a schedule.

    Attributes:
        events: in order of arrival, with the partition's order kept.
        catalog: (ROUTE process, record) in order of arrival.
        steps: (name, place of the owner, n, zombie).
        erasures: in the order in which they are asked for.
    """

    events: tuple[Event, ...]
    catalog: tuple[tuple[str, Product], ...]
    steps: tuple[tuple[str, int, int, bool], ...]
    erasures: tuple[Erasure, ...] = ()

    @property
    def windows(self) -> WindowSettings:
        return WINDOWS_KEPT if self.erasures else WINDOWS


def make_case(rng: Random) -> Case:
    """A small random world; times cluster, so that sessions, lateness and weeks all happen."""
    people = rng.choice((2, 3, 5))
    names = [f"p{n}" for n in range(rng.choice((1, 2, 3)))]
    asked = rng.sample(QUERIES, rng.choice((1, 2)))
    moments = [rng.randrange(9) * DAY_MS + rng.randrange(1_440) * MINUTE_MS for _ in range(2)]
    events: list[Event] = []
    for number in range(rng.randint(2, 12)):
        at_ms = START_MS + rng.choice(moments) + rng.randrange(60) * MINUTE_MS
        who = f"s{rng.randrange(people)}"
        events += _visit(rng, f"e{number}", at_ms, who, names, asked)
    events.sort(key=lambda event: event.at_ms + rng.uniform(0, WINDOWS.allowance_ms))
    for _ in range(rng.randrange(3) if events else 0):  # visits may come to nothing
        place = rng.randrange(len(events))
        events.insert(rng.randint(place + 1, len(events)), events[place])
    if rng.random() < 0.5:
        late = Purchase("late", START_MS - DAY_MS, f"s{rng.randrange(people)}", names[0])
        events.insert(rng.randint(0, len(events)), late)
    catalog, stamps = [], dict.fromkeys(names, 0)
    for _ in range(rng.randint(1, 7)):
        name = rng.choice(names)
        stamps[name] += 1
        catalog.append(("r1", _record(rng, name, stamps[name])))
    for _ in range(rng.randrange(3)):  # what an older process of ROUTE sent lands late
        place = rng.randrange(len(catalog))
        catalog.insert(rng.randint(place + 1, len(catalog)), ("r0", catalog[place][1]))
    owners = len(parts()) * PARTITIONS
    favourite = rng.randrange(owners)  # most of what happens, happens to one of them
    steps = tuple(
        (
            name,
            favourite if rng.random() < 0.5 else rng.randrange(owners),
            rng.randrange(60),
            rng.random() < 0.35,
        )
        for name in rng.choices(list(STEPS), list(STEPS.values()), k=rng.choice((30, 90, 180)))
    )
    orders = []
    for number in range(rng.randrange(3) if events else 0):
        near = rng.choice(events).at_ms + rng.choice((-MINUTE_MS, 0, 30 * MINUTE_MS, 30 * DAY_MS))
        orders.append(Erasure(f"s{rng.randrange(people)}", near, f"t{number}", number))
    return Case(tuple(events), tuple(catalog), steps, tuple(orders))


def _visit(
    rng: Random, name: str, at_ms: int, who: str, names: list[str], asked: list[str]
) -> list[Event]:
    """Some of: a search, a click, a purchase, a return; mostly in this order."""
    session, query_id = rng.choice(("", "", "a", "b")), rng.choice(("", "", "q1", "q2"))
    product, order = rng.choice(names), rng.choice(("", name))
    found: list[Event] = []
    if rng.random() < 0.7:
        found.append(Search(f"{name}s", at_ms, who, rng.choice(asked), query_id, session))
    if rng.random() < 0.4:
        at_ms += rng.randrange(-3, 20) * MINUTE_MS
        found.append(Click(f"{name}c", at_ms, who, rng.choice(names), query_id, session))
    if rng.random() < 0.8:
        at_ms += rng.randrange(-3, 25) * MINUTE_MS
        found.append(Purchase(f"{name}p", at_ms, who, product, query_id, session, order))
        if rng.random() < 0.3:
            at_ms += rng.choice((0, MINUTE_MS, DAY_MS, 8 * DAY_MS, 20 * DAY_MS))
            found.append(Return(f"{name}r", at_ms, who, product, "", rng.choice(("", order))))
    return found


def _record(rng: Random, name: str, stamp: int) -> Product:
    if rng.random() < 0.15:
        return Product(name, position=(0, stamp), deleted=True)
    attributes = {"color": [rng.choice(("red", "blue"))]} if rng.random() < 0.5 else {}
    category = rng.choice(((), ("Shoes",), ("Socks",)))
    return Product(name, rng.choice(TITLES), "", category, attributes, (0, stamp))


def world_of(case: Case, *, aloud: bool = False) -> World:
    """The pipeline under test, before anything has arrived."""
    events: list[list[tuple[bytes | None, bytes]]] = [[] for _ in range(PARTITIONS)]
    for event in case.events:
        key = event.shopper.encode()
        events[partition_of(key, PARTITIONS)].append((key, encode_event(event)))
    catalog: list[list[tuple[bytes | None, bytes]]] = [[] for _ in range(PARTITIONS)]
    for process, record in case.catalog:
        row = record.id.encode() + b"\0" + process.encode(), encode_product(record)
        catalog[partition_of(record.id.encode(), PARTITIONS)].append(row)
    return World(
        parts(MODELS, case.windows),
        {"events": events, "catalog": catalog},
        MODELS,
        next_parts=parts(NEXT, case.windows),
        next_models=NEXT,
        partitions=PARTITIONS,
        now_ms=START_MS + 60 * DAY_MS,
        erasures=case.erasures,
        aloud=aloud,
    )


def in_time(events: tuple[Event, ...]) -> dict[str, list[Event]]:
    """Shopper -> the events that count: not late in their partition, each id once."""
    high = [-1] * PARTITIONS
    seen: set[tuple[str, str]] = set()
    found: dict[str, list[Event]] = {}
    for event in events:
        partition = partition_of(event.shopper.encode(), PARTITIONS)
        late = event.at_ms < high[partition] - WINDOWS.allowance_ms
        high[partition] = max(high[partition], event.at_ms)
        if not late and (event.shopper, event.id) not in seen:
            seen.add((event.shopper, event.id))
            found.setdefault(event.shopper, []).append(event)
    return found


def left_of(case: Case) -> dict[str, list[Event]]:
    """Shopper -> the events that count, without what is forgotten."""
    untils: dict[str, int] = {}
    for each in case.erasures:
        untils[each.shopper] = max(each.until_ms, untils.get(each.shopper, 0))
    return {
        shopper: remembered(own, untils.get(shopper), case.windows)
        for shopper, own in in_time(case.events).items()
    }


def expected(case: Case) -> dict[str, bytes]:
    """Fact id -> fact, from events, latest catalog records and the next bundles alone."""
    totals: Counter[tuple[str, bytes]] = Counter()
    texts = {query_hash(query): query for query in QUERIES}
    for left in left_of(case).values():
        totals.update(standing(left, case.windows))
    bought = [(key, n, b"") for (topic, key), n in totals.items() if topic == "bought"]
    asked = []
    for (topic, key), n in totals.items():
        query, kind, *rest = key.split(b"\0")
        if topic != "searched" or kind == ASKED:
            continue
        weekly = [
            m for (_, other), m in totals.items() if other.startswith(join(query, ASKED, b""))
        ]
        if max(weekly, default=0) >= K:
            text = texts[query]
            tagged = NEXT.tagger.tag([Text(text, "query")])[0]
            meant = asked_of(text, tagged, ontology(), NEXT.tagger.bundle_id)
            asked.append((join(rest[0], query, kind, rest[1]), n, encode(meant)))
    newest: dict[str, Product] = {}
    for _, record in case.catalog:
        if record.id not in newest or record.position > newest[record.id].position:
            newest[record.id] = record
    told = {name: parts(NEXT)[name] for name in ("products", "graph")}
    sources = {
        "catalog": [[(r.id.encode() + b"\0r1", encode_product(r)) for r in newest.values()]],
        "bought": [[_row(*each) for each in bought]],
        "asked": [[_row(*each) for each in asked]],
    }
    world = World(told, sources, NEXT, partitions=1, now_ms=START_MS + 60 * DAY_MS)
    for topic in sources:
        world.arrive(topic, 0)
    world.settle()
    found = facts_of(world)
    return found | {SAME_AS: _told(_same_as(world))}


def _row(key: bytes, n: int, payload: bytes) -> tuple[bytes, bytes]:
    return encode_total("bought", Sent(0, 1, 1, key, n, payload))


def _same_as(world: World) -> dict[tuple[str, str], str]:
    """Pairs of values and what the next matcher says of them, by brute force from the totals."""
    used: dict[bytes, list[str]] = {}
    for key, n, _ in world.owners_of["graph", 0].owner.inbox.scan("claims", b"attr:"):
        owner, kind, *rest = key.split(b"\0")
        if kind == USED_BY and len(rest) == 1 and n:
            used.setdefault(owner, []).append(rest[0].decode())
    found: dict[tuple[str, str], str] = {}
    is_name = partial(is_known, ontology())
    for values in used.values():
        found |= judged_pairs(values, NEXT.matcher, SCORING, is_name)
    return found


def _told(pairs: Mapping[tuple[str, str], str]) -> bytes:
    return repr(sorted(pairs.items())).encode()


def facts_of(world: World) -> dict[str, bytes]:
    """What the GRAPH partitions hold.

    Every fact as JSON, the sum of every total they were told, the rows of the blocks of values and
    of what was derived with which bundle, and under `SAME_AS` all pairs of values with a status.
    """
    found: dict[str, bytes] = {}
    same: dict[tuple[str, str], str] = {}
    for (stage, partition), process in sorted(world.owners_of.items()):
        if stage == "graph":
            rows = {key.hex(): row[1:] for key, row in Graph(process.store).rows("facts")}
            sums = process.owner.inbox.scan("claims", b"")
            rows |= {repr(key): b"%d" % n for key, n, _ in sums if n}
            kept = process.store.durable
            rows |= {f"{BLOCKS} {key!r}": row for key, row in kept.get(BLOCKS, {}).items()}
            derived = kept.get(DERIVED, {}).items()
            rows |= {f"{DERIVED} {key!r}": row for key, row in derived if key[:1] != b"c"}
            for fact in Graph(process.store).facts():
                told = decode_fact(fact)
                if told.relation == SAME_AS:
                    same[told.head, told.tail] = told.status
            if twice := found.keys() & rows.keys():
                raise ValueError(f"{sorted(twice)[:3]} stand in two partitions ({partition})")
            found |= rows
    return found | {SAME_AS: _told(same)}
