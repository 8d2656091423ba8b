"""GRAPH: totals of claims in, facts with a status out. Keyed by the owner of the head.

Inputs `claims` and `verdicts`, output `facts` (keys and payloads: `totals/messages.py`). What is
told is added up in rows (`rows.py`); five views make facts of them: products, concepts, synonyms,
new product types (`products.py`, `concepts.py`, `same.py`, `phrases.py`) and
people's verdicts over all of them (`facts.py`). What is still to be scored stands in
`agenda.py`.

At rest, when `is_idle`, the facts are a pure function of the totals and the verdicts, whatever the
order in which they came (DESIGN, rules 5 and 6).
"""

from collections.abc import Callable, Sequence
from functools import partial

from streams.graph.agenda import CALM_SLICE, GROUPS, ROWS_A_TOTAL, SLICE, STALE, Agenda
from streams.graph.concepts import Concepts
from streams.graph.facts import TABLE as VERDICTS
from streams.graph.facts import Facts
from streams.graph.links import TABLE as LINKS
from streams.graph.phrases import Phrases
from streams.graph.products import USED_WITH, Products
from streams.graph.quality import TABLE as HELD_SINCE
from streams.graph.rows import TABLE as SUMS
from streams.graph.rows import Rows
from streams.graph.same import TABLE as BLOCKS
from streams.graph.same import Same
from streams.outcomes import STALE as OVERTAKEN
from streams.outcomes import USED
from streams.ports import Answers, Questions, Record
from streams.state.derived import TABLE as DERIVED
from streams.totals.cache_count import CacheCount
from streams.totals.messages import (
    BOUGHT,
    CO_BOUGHT,
    CO_TYPE,
    FACT,
    NAMED_BY,
    OF_TYPE,
    USED_BY,
    WITH_BOTH,
    WITH_INTENT,
    WITH_VALUE,
)
from streams.totals.owner import Wiring
from topology.facts import IS_A, Fact
from topology.graph import TABLES as GRAPH_TABLES
from topology.keys import owner_of
from topology.ontology import Ontology
from topology.phrases import is_known
from topology.scoring import ScoringSettings

TABLES = (*GRAPH_TABLES, SUMS, GROUPS, STALE, VERDICTS, BLOCKS, LINKS, DERIVED, HELD_SINCE)

_ATTRIBUTE, _PARTS_OF_USED = b"attr:", 3
Take = Callable[[bytes, list[bytes], int], None]
Scorer = Callable[[bytes, list[bytes], bool], None]


def build_graph(
    settings: ScoringSettings, ontology: Ontology, synonyms: str = ""
) -> Callable[[Wiring], "GraphStage"]:
    """What makes the stage of a partition from its wiring.

    Args:
        settings: thresholds.
        ontology: of the graph.
        synonyms: id of the bundle that judges pairs of values and says what values may stand for;
            empty: pairs are all held, and only those spelled alike are found.
    """
    return lambda wiring: GraphStage(wiring, settings, ontology, synonyms)


class GraphStage:
    """One partition of GRAPH; a `ports.Stage`."""

    def __init__(
        self, wiring: Wiring, settings: ScoringSettings, ontology: Ontology, synonyms: str
    ) -> None:
        self._read, self._reject, self._tally = wiring.read, wiring.reject, wiring.tally
        self._rows = Rows(wiring.state, cache_size=wiring.cache_rows)
        self._agenda = Agenda(wiring.state, self._rows.touch)
        self._facts = Facts(wiring)
        self._changed: dict[bytes, int] = {}
        self._decided: dict[str, None] = {}
        concepts = Concepts(self._rows, self._agenda, self._facts, wiring.inbox, settings)
        products = Products(self._rows, self._agenda, self._facts, wiring.inbox, settings, ontology)
        phrases = Phrases(self._rows, self._agenda, self._facts, wiring.inbox, settings, ontology)
        is_name = partial(is_known, ontology)
        same = Same(wiring.state, self._rows, self._facts, settings, synonyms, is_name)
        self._products, self._same = products, same
        # By the code of the key and its number of parts; a product and a type never share one. Of
        # the values that attributes use, the synonym model is asked first (`wants`).
        self._takes: dict[tuple[bytes, int], Take] = {
            (FACT, 5): products.claimed,
            (BOUGHT, 3): products.bought,
            (CO_BOUGHT, 4): products.together,
            (OF_TYPE, 3): concepts.bought,
            (WITH_VALUE, 4): concepts.with_value,
            (WITH_INTENT, 5): concepts.asked,
            (WITH_BOTH, 6): concepts.both,
            (CO_TYPE, 4): concepts.types,
            (NAMED_BY, 4): phrases.named,
        }
        self._scorers: dict[bytes, Scorer] = {
            FACT: products.score_claims,
            CO_BOUGHT: products.score_together,
            WITH_BOTH: concepts.score_both,
            WITH_INTENT: concepts.score_asked,
            CO_TYPE: concepts.score_types,
            NAMED_BY: phrases.score,
            b"y": concepts.score_seen,
            b"s": same.score,
        }

    @property
    def is_idle(self) -> bool:
        """Every fact is as its totals say, and told."""
        rests = not (self._changed or self._decided) and self._same.is_settled
        return rests and self._agenda.is_idle

    @property
    def facts(self) -> Facts:
        """The partition's facts, for `state show` and tests."""
        return self._facts

    @property
    def cache(self) -> CacheCount:
        """Look-ups of decoded rows."""
        return self._rows.cache

    def gauges(self) -> dict[str, int]:
        """`groups`: prefixes of rows that wait to be scored again."""
        return {"groups": self._agenda.groups}

    def quality(self) -> dict[str, int]:
        """`facts.<relation>.<status>`, and what decided them (`FactQuality.counts`)."""
        counts = self._facts.quality.counts()
        for relation, by_status in self._facts.graph.counts().items():
            counts.update({f"facts.{relation}.{each}": n for each, n in by_status.items()})
        return counts

    def held_since(self) -> dict[str, int]:
        """Relation -> since when its oldest held fact is held (`FactQuality.oldest_ms`)."""
        return self._facts.quality.oldest_ms()

    @property
    def outdated(self) -> int:
        """Values that were read, and pairs judged, with another bundle than answers now."""
        return self._same.outdated

    def reread(self, limit: int) -> int:
        """Have at most so many of them judged again; how many."""
        return self._same.reread(limit)

    def apply(self, topic: str, partition: int, records: Sequence[Record]) -> None:
        if records:
            self._facts.quality.read(records[-1].at_ms)
        if topic == "verdicts":
            for record in records:
                self._decide(topic, partition, record)
            return
        changed = self._changed
        for change in self._read(topic, partition, records):
            key = change.key
            if not (key.startswith(_ATTRIBUTE) and self._used(key, change.after)):
                changed[key] = change.after

    def wants(self) -> Questions:
        """Values and pairs of values; all else models have said upstream."""
        return self._same.wants()

    def learn(self, answers: Answers) -> None:
        self._same.learn(answers)

    def flush(self) -> None:
        changed, self._changed = self._changed, {}
        takes = self._takes
        for key, n in changed.items():
            parts = key.split(b"\0")
            take = takes.get((parts[1], len(parts))) if len(parts) > 1 else None
            if take is not None:  # a key of a later version says nothing here
                take(key, parts, n)
        self._products.settle()
        own, self._agenda.own = self._agenda.own, {}
        for key, parts in own.items():
            self._scorers[parts[1]](key, parts, False)
        for name in self._decided:
            fact = self._facts.graph.fact(name)
            if fact is not None:
                self._score(row_of(fact), force=True)
        self._decided.clear()
        limit = max(SLICE, int(ROWS_A_TOTAL * len(changed)))
        self._agenda.work(self._rows.keys, self._score, limit)
        self._same.settle()
        self._rows.flush()
        self._facts.quality.flush()

    def calm(self) -> None:
        """Publish what waited since the last calm; a great deal of it in slices, by `flush`."""
        self._agenda.release()
        self._agenda.work(self._rows.keys, self._score, CALM_SLICE)

    def _used(self, key: bytes, n: int) -> bool:
        """Whether the total says how many products use a value."""
        parts = key.split(b"\0")
        if len(parts) != _PARTS_OF_USED or parts[1] != USED_BY:
            return False
        self._same.used(parts, n)
        return True

    def _score(self, key: bytes, force: bool) -> None:
        parts = key.split(b"\0")
        self._scorers[parts[1]](key, parts, force)

    def _decide(self, topic: str, partition: int, record: Record) -> None:
        """Keep a person's verdict; it is applied at `flush`, or when its fact appears."""
        if record.value is None:
            self._tally[f"{topic}.{OVERTAKEN}"] += 1  # a tombstone never means anything (DESIGN)
            return
        try:
            verdict = self._facts.verdicts.take(record)
        except ValueError as error:
            self._reject(topic, partition, record, "bad_verdict", str(error))
            return
        self._tally[f"{topic}.{OVERTAKEN if verdict is None else USED}"] += 1
        if verdict is not None:
            self._decided[verdict.fact_id] = None


def row_of(fact: Fact) -> bytes:
    """Key of the row in `sums` that a fact is made of."""
    owner = owner_of(fact.head).encode()
    head, relation, tail = fact.head.encode(), fact.relation.encode(), fact.tail.encode()
    kind = fact.head.partition(":")[0]
    if kind == "concept":
        narrowed = fact.head.partition("[")[2].removesuffix("]")
        attribute, _, slug = narrowed.partition("=")
        value = f"value:{attribute}/{slug}".encode()
        return b"\0".join((owner, WITH_BOTH, value, relation, tail))
    if kind == "value":
        if fact.relation == IS_A:
            return b"\0".join((owner, NAMED_BY, head))
        return b"\0".join((owner, b"s", head, tail))
    if kind == "type":
        if fact.relation == USED_WITH and fact.tail.startswith("type:"):
            return b"\0".join((owner, CO_TYPE, tail))
        return b"\0".join((owner, WITH_INTENT, relation, tail))
    if fact.relation == USED_WITH and fact.tail.startswith("product:"):
        return b"\0".join((owner, CO_BOUGHT, tail))
    return b"\0".join((owner, FACT, relation))
