"""Whether a graph holds together: every fact in every index, nothing in an index without a fact."""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from topology.errors import BadFactError, BadNodeError
from topology.facts import Fact, check_relation, decode_fact, parse_node
from topology.graph import Graph
from topology.keys import (
    BY_HEAD,
    BY_TAIL,
    COUNTERS,
    FACTS,
    counter_key,
    index_key,
    index_row,
    split_index_key,
    status_of,
)


class Problem(NamedTuple):
    """One thing that is wrong: in which table, at which key, and what."""

    table: str
    key: str
    what: str


class Report(NamedTuple):
    """What a check found.

    Attributes:
        facts: how many facts were read.
        problems: how many things are wrong.
        sample: the first of them, at most as many as was asked for.
    """

    facts: int
    problems: int
    sample: tuple[Problem, ...]


def check(graph: Graph, *, sample: int = 20) -> Report:
    """Read every row of a graph and compare; it changes nothing.

    A damaged store is not mended but restored from a checkpoint, or rebuilt by replay.
    """
    counts: Counter[bytes] = Counter()
    facts = problems = 0
    shown: list[Problem] = []
    for found in _problems(graph, counts):
        if found is None:
            facts += 1
            continue
        problems += 1
        if len(shown) < sample:
            shown.append(found)
    return Report(facts, problems, tuple(shown))


def problems_of(graph: Graph) -> Iterator[Problem]:
    """Everything that is wrong with a graph, as it is found."""
    return (found for found in _problems(graph, Counter()) if found is not None)


def _problems(graph: Graph, counts: "Counter[bytes]") -> Iterator[Problem | None]:
    """None for every fact that was read, and every problem."""
    for key, row in graph.rows(FACTS):
        yield None
        try:
            fact = decode_fact(row[1:])
        except BadFactError as error:
            yield Problem(FACTS, key.hex(), str(error))
            continue
        counts[counter_key(fact.relation, fact.status)] += 1
        yield from _of_fact(graph, key, row, fact)
    yield from _of_index(graph, BY_HEAD)
    yield from _of_index(graph, BY_TAIL)
    told = {key: int(value) for key, value in graph.rows(COUNTERS)}
    for key in sorted(told.keys() | counts.keys()):
        if told.get(key, 0) != counts[key]:
            what = f"says {told.get(key, 0)}, there are {counts[key]}"
            yield Problem(COUNTERS, key.decode().replace("\0", " "), what)


def _of_fact(graph: Graph, key: bytes, row: bytes, fact: Fact) -> Iterator[Problem]:
    name = key.hex()
    if fact.id != name:
        yield Problem(FACTS, name, f"holds fact {fact.id}")
    try:
        if status_of(row) != fact.status:
            yield Problem(FACTS, name, f"is filed as {status_of(row)}, says {fact.status}")
        parse_node(fact.head)
        parse_node(fact.tail)
        check_relation(fact.relation)
    except (BadFactError, BadNodeError) as error:
        yield Problem(FACTS, name, str(error))
    entry = index_row(fact.status, key)
    for table, first, last in ((BY_HEAD, fact.head, fact.tail), (BY_TAIL, fact.tail, fact.head)):
        found = graph.row(table, index_key(first, fact.relation, last))
        if found != entry:
            what = "is missing" if found is None else "has another status or fact"
            yield Problem(table, name, f"the entry of {first} {fact.relation} {last} {what}")


def _of_index(graph: Graph, table: str) -> Iterator[Problem]:
    for key, row in graph.rows(table):
        try:
            first, relation, last = split_index_key(key)
            held = graph.row(FACTS, row[1:])
            fact = None if held is None else decode_fact(held[1:])
        except BadFactError as error:
            yield Problem(table, repr(key), str(error))
            continue
        head, tail = (first, last) if table == BY_HEAD else (last, first)
        if fact is None:
            yield Problem(table, f"{head} {relation} {tail}", "there is no such fact")
        elif (fact.head, fact.relation, fact.tail) != (head, relation, tail):
            yield Problem(table, f"{head} {relation} {tail}", f"points at fact {fact.id}")
