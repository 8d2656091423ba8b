"""Phrases for product types that the ontology has no name for: their nodes, and where they belong.

A phrase is a value of the attribute `product_type`, in the grammar of all values: "Beach Chairs"
and "beach-chair" are ``value:product_type/beach-chair``. The names of known types have such nodes
too, so that `same_as` can say of a phrase that it is another name of one of them. Pure.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from topology.canonical import MAX_VALUE_CHARS, is_junk
from topology.facts import parse_node, text_of, type_node, value_node
from topology.ontology import Ontology
from topology.wording import folded, normalise

ATTRIBUTE: Final = "product_type"
MAX_WORDS: Final = 4
"""A longer phrase describes one article ("boys blue denim wide leg jeans"). All 869 types of the
ontology that comes with the package have a name within it."""
UNKNOWN: Final = type_node("unknown")
"""Stands for the type of a product that has none, and above a phrase of which nothing is known."""

_EDGES: Final = " .,;:!?'\"*-/|&+"
_NO_FIRST: Final = frozenset(
    ["a", "an", "and", "by", "for", "from", "in", "of", "or", "the", "with"]
)
_LETTER = re.compile(r"[^\W\d_]{2}")


class Placed(NamedTuple):
    """Where a phrase belongs.

    Attributes:
        parent: node of the type that is proposed above it; UNKNOWN where nothing tells.
        products: products that carry the phrase.
        in_line: how many of them count as the parent or as a type below it.
    """

    parent: str
    products: int
    in_line: int


@lru_cache(maxsize=1 << 14)
def name_node(name: str) -> str | None:
    """The node of a name of a product type, known or not; None for what cannot be one.

    At most MAX_WORDS words and MAX_VALUE_CHARS characters, in the singular, with two letters in a
    row somewhere; no junk ("N/A"), and no rest of a longer text ("with lid").
    """
    plain = normalise(name).strip(_EDGES)
    if len(plain) > MAX_VALUE_CHARS or is_junk(plain) or not _LETTER.search(plain):
        return None
    words = folded(plain)
    first, *others = words.split(" ")
    if not first or first in _NO_FIRST or len(others) >= MAX_WORDS:
        return None
    return value_node(ATTRIBUTE, words)


def phrase_of(ontology: Ontology, text: str) -> str | None:
    """The node of a phrase for a product type, None where the ontology has that very name.

    "beach chair" is a phrase as long as the ontology has chairs alone: it names a narrower type.
    Of "bikini brief" and "bikini briefs", which `folded` keeps apart, it is the latter.
    """
    node = name_node(text)
    if node is None:
        return None
    words = text_of(parse_node(node).name)
    if ontology.is_named(words):
        return None
    plural = words.rpartition(" ")[2] + "s"
    is_kept = folded(plural) == plural and ontology.is_named(plural)
    return value_node(ATTRIBUTE, f"{words}s") if is_kept else node


@lru_cache(maxsize=1 << 14)
def is_known(ontology: Ontology, node: str) -> bool:
    """Whether a node is that of a name that the ontology has for a product type."""
    kind, _, name = node.partition("/")
    return kind == f"value:{ATTRIBUTE}" and ontology.is_named(text_of(name))


def place(ontology: Ontology, phrase: str, products: Mapping[str, int]) -> Placed:
    """Where a phrase belongs, by the longest tail of it that is the name of a type.

    If that name means several types, it is the one that most of its products count as. If no
    tail is a name, it is the type that most of its products count as; else the root, if the
    ontology has one root only; else UNKNOWN.

    Args:
        ontology: of the graph.
        phrase: node, as `phrase_of` gives it.
        products: type node, or UNKNOWN -> products that carry the phrase and count as it.
    """
    slugs = {
        slug: n
        for node, n in sorted(products.items())
        if n > 0 and (slug := node.removeprefix("type:")) in ontology.types
    }
    parent = _parent(ontology, text_of(parse_node(phrase).name), slugs)
    in_line = sum(n for slug, n in slugs.items() if ontology.is_a(slug, parent))
    total = sum(n for n in products.values() if n > 0)
    return Placed(type_node(parent) if parent else UNKNOWN, total, in_line)


def _parent(ontology: Ontology, words: str, slugs: Mapping[str, int]) -> str:
    named = ontology.types_of(words)
    if len(named) == 1:
        return named[0]
    weights = {
        one: sum(n for slug, n in slugs.items() if ontology.is_a(slug, one)) for one in named
    }
    if weights and max(weights.values()):
        return _most(weights)
    if slugs:
        return _most(slugs)
    roots = [slug for slug, one in ontology.types.items() if not one.parents]
    return roots[0] if len(roots) == 1 else ""


def _most(weights: Mapping[str, int]) -> str:
    return min(weights, key=lambda slug: (-weights[slug], slug))
