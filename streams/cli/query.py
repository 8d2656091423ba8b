"""`cartograph query node|neighbors|facts|fact|why|intents`: ask the graph from the command line.

Asks the `cartograph serve` of this data folder if one runs, else reads the topic itself; with
`--at` a checkpoint, which needs no Kafka.
"""

import contextlib
import heapq
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

import typer

from streams.cli import which
from streams.cli.setup import address_of
from streams.cli.shell import JSON, group, note, say, settings, show, table, told
from streams.serve.answers import IntentsAnswer, NeighborsAnswer, NodeAnswer, WhyAnswer
from streams.serve.ask import Asked, asking
from streams.serve.ask_past import asking_at
from topology.facts import Fact

query = group("Ask the graph: nodes, neighbours, facts, why, and intents of a query.")


class Status(StrEnum):
    """Which facts are asked for."""

    accepted = "accepted"
    held = "held"
    rejected = "rejected"
    all = "all"


class Direction(StrEnum):
    """Out: the node is the head; in: it is the tail."""

    out = "out"
    in_ = "in"
    both = "both"


NodeId = Annotated[str, typer.Argument(metavar="NODE", help="E.g. value:color/red.")]
FactId = Annotated[str, typer.Argument(metavar="FACT", help="32 hex digits.")]
Which = Annotated[Status, typer.Option("--status", help="Held facts are not taken for true.")]
Limit = Annotated[int, typer.Option(min=1, max=1_000)]
At = Annotated[
    str, typer.Option("--at", metavar="CHECKPOINT", help="The graph as it was then; or: latest.")
]


@query.command("node")
@told
def query_node(node_id: NodeId, at: At = "", as_json: Annotated[bool, JSON] = False) -> None:
    """What is known of a node, in numbers."""
    with _graph(at) as graph:
        found = graph.node(node_id)
    show(found, as_json=as_json, text=lambda: _print_node(found))


@query.command("neighbors")
@told
def query_neighbors(
    node_id: NodeId,
    relation: Annotated[str, typer.Option(help="Of this relation alone.")] = "",
    direction: Annotated[Direction, typer.Option()] = Direction.both,
    status: Which = Status.accepted,
    min_score: Annotated[float, typer.Option(min=0.0, max=1.0)] = 0.0,
    limit: Limit = 50,
    cursor: Annotated[str, typer.Option(help="`next` of the page before.")] = "",
    at: At = "",
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """The nodes that facts join to this one."""
    with _graph(at) as graph:
        found = graph.neighbors(
            node_id,
            relation=relation,
            status=status.value,
            direction=direction.value,
            min_score=min_score,
            limit=limit,
            cursor=cursor,
        )
    show(found, as_json=as_json, text=lambda: _print_neighbors(found))


@query.command("facts")
@told
def query_facts(
    relation: Annotated[str, typer.Option(help="Of this relation alone.")] = "",
    status: Which = Status.accepted,
    by: Annotated[str, typer.Option(help="The count that puts facts first: products.")] = "",
    limit: Limit = 50,
    at: At = "",
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Facts of a relation and a status, those with the highest count first, else by id."""
    with _graph(at) as graph:
        told_of = graph.facts(relation, status.value)
        found = heapq.nsmallest(limit, told_of, key=lambda fact: (-fact.counts.get(by, 0), fact.id))
    show(found, as_json=as_json, text=lambda: _print_facts(found))


@query.command("fact")
@told
def query_fact(
    fact_id: FactId,
    status: Which = Status.all,
    at: At = "",
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """A fact as it was published, whatever its status."""
    with _graph(at) as graph:
        fact = graph.fact(fact_id, status.value).fact

    def text() -> None:
        say(f"{fact.head} --{fact.relation}--> {fact.tail}")
        say(f"{fact.status}, score {fact.score:.2f}: {fact.reason}")
        say("  ".join(f"{name} {n:,}" for name, n in fact.counts.items()))

    show(fact, as_json=as_json, text=text)


@query.command("why")
@told
def query_why(
    fact_id: FactId,
    status: Which = Status.all,
    at: At = "",
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Why a fact has its status, and what stands behind it."""
    with _graph(at) as graph:
        found = graph.why(fact_id, status.value)
    show(found, as_json=as_json, text=lambda: _print_why(found))


@query.command("intents")
@told
def query_intents(
    text: Annotated[str, typer.Argument(metavar="QUERY", help="As a shopper would type it.")],
    limit: Limit = 10,
    at: At = "",
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """What people who ask like this want, also of a query that nobody asked before."""
    with _graph(at) as graph:
        found = graph.intents(text, limit)
    show(found, as_json=as_json, text=lambda: print_intents(found))


@contextlib.contextmanager
def _graph(at: str) -> Iterator[Asked]:
    found = settings()
    if at:
        with asking_at(which.kept(found), at, note) as graph:
            yield graph
        return
    with asking(found.with_(kafka=address_of(found)), note) as graph:
        yield graph


def _print_node(found: NodeAnswer) -> None:
    say(f"{found.id}: {found.kind}, {found.name}")
    for title, nodes in (("below", found.parents), ("the same as", found.same_as)):
        if nodes:
            say(f"{title} {', '.join(nodes)}")
    rows = [
        (direction, relation, *(statuses.get(status.value, 0) for status in list(Status)[:3]))
        for direction, relations in found.facts.items()
        for relation, statuses in relations.items()
    ]
    table(("direction", "relation", "accepted", "held", "rejected"), rows)
    if not found.complete:
        say("there are more: not all were counted")


def _print_neighbors(found: NeighborsAnswer) -> None:
    for each in found.neighbors:  # no table: ids must not be cut or wrapped
        fact = each.fact
        arrow = "-->" if each.direction == "out" else "<--"
        say(f"{fact.relation} {arrow} {each.node}")
        say(f"    {fact.status}, score {fact.score:.2f}: {fact.reason}; fact {fact.id}")
    if not found.neighbors:
        say("none with this status, relation and score")
    if found.next:
        say(f"more: --cursor {found.next}")


def _print_facts(found: list[Fact]) -> None:
    if not found:
        note("no such facts; `cartograph graph quality` counts them by relation and status")
    for fact in found:
        say(f"{fact.id}  {fact.head} --{fact.relation}--> {fact.tail}")
        say(f"      {fact.status}, score {fact.score:.2f}: {fact.reason}")


def _print_why(found: WhyAnswer) -> None:
    say(f"{found.says}: {found.fact.status}, score {found.fact.score:.2f}")
    say(f"{found.fact.reason}; from {found.decided_by}. {found.means}")
    for name, meaning in found.counts.items():
        say(f"  {name:10} {meaning}")
    seen = found.evidence
    for title, texts in (
        ("weeks of", seen.weeks),
        ("queries", seen.queries),
        ("products", seen.products),
        ("fields", seen.fields),
        ("bundles", seen.bundles),
    ):
        if texts:
            say(f"  {title}: {', '.join(texts)}")
    for rival in found.rivals:
        say(f"  beside it: {rival.tail}, {rival.status}, score {rival.score:.2f}")


def print_intents(found: IntentsAnswer) -> None:
    """How a query was read, then what was found for it, best first."""
    read = found.read
    said = [*read.types, *(intent.node for intent in read.intents), *read.values]
    say(f"read as: {', '.join(said) or 'nothing that is known'} ({read.bundle})")
    if found.note:
        say(found.note)
    for each in found.intents:
        say(f"{each.score:.2f}  {each.concept} --{each.relation}--> {each.intent}")
        say(f"      {each.reason}")
        if each.why.queries:
            say(f"      asked for as: {', '.join(each.why.queries)}")
