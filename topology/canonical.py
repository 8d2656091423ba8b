"""From words to nodes: which value, intent or product type a piece of text names.

Deterministic and without a model: text that nobody wrote into the ontology keeps its own,
normalised spelling and is marked as not known; nothing is guessed.
"""

import re
from functools import lru_cache
from typing import Final

import msgspec

from topology.facts import concept_node, intent_node, type_node, value_node
from topology.ontology import Ontology
from topology.units import count_of, is_no_size, measure_of, number_of, written
from topology.wording import folded, normalise, slug

MAX_VALUE_CHARS: Final = 100
"""A longer text is a description, not a value or an intent."""


class Value(msgspec.Struct, frozen=True):
    """A value of an attribute.

    Attributes:
        node: ``value:<attribute>/<slug>``.
        attribute: the attribute's name.
        text: the canonical text: "grey" for "Gray", "500 ml" for "0.5 L".
        known: the ontology lists it, or it is a measure in a unit it should have.
    """

    node: str
    attribute: str
    text: str
    known: bool

    def narrows(self, type_slug: str) -> str:
        """The concept of a type narrowed by this value: ``concept:shoes[color=red]``."""
        return concept_node(type_slug, self.attribute, slug(self.text))


class UnknownType(msgspec.Struct, frozen=True):
    """A phrase for a product type that the ontology lacks or cannot tell.

    Attributes:
        text: the folded phrase, so that all its spellings are one.
        may_be: the types an ambiguous name stands for, () for a name nobody wrote down.
    """

    text: str
    may_be: tuple[str, ...] = ()


@lru_cache(maxsize=1 << 15)
def value_of(ontology: Ontology, attribute: str, text: str) -> Value | None:
    """The value a text names; None for junk ("N/A", "see description") and unknown attributes.

    Same node for every spelling: Unicode, case, dashes, aliases of closed lists, units.
    """
    known = ontology.attributes.get(attribute)
    plain = normalise(text).strip(_EDGES)
    if known is None or not plain or len(plain) > MAX_VALUE_CHARS or is_junk(plain):
        return None
    if (listed := _listed(ontology, attribute, plain)) is not None:
        return Value(value_node(attribute, listed), attribute, normalise(listed), known=True)
    if known.kind == "number":
        return _number_value(attribute, known.unit, normalise(text))
    if attribute == "size" and is_no_size(plain):
        return None
    measure = measure_of(normalise(text)) if attribute in _MEASURED else None
    return Value(value_node(attribute, measure or plain), attribute, measure or plain, known=False)


def _listed(ontology: Ontology, attribute: str, plain: str) -> str | None:
    """The listed value of a text, or of one half of "polyvinyl chloride (pvc)"."""
    halves = _IN_BRACKETS.fullmatch(plain)
    for spelling in (plain, *(halves.groups() if halves else ())):
        if (listed := ontology.known_value(attribute, spelling)) is not None:
            return listed
    return None


def values_of(ontology: Ontology, attribute: str, text: str) -> tuple[Value, ...]:
    """All values a catalog field names, in its order, each once.

    A text that is itself a listed value stays whole ("black & white" if somebody listed it).
    Attributes with several values are cut at , ; / and |, those with a closed list also at &, +
    and "and": in open text these belong to names ("salt & vinegar").
    """
    known = ontology.attributes.get(attribute)
    if known is None or is_junk(text):
        return ()
    if not known.many or ontology.known_value(attribute, text) is not None:
        parts = [text]
    else:
        parts = (_CUT_CLOSED if known.kind == "closed" else _CUT_OPEN).split(_NOTHING.sub("", text))
    found = {
        value.node: value
        for part in parts
        if (value := value_of(ontology, attribute, part)) is not None
    }
    return tuple(found.values())


def intent_of(ontology: Ontology, label: str, text: str) -> str | None:
    """The intent node of a span, None for a label without intent and for junk.

    "for the pregnant women" and "pregnant woman" are one node: leading prepositions and articles
    go, nouns are in the singular.
    """
    kind = ontology.intent_kind_of(label)
    plain = normalise(text).strip(_EDGES)
    if kind is None or not plain or len(plain) > MAX_VALUE_CHARS or is_junk(plain):
        return None
    words = folded(_LEADING.sub("", plain))
    return intent_node(kind, words) if words else None


def type_of(ontology: Ontology, text: str) -> str | UnknownType | None:
    """The type node a phrase names, `UnknownType` where the ontology cannot say, None for junk."""
    plain = normalise(text).strip(_EDGES)
    if not plain or len(plain) > MAX_VALUE_CHARS or is_junk(plain):
        return None
    found = ontology.types_of(text)
    if len(found) == 1:
        return type_node(found[0])
    return UnknownType(folded(plain), found)


def is_junk(text: str) -> bool:
    """Whether a text says that there is nothing to say: "N/A", "unknown", "-", a web address."""
    letters = _NOT_LETTER.sub("", normalise(text))
    return not letters or letters in _JUNK or "://" in text


def _number_value(attribute: str, unit: str, text: str) -> Value | None:
    if not unit:
        count = count_of(text)
        number = None if count is not None else number_of(text)
        plain = str(count) if count is not None else written(number) if number is not None else None
    else:
        plain = measure_of(text, unit)
    if plain is not None:
        return Value(value_node(attribute, plain), attribute, plain, known=True)
    if not any(char.isdigit() for char in text):
        return None
    number = number_of(text)
    plain = text.strip(_EDGES) if number is None else written(number)
    return Value(value_node(attribute, plain), attribute, plain, known=False)


_EDGES: Final = " .,;:!?'\"*-/|"
_MEASURED: Final = frozenset({"size", "compatibility"})
"""Open attributes whose values may be measures: a size is "queen" or "30 x 40 cm"."""

_CUT_OPEN = re.compile(r"[;|\n]|\\n|(?<!\d)[,/]|[,/](?!\d)")
_CUT_CLOSED = re.compile(r"[;|\n&+]|\\n|(?<!\d)[,/]|[,/](?!\d)|\band\b", re.IGNORECASE)
_LEADING = re.compile(
    r"^(?:(?:compatible with|works with|suitable for|designed for|perfect for|great for|ideal for|"
    r"fits|for|during|against|while|when|with|in|on|at|to|the|an?|my|our|your)"
    r"\s+)+"
)
_IN_BRACKETS = re.compile(r"(.+?) ?\((.+)\)")
_NOTHING = re.compile(r"\bn/a\b", re.IGNORECASE)
_NOT_LETTER = re.compile(r"[\W_]+")
_JUNK_WORDS: Final = """
na nan nil none null unknown undefined unspecified tbd tbc tba other others various misc
miscellaneous seedescription seedetails seebelow seepicture seephoto seeimage asshown aspicture
aspictured asdescribed notapplicable notspecified notavailable notprovided doesnotapply nodata
nobrand unbranded default test dummy sample xxx yes no true false notset empty blank
"""
_JUNK: Final = frozenset(_JUNK_WORDS.split())
