"""Facts and nodes in words, for people. Pure."""

from datetime import UTC, datetime
from typing import Final

from streams.serve.answers import Why
from streams.weeks import week_end_ms
from topology.errors import BadNodeError
from topology.facts import Fact, Node, parse_node, text_of
from topology.ontology import Ontology

_COUNTS: Final = {
    "asked": "{n:,}: weight of the buyers of the type who asked for the intent (2 with a click)",
    "both": "{n:,}: weight of those behind both sides (2 with a click)",
    "type": "{n:,}: purchases of the type",
    "value": "{n:,}: purchases of the type with this value",
    "together": "{n:,}: co-purchases in all",
    "bought": "{n:,}: purchases",
    "products": "{n:,}: products whose titles name it",
    "in_line": "{n:,}: of these, products that count as the type proposed, or as one below it",
}


def name_of(node_id: str, ontology: Ontology) -> str:
    """The node for people: "shoes, feature slip resistant", "pregnant woman"."""
    try:
        node = parse_node(node_id)
        if node.kind == "concept":
            return f"{_type_name(node, ontology)}, {node.space} {text_of(node.name)}"
        if node.kind == "type":
            return _type_name(node, ontology)
        return text_of(node.name) if node.kind in ("value", "intent") else node.name
    except BadNodeError:
        return node_id


def _type_name(node: Node, ontology: Ontology) -> str:
    known = ontology.types.get(node.type)
    return known.name if known else text_of(node.type)


def says(fact: Fact, ontology: Ontology) -> str:
    """The fact as a line: "shoes, feature slip resistant: used for aud: pregnant woman"."""
    relation, _, attribute = fact.relation.partition(":")
    between = " ".join(filter(None, (relation.replace("_", " "), attribute)))
    return f"{name_of(fact.head, ontology)}: {between}: {name_of(fact.tail, ontology)}"


def explained(counts: dict[str, int]) -> dict[str, str]:
    """Each number with what it counts."""
    return {name: _COUNTS.get(name, "{n:,}").format(n=n) for name, n in counts.items()}


def why_of(fact: Fact) -> Why:
    """The sample of what stands behind a fact, weeks as dates."""
    seen = fact.evidence
    return Why(
        weeks=tuple(map(_first_day, seen.weeks)),
        queries=seen.queries,
        products=seen.products,
        fields=seen.fields,
        bundles=seen.bundles,
    )


def _first_day(week: int) -> str:
    try:
        begun_s = week_end_ms(week - 1) // 1000
        return datetime.fromtimestamp(begun_s, UTC).date().isoformat()
    except (OverflowError, ValueError, OSError):
        return f"week {week}"
