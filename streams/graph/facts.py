"""Facts that GRAPH makes: into the graph, out to `facts`, under people's verdicts."""

from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from streams.graph.quality import FactQuality
from streams.ports import Record, State
from streams.totals.owner import Wiring
from streams.weeks import DAY_MS
from topology.facts import ACCEPTED, PERSON, Evidence, Fact, Status, encode_fact, fact_id
from topology.graph import Graph

TABLE: Final = "verdicts"
MAX_AHEAD_MS: Final = DAY_MS // 24
_WEEKS: Final = 5


class Verdict(msgspec.Struct, frozen=True):
    """What a person decided on a fact; a value of the topic `verdicts`, as JSON.

    Attributes:
        fact_id: the fact's id; the fact need not exist yet.
        verdict: accepted or rejected outranks every model; withdrawn takes it back.
        by: who decided, a role or an account of the reviewers' tool.
        at_ms: when; the latest counts, of two at once the greater by content.
    """

    fact_id: str
    verdict: Literal["accepted", "rejected", "withdrawn"]
    by: str
    at_ms: int


encode_verdict = msgspec.json.Encoder().encode
decode_verdict = msgspec.json.Decoder(Verdict).decode


class Verdicts:
    """The newest verdict on every fact of a partition."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._by_fact = {key.decode(): decode_verdict(row) for key, row in state.scan(TABLE)}

    def take(self, record: Record) -> Verdict | None:
        """Keep a verdict; None if a newer one is known.

        Raises:
            ValueError: this is no verdict, or from the future; the message says what is wrong.
        """
        verdict = _read(record)
        known = self._by_fact.get(verdict.fact_id)
        if known is not None and _order(verdict) <= _order(known):
            return None
        self._by_fact[verdict.fact_id] = verdict
        self._state.put(TABLE, verdict.fact_id.encode(), encode_verdict(verdict))
        return verdict

    def on(self, fact: str) -> Verdict | None:
        """The verdict that stands on a fact; None while a model decides."""
        verdict = self._by_fact.get(fact)
        return None if verdict is None or verdict.verdict == "withdrawn" else verdict


def _read(record: Record) -> Verdict:
    try:
        verdict: Verdict = decode_verdict(record.value or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    try:
        known_form = len(bytes.fromhex(verdict.fact_id)) == 16
    except ValueError:
        known_form = False
    if not known_form or verdict.fact_id != verdict.fact_id.lower():
        raise ValueError("fact_id is not 32 hex digits in lower case")
    if verdict.at_ms > record.at_ms + MAX_AHEAD_MS:
        raise ValueError("at_ms is over an hour ahead of the record's own time")
    return verdict


def _order(verdict: Verdict) -> tuple[int, bytes]:
    return verdict.at_ms, encode_verdict(verdict)


class Made(msgspec.Struct, frozen=True):
    """A fact as a view makes it of its totals, before any person's verdict."""

    head: str
    relation: str
    tail: str
    status: Status
    score: float
    reason: str
    counts: dict[str, int]
    sources: tuple[str, ...]
    weeks: Iterable[int] = ()
    queries: Iterable[str] = ()
    fields: Iterable[str] = ()
    bundles: Iterable[str] = ()
    products: Iterable[str] = ()


class Facts:
    """The facts of a partition, told as they stand here."""

    def __init__(self, wiring: Wiring) -> None:
        self.graph = Graph(wiring.state)
        self.quality = FactQuality(wiring.state, self.graph)
        self.graph.moved = self.quality.moved
        self.verdicts = Verdicts(wiring.state)
        self._outbox = wiring.outbox

    def make(self, made: Made) -> None:
        """Write the fact and tell it; a person's verdict goes before the model's."""
        name = fact_id(made.head, made.relation, made.tail)
        status, score, reason = made.status, made.score, made.reason
        sources = made.sources
        verdict = self.verdicts.on(name)
        if verdict is not None:
            status = ACCEPTED if verdict.verdict == ACCEPTED else "rejected"
            score = 1.0 if status == ACCEPTED else 0.0
            reason = f"{status} by {verdict.by}; before: {made.status}, {made.reason}"
            sources = tuple(sorted({*sources, PERSON}))
        weeks = sorted(made.weeks)
        fact = Fact(
            id=name,
            head=made.head,
            relation=made.relation,
            tail=made.tail,
            status=status,
            score=score,
            reason=reason,
            counts=made.counts,
            sources=sources,
            first_week=weeks[0] if weeks else 0,
            last_week=weeks[-1] if weeks else 0,
            evidence=Evidence(
                weeks=_sampled(weeks),
                queries=tuple(sorted(made.queries)),
                fields=tuple(sorted(made.fields)),
                bundles=tuple(sorted(made.bundles)),
                products=tuple(sorted(made.products)),
            ),
        )
        data = encode_fact(fact)
        self.graph.upsert_encoded(fact, data)
        self._outbox.set("facts", name.encode(), 1, data)

    def withdraw(self, head: str, relation: str, tail: str) -> None:
        """Nothing stands behind the fact any more."""
        name = fact_id(head, relation, tail)
        self.graph.withdraw(name)
        self._outbox.set("facts", name.encode(), 0)


def _sampled(weeks: list[int]) -> tuple[int, ...]:
    """The first week and the last four."""
    return tuple(weeks) if len(weeks) <= _WEEKS else (weeks[0], *weeks[1 - _WEEKS :])
