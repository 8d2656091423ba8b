"""What the graph says and how it is written: node ids, candidates, facts.

Grammar of node ids (each node has exactly one spelling; `parse_node` refuses any other)::

    node     = product | type | concept | value | intent | query
    product  = "product:" id              id: the shop's own id, percent-encoded (RFC 3986)
    type     = "type:" slug               a product type of the ontology
    concept  = "concept:" slug "[" name "=" slug "]"     the type narrowed by one value
    value    = "value:" name "/" slug     a value of an attribute; a brand is value:brand/<slug>
    intent   = "intent:" name "/" slug    why people buy: intent:audience/pregnant-women
    query    = "query:" 16 hex digits     blake2b of the normalised query
    name     = [a-z] [a-z0-9_]*           an attribute or a kind of intent, at most 64 long
    slug     = normalised text; space is "-", "-" is "_", letters, marks, digits and .+'& stand
               for themselves, everything else is the percent-encoding of its UTF-8 bytes

A concept that is not narrowed is the type itself: ``type:shoes``, not ``concept:shoes``.
A relation is ``[A-Za-z][A-Za-z0-9_]*``, with ``:name`` after it where it takes an attribute:
``used_for_aud``, ``has_attribute:color``.
"""

import re
import unicodedata
from functools import lru_cache
from hashlib import blake2b
from typing import Final, Literal
from urllib.parse import quote, unquote_to_bytes

import msgspec

from topology.errors import BadFactError, BadNodeError
from topology.wording import MAX_NAME_CHARS as MAX_NAME_CHARS
from topology.wording import check_slug
from topology.wording import normalise as normalise
from topology.wording import slug as slug
from topology.wording import text_of as text_of

NodeKind = Literal["product", "type", "concept", "value", "intent", "query"]
NODE_KINDS: Final[tuple[NodeKind, ...]] = (
    "product",
    "type",
    "concept",
    "value",
    "intent",
    "query",
)

Source = Literal["catalog", "text", "behaviour", "generator", "person"]
CATALOG: Final = "catalog"
TEXT: Final = "text"
BEHAVIOUR: Final = "behaviour"
GENERATOR: Final = "generator"
PERSON: Final = "person"
SOURCES: Final[tuple[Source, ...]] = (CATALOG, TEXT, BEHAVIOUR, GENERATOR, PERSON)

Status = Literal["accepted", "held", "rejected"]
ACCEPTED: Final = "accepted"
HELD: Final = "held"
REJECTED: Final = "rejected"
STATUSES: Final[tuple[Status, ...]] = (ACCEPTED, HELD, REJECTED)

HAS_TYPE: Final = "has_type"
HAS_ATTRIBUTE: Final = "has_attribute"
SAME_AS: Final = "same_as"
IS_A: Final = "is_a"

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_RELATION = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}(?::[a-z][a-z0-9_]{0,63})?")
_QUERY = re.compile(r"[0-9a-f]{16}")
_CONCEPT = re.compile(r"([^\[\]=]+)\[([^\[\]=]+)=([^\[\]=]+)\]")


class Node(msgspec.Struct, frozen=True):
    """A node id taken apart. Which fields are filled follows from `kind`; the others are "".

    Attributes:
        kind: one of NODE_KINDS.
        name: the product's own id (decoded), the type's, value's or intent's slug, the query's
            hash; for a concept the slug of the value.
        space: the attribute of a value or a concept, the kind of an intent.
        type: the type's slug, for a type and a concept.
    """

    kind: NodeKind
    name: str
    space: str = ""
    type: str = ""

    @property
    def id(self) -> str:
        """The node's only spelling."""
        if self.kind == "product":
            return product_node(self.name)
        if self.kind == "concept":
            return f"concept:{self.type}[{self.space}={self.name}]"
        if self.space:
            return f"{self.kind}:{self.space}/{self.name}"
        return f"{self.kind}:{self.name}"


def product_node(product_id: str) -> str:
    """The node of a shop's product: case and spaces of the id are kept, and read back exactly.

    Raises:
        BadNodeError: the id is empty, longer than MAX_NAME_CHARS, or has a control character.
    """
    if not 0 < len(product_id) <= MAX_NAME_CHARS:
        raise BadNodeError(
            f"a product id has 1 to {MAX_NAME_CHARS} characters, this one {len(product_id)}"
        )
    if not product_id.isprintable():
        for char in product_id:
            if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp"):
                raise BadNodeError(f"product id {product_id!r} has the control character {char!r}")
    return "product:" + quote(product_id, safe="")


def type_node(type_slug: str) -> str:
    """The node of a product type, given its slug in the ontology."""
    return "type:" + type_slug


def concept_node(type_slug: str, attribute: str, value_slug: str) -> str:
    """The node of a type narrowed by one attribute value: ``concept:shoes[color=red]``."""
    return f"concept:{type_slug}[{attribute}={value_slug}]"


def value_node(attribute: str, text: str) -> str:
    """The node of a value as it is written; `canonical.value_of` knows aliases and units.

    Raises:
        BadNodeError: the text has no slug, or `attribute` is not a name.
    """
    return f"value:{_name(attribute)}/{slug(text)}"


def intent_node(kind: str, text: str) -> str:
    """The node of an intent as it is written; `canonical.intent_of` folds plurals and articles.

    Raises:
        BadNodeError: the text has no slug, or `kind` is not a name.
    """
    return f"intent:{_name(kind)}/{slug(text)}"


def query_node(query: str) -> str:
    """The node of a query: 16 hex digits, the same for every spelling `normalise` makes equal."""
    return "query:" + blake2b(normalise(query).encode(), digest_size=8).hexdigest()


def kind_of(node: str) -> str:
    """What stands before the first colon: cheap, and not checked (`parse_node` checks)."""
    return node.partition(":")[0]


def range_of(node: str) -> str:
    """The kind as relations know it: "type", "product", "value/color", "intent/audience"."""
    kind, _, rest = node.partition(":")
    return f"{kind}/{rest.partition('/')[0]}" if kind in ("value", "intent") else kind


@lru_cache(maxsize=1 << 16)
def parse_node(node: str) -> Node:
    """Take a node id apart; only the one right spelling is taken.

    Raises:
        BadNodeError: the id breaks the grammar; the message names the rule.
    """
    kind, _, rest = node.partition(":")
    if kind == "product":
        return Node("product", _product_id(node, rest))
    if kind == "type":
        return Node("type", _slug(node, rest), type=rest)
    if kind == "concept":
        if not (parts := _CONCEPT.fullmatch(rest)):
            raise BadNodeError(f"{node!r}: a concept is concept:<type>[<attribute>=<value>]")
        type_slug, attribute, value = parts.groups()
        return Node("concept", _slug(node, value), _name(attribute), _slug(node, type_slug))
    if kind in ("value", "intent"):
        space, _, name = rest.partition("/")
        spaced: NodeKind = "value" if kind == "value" else "intent"
        return Node(spaced, _slug(node, name), _name(space))
    if kind == "query" and _QUERY.fullmatch(rest):
        return Node("query", rest)
    raise BadNodeError(f"{node!r}: a node id is <kind>:..., kind one of {', '.join(NODE_KINDS)}")


def _product_id(node: str, rest: str) -> str:
    try:
        product_id = unquote_to_bytes(rest).decode()
    except UnicodeDecodeError as error:
        raise BadNodeError(f"{node!r}: what is percent-encoded is not UTF-8") from error
    if product_node(product_id) != node:
        raise BadNodeError(f"{node!r}: write product ids with topology.facts.product_node(id)")
    return product_id


def _slug(node: str, text: str) -> str:
    try:
        return check_slug(text)
    except BadNodeError as error:
        raise BadNodeError(f"{node!r}: {error}") from error


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise BadNodeError(
            f"{text!r}: attributes and kinds of intents are [a-z][a-z0-9_]*, at most 64 long"
        )
    return text


def check_relation(relation: str) -> str:
    """The relation, if it is written as one. Whether the ontology knows it is another question.

    Raises:
        BadNodeError: it is not ``name`` or ``name:attribute``.
    """
    if not _RELATION.fullmatch(relation):
        raise BadNodeError(f"{relation!r}: a relation is [A-Za-z][A-Za-z0-9_]*, or name:attribute")
    return relation


def has_attribute(attribute: str) -> str:
    """The relation between a product and a value of that attribute: ``has_attribute:color``."""
    return f"{HAS_ATTRIBUTE}:{_name(attribute)}"


class Candidate(msgspec.Struct, frozen=True, order=True):
    """A triple somebody proposes, and who."""

    head: str
    relation: str
    tail: str
    source: Source


class Evidence(msgspec.Struct, frozen=True):
    """A small sample of what stands behind a fact: no shoppers, no identities.

    Attributes:
        weeks: numbers of the weeks it was seen in, Monday to Monday, week 0 is that of 1970-01-01;
            ascending.
        queries: query texts that k shoppers used, ascending.
        fields: where it was read, "catalog:baseColour" or "title", ascending.
        bundles: ids of the model bundles that read or judged it, ascending.
        products: product nodes it was seen on, ascending.
    """

    weeks: tuple[int, ...] = ()
    queries: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    bundles: tuple[str, ...] = ()
    products: tuple[str, ...] = ()


class Fact(msgspec.Struct, frozen=True):
    """What the graph knows of one triple.

    Attributes:
        id: `fact_id` of the three parts.
        head: node id.
        relation: a relation of the ontology.
        tail: node id.
        status: accepted, held or rejected; held facts are not served as true.
        score: what the status was decided on, 0..1.
        reason: why it has this status, for people: "lift 2.41 over 180 shoppers".
        counts: exact numbers of distinct shoppers (or products) by name.
        sources: who proposes it, ascending.
        first_week: first week it was seen in, as in `Evidence.weeks`.
        last_week: last week it was seen in.
        evidence: a sample of what stands behind it.
    """

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
    evidence: Evidence


def fact_id(head: str, relation: str, tail: str) -> str:
    """The id of a triple: 32 hex digits of blake2b-128.

    Every part is written with its length in bytes before it, so that no two triples are the same
    bytes: ("ab", "c", "d") and ("a", "bc", "d") differ.
    """
    digest = blake2b(digest_size=16)
    for part in (head, relation, tail):
        data = part.encode()
        digest.update(len(data).to_bytes(4, "big"))
        digest.update(data)
    return digest.hexdigest()


_ENCODER = msgspec.json.Encoder(order="deterministic")
_DECODER = msgspec.json.Decoder(Fact)


def encode_fact(fact: Fact) -> bytes:
    """The fact as JSON: equal facts give equal bytes (fields in order, counts by name)."""
    return _ENCODER.encode(fact)


def decode_fact(data: bytes) -> Fact:
    """Read what `encode_fact` wrote; unknown keys of a later version are passed over.

    Raises:
        BadFactError: this is no JSON of a fact, or its id is not that of its three parts.
    """
    try:
        fact = _DECODER.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadFactError(f"not a fact: {error}") from error
    if fact.id != fact_id(fact.head, fact.relation, fact.tail):
        raise BadFactError(f"fact {fact.id!r} has the parts of another fact")
    return fact
