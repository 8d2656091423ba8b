"""Questions to a graph: a node, its neighbours, a fact and why, what a query's words mean.

Pure over `Graph`. Only accepted facts are served unless others are asked for: held is not true
(DESIGN, rule 9). Accepted `same_as` facts are applied here, when facts are read, and nowhere else:
facts stay under the names seen, so a merge can be undone (rule 5).
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, Literal, NamedTuple

from topology.errors import TopologyError
from topology.facts import (
    ACCEPTED,
    SAME_AS,
    Fact,
    Node,
    Status,
    concept_node,
    parse_node,
    type_node,
)
from topology.graph import Graph, Link
from topology.keys import Direction
from topology.ontology import Ontology

MAX_ALIASES: Final = 50
MAX_LOOKED_AT: Final = 2_000
"""Index entries a question about intents reads at most, so that an answer takes milliseconds."""
_PAGE: Final = 200
_SIDES: Final[dict[str, tuple[Direction, ...]]] = {
    "out": ("out",),
    "in": ("in",),
    "both": ("out", "in"),
}


class BadCursorError(TopologyError, ValueError):
    """A cursor that no page gave out: ask for the first page, without one."""


class Neighbor(NamedTuple):
    """One fact of a node, seen from the node.

    Attributes:
        direction: "out" if the node is the head.
        name: the other node under its first name among its accepted synonyms.
        fact: the fact itself, under the names seen.
    """

    direction: Direction
    relation: str
    name: str
    fact: Fact


class Page(NamedTuple):
    """Part of an answer; the next part is asked for with `cursor`, None at the end."""

    items: tuple[Neighbor, ...]
    cursor: str | None


class Known(NamedTuple):
    """What there is about a node.

    Attributes:
        id: the node as asked for.
        node: the same, taken apart.
        aliases: all names of the thing by accepted `same_as`, its own among them, ascending.
        facts: direction -> relation -> status -> number, of at most 2,000 facts each way.
        is_complete: there were not more.
    """

    id: str
    node: Node
    aliases: tuple[str, ...]
    facts: dict[str, dict[str, dict[str, int]]]
    is_complete: bool


class Why(NamedTuple):
    """A fact with what speaks against it.

    Attributes:
        fact: the fact, with its counts, reason and evidence.
        rivals: other facts of the same head and relation, any status, best first, at most 10.
    """

    fact: Fact
    rivals: tuple[Fact, ...]


class Wish(NamedTuple):
    """What a query asks for, in nodes: from a tagger, or from `streams.totals.messages.Asked`.

    Attributes:
        types: type slugs, narrowest first.
        intents: intent nodes.
        values: value nodes the query names already.
    """

    types: tuple[str, ...] = ()
    intents: tuple[str, ...] = ()
    values: tuple[str, ...] = ()


class Answer(NamedTuple):
    """A concept that fits a wish, because of one fact.

    Attributes:
        type: slug of the type the fact is about.
        attribute, value: what narrows it, as attribute and slug; "" for the whole type.
        intent: the intent node.
        fact: the fact, with score and evidence.
    """

    type: str
    attribute: str
    value: str
    intent: str
    fact: Fact


class Questions:
    """Answers questions about one graph."""

    def __init__(self, graph: Graph, ontology: Ontology) -> None:
        self._graph, self._ontology = graph, ontology

    def fact(self, fact_id: str) -> Fact | None:
        """The fact with this id, whatever its status.

        Raises:
            BadFactError: this is no fact id.
        """
        return self._graph.fact(fact_id)

    def node(self, node: str) -> Known | None:
        """What there is about a node, None if nothing is.

        Raises:
            BadNodeError: this is no node id.
        """
        parsed = parse_node(node)
        aliases = self.aliases(node)
        facts: dict[str, dict[str, dict[str, int]]] = {}
        is_complete = True
        for direction in _SIDES["both"]:
            links = [
                link
                for name in aliases
                for link in self._graph.links(name, direction, limit=MAX_LOOKED_AT)
            ]
            is_complete = is_complete and len(links) < MAX_LOOKED_AT
            for link in links[:MAX_LOOKED_AT]:
                by_status = facts.setdefault(direction, {}).setdefault(link.relation, {})
                by_status[link.status] = by_status.get(link.status, 0) + 1
        return Known(node, parsed, aliases, facts, is_complete) if facts else None

    def neighbors(
        self,
        node: str,
        *,
        relation: str = "",
        status: Status | Literal["any"] = ACCEPTED,
        direction: Literal["out", "in", "both"] = "both",
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page:
        """A node's facts, under all its names, each once; a page of at most `limit`.

        A page has fewer, and a cursor, where 2,000 facts had to be looked at for it.

        Raises:
            BadNodeError: this is no node id.
            BadCursorError: `cursor` is not from a page of this question.
        """
        parse_node(node)
        aliases = self.aliases(node)
        places = [(name, side) for name in aliases for side in _SIDES[direction]]
        start, after = _read_cursor(cursor, len(places))
        items: list[Neighbor] = []
        looked_at = 0
        for number in range(start, len(places)):
            name, side = places[number]
            for link in self._pages(name, side, relation, after):
                if len(items) == limit or looked_at == MAX_LOOKED_AT:
                    return Page(tuple(items), _cursor(number, after))
                looked_at += 1
                if status not in ("any", link.status) or self._is_told_before(
                    aliases, name, side, link, status
                ):
                    after = link.key
                    continue
                fact = self._graph.fact(link.id)
                if fact is not None:
                    other = self.aliases(link.other)[0]
                    items.append(Neighbor(side, link.relation, other, fact))
                after = link.key
            after = None
        return Page(tuple(items), None)

    def why(self, fact_id: str) -> Why | None:
        """A fact and its rivals, None if there is no such fact.

        Raises:
            BadFactError: this is no fact id.
        """
        fact = self._graph.fact(fact_id)
        if fact is None:
            return None
        links = self._graph.links(fact.head, "out", fact.relation, limit=_PAGE)
        rivals = [self._graph.fact(link.id) for link in links if link.id != fact.id]
        found = sorted((one for one in rivals if one), key=lambda one: (-one.score, one.tail))
        return Why(fact, tuple(found[:10]))

    def aliases(self, node: str) -> tuple[str, ...]:
        """All names of a thing by accepted `same_as` facts, ascending, at most 50.

        A concept is the same as the concept of a value that is the same.
        """
        if node.startswith("concept:"):
            parsed = parse_node(node)
            names = self._synonyms(_value_node(parsed))
            return tuple(
                sorted(concept_node(parsed.type, parsed.space, _slug(name)) for name in names)
            )
        return tuple(sorted(self._synonyms(node)))

    def intents(self, wish: Wish, *, limit: int = 20) -> tuple[Answer, ...]:
        """What people who wish this take, best first: concepts and values, each fact once.

        With types and intents: values of the type that its buyers with the intent prefer; where
        the type has none, of the nearest type above it that has, or else of the types below it.
        With types alone: why people buy them, or what is known of the values named. With intents
        alone: of every type.

        Values the query names already are left out, unless they are all it names of the type.

        Raises:
            BadNodeError: a node of the wish is none.
        """
        named = {alias for value in wish.values for alias in self.aliases(value)}
        wanted = {alias for intent in wish.intents for alias in self.aliases(intent)}
        for name in (*wanted, *named):
            parse_node(name)
        links: dict[str, Link] = {}
        for head in self._heads(wish, wanted, named):
            links.setdefault(head.id, head)
        answers = [
            answer
            for link in links.values()
            if (answer := self._answer(link)) is not None
            and (not wanted or answer.intent in wanted)
            and (not wanted or _value_of(answer) not in named)
        ]
        answers.sort(key=lambda one: (not one.value, -one.fact.score, one.fact.id))
        return tuple(answers[:limit])

    def _heads(self, wish: Wish, wanted: set[str], named: set[str]) -> Iterator[Link]:
        """Accepted entries that may answer a wish."""
        if not wish.types:
            for intent in sorted(wanted):
                pages = self._pages(intent, "in", "", None)
                yield from self._accepted(islice(pages, MAX_LOOKED_AT))
            return
        for slug in wish.types:
            for kind in (slug, *self._ontology.ancestors(slug)):
                found = list(self._of_type(kind, wanted, named))
                if found:
                    yield from found
                    break
            else:
                yield from self._below(slug, wanted)

    def _below(self, slug: str, wanted: set[str]) -> Iterator[Link]:
        """What buyers of narrower types want.

        Queries count for the types they name: a broad one that few ask for by name has little.
        """
        for intent in sorted(wanted):
            for link in self._accepted(islice(self._pages(intent, "in", "", None), MAX_LOOKED_AT)):
                head = parse_node(link.other)
                if head.type and self._ontology.is_a(head.type, slug):
                    yield link

    def _of_type(self, kind: str, wanted: set[str], named: set[str]) -> Iterator[Link]:
        if wanted:
            relations = [name for name in self._graph.relations() if name != SAME_AS]
            for intent in sorted(wanted):
                for relation in relations:
                    for head in (f"concept:{kind}[", type_node(kind)):
                        links = self._graph.links(intent, "in", relation, head, limit=MAX_LOOKED_AT)
                        exact = head.endswith("[")
                        yield from self._accepted(
                            link for link in links if exact or link.other == head
                        )
            return
        if named:
            for value in sorted(named):
                parsed = parse_node(value)
                concept = concept_node(kind, parsed.space, parsed.name)
                pages = self._pages(concept, "out", "", None)
                yield from self._accepted(islice(pages, MAX_LOOKED_AT))
            return
        pages = self._pages(type_node(kind), "out", "", None)
        yield from self._accepted(islice(pages, MAX_LOOKED_AT))
        for link in self._graph.heads(f"concept:{kind}[", limit=MAX_LOOKED_AT):
            if link.status == ACCEPTED:
                yield link

    def _answer(self, link: Link) -> Answer | None:
        fact = self._graph.fact(link.id)
        if fact is None or not fact.tail.startswith("intent:"):
            return None
        head = parse_node(fact.head)
        if head.kind not in ("type", "concept"):
            return None
        value = head.name if head.kind == "concept" else ""
        return Answer(head.type, head.space, value, fact.tail, fact)

    @staticmethod
    def _accepted(links: Iterable[Link]) -> Iterator[Link]:
        return (link for link in links if link.status == ACCEPTED)

    def _pages(
        self, node: str, direction: Direction, relation: str, after: bytes | None
    ) -> Iterator[Link]:
        """Entries of one index of a node from a key on."""
        while page := self._graph.links(node, direction, relation, after=after, limit=_PAGE):
            yield from page
            after = page[-1].key

    def _is_told_before(
        self,
        aliases: tuple[str, ...],
        name: str,
        side: Direction,
        link: Link,
        status: Status | Literal["any"],
    ) -> bool:
        """Whether an earlier name of the same thing has the same fact of the same thing."""
        others = self.aliases(link.other)
        for alias in aliases:
            for other in others:
                if (alias, other) >= (name, link.other):
                    continue
                for same in self._graph.links(alias, side, link.relation, other):
                    if same.other == other and status in ("any", same.status):
                        return True
        return False

    def _synonyms(self, node: str) -> set[str]:
        """The node and all that accepted `same_as` facts tie to it, nearest first, at most 50."""
        found = {node}
        edge = [node]
        while edge and len(found) < MAX_ALIASES:
            nearest: set[str] = set()
            for name in edge:
                for side in _SIDES["both"]:
                    links = self._graph.links(name, side, SAME_AS, limit=_PAGE)
                    nearest.update(link.other for link in self._accepted(links))
            edge = sorted(nearest - found)[: MAX_ALIASES - len(found)]
            found.update(edge)
        return found


def _value_node(concept: Node) -> str:
    """The value that narrows a concept: ``value:color/red``."""
    return f"value:{concept.space}/{concept.name}"


def _value_of(answer: Answer) -> str:
    return f"value:{answer.attribute}/{answer.value}" if answer.value else ""


def _slug(value: str) -> str:
    return value.partition("/")[2]


def _cursor(place: int, after: bytes | None) -> str:
    key = b"" if after is None else after
    return urlsafe_b64encode(b"%d:%s" % (place, key)).decode()


def _read_cursor(cursor: str | None, places: int) -> tuple[int, bytes | None]:
    if cursor is None:
        return 0, None
    try:
        place, colon, key = urlsafe_b64decode(cursor.encode()).partition(b":")
        number = int(place)
    except (ValueError, NotBase64) as error:
        raise BadCursorError(f"{cursor[:40]!r} is no cursor: ask without one") from error
    if not colon or not 0 <= number < places:
        raise BadCursorError(f"{cursor[:40]!r} is no cursor of this question: ask without one")
    return number, key or None
