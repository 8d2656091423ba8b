"""Product types of texts as nodes of the ontology."""

from collections.abc import Sequence
from typing import Protocol

from models_onnx.spans import Span, Tagged, Text, TypeAnswer
from topology.facts import type_node
from topology.ontology import Ontology

_LABEL = "product_type"


class Typer(Protocol):
    """What finds the product types of texts; None where it is unsure or finds none."""

    bundle_id: str

    def type_of(self, texts: Sequence[Text]) -> list[TypeAnswer | None]: ...


class TagsTexts(Protocol):
    """A tagger, as `OntologyTyper` needs it."""

    bundle_id: str

    def tag(self, texts: Sequence[Text]) -> list[Tagged]: ...


class OntologyTyper:
    """The first type that a text names and the ontology knows, as PRODUCTS reads titles.

    The score is that of the span.
    """

    def __init__(self, tagger: TagsTexts, ontology: Ontology) -> None:
        self.bundle_id = tagger.bundle_id
        self._tagger = tagger
        self._ontology = ontology

    def type_of(self, texts: Sequence[Text]) -> list[TypeAnswer | None]:
        """One answer for each text, in the order given."""
        return [self._first(tagged.spans) for tagged in self._tagger.tag(texts)]

    def _first(self, spans: Sequence[Span]) -> TypeAnswer | None:
        named = (
            answer_for(self._ontology, span.text, span.score)
            for span in spans
            if span.label == _LABEL
        )
        return next((answer for answer in named if answer is not None), None)


def answer_for(ontology: Ontology, text: str, score: float) -> TypeAnswer | None:
    """The type that a name, a slug or a node id ("type:shoes") says, None where none is known."""
    said = text.removeprefix("type:")
    slug = said if said in ontology.types else ontology.type_of(text)
    if slug is None:
        return None
    return TypeAnswer(type_node(slug), ontology.types[slug].name, score)
