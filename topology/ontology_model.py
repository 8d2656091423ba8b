"""The ontology: product types (a DAG), attributes, relations, and which may join which.

How to read one from files, and how the files look, stands in `topology.ontology`.
An `Ontology` never changes; its `digest` names it, because the graph is a function of it.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import blake2b
from types import MappingProxyType
from typing import Final, Literal

import msgspec

from topology.facts import range_of
from topology.wording import folded, normalise

FAR: Final = 100
"""The distance of two types with no common ancestor: beyond every path inside one tree."""

AttributeKind = Literal["closed", "open", "number"]


class Relation(msgspec.Struct, frozen=True):
    """A relation, and what it may join.

    Attributes:
        name: as in facts; a relation that takes an attribute ("has_attribute") is written with
            the attribute's name after it.
        head: node kinds the head may have: "type", "concept", "product", "value/color", ...
        tail: the same for the tail. "value" and "intent" allow every attribute, every kind.
        says: one sentence for people.
        takes_attribute: written ``name:attribute``; the tail is then a value of that attribute.
    """

    name: str
    head: tuple[str, ...]
    tail: tuple[str, ...]
    says: str
    takes_attribute: bool = False


class Label(msgspec.Struct, frozen=True):
    """What a span label of a tagger means to the graph.

    Attributes:
        name: the label: "audience", "color", "product_type".
        relation: the one relation a span of it stands for.
        intent: the kind of intent it names, "" if none.
        attribute: the attribute it is a value of, "" if none.
        also: other relations that people or a generator may use for it.
    """

    name: str
    relation: str
    intent: str = ""
    attribute: str = ""
    also: tuple[str, ...] = ()


class Attribute(msgspec.Struct, frozen=True):
    """An attribute of products.

    Attributes:
        name: as in node ids: "color", "heel_height".
        kind: "closed" has a list of known values, "open" takes any text, "number" is a number
            with a unit.
        many: a product may have several values at once.
        unit: base unit of a number: "ml", "g", "mm", "w", ...; "" for plain counts.
        names: what catalogs call it: "baseColour", "Colour Name".
        values: of a closed attribute, value -> other spellings of it.
    """

    name: str
    kind: AttributeKind
    many: bool = False
    unit: str = ""
    names: tuple[str, ...] = ()
    values: Mapping[str, tuple[str, ...]] = {}


class ProductType(msgspec.Struct, frozen=True):
    """A product type.

    Attributes:
        slug: its name in node ids: "running-shoes".
        name: its name for people.
        parents: slugs of the more general types, possibly several, in the file's order.
        also: what people call it: "trainers", "jogging shoes".
        attributes: what it adds to the attributes of its parents.
        department: it is one of the shop's departments.
    """

    slug: str
    name: str
    parents: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    department: bool = False


class Ontology:
    """Product types, attributes and relations, checked; every question is a dict look-up.

    Built by `topology.ontology`, which has checked that the parts fit together.
    """

    __slots__ = (
        "_applicable",
        "_below",
        "_field_names",
        "_find",
        "_find_field",
        "_names",
        "_up",
        "_values",
        "attributes",
        "digest",
        "labels",
        "relations",
        "types",
    )

    def __init__(
        self,
        relations: Iterable[Relation],
        labels: Iterable[Label],
        attributes: Iterable[Attribute],
        types: Iterable[ProductType],
        names: Mapping[str, tuple[str, ...]],
    ) -> None:
        """Index the parts.

        Args:
            relations: all relations.
            labels: labels of spans; every attribute is a label of its own besides.
            attributes: all attributes.
            types: all product types, parents before children.
            names: folded name -> the types that carry it (several: the name is ambiguous).
        """
        self.relations = MappingProxyType({relation.name: relation for relation in relations})
        self.attributes = MappingProxyType({one.name: one for one in attributes})
        self.types = MappingProxyType({one.slug: one for one in types})
        own = {
            name: Label(name, f"has_attribute:{name}", attribute=name) for name in self.attributes
        }
        self.labels = MappingProxyType({**own, **{label.name: label for label in labels}})
        self._names = dict(names)
        self._up = _upward(self.types)
        self._below = _downward(self._up)
        self._applicable = {
            slug: frozenset(name for up in ups for name in self.types[up].attributes)
            for slug, ups in self._up.items()
        }
        self._field_names = _field_names(self.attributes.values())
        self._values = {
            one.name: {
                folded(text): value for value, also in one.values.items() for text in (value, *also)
            }
            for one in self.attributes.values()
        }
        self._find = lru_cache(maxsize=1 << 16)(self._types_of)
        self._find_field = lru_cache(maxsize=1 << 12)(self._attribute_of)
        self.digest = blake2b(msgspec.json.encode(self._parts()), digest_size=16).hexdigest()

    def _parts(self) -> list[object]:
        parts = (self.relations, self.labels, self.attributes, self.types)
        sorted_parts: list[object] = [[part[name] for name in sorted(part)] for part in parts]
        return [*sorted_parts, sorted(self._names.items())]

    # Types

    def type_of(self, text: str) -> str | None:
        """The product type a phrase or a category path names, by its head noun; never a guess.

        "leather running shoes" is running-shoes, "mug with lid" mugs, "Home > Mugs" mugs. None
        when no suffix of the head is a known name, or when that name means several types; a path
        decides between them where it can: "Skin Care > Toner" is toners.
        """
        found = self._find(text)
        return found[0] if len(found) == 1 else None

    def types_of(self, text: str) -> tuple[str, ...]:
        """As `type_of`, but with every type that an ambiguous name may mean, () for none."""
        return self._find(text)

    def is_named(self, phrase: str) -> bool:
        """Whether the whole phrase is a name of some type, or a set or a pack of it.

        "trouser" and "short" are, though `folded` leaves trousers and shorts as they are.
        """
        words = folded(phrase)
        of_some = _SET_OF.sub("", words).split(" ")
        while len(of_some) > 1 and of_some[-1] in _COLLECTIVE:
            of_some.pop()
        return any(
            name in self._names for one in (words, " ".join(of_some)) for name in (one, f"{one}s")
        )

    def _types_of(self, text: str) -> tuple[str, ...]:
        if found := self._names.get(folded(text)):
            return found
        path = _PATH.split(text)
        while path:
            part = path.pop()
            for phrase in (_head(part), folded(part)):
                if found := self._by_head(phrase.split(" ")):
                    return self._narrowed(found, path)
        return ()

    def _by_head(self, words: list[str]) -> tuple[str, ...]:
        """What the longest suffix names; a "set" or a "pack" is what it is a set of."""
        while words:
            for start in range(len(words)):
                if found := self._names.get(" ".join(words[start:])):
                    return found
            if words[-1] not in _COLLECTIVE:
                break
            words = words[:-1]
        return ()

    def _narrowed(self, found: tuple[str, ...], path: list[str]) -> tuple[str, ...]:
        """What an ambiguous name means below the rest of its category path, nearest part first."""
        while len(found) > 1 and path:
            above = self._names.get(folded(path.pop()), ())
            found = tuple(one for one in found if any(self.is_a(one, up) for up in above)) or found
        return found

    def parents(self, type_slug: str) -> tuple[str, ...]:
        """The types directly above, () for a root and for a type the ontology lacks."""
        known = self.types.get(type_slug)
        return known.parents if known else ()

    def ancestors(self, type_slug: str) -> tuple[str, ...]:
        """All types above it, nearest first, then by name; not the type itself."""
        return tuple(self._up.get(type_slug, {}))[1:]

    def types_below(self, type_slug: str) -> tuple[str, ...]:
        """All types below it, by name; not the type itself."""
        return self._below.get(type_slug, ())

    def is_a(self, type_slug: str, above: str) -> bool:
        """Whether the type is the other one or stands below it."""
        return above in self._up.get(type_slug, ())

    def departments(self, type_slug: str) -> tuple[str, ...]:
        """The departments the type belongs to, nearest first: two for a knife."""
        return tuple(up for up in self._up.get(type_slug, ()) if self.types[up].department)

    def distance(self, left: str, right: str) -> int:
        """Steps up from both to their lowest common ancestor: 0 the same, 1 parent, 2 sisters.

        FAR (100) when no type is above both, or when one of them is unknown. Symmetric. No
        metric: two types that share a child with two parents may still be FAR from each other.
        """
        up, other = self._up.get(left), self._up.get(right)
        if up is None or other is None:
            return FAR
        if len(other) < len(up):
            up, other = other, up
        return min((steps + other[one] for one, steps in up.items() if one in other), default=FAR)

    # Attributes

    def attribute_of(self, field: str) -> Attribute | None:
        """The attribute a catalog's field means: "baseColour", "product_colour", "attr_t_size".

        Exact names first, then without the words catalogs put round them; never a guess.
        """
        return self._find_field(field)

    def _attribute_of(self, field: str) -> Attribute | None:
        words = field_words(field)
        for name in (words, _bare(words)):
            if name and (found := self._field_names.get(name)):
                return self.attributes[found]
        return None

    def applicable(self, type_slug: str, attribute: str) -> bool:
        """Whether products of the type have the attribute, by themselves or from a parent."""
        return attribute in self._applicable.get(type_slug, ())

    def attributes_of(self, type_slug: str) -> tuple[str, ...]:
        """The names of all attributes that apply to the type, by name."""
        return tuple(sorted(self._applicable.get(type_slug, ())))

    def known_value(self, attribute: str, text: str) -> str | None:
        """The listed value a text is a spelling of: ("color", "Gray") is "grey"."""
        return self._values.get(attribute, {}).get(folded(text))

    # Relations

    def allows(self, head_kind: str, relation: str, tail_kind: str) -> bool:
        """Whether the relation may join nodes of these kinds (as `facts.range_of` gives them).

        ``allows("concept", "used_for_aud", "intent/audience")``; a relation that takes an
        attribute allows the values of that attribute alone.
        """
        name, _, attribute = relation.partition(":")
        known = self.relations.get(name)
        if known is None or known.takes_attribute != bool(attribute):
            return False
        if attribute and (attribute not in self.attributes or tail_kind != f"value/{attribute}"):
            return False
        return _fits(head_kind, known.head) and _fits(tail_kind, known.tail)

    def allows_nodes(self, head: str, relation: str, tail: str) -> bool:
        """As `allows`, for two node ids."""
        return self.allows(range_of(head), relation, range_of(tail))

    def relation_of(self, label: str) -> str | None:
        """The relation a span label stands for, None for a label that nobody wrote down."""
        known = self.labels.get(label)
        return known.relation if known else None

    def intent_kind_of(self, label: str) -> str | None:
        """The kind of intent a span label names, None where it names none."""
        known = self.labels.get(label)
        return (known.intent or None) if known else None


def _fits(kind: str, allowed: tuple[str, ...]) -> bool:
    return kind in allowed or kind.partition("/")[0] in allowed


def _upward(types: Mapping[str, ProductType]) -> dict[str, dict[str, int]]:
    """Type -> itself and all above it with the fewest steps up, nearest first, then by name."""
    ups: dict[str, dict[str, int]] = {}
    for slug, one in types.items():
        steps = {slug: 0}
        for parent in one.parents:
            for above, count in ups[parent].items():
                steps[above] = min(count + 1, steps.get(above, FAR))
        ups[slug] = dict(sorted(steps.items(), key=lambda item: (item[1], item[0])))
    return ups


def _downward(ups: Mapping[str, Mapping[str, int]]) -> dict[str, tuple[str, ...]]:
    below: dict[str, list[str]] = {slug: [] for slug in ups}
    for slug in sorted(ups):
        for above in ups[slug]:
            if above != slug:
                below[above].append(slug)
    return {slug: tuple(names) for slug, names in below.items()}


_COLLECTIVE: Final = frozenset(("set", "kit", "pack", "bundle", "pair", "assortment", "collection"))
_SET_OF = re.compile(rf"^(?:{'|'.join(sorted(_COLLECTIVE))}) of (?:\d+ )?")
_PATH = re.compile(r"[>|/»]")
_CUT = re.compile(
    r"[,;(\[]|\s[-–—]\s|\b(?P<word>for|with|without|in|from|by)\b|\bw/", re.IGNORECASE
)
_BEFORE_IN: Final = frozenset(("all", "built", "clip", "drop", "plug", "walk", *"12345"))
"""After these words "in" belongs to the name: an all in one printer, a plug in heater."""


def _head(text: str) -> str:
    """The folded phrase up to the first word or sign after which no head noun comes."""
    for cut in _CUT.finditer(text):
        before = text[: cut.start()].rstrip(" -")
        word = (cut["word"] or "").lower()
        if word == "in" and before.rpartition(" ")[2].rpartition("-")[2].lower() in _BEFORE_IN:
            continue
        if before:
            return folded(before)
    return folded(text)


_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NOT_WORD = re.compile(r"[^0-9a-z]+")
_ROUND_WORDS: Final = """
attr attribute b base details field item main n name primary prod product s spec t text value x
"""
_ROUND: Final = frozenset(_ROUND_WORDS.split())
"""Words that catalogs put before or after an attribute's name."""


def field_words(field: str) -> str:
    """A field name as folded words: "baseColour" and "base_colour" are "base colour"."""
    return folded(_NOT_WORD.sub(" ", normalise(_CAMEL.sub(" ", field)))).strip()


def _bare(words: str) -> str:
    return " ".join(word for word in words.split(" ") if word not in _ROUND)


def _field_names(attributes: Iterable[Attribute]) -> dict[str, str]:
    names: dict[str, str] = {}
    for one in attributes:
        for name in (one.name, *one.names):
            words = field_words(name)
            names.setdefault(words, one.name)
    for words, name in list(names.items()):
        if bare := _bare(words):
            names.setdefault(bare, name)
    return names
