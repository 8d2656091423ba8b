"""Answers about nodes, neighbours, facts and why. Pure; `topology.query` knows how to read them.

Only accepted facts are listed unless others are asked for (DESIGN, rule 9).
"""

from collections.abc import Iterator
from typing import Final, Literal

from streams.serve.answers import (
    FactAnswer,
    FactsAnswer,
    Neighbor,
    NeighborsAnswer,
    NodeAnswer,
    Wanted,
    WhyAnswer,
    brief,
    wanted_statuses,
)
from streams.serve.paging import bad_cursor, decode_cursor, encode_cursor
from streams.serve.problems import ProblemError, not_found
from streams.serve.reader import Reader
from streams.serve.words import explained, name_of, says, why_of
from topology.facts import (
    ACCEPTED,
    PERSON,
    Fact,
    check_relation,
    decode_fact,
    parse_node,
    type_node,
)
from topology.keys import FACTS, status_of
from topology.ontology import Ontology
from topology.query import BadCursorError, Known, Questions

MAX_READ: Final = 5_000
"""Facts that one page of all facts looks at; filters may leave few of them."""
_PAGES: Final = 10
"""Pages of neighbours that are read for one, while `min_score` leaves too few."""
_CHUNK: Final = 500


def node_answer(reader: Reader, ontology: Ontology, node_id: str) -> NodeAnswer:
    """What is known of a node, in numbers.

    Raises:
        BadNodeError: this is no node id.
        ProblemError: neither the graph nor the ontology knows it.
    """
    known = _known(reader, ontology, node_id)
    return NodeAnswer(
        id=node_id,
        kind=known.node.kind,
        name=name_of(node_id, ontology),
        type=known.node.type,
        space=known.node.space,
        parents=tuple(map(type_node, ontology.parents(known.node.type))),
        same_as=tuple(alias for alias in known.aliases if alias != node_id),
        facts=known.facts,
        complete=known.is_complete,
        as_of=reader.as_of(),
    )


def neighbors(
    reader: Reader,
    ontology: Ontology,
    node_id: str,
    *,
    relation: str = "",
    wanted: Wanted = ACCEPTED,
    direction: Literal["out", "in", "both"] = "both",
    min_score: float = 0.0,
    limit: int = 50,
    cursor: str = "",
) -> NeighborsAnswer:
    """One page of the nodes that facts join to this one.

    Raises:
        BadNodeError: this is no node id, or no relation.
        ProblemError: the graph does not know the node, or the cursor is of another question.
    """
    if relation:
        check_relation(relation)
    asked = Questions(reader.graph, ontology)
    question = "\0".join(("neighbors", node_id, relation, wanted, direction, str(min_score)))
    place = decode_cursor(question, cursor).decode() if cursor else None
    found: list[Neighbor] = []
    for _ in range(_PAGES):
        try:
            page = asked.neighbors(
                node_id,
                relation=relation,
                status="any" if wanted == "all" else wanted,
                direction=direction,
                limit=limit - len(found),
                cursor=place,
            )
        except BadCursorError as error:  # a merge was undone between two pages
            raise bad_cursor() from error
        found += [
            Neighbor(each.name, each.direction, brief(each.fact))
            for each in page.items
            if each.fact.score >= min_score
        ]
        place = page.cursor
        if place is None or len(found) >= limit:
            break
    if not found and not cursor:
        _known(reader, ontology, node_id)
    more = encode_cursor(question, place.encode()) if place else None
    return NeighborsAnswer(tuple(found), more, reader.as_of())


def fact_answer(reader: Reader, fact_id: str, wanted: Wanted = ACCEPTED) -> FactAnswer:
    """A fact as it was published.

    Raises:
        BadFactError: this is no fact id.
        ProblemError: there is no such fact, or it has another status than is asked for.
    """
    return FactAnswer(_as_wanted(fact_id, reader.graph.fact(fact_id), wanted), reader.as_of())


def why_answer(
    reader: Reader, ontology: Ontology, fact_id: str, wanted: Wanted = ACCEPTED
) -> WhyAnswer:
    """Why a fact has its status, in words.

    Raises:
        BadFactError: this is no fact id.
        ProblemError: there is no such fact, or it has another status than is asked for.
    """
    why = Questions(reader.graph, ontology).why(fact_id)
    fact = _as_wanted(fact_id, why.fact if why else None, wanted)
    known = ontology.relations.get(fact.relation.partition(":")[0])
    rivals = why.rivals if why else ()
    return WhyAnswer(
        fact=brief(fact),
        says=says(fact, ontology),
        means=known.says if known else "",
        decided_by="a person" if PERSON in fact.sources else ", ".join(fact.sources),
        counts=explained(fact.counts),
        evidence=why_of(fact),
        rivals=tuple(brief(each) for each in rivals if each.status in wanted_statuses(wanted)),
        as_of=reader.as_of(),
    )


def facts_page(
    reader: Reader,
    *,
    relation: str = "",
    wanted: Wanted = ACCEPTED,
    limit: int = 100,
    cursor: str = "",
) -> FactsAnswer:
    """One page of all facts, by id; what changes between two pages is in at most one of them.

    Raises:
        BadNodeError: `relation` is none.
        ProblemError: the cursor is of another question.
    """
    if relation:
        check_relation(relation)
    question = "\0".join(("facts", relation, wanted))
    place = decode_cursor(question, cursor) if cursor else b""
    statuses = wanted_statuses(wanted)
    found: list[Fact] = []
    read = 0
    for key, row in _rows(reader, place):
        if len(found) >= limit or read >= MAX_READ:
            break
        read, place = read + 1, key
        if status_of(row) in statuses:
            fact = decode_fact(row[1:])
            if not relation or fact.relation == relation:
                found.append(fact)
    else:
        place = b""
    more = encode_cursor(question, place) if place else None
    return FactsAnswer(tuple(found), more, reader.as_of())


def _rows(reader: Reader, place: bytes) -> Iterator[tuple[bytes, bytes]]:
    after = place or None
    while rows := reader.tables.scan(FACTS, after=after, limit=_CHUNK):
        yield from rows
        after = rows[-1][0]


def _as_wanted(fact_id: str, fact: Fact | None, wanted: Wanted) -> Fact:
    if fact is None:
        raise not_found(
            "no-such-fact",
            f"there is no fact {fact_id}: it may have been withdrawn; find facts by "
            "/v1/nodes/{id}/neighbors",
        )
    if fact.status not in wanted_statuses(wanted):
        raise not_found(
            "other-status",
            f"this fact is {fact.status}, asked for was {wanted}: what is not accepted is not "
            f"served as true, ask with ?status={fact.status} or ?status=all",
        )
    return fact


def _known(reader: Reader, ontology: Ontology, node_id: str) -> Known:
    """What there is of a node; a type of the ontology is known without any fact."""
    known = Questions(reader.graph, ontology).node(node_id)
    if known is not None:
        return known
    node = parse_node(node_id)
    if node.kind == "type" and node.type in ontology.types:
        return Known(node_id, node, (node_id,), {}, is_complete=True)
    raise _no_such_node(node_id)


def _no_such_node(node_id: str) -> ProblemError:
    return not_found(
        "no-such-node",
        f"no fact names {node_id}: check its spelling (ids are percent-encoded in a path), or "
        "find nodes by /v1/intents?q=",
    )
