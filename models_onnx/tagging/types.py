"""Product types as the tagger learns them: slugs of an ontology, and what they are called."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from models_onnx import mapping
from models_onnx.tagging.examples import Labelled

UNTYPED = ""
"""The type of a text that names none; the first of a bundle's types."""


class TypeTable(NamedTuple):
    """The types of an ontology.

    Attributes:
        names: slug -> what people call it, its own name first.
        type_of: the slug that a phrase names, None if it names none or several.
    """

    names: Mapping[str, Sequence[str]]
    type_of: Callable[[str], str | None]

    def slugs(self) -> tuple[str, ...]:
        """All types in the order of the model's columns, "" (no type) first."""
        return (UNTYPED, *sorted(self.names))

    def of_set(self, name: str, set_type: str) -> str | None:
        """The slug for a data set's own name of a type, as published; None: it is not here."""
        published = {k.casefold(): v for k, v in mapping.load(name).types.items()}
        slug = published.get(set_type.casefold()) or self.type_of(set_type)
        return slug if slug in self.names else None

    def of_labels(self, row: Labelled) -> str | None:
        """The one type that a labelled text names; "" where it names nothing of the sort."""
        named = [row.value(piece) for piece in row.pieces if piece.label == "product_type"]
        if not named:
            return None if row.doubt else UNTYPED
        found = {self.type_of(phrase) for phrase in named}
        return found.pop() if len(found) == 1 else None

    def rows(self) -> Iterator[Labelled]:
        """Every unambiguous name as a text: once as a query, once as a title."""
        for slug, names in sorted(self.names.items()):
            for name in sorted(set(names)):
                if self.type_of(name) == slug:
                    for kind in ("query", "title"):
                        yield Labelled(
                            text=name, kind=kind, pieces=(), source="names", doubt=1.0, node=slug
                        )


NO_TYPES = TypeTable({}, lambda _: None)
"""For corpora whose types nobody learns."""
