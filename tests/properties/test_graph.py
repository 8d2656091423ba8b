"""GRAPH at rest is a function of its totals and verdicts: the oracle scores all from nothing."""

from collections import defaultdict
from collections.abc import Iterable
from itertools import combinations
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.graph.facts import Verdict, encode_verdict
from streams.graph.stage import GraphStage, build_graph
from streams.totals import messages
from streams.totals.messages import Claimed, Why, With, encode
from tests.one_partition import OnePartition, Tell, left, small_ontology
from topology.check import check
from topology.claims import Told, weigh
from topology.digest import digest_of
from topology.facts import Evidence, Fact, encode_fact, fact_id
from topology.likeness import likeness, spelling_of
from topology.scoring import (
    Judgement,
    Partners,
    ScoringSettings,
    is_promiscuous,
    judge_concept,
    judge_together,
    judge_type,
    judge_types_together,
    spread_of,
    step,
)

ONTOLOGY = small_ontology()
SETTINGS = ScoringSettings(z=1.0, block=2, promiscuous_types=2.0, min_products=2)
WEEKS = [b"02000", b"02001", b"02005"]
TYPES = [b"type:shoes", b"type:mug"]
VALUES = [b"value:color/red", b"value:feature/waterproof"]
INTENTS = [(b"used_for_aud", b"intent:audience/nurse"), (b"xWant", b"intent:activity/hike")]
PRODUCTS = [b"product:1", b"product:2", b"product:3"]
BRANDS = ["nordwind", "nordwint", "nord wind", "nordwind 2", "nordwinds", "seaside"]
PHRASES = [b"value:product_type/" + name for name in (b"travel-mug", b"zorb")]
COUNTS = [0, 0, 1, 2, 3, 5, 20, 63, 64, 65, 200, 1000]


def keys() -> list[tuple[bytes, ...]]:
    """Every key that a test may tell."""
    found: list[tuple[bytes, ...]] = []
    for week in WEEKS:
        for kind in TYPES:
            found.append((kind, b"n", week))
            found += [(kind, b"v", value, week) for value in VALUES]
            found += [(kind, b"i", *intent, week) for intent in INTENTS]
            found += [(kind, b"x", value, *i, week) for value in VALUES for i in INTENTS]
        found += [(TYPES[0], b"t", other, week) for other in (TYPES[1], b"type:boots")]
        found += [(product, b"b", week) for product in PRODUCTS]
        found += [(PRODUCTS[0], b"c", other, week) for other in PRODUCTS[1:]]
    for product in PRODUCTS[:2]:
        for source in (b"catalog", b"text"):
            found += [
                (product, b"f", b"has_type", kind, source) for kind in (b"type:boots", b"type:mug")
            ]
            for brand in (b"value:brand/nordwind", b"value:brand/seaside"):
                found.append((product, b"f", b"has_attribute:brand", brand, source))
    for phrase in PHRASES:
        for kind in (b"type:shoes", b"type:mug", b"type:running-shoes", b"type:unknown"):
            found.append((b"attr:product_type", b"k", phrase, kind))
    found += [(b"attr:brand", b"u", b"value:brand/" + b.replace(" ", "-").encode()) for b in BRANDS]
    return found


KEYS = keys()


def payload_of(key: tuple[bytes, ...], rng: Random) -> bytes:
    match key[1]:
        case b"k":
            return encode(Why((), (rng.choice(["product:1", "product:2"]),), ("tagging@1",)))
        case b"x":
            queries = tuple(rng.sample(["a", "b", "c", "d"], 2))
            products = tuple(rng.sample(["product:1", "product:2"], rng.randrange(1, 3)))
            return encode(Why(queries, products, ("tagging@1",)))
        case b"c":
            kinds = rng.choice(["shoes", "mug", ""])
            return encode(With("shoes", kinds, 2, rng.choice([3, 30, 300])))
        case b"f":
            verdict = rng.choice(["accepted", "held", "rejected"])
            return encode(Claimed(rng.choice([0.2, 0.6, 0.9]), verdict, "x", "title", ("c@1",)))
    return b""


@st.composite
def tells(draw: st.DrawFn) -> Tell:
    """A total or a marker; the same stamp always says the same of the same key."""
    sender, incarnation = draw(st.integers(0, 1)), draw(st.integers(0, 1))
    if draw(st.integers(0, 11)) == 0:
        return Tell("claims", sender, incarnation, 0, None)
    key, version = draw(st.sampled_from(KEYS)), draw(st.integers(1, 3))
    one_owner = key[1] in (b"c", b"f")  # these have one sender: the product's owner
    sender = 0 if one_owner else sender
    rng = Random(repr((sender, incarnation, version, key)))
    n = rng.choice(COUNTS)
    return Tell("claims", sender, incarnation, version, key, n, payload_of(key, rng) if n else b"")


ALL_OF_A_WEEK = [
    Tell("claims", 0, 0, 0, key, 40, payload_of(key, Random(repr(key)))) for key in KEYS
]
"""Every key at once, so that facts stand on all their marginals before anything moves."""

SENT = st.one_of(
    st.lists(tells(), max_size=60),
    st.lists(tells(), max_size=40).map(lambda sent: [*ALL_OF_A_WEEK, *sent]),
)


# The oracle: no rows, no marks, no agenda; all facts from the sums of the inbox.

Sums = dict[tuple[bytes, ...], dict[int, tuple[int, list[bytes]]]]


class Oracle:
    def __init__(self, sent: Iterable[Tell]) -> None:
        self.sums: Sums = defaultdict(dict)
        for (_, key), (n, payloads) in left(sent).items():
            if key[1] in (b"f", b"u", b"k"):
                self.sums[key][0] = n, payloads
            else:
                self.sums[key[:-1]][int(key[-1])] = n, payloads
        self.facts: dict[str, Fact] = {}
        self.concepts()
        self.co_purchases()
        self.claims()
        self.phrases()
        self.synonyms()

    def total(self, *key: bytes) -> int:
        return sum(n for n, _ in self.sums.get(key, {}).values())

    def add(
        self,
        triple: tuple[bytes, bytes, bytes],
        judged: Judgement,
        counts: dict[str, int],
        weeks: Iterable[int],
        whys: list[Why] | None = None,
    ) -> None:
        head, relation, tail = (part.decode() for part in triple)
        ordered = sorted(weeks)
        queries, products = {q for w in whys or () for q in w.queries}, self.products(whys)
        name = fact_id(head, relation, tail)
        self.facts[name] = Fact(
            name,
            head,
            relation,
            tail,
            judged.status,
            judged.score,
            judged.reason,
            counts,
            ("behaviour",),
            ordered[0],
            ordered[-1],
            Evidence(
                weeks=tuple(ordered),
                queries=tuple(sorted(queries)),
                products=tuple(sorted(products)),
                bundles=("tagging@1",) if whys else (),
            ),
        )

    @staticmethod
    def products(whys: list[Why] | None) -> set[str]:
        return {product for why in whys or () for product in why.products}

    def whys(self, *keys: tuple[bytes, ...]) -> list[Why]:
        return [
            messages.decode_why(payload)
            for key in keys
            for _, payloads in self.sums.get(key, {}).values()
            for payload in payloads
        ]

    def concepts(self) -> None:
        for key, weeks in self.sums.items():
            if key[1] == b"x" and self.total(*key) >= 4:
                self.concept(key, weeks)
            elif key[1] == b"i" and self.total(*key) >= 4:
                self.intent(key, weeks)
            elif key[1] == b"t" and self.total(*key) >= 2:
                both, n = self.total(*key), step(self.total(key[0], b"n"))
                together = sum(self.total(*k) for k in self.sums if k[:2] == key[:2])
                n, together = max(n, both), max(step(together), both)
                judged = judge_types_together(both, together, n, 0, SETTINGS)
                counts = {"both": both, "together": together, "type": n}
                self.add((key[0], b"used_with", key[2]), judged, counts, weeks)

    def concept(self, key: tuple[bytes, ...], weeks: Iterable[int]) -> None:
        kind, _, value, relation, intent = key
        both, n = self.total(*key), step(self.total(kind, b"n"))
        v = step(self.total(kind, b"v", value))
        i = max(step(self.total(kind, b"i", relation, intent)), both)
        judged = judge_concept(both / 2, i / 2, v, n, SETTINGS)
        whys = self.whys(key)
        if judged.status == "accepted" and len(self.products(whys)) < 2:
            judged = judged._replace(status="held", because="one product")
        attribute, slug = value.removeprefix(b"value:").split(b"/")
        head = b"concept:%s[%s=%s]" % (kind.removeprefix(b"type:"), attribute, slug)
        counts = {"asked": i, "both": both, "type": n, "value": v}
        self.add((head, relation, intent), judged, counts, weeks, whys)

    def intent(self, key: tuple[bytes, ...], weeks: Iterable[int]) -> None:
        kind, _, *intent = key
        asked, n = self.total(*key), step(self.total(kind, b"n"))
        seen = [(kind, b"x", value, *intent) for value in VALUES]
        totals = [self.total(*each) for each in seen]
        judged = judge_type(asked / 2, n, sum(totals), sum(map(spread_of, totals)), SETTINGS)
        counts = {"asked": asked, "type": n}
        first = [each for each, total in zip(seen, totals, strict=True) if total][:1]
        self.add((kind, intent[0], intent[1]), judged, counts, weeks, self.whys(*first) or None)

    def co_purchases(self) -> None:
        head, pairs = PRODUCTS[0], {}
        for key, weeks in self.sums.items():
            if key[1] == b"c" and weeks:
                newest = messages.decode_with(weeks[max(weeks)][1][0])
                pairs[key] = self.total(*key), newest
        kinds: dict[str, int] = defaultdict(int)
        for n, told in pairs.values():
            kinds[told.tail_type] += n
        together, spread = sum(kinds.values()), sum(map(spread_of, kinds.values()))
        partners = Partners(
            step(self.total(head, b"b")),
            step(together),
            step(sum(told.bought for _, told in pairs.values())),
            is_promiscuous(together, spread, SETTINGS),
        )
        for key, (n, told) in pairs.items():
            if n >= 2:
                judged = judge_together(n, told.bought, partners, SETTINGS)
                counts = {
                    "both": n,
                    "head": partners.bought,
                    "tail": told.bought,
                    "together": partners.together,
                }
                self.add((head, b"used_with", key[2]), judged, counts, self.sums[key])

    def claims(self) -> None:
        groups: dict[tuple[bytes, bytes], dict[tuple[str, str], Claimed]] = defaultdict(dict)
        for key, weeks in self.sums.items():
            if key[1] == b"f" and weeks:
                tail, source = key[3].decode(), key[4].decode()
                groups[key[0], key[2]][tail, source] = messages.decode_claimed(weeks[0][1][0])
        for (head, relation), sides in groups.items():
            told = [Told(*name, c.score, c.verdict) for name, c in sides.items()]
            weighed = weigh(told, clash=lambda *_: True, agree_accept=SETTINGS.agree_accept)
            for tail, found in weighed.items():
                sources = sorted(source for each, source in sides if each == tail)
                fields = {"title" if s == "text" else "catalog:title" for s in sources}
                name = fact_id(head.decode(), relation.decode(), tail)
                self.facts[name] = Fact(
                    name,
                    head.decode(),
                    relation.decode(),
                    tail,
                    found.status,
                    found.score,
                    found.reason,
                    dict.fromkeys(sources, 1),
                    tuple(sources),
                    0,
                    0,
                    Evidence(fields=tuple(sorted(fields)), bundles=("c@1",)),
                )

    def phrases(self) -> None:
        kinds: dict[bytes, dict[str, int]] = defaultdict(dict)
        seen: dict[bytes, set[str]] = defaultdict(set)
        for key, weeks in self.sums.items():
            if key[1] == b"k":
                kinds[key[2]][key[3].decode()] = weeks[0][0]
                for payload in weeks[0][1]:
                    seen[key[2]].update(messages.decode_why(payload).products)
        for phrase, told in kinds.items():
            n, parent = sum(told.values()), "type:unknown"
            if n < SETTINGS.type_support:
                continue
            known = sorted((-m, kind) for kind, m in told.items() if kind != "type:unknown")
            if phrase.endswith(b"mug"):
                parent = "type:mug"
            elif known:
                parent = known[0][1]
            below = {parent, "type:running-shoes" if parent == "type:shoes" else parent}
            in_line = sum(m for kind, m in told.items() if kind in below - {"type:unknown"})
            reason = f"the ontology lacks this product type: {n:,} products"
            of_it = f"{in_line:,} of them of the type proposed above it"
            reason += ", none of a known type" if parent == "type:unknown" else f", {of_it}"
            name = fact_id(phrase.decode(), "is_a", parent)
            self.facts[name] = Fact(
                name, phrase.decode(), "is_a", parent, "held", round(in_line / n, 4), reason,
                {"products": n, "in_line": in_line}, ("text",), 0, 0,
                Evidence(
                    fields=("title",),
                    bundles=("tagging@1",),
                    products=tuple(sorted(seen[phrase])),
                ),
            )  # fmt: skip

    def synonyms(self) -> None:
        blocks: dict[str, list[tuple[bytes, str]]] = defaultdict(list)
        for key in self.sums:
            if key[1] == b"u" and (spelling := spelling_of(key[2].decode())):
                for block in spelling.blocks:
                    blocks[block].append((spelling.rank, key[2].decode()))
        for members in blocks.values():
            for pair in combinations(sorted(v for _, v in sorted(members)[: SETTINGS.block]), 2):
                one, other = spelling_of(pair[0]), spelling_of(pair[1])
                score = likeness(one, other, SETTINGS.alike)
                if score:
                    name = fact_id(pair[0], "same_as", pair[1])
                    reason = "synonym model decides"
                    self.facts[name] = Fact(
                        name, pair[0], "same_as", pair[1], "held", score, reason, {},
                        ("text",), 0, 0, Evidence(),
                    )  # fmt: skip


def run(sent: list[Tell], rng: Random, verdicts: Iterable[Verdict] = ()) -> OnePartition:
    stage = OnePartition("graph", build_graph(SETTINGS, ONTOLOGY), ["facts"])
    waiting = list(verdicts)
    for tell in sent:
        stage.read("claims", tell.record())
        if waiting and rng.randrange(4) == 0:
            stage.read("verdicts", (b"", encode_verdict(waiting.pop())))
        match rng.randrange(12):
            case 0:
                stage.commit()
            case 1:
                stage.commit()
                stage = stage.crashed()
            case 2:
                stage.owner.stage.calm()
                stage.commit()
    for verdict in waiting:
        stage.read("verdicts", (b"", encode_verdict(verdict)))
    stage.commit()
    stage.owner.stage.calm()
    stage.commit()
    assert graph_of(stage).is_idle
    return stage


def graph_of(stage: OnePartition) -> GraphStage:
    assert isinstance(stage.owner.stage, GraphStage)
    return stage.owner.stage


def facts_of(stage: OnePartition) -> dict[str, bytes]:
    """What is published, which has to be what the graph holds."""
    told = {key.decode(): row for (_, key), (n, row) in stage.told().items() if n}
    graph = graph_of(stage).facts.graph
    assert sorted(told.values()) == sorted(graph.facts())
    assert check(graph).problems == 0
    return told


@settings(max_examples=150)
@given(SENT, st.randoms(use_true_random=False))
def test_facts_at_rest_are_what_the_totals_say(sent: list[Tell], rng: Random):
    expected = {name: encode_fact(fact) for name, fact in Oracle(sent).facts.items()}
    assert facts_of(run(sent, rng)) == expected


@settings(max_examples=60)
@given(SENT, st.randoms(use_true_random=False), st.data())
def test_neither_order_nor_repeats_nor_crashes_nor_verdicts_first_change_it(
    sent: list[Tell], rng: Random, data: st.DataObject
):
    names = [*sorted(Oracle(sent).facts)[:2], "0" * 32]
    verdicts = data.draw(
        st.lists(
            st.builds(
                Verdict,
                fact_id=st.sampled_from(names),
                verdict=st.sampled_from(["accepted", "rejected", "withdrawn"]),
                by=st.sampled_from(["ann", "bob"]),
                at_ms=st.integers(0, 1),
            ),
            max_size=5,
        )
    )
    once = run(sent, rng, verdicts)
    other, turned = [*sent, *sent[:5]], [*verdicts, *verdicts[:1]]
    rng.shuffle(other)
    rng.shuffle(turned)
    again = run(other, rng, turned)
    assert facts_of(once) == facts_of(again)
    assert digest_of(facts_of(once).values()) == digest_of(facts_of(again).values())
