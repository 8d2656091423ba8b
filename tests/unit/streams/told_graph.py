"""GRAPH in one partition, told totals and verdicts by hand."""

from itertools import count

from streams.graph.facts import Verdict, encode_verdict
from streams.graph.stage import GraphStage, build_graph
from streams.totals.messages import Claimed, Why, encode
from tests.one_partition import OnePartition, Tell, small_ontology
from topology.facts import Fact, decode_fact
from topology.scoring import ScoringSettings

ONTOLOGY = small_ontology()
WEEK, LATER = b"02000", b"02003"
SHOES, SLIP, RED = b"type:shoes", b"value:feature/slip-resistant", b"value:color/red"
AUD, PREGNANT = b"used_for_aud", b"intent:audience/pregnant-woman"
CONCEPT = "concept:shoes[feature=slip-resistant]"
WHY = encode(Why(("shoes for pregnant women",), ("product:1", "product:2"), ("tagging@1",)))


class Told:
    """A GRAPH partition and the one sender that tells it totals."""

    def __init__(self, durable=None, *, synonyms: str = "", **settings) -> None:
        build = build_graph(ScoringSettings(**settings), ONTOLOGY, synonyms)
        self.partition = OnePartition("graph", build, ["facts"], durable)
        self._versions = count(1 + self.partition.owner.kept.version * 1_000)

    @property
    def stage(self) -> GraphStage:
        assert isinstance(self.partition.owner.stage, GraphStage)
        return self.partition.owner.stage

    def total(self, *key: bytes, n: int, payload: bytes = b"", sender: int = 0) -> None:
        tell = Tell("claims", sender, 1, next(self._versions), key, n, payload)
        self.partition.read("claims", tell.record())

    def claim(self, tail: bytes, source: bytes = b"text", *, verdict="accepted", n=1, **more):
        relation = more.get("relation", b"has_attribute:brand")
        payload = encode(Claimed(0.9, verdict, "x", more.get("field", "title"), ("c@1",)))
        self.total(b"product:1", b"f", relation, tail, source, n=n, payload=payload if n else b"")

    def shoppers(self, both: int, asked: int, value: int, bought: int, week=WEEK, why=WHY) -> None:
        """The four counts of the concept, in shoppers who clicked."""
        self.total(SHOES, b"n", week, n=bought)
        self.total(SHOES, b"v", SLIP, week, n=value)
        self.total(SHOES, b"i", AUD, PREGNANT, week, n=2 * asked)
        payload = why if both else b""
        self.total(SHOES, b"x", SLIP, AUD, PREGNANT, week, n=2 * both, payload=payload)

    def verdict(self, fact: str, verdict: str, at_ms: int = 5, by: str = "ann") -> None:
        value = encode_verdict(Verdict(fact, verdict, by, at_ms))
        self.partition.read("verdicts", (b"key", value))

    def facts(self) -> dict[tuple[str, str, str], Fact]:
        self.partition.commit()
        told = self.partition.told().items()
        facts = [decode_fact(row) for (_, _key), (n, row) in told if n]
        return {(fact.head, fact.relation, fact.tail): fact for fact in facts}

    def intent(self) -> Fact | None:
        return self.facts().get((CONCEPT, "used_for_aud", PREGNANT.decode()))

    def brand(self, brand: bytes) -> Fact | None:
        return self.facts().get(("product:1", "has_attribute:brand", brand.decode()))


def use(graph: Told, *brands: str, n: int = 3) -> None:
    for brand in brands:
        graph.total(b"attr:brand", b"u", f"value:brand/{brand}".encode(), n=n)
