"""Product types of texts as nodes of the ontology."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from models_onnx.spans import Tagged, Text, TypeAnswer
from topology.facts import type_node
from topology.ontology import Ontology

_LABEL = "product_type"
SURE = 0.9
"""Score of a type that may contradict what the text says, or stand alone in the graph.

On titles like those it was trained on a type that no word names is right in 98 of 100 cases from
here on, in 76 below. On others (Icecat, Online Retail, UBI; read one by one) 14 of 60 were right of
all, and of those from here on 36 of 60 (`models_onnx/QUALITY.md`): better, and still the weakest of
what a title tells.
"""


class Typer(Protocol):
    """What finds the product types of texts; None where it is unsure or finds none."""

    @property
    def bundle_id(self) -> str: ...

    def type_of(self, texts: Sequence[Text]) -> list[TypeAnswer | None]: ...


class TagsTexts(Protocol):
    """A tagger, as `OntologyTyper` needs it."""

    @property
    def bundle_id(self) -> str: ...

    def tag(self, texts: Sequence[Text]) -> list[Tagged]: ...


class Found(NamedTuple):
    """A type that a text may have: `text` is the name that the text has for it, "" where none."""

    slug: str
    text: str
    score: float


class OntologyTyper:
    """The type of a text that `found` puts first."""

    def __init__(self, tagger: TagsTexts, ontology: Ontology) -> None:
        self.bundle_id = tagger.bundle_id
        self._tagger = tagger
        self._ontology = ontology

    def type_of(self, texts: Sequence[Text]) -> list[TypeAnswer | None]:
        """One answer for each text, in the order given."""
        return [self._answer(tagged) for tagged in self._tagger.tag(texts)]

    def _answer(self, tagged: Tagged) -> TypeAnswer | None:
        types = found(tagged, self._ontology)
        if not types:
            return None
        slug, _, score = types[0]
        return TypeAnswer(type_node(slug), self._ontology.types[slug].name, score)


def found(tagged: Tagged, ontology: Ontology, *, unnamed: float = 0.0) -> list[Found]:
    """The types that a text may have, the most credible first.

    The tagger's own, or a narrower one that the text names. Where the text names others alone,
    these stand before one that the tagger is not SURE of. `unnamed`: the score that the tagger's
    own needs where the text names none on its line.
    """
    named = [
        Found(slug, span.text, span.score)
        for span in tagged.spans
        if span.label == _LABEL and (slug := ontology.type_of(span.text)) is not None
    ]
    if tagged.type not in ontology.types:
        return named
    own = Found(tagged.type, "", tagged.type_score)
    narrower = [one for one in named if ontology.is_a(one.slug, own.slug)]
    if narrower or any(ontology.is_a(own.slug, one.slug) for one in named):
        return [*narrower, own, *(one for one in named if one not in narrower)]
    if own.score >= max(SURE, unnamed):
        return [own, *named]
    return [*named, own] if own.score >= unnamed else named


def answer_for(ontology: Ontology, text: str, score: float) -> TypeAnswer | None:
    """The type that a name, a slug or a node id ("type:shoes") says, None where none is known."""
    said = text.removeprefix("type:")
    slug = said if said in ontology.types else ontology.type_of(text)
    if slug is None:
        return None
    return TypeAnswer(type_node(slug), ontology.types[slug].name, score)
