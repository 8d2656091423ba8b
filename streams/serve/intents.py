"""What people who ask like this want: a query, also one that nobody asked before, to concepts.

A query is read as QUERIES reads it (`queries.asked_of`), so an answer stands on the same nodes as
the facts. What the tagger misses is looked up by name, among types of the ontology and intents of
the graph; nothing is guessed.
"""

import re
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from models_onnx.spans import Tagged, Text
from streams.privacy import normalise_query
from streams.queries import asked_of
from streams.serve.answers import Intended, IntentsAnswer, Reading, ReadIntent
from streams.serve.reader import Reader
from streams.serve.words import why_of
from topology.canonical import intent_of
from topology.facts import Fact, type_node
from topology.graph import Graph
from topology.ontology import Ontology
from topology.query import Answer, Questions, Wish

_REMEMBERED: Final = 20_000
_BELOW: Final = 60
"""Types below one that are asked at most; a department has hundreds."""
_AFTER: Final = re.compile(r"\b(?:for|during|in|on|at|against|while|with)\s+(?=\S)")


class QueryTagger(Protocol):
    """A tagger that answers off the event loop."""

    @property
    def bundle_id(self) -> str: ...

    async def tag_async(self, texts: Sequence[Text]) -> list[Tagged]: ...


class QueryReader:
    """Reads queries with a tagger, off the event loop; each text is tagged once.

    Args:
        tagger: of the bundle that the graph was built with, or its like.
        ontology: of the graph.
    """

    def __init__(self, tagger: QueryTagger, ontology: Ontology) -> None:
        self._tagger, self._ontology = tagger, ontology
        self._remembered: OrderedDict[str, Reading] = OrderedDict()

    async def read(self, queries: Sequence[str]) -> list[Reading]:
        """How each query is read; one that is empty once it is scrubbed names nothing."""
        texts = [normalise_query(query) for query in queries]
        new = [text for text in dict.fromkeys(texts) if text and text not in self._remembered]
        found: dict[str, Reading] = {}
        if new:
            told = await self._tagger.tag_async([Text(text, "query") for text in new])
            for text, tagged in zip(new, told, strict=True):
                asked = asked_of(text, tagged, self._ontology, self._tagger.bundle_id)
                intents = (ReadIntent(*intent, "tagger") for intent in asked.intents)
                found[text] = Reading(text, asked.types, tuple(intents), asked.values, asked.bundle)
        readings = []
        for text in texts:
            reading = found.get(text) or self._remembered.get(text)
            readings.append(reading or Reading(text, (), (), (), self._tagger.bundle_id))
        self._remember(found)
        return readings

    def _remember(self, found: dict[str, Reading]) -> None:
        self._remembered.update(found)
        while len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)


def intents_answer(
    reader: Reader, ontology: Ontology, reading: Reading, *, limit: int = 10
) -> IntentsAnswer:
    """What people who ask like this want, best first; accepted facts alone.

    With intents named: the concepts and types that people buy for them. Without: the typical
    intents of the types, narrowed by the values named. Where nothing is known of a type itself,
    the types above it answer (`topology.query`), else those below it.
    """
    asked = Questions(reader.graph, ontology)
    reading = _by_name(reader.graph, ontology, reading)
    found: tuple[Answer, ...] = ()
    for wish in _wishes(ontology, reading):
        found = asked.intents(wish, limit=limit)
        if found:
            break
    return IntentsAnswer(
        read=reading,
        answered_for=tuple(dict.fromkeys(type_node(each.type) for each in found)),
        intents=tuple(_intended(each.fact) for each in found),
        note=_note(reading, found),
        as_of=reader.as_of(),
    )


def _wishes(ontology: Ontology, reading: Reading) -> Iterable[Wish]:
    """What was asked for, then what comes near it."""
    intents = tuple(intent.node for intent in reading.intents)
    yield Wish(reading.types, intents, reading.values)
    if reading.values and not intents:
        yield Wish(reading.types)
    below = dict.fromkeys(down for slug in reading.types for down in ontology.types_below(slug))
    if below:
        yield Wish(tuple(below)[:_BELOW], intents)


def _by_name(graph: Graph, ontology: Ontology, reading: Reading) -> Reading:
    """The reading, with what the tagger missed but the query's words name exactly."""
    types, intents = reading.types, reading.intents
    if not types and (named := ontology.type_of(reading.query)):
        types = (named,)
    if not intents:
        intents = tuple(_named_intents(graph, ontology, reading.query))
    return Reading(reading.query, types, intents, reading.values, reading.bundle)


def _named_intents(graph: Graph, ontology: Ontology, query: str) -> Iterable[ReadIntent]:
    """Intents of the graph that the words after "for", "in", ... name."""
    for cut in _AFTER.finditer(query):
        rest = query[cut.end() :]
        found = {
            node: label.relation
            for label in ontology.labels.values()
            if label.intent and (node := intent_of(ontology, label.name, rest))
        }
        known = [node for node in found if graph.links(node, "in", limit=1)]
        if known:
            return [ReadIntent(found[node], node, 1.0, "name") for node in known]
    return ()


def _intended(fact: Fact) -> Intended:
    return Intended(
        concept=fact.head,
        relation=fact.relation,
        intent=fact.tail,
        score=fact.score,
        reason=fact.reason,
        counts=fact.counts,
        why=why_of(fact),
        fact=fact.id,
    )


def _note(reading: Reading, found: Sequence[Answer]) -> str:
    if not reading.types and not reading.intents:
        return "the query names no product type and no intent that is known: ask in other words"
    if not found:
        return "nothing is accepted of this yet; its nodes may have held facts: ask for neighbors"
    if reading.types and not any(each.type in reading.types for each in found):
        return f"nothing is known of {', '.join(reading.types)} itself: this is of related types"
    return ""
