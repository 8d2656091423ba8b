"""What one catalog record says of its product, with the help of the models. Pure.

`read` is called again with every answer until nothing is open: the title is tagged without a
type, then with the type that follows, then every claim is judged.

*The type that counts* is the narrower one where catalog and title agree (one stands above the
other), else the catalog's, unless that stands above the shop's departments ("fashion"). A title's
type does not count when the cleaner rejects it.

*The values that count* are those that the cleaner accepts, or that the catalog claims and the
cleaner does not reject. Where an attribute has one value at a time and several are claimed, none
counts, unless the cleaner rejects all but one. Whatever is claimed, from the catalog and from the
title, is told side by side, whether it counts or not.

*Phrases* are what the title, as it is tagged without a type, calls its type and no type of the
ontology is called (`topology.phrases`), unless the cleaner rejects the type that it means.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from msgspec import structs

from models_onnx.spans import Claim, Judged, Tagged, Text
from streams.errors import SettingsError
from streams.events import Product
from streams.ports import Questions
from streams.products.phrases import phrases_of
from streams.products.rows import Reading
from streams.products.typed import SURE, found
from streams.totals.messages import Claimed
from topology import canonical
from topology.facts import (
    ACCEPTED,
    CATALOG,
    HAS_TYPE,
    HELD,
    REJECTED,
    TEXT,
    has_attribute,
    type_node,
)
from topology.ontology import Ontology
from topology.ontology_model import field_words
from topology.phrases import name_node
from topology.wording import folded

MAX_TEXT_CHARS = 400
"""A longer title is cut there; a longer value, field or category is a description: passed over."""
_MAX_VALUES_READ = 1_000
_TYPE = "product_type"
UNGUESSABLE = frozenset(("brand", "compatibility", "model", "size", "quantity", "price"))
"""Attributes whose value nobody can guess from the type: only a text, or the shop, can tell."""
CATALOG_ALONE = 0.75
"""Score of what the catalog alone says and no model can judge: a prior, chosen below what a model
that sees the value in the title gives, and above the score from which a fact is accepted."""
_TYPE_FIELDS = ("product type", "article type", "item type", "product category", "sub category")


@dataclass(frozen=True, slots=True)
class ProductSettings:
    """What PRODUCTS can be told.

    Attributes:
        max_values: values of one product that narrow its types to concepts, 0 or more; those of
            the catalog first, then by node id.
        max_facts: facts claimed of one product, 2 or more; types first, then the catalog's.
        max_distance: how far apart in the ontology two product types may be for a co-purchase to
            count, 0 or more.
        floor: shoppers, of all weeks, below which a pair of products waits (`pairs.py`).
        uncounted: attributes whose values make no concepts, because they name the single article.
        count_numbers: whether values of attributes with numbers make concepts.
        count_departments: whether a product counts for its department besides its narrower types.
        tagging_bundle: id of the bundle that tags; cleaning_bundle: of the one that judges.
        judges: attributes that the cleaner was trained on; of others it is not asked, since it
            rejects what it does not know. None: it knows all.
    """

    max_values: int = 20
    max_facts: int = 100
    max_distance: int = 4
    floor: float = 2.0
    uncounted: frozenset[str] = frozenset({"brand", "model", "size", "quantity", "price"})
    count_numbers: bool = False
    count_departments: bool = True
    tagging_bundle: str = ""
    cleaning_bundle: str = ""
    judges: frozenset[str] | None = None

    @property
    def bundles(self) -> tuple[str, ...]:
        """Ids of both bundles, ascending."""
        return tuple(sorted({self.tagging_bundle, self.cleaning_bundle}))

    def __post_init__(self) -> None:
        for name, low in (("max_values", 0), ("max_facts", 2), ("max_distance", 0)):
            if getattr(self, name) < low:
                raise SettingsError(f"{name} is {getattr(self, name)}: use {low} or more")


Triple = tuple[str, str, str]
"""(relation, tail, source) of a fact claimed of a product."""


class Read(NamedTuple):
    """A record, read: what the product counts as, and all that is claimed of it."""

    reading: Reading
    claims: Mapping[Triple, Claimed]


class _Said(NamedTuple):
    """A claim before it is judged: `text` stood in `field`, and means `tail`.

    No question: no model can judge it, the catalog alone knows; or, with a `score`, it is the type
    that the tagger gave the whole title, at the precision that its bundle states.
    """

    relation: str
    tail: str
    source: str
    text: str
    field: str
    question: Claim | None
    score: float = 0.0


def read(
    product: Product,
    ontology: Ontology,
    settings: ProductSettings,
    tagged: Mapping[Text, Tagged],
    judged: Mapping[Claim, Judged],
) -> Read | Questions:
    """What the record says, or what the models must answer before that can be known."""
    title = product.title[:MAX_TEXT_CHARS].strip()
    plain = Text(title, "title")
    if title and plain not in tagged:
        return Questions(texts=[plain])
    by_catalog = _type_of_catalog(product, title, ontology)
    by_title = _type_of_title(tagged.get(plain, Tagged()), title, by_catalog, ontology)
    types = [said for said in (by_catalog, by_title) if said is not None]
    slug = _that_counts(by_catalog, by_title, ontology)
    typed = Text(title, "title", _name(slug, ontology))
    if title and typed not in tagged:
        return Questions(texts=[typed], claims=_unjudged(types, judged))
    said = {_name_of(one): one for one in types}
    for one in (
        *_values_of_catalog(product, typed, ontology, settings),
        *_values_of_title(tagged.get(typed, Tagged()), typed, ontology, settings),
    ):
        said.setdefault(_name_of(one), one)
    said = dict(islice(said.items(), settings.max_facts))
    if unjudged := _unjudged(said.values(), judged):
        return Questions(claims=unjudged)
    slugs = [_slug_of(one) for one in types]
    in_conflict = len(slugs) == 2 and not _in_line(slugs[0], slugs[1], ontology)
    claims = {name: _claimed(one, judged, in_conflict, settings) for name, one in said.items()}
    rejected = ""
    if by_title is not None and claims[_name_of(by_title)].verdict == REJECTED:
        slug, rejected = _that_counts(by_catalog, None, ontology), by_title.text
    reading = _reading(slug, claims, ontology, settings)
    phrases = phrases_of(title, tagged.get(plain, Tagged()), ontology, rejected=rejected)
    called = name_node(_name(slug, ontology)) or ""
    return Read(structs.replace(reading, phrases=phrases, name=called), claims)


def _name_of(said: _Said) -> Triple:
    return said.relation, said.tail, said.source


def _unjudged(said: Iterable[_Said], judged: Mapping[Claim, Judged]) -> list[Claim]:
    asked = {one.question: None for one in said if one.question is not None}
    return [question for question in asked if question not in judged]


def _in_line(one: str, other: str, ontology: Ontology) -> bool:
    return ontology.is_a(one, other) or ontology.is_a(other, one)


def counted_types(ontology: Ontology, slug: str, *, departments: bool) -> tuple[str, ...]:
    """The type and all above it up to its departments, nearest first; () for "".

    `departments` says whether these count too: "shoes" may well be one.
    """
    if not slug:
        return ()
    above = (
        up
        for up in ontology.ancestors(slug)
        if not _is_broad(ontology, up) and (departments or not ontology.types[up].department)
    )
    return (slug, *above)


@lru_cache(maxsize=1 << 14)
def _is_broad(ontology: Ontology, slug: str) -> bool:
    """Whether the type stands above a department: people do not shop for "fashion"."""
    return any(ontology.types[below].department for below in ontology.types_below(slug))


def _that_counts(by_catalog: _Said | None, by_title: _Said | None, ontology: Ontology) -> str:
    if by_catalog is None or by_title is None:
        said = by_catalog or by_title
        return _slug_of(said) if said is not None else ""
    catalog, title = _slug_of(by_catalog), _slug_of(by_title)
    return title if ontology.is_a(title, catalog) or _is_broad(ontology, catalog) else catalog


def _slug_of(said: _Said) -> str:
    return said.tail.partition(":")[2]


def _name(slug: str, ontology: Ontology) -> str:
    return ontology.types[slug].name if slug else ""


def _type_said(
    slug: str, source: str, text: str, field: str, title: str, ontology: Ontology
) -> _Said:
    question = Claim(title, "", _TYPE, text) if source == TEXT else None
    return _Said(HAS_TYPE, type_node(slug), source, text, field, question)


def _type_of_catalog(product: Product, title: str, ontology: Ontology) -> _Said | None:
    """The first type that a field for it names, else the category path from its leaf upwards."""
    for field, text in _fields(product):
        if field_words(field).endswith(_TYPE_FIELDS) and (slug := ontology.type_of(text)):
            return _type_said(slug, CATALOG, text, field, title, ontology)
    for text in reversed(product.category[-_MAX_VALUES_READ:]):
        if len(text) <= MAX_TEXT_CHARS and (slug := ontology.type_of(text)):
            return _type_said(slug, CATALOG, text, "category", title, ontology)
    return None


def _type_of_title(
    tagged: Tagged, title: str, by_catalog: _Said | None, ontology: Ontology
) -> _Said | None:
    """The most credible type of the title (`typed.found`), none that it does not name unsurely.

    Before all others comes one that is on the catalog type's own line.
    """
    types = found(tagged, ontology, unnamed=SURE)
    if by_catalog is not None:
        own = _slug_of(by_catalog)
        types.sort(key=lambda one: not _in_line(one.slug, own, ontology))
    if not types:
        return None
    slug, text, score = types[0]
    said = _type_said(slug, TEXT, text or _name(slug, ontology), "title", title, ontology)
    return said if text else said._replace(question=None, score=score)


def _fields(product: Product) -> Iterator[tuple[str, str]]:
    """(field, text) of the catalog in the record's order, without descriptions."""
    pairs = (
        (field, text)
        for field, texts in product.attributes.items()
        if len(field) <= MAX_TEXT_CHARS
        for text in texts
    )
    return (pair for pair in islice(pairs, _MAX_VALUES_READ) if len(pair[1]) <= MAX_TEXT_CHARS)


def _values_of_catalog(
    product: Product, typed: Text, ontology: Ontology, settings: ProductSettings
) -> Iterator[_Said]:
    for field, text in _fields(product):
        if (attribute := ontology.attribute_of(field)) is not None:
            for value, said in _values(attribute.name, text, ontology):
                question = _question(typed, attribute.name, said, settings)
                yield _Said(has_attribute(attribute.name), value, CATALOG, said, field, question)


def _values_of_title(
    tagged: Tagged, typed: Text, ontology: Ontology, settings: ProductSettings
) -> Iterator[_Said]:
    for span in tagged.spans:
        label = ontology.labels.get(span.label)
        if label is not None and label.attribute:
            for value, said in _values(label.attribute, span.text, ontology):
                # A value that was cut out of a span, or spelt otherwise, stands in it all the same.
                named = said if _is_named(said, typed.text) else span.text
                question = _question(typed, label.attribute, named, settings, is_named=True)
                yield _Said(has_attribute(label.attribute), value, TEXT, said, "title", question)


def _values(attribute: str, text: str, ontology: Ontology) -> Iterator[tuple[str, str]]:
    """Node and text of every value that a text names."""
    values = canonical.values_of(ontology, attribute, text)
    for value in values:
        yield value.node, text.strip() if len(values) == 1 else value.text


def _is_named(said: str, title: str) -> bool:
    return f" {folded(said)} " in f" {folded(title)} "


def _question(
    typed: Text, attribute: str, said: str, settings: ProductSettings, *, is_named: bool = False
) -> Claim | None:
    """What the cleaner is asked of a value; None where nothing that it knows could tell.

    A title that does not name the value says nothing about it: then it is asked whether such a
    product may have such a value, and of names and numbers (`UNGUESSABLE`) not even that.
    """
    if settings.judges is not None and attribute not in settings.judges:
        return None
    if is_named or _is_named(said, typed.text):
        return Claim(typed.text, typed.type, attribute, said)
    return None if attribute in UNGUESSABLE else Claim("", typed.type, attribute, said)


def _claimed(
    said: _Said, judged: Mapping[Claim, Judged], in_conflict: bool, settings: ProductSettings
) -> Claimed:
    if said.question is None and said.score:
        verdict = HELD if in_conflict else ACCEPTED
        return Claimed(said.score, verdict, said.text, said.field, (settings.tagging_bundle,))
    if said.question is None:
        held = (in_conflict and said.relation == HAS_TYPE) or said.source == TEXT
        verdict, score = (HELD, 0.5) if held else (ACCEPTED, CATALOG_ALONE)
        return Claimed(score, verdict, said.text, said.field, ())
    answer = judged[said.question]
    bundles = {settings.cleaning_bundle}
    if said.source == TEXT:
        bundles.add(settings.tagging_bundle)
    return Claimed(answer.score, answer.verdict, said.text, said.field, tuple(sorted(bundles)))


def _reading(
    slug: str, claims: Mapping[Triple, Claimed], ontology: Ontology, settings: ProductSettings
) -> Reading:
    given: dict[str, dict[str, list[tuple[str, str]]]] = {}
    for (relation, tail, source), claimed in claims.items():
        attribute = relation.partition(":")[2]
        if attribute and claimed.verdict != REJECTED:
            given.setdefault(attribute, {}).setdefault(tail, []).append((source, claimed.verdict))
    used = sorted(tail for tails in given.values() for tail in tails)
    values = _counted(given, ontology, settings)
    types = counted_types(ontology, slug, departments=settings.count_departments)
    return Reading(slug, types, values, tuple(claims), tuple(used))


def _counted(
    given: Mapping[str, Mapping[str, Iterable[tuple[str, str]]]],
    ontology: Ontology,
    settings: ProductSettings,
) -> tuple[str, ...]:
    """The values that count, of those that are not rejected: attribute -> value -> who says so."""
    ranked: list[tuple[bool, str]] = []
    for attribute, tails in given.items():
        known = ontology.attributes[attribute]
        if attribute in settings.uncounted or (
            known.kind == "number" and not settings.count_numbers
        ):
            continue
        if len(tails) > 1 and not known.many:
            continue
        for tail, sayings in tails.items():
            by_catalog = any(source == CATALOG for source, _ in sayings)
            if by_catalog or any(verdict == ACCEPTED for _, verdict in sayings):
                ranked.append((not by_catalog, tail))
    return tuple(tail for _, tail in sorted(ranked)[: settings.max_values])
