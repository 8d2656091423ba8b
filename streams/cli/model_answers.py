"""What the lines of `cartograph model tag|clean|match` hold, and how they are answered."""

from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec

from models_onnx.mapping import Mapping
from models_onnx.spans import Claim, Judged, Kind, Span, Tagged, Text, TypeAnswer, ValuePair
from streams.products.typed import Typer, answer_for
from topology.ontology import Ontology

TAG_WANTS = '{"id", "text", "kind": "title" or "query"}, and "product_type" if it is known'
CLEAN_WANTS = '{"id", "attribute", "value"}, and "text" and "product_type" if they are known'
MATCH_WANTS = '{"id", "a", "b"}, and "attribute" if it is known'


class TagLine(msgspec.Struct, frozen=True):
    """A text to tag."""

    id: str | int
    text: str
    kind: Kind
    product_type: str | None = None


class CleanLine(msgspec.Struct, frozen=True):
    """A claim to judge."""

    id: str | int
    attribute: str
    value: str
    text: str | None = None
    product_type: str | None = None


class MatchLine(msgspec.Struct, frozen=True):
    """Two texts that may mean the same."""

    id: str | int
    a: str
    b: str
    attribute: str | None = None


class SpanTold(msgspec.Struct, frozen=True):
    """A span: character offsets into the text as it came, end exclusive."""

    start: int
    end: int
    label: str
    text: str
    score: float


class TypeTold(msgspec.Struct, frozen=True):
    """A node of the ontology, and how sure, 0..1."""

    id: str
    score: float


class TagTold(msgspec.Struct, frozen=True):
    """The answer to a `TagLine`."""

    id: str | int
    spans: tuple[SpanTold, ...]
    product_type: TypeTold | None
    bundle: str


class JudgedTold(msgspec.Struct, frozen=True):
    """The answer to a `CleanLine` or a `MatchLine`."""

    id: str | int
    score: float
    verdict: Literal["accepted", "held", "rejected"]
    bundle: str


class Tags(Protocol):
    """A tagger."""

    @property
    def bundle_id(self) -> str: ...

    def tag(self, texts: Sequence[Text]) -> list[Tagged]: ...


class Judges(Protocol):
    """A cleaner."""

    @property
    def bundle_id(self) -> str: ...

    def judge(self, claims: Sequence[Claim]) -> list[Judged]: ...


class Matches(Protocol):
    """A matcher."""

    @property
    def bundle_id(self) -> str: ...

    def match(self, pairs: Sequence[ValuePair]) -> list[Judged]: ...


class TagAnswers:
    """Answers to lines to tag: the type first, then a title's spans with the type known.

    So does PRODUCTS with titles; a query is tagged without a type, as QUERIES does, unless its line
    gives one. A type that a line gives is believed.
    """

    def __init__(
        self, tagger: Tags, typer: Typer, ontology: Ontology, mapping: Mapping | None = None
    ) -> None:
        self._tagger = tagger
        self._typer = typer
        self._ontology = ontology
        self._mapping = mapping

    def __call__(self, asked: Sequence[TagLine]) -> list[TagTold]:
        """One answer for each line."""
        given = [line.product_type or "" for line in asked]
        types: list[TypeAnswer | None] = [
            answer_for(self._ontology, said, 1.0) if said else None for said in given
        ]
        open_ = [place for place, said in enumerate(given) if not said]
        found = self._typer.type_of([_text(asked[place]) for place in open_])
        for place, answer in zip(open_, found, strict=True):
            types[place] = answer
        names = [one.name if one else said for one, said in zip(types, given, strict=True)]
        texts = [
            _text(line, name if line.kind == "title" or said else "")
            for line, name, said in zip(asked, names, given, strict=True)
        ]
        tagged = self._tagger.tag(texts)
        return [
            TagTold(
                line.id,
                tuple(map(_told, self._spans(line, name, answer.spans))),
                TypeTold(one.id, round(one.score, 4)) if one else None,
                self._tagger.bundle_id,
            )
            for line, name, one, answer in zip(asked, names, types, tagged, strict=True)
        ]

    def _spans(self, line: TagLine, name: str, spans: Sequence[Span]) -> Sequence[Span]:
        if self._mapping is None:
            return spans
        return self._mapping.apply(spans, text=line.text, kind=line.kind, product_type=name)


class CleanAnswers:
    """Answers to claims."""

    def __init__(self, cleaner: Judges) -> None:
        self._cleaner = cleaner

    def __call__(self, asked: Sequence[CleanLine]) -> list[JudgedTold]:
        """One answer for each line."""
        claims = [
            Claim(one.text or "", one.product_type or "", one.attribute, one.value) for one in asked
        ]
        return _judged([one.id for one in asked], self._cleaner.judge(claims), self._cleaner)


class MatchAnswers:
    """Answers to pairs."""

    def __init__(self, matcher: Matches) -> None:
        self._matcher = matcher

    def __call__(self, asked: Sequence[MatchLine]) -> list[JudgedTold]:
        """One answer for each line."""
        pairs = [ValuePair(one.a, one.b, one.attribute or "") for one in asked]
        return _judged([one.id for one in asked], self._matcher.match(pairs), self._matcher)


def _judged(
    ids: Sequence[str | int], answers: Sequence[Judged], model: Judges | Matches
) -> list[JudgedTold]:
    return [
        JudgedTold(id_, round(answer.score, 4), answer.verdict, model.bundle_id)
        for id_, answer in zip(ids, answers, strict=True)
    ]


def _text(line: TagLine, product_type: str = "") -> Text:
    return Text(line.text, line.kind, product_type)


def _told(span: Span) -> SpanTold:
    return SpanTold(span.start, span.end, span.label, span.text, round(span.score, 4))
