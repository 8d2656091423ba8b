"""What the HTTP API answers: plain values, their JSON, and their schemas for OpenAPI. Pure."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec

from streams.serve.problems import Problem
from streams.serve.reader import AsOf, Readiness
from topology.facts import STATUSES, Fact, Status
from topology.keys import Direction

Wanted = Literal["accepted", "held", "rejected", "all"]
"""Which facts are asked for; held facts are never served as true (DESIGN, rule 9)."""


def wanted_statuses(wanted: Wanted) -> tuple[Status, ...]:
    """The statuses that are asked for."""
    return STATUSES if wanted == "all" else (wanted,)


class Brief(msgspec.Struct, frozen=True):
    """A fact without its evidence; the fields are those of `Fact`."""

    id: str
    head: str
    relation: str
    tail: str
    status: Status
    score: float
    reason: str
    counts: dict[str, int]
    sources: tuple[str, ...]
    first_week: int
    last_week: int


class NodeAnswer(msgspec.Struct, frozen=True):
    """What is known of a node.

    Attributes:
        id: of the node.
        kind: product, type, concept, value, intent or query.
        name: for people.
        type: slug of the product type of a type or a concept, else "".
        space: attribute of a value or concept, kind of an intent, else "".
        parents: nodes of the types directly above it in the ontology.
        same_as: other names of it, as far as they are accepted; their facts are its own.
        facts: direction -> relation -> status -> number of facts.
        complete: False: there are more facts than were counted.
        as_of: how fresh this is.
    """

    id: str
    kind: str
    name: str
    type: str
    space: str
    parents: tuple[str, ...]
    same_as: tuple[str, ...]
    facts: dict[str, dict[str, dict[str, int]]]
    complete: bool
    as_of: AsOf


class Neighbor(msgspec.Struct, frozen=True):
    """A node that a fact joins to the one asked for.

    Attributes:
        node: at the other end, under the first of its names.
        direction: out: the node asked for is the head; in: it is the tail.
        fact: which joins them.
    """

    node: str
    direction: Direction
    fact: Brief


class NeighborsAnswer(msgspec.Struct, frozen=True):
    """One page of neighbours, each fact once, under all names of the node.

    Attributes:
        neighbors: the page. It may be shorter than asked for, even empty, while there is more:
            `min_score` applies as it is read.
        next: `cursor` of the next page, null at the end.
        as_of: how fresh this is.
    """

    neighbors: tuple[Neighbor, ...]
    next: str | None
    as_of: AsOf


class FactAnswer(msgspec.Struct, frozen=True):
    """A fact as it was published."""

    fact: Fact
    as_of: AsOf


class FactsAnswer(msgspec.Struct, frozen=True):
    """One page of all facts, by id; `next` is null at the end."""

    facts: tuple[Fact, ...]
    next: str | None
    as_of: AsOf


class Why(msgspec.Struct, frozen=True):
    """What stands behind a fact: a sample, without shoppers.

    Attributes:
        weeks: first days of the weeks in which it was seen, ISO dates.
        queries: texts that k shoppers used.
        products: product nodes it was seen on.
        fields: where it was read.
        bundles: models that read or judged it.
    """

    weeks: tuple[str, ...]
    queries: tuple[str, ...]
    products: tuple[str, ...]
    fields: tuple[str, ...]
    bundles: tuple[str, ...]


class WhyAnswer(msgspec.Struct, frozen=True):
    """Why a fact has its status.

    Attributes:
        fact: the fact.
        says: the fact as a sentence.
        means: what its relation says, from the ontology.
        decided_by: "a person", or who proposed what the scores decided on.
        counts: number -> what it counts, for people.
        evidence: what stands behind it.
        rivals: other facts of the same head and relation, best first, at most 10.
        as_of: how fresh this is.
    """

    fact: Brief
    says: str
    means: str
    decided_by: str
    counts: dict[str, str]
    evidence: Why
    rivals: tuple[Brief, ...]
    as_of: AsOf


class ReadIntent(msgspec.Struct, frozen=True):
    """An intent that a query names; `by`: the tagger read it, or its name is in the graph."""

    relation: str
    node: str
    score: float
    by: Literal["tagger", "name"]


class Reading(msgspec.Struct, frozen=True):
    """How a query was read.

    Attributes:
        query: as shoppers' queries are kept: scrubbed, in one spelling.
        types: product types it names, narrowest first.
        intents: best first.
        values: values it names.
        bundle: the model that read it.
    """

    query: str
    types: tuple[str, ...]
    intents: tuple[ReadIntent, ...]
    values: tuple[str, ...]
    bundle: str


class Intended(msgspec.Struct, frozen=True):
    """A type or concept that people buy for an intent.

    Attributes:
        concept: what to offer: ``concept:shoes[feature=slip-resistant]``, or a whole type.
        relation: between the two.
        intent: why they buy it.
        score, reason: of the fact, which is accepted.
        counts: shoppers behind it by name.
        why: a sample of what stands behind it.
        fact: the fact's id.
    """

    concept: str
    relation: str
    intent: str
    score: float
    reason: str
    counts: dict[str, int]
    why: Why
    fact: str


class IntentsAnswer(msgspec.Struct, frozen=True):
    """What people who ask like this want, best first.

    Attributes:
        read: how the query was read.
        answered_for: type nodes the answer is about: those named, or what stands above or below
            them where nothing is known of themselves.
        intents: what was found, narrowed types before whole ones, then by score.
        note: why there is nothing, or less than one might hope for; "" otherwise.
        as_of: how fresh this is.
    """

    read: Reading
    answered_for: tuple[str, ...]
    intents: tuple[Intended, ...]
    note: str
    as_of: AsOf


class BatchAnswer(msgspec.Struct, frozen=True):
    """One answer for each query, in the order given."""

    answers: tuple[IntentsAnswer, ...]


MAX_LIMIT: Final = 1_000
MAX_QUERY: Final = 1_000
"""Characters of a query."""

MAX_QUERIES: Final = 100


class BatchQuestion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Queries to be answered at once; `limit` holds for each."""

    queries: Annotated[
        tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_QUERY)], ...],
        msgspec.Meta(min_length=1, max_length=MAX_QUERIES),
    ]
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_LIMIT)] = 10


class Alive(msgspec.Struct, frozen=True):
    """The process runs.

    Attributes:
        graph: identity of the graph it serves.
        pid: of the process.
    """

    graph: str
    pid: int


_STRUCTS: Final = (
    NodeAnswer,
    NeighborsAnswer,
    FactAnswer,
    FactsAnswer,
    WhyAnswer,
    IntentsAnswer,
    BatchAnswer,
    BatchQuestion,
    Alive,
    Readiness,
    Problem,
)
REF: Final = "#/components/schemas/{name}"


def schemas() -> Mapping[str, Any]:
    """JSON schemas of all answers by name, for the components of OpenAPI."""
    _, components = msgspec.json.schema_components(_STRUCTS, ref_template=REF)
    return components


def brief(fact: Fact) -> Brief:
    """The fact without its evidence."""
    return Brief(
        fact.id,
        fact.head,
        fact.relation,
        fact.tail,
        fact.status,
        fact.score,
        fact.reason,
        fact.counts,
        fact.sources,
        fact.first_week,
        fact.last_week,
    )
