"""Product types of texts as nodes of the ontology."""

from collections.abc import Sequence
from typing import Protocol

from models_onnx.spans import Tagged, Text, TypeAnswer
from topology.facts import type_node
from topology.ontology import Ontology

_LABEL = "product_type"


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


class OntologyTyper:
    """The type of a text by the tagger, or a narrower one that the text names.

    Where the tagger is unsure, or its type is none of this ontology's, it is the first type that
    the text names; the score is then that of the span.
    """

    def __init__(self, tagger: TagsTexts, ontology: Ontology) -> None:
        self.bundle_id = tagger.bundle_id
        self._tagger = tagger
        self._ontology = ontology

    def type_of(self, texts: Sequence[Text]) -> list[TypeAnswer | None]:
        """One answer for each text, in the order given."""
        return [self._answer(tagged) for tagged in self._tagger.tag(texts)]

    def _answer(self, tagged: Tagged) -> TypeAnswer | None:
        slug = type_of(tagged, self._ontology)
        if slug is None:
            return None
        score = tagged.type_score
        if slug != tagged.type:
            named = (s for s in tagged.spans if s.label == _LABEL)
            score = next(s.score for s in named if self._ontology.type_of(s.text) == slug)
        return TypeAnswer(type_node(slug), self._ontology.types[slug].name, score)


def type_of(tagged: Tagged, ontology: Ontology) -> str | None:
    """The slug that `OntologyTyper` answers."""
    named = [
        slug
        for span in tagged.spans
        if span.label == _LABEL and (slug := ontology.type_of(span.text)) is not None
    ]
    if tagged.type in ontology.types:
        return next((slug for slug in named if ontology.is_a(slug, tagged.type)), tagged.type)
    return named[0] if named else None


def answer_for(ontology: Ontology, text: str, score: float) -> TypeAnswer | None:
    """The type that a name, a slug or a node id ("type:shoes") says, None where none is known."""
    said = text.removeprefix("type:")
    slug = said if said in ontology.types else ontology.type_of(text)
    if slug is None:
        return None
    return TypeAnswer(type_node(slug), ontology.types[slug].name, score)
