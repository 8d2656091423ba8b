"""One model on files of one data set: read, ask, measure. What each set can be used for."""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

from models_onnx import mapping as mappings
from models_onnx import seen
from models_onnx.errors import DataError
from models_onnx.evaluation import cleaning, judgements, negatives, synonyms, tagging, typed
from models_onnx.evaluation.known import TEXT, FromBundle, Known, from_texts
from models_onnx.evaluation.report import Part, Report
from models_onnx.seen import Seen
from models_onnx.sets import (
    ditto,
    icecat,
    impakt,
    intentionqa,
    myntra,
    oa_mine,
    pricerunner,
    query_ner,
    wdc_pave,
)
from models_onnx.sets.records import Gold, Judgement, Likeness
from models_onnx.spans import Text, TypeAnswer

Golds = Callable[[Path], Iterator[Gold]]
Row = TypeVar("Row")
Answer = TypeVar("Answer")
SAMPLE_SEED = 7
AT_ONCE = 512


class Marks(NamedTuple):
    """How a set marks texts.

    Attributes:
        read: file -> its texts.
        by_place: it marks places, not values.
        named_wholly: labels of which it names every value of a text; None: all.
        told: its product types are fit to be told to a tagger.
    """

    read: Golds
    by_place: bool = False
    named_wholly: frozenset[str] | None = None
    told: bool = False


TAGGING: Mapping[str, Marks] = {
    "query-ner": Marks(query_ner.read, by_place=True),
    "oa-mine": Marks(oa_mine.read, told=True),
    "icecat": Marks(icecat.read, named_wholly=icecat.WHOLE),
    "myntra-styles": Marks(myntra.read, named_wholly=frozenset()),
    "wdc-pave": Marks(wdc_pave.read),
}
TYPING: Mapping[str, Golds] = {
    "myntra-styles": myntra.read,
    "oa-mine": oa_mine.read,
    "pricerunner": pricerunner.read,
}
CATALOGS: Mapping[str, Golds] = {
    "icecat": icecat.read_catalog,
    "myntra-styles": myntra.read_catalog,
    "oa-mine": oa_mine.read,
    "query-ner": query_ner.read,
    "wdc-pave": wdc_pave.read,
}
JUDGED: Mapping[str, Callable[[Path], Iterator[Judgement]]] = {
    "impakt": impakt.read_claims,
    "intentionqa": intentionqa.read_claims,
}
PAIRS: Mapping[str, Callable[[Path], Iterator[Likeness]]] = {
    "ditto-em": ditto.read_pairs,
    "impakt": impakt.read_pairs,
    "pricerunner": pricerunner.read_pairs,
}
SETS: Mapping[str, tuple[str, ...]] = {
    "tagging": tuple(TAGGING),
    "cleaning": (*CATALOGS, *JUDGED),
    "synonyms": tuple(PAIRS),
    "typing": tuple(TYPING),
}
"""Task -> sets that it can be measured on."""


class Given(NamedTuple):
    """What is measured on.

    Attributes:
        name: the set.
        files: its files.
        train: files of the same format that the model was trained on; () if not known.
        remembered: what the bundle says it was trained on; asked where `train` is empty.
        sample: so many of the files' rows, drawn by SAMPLE_SEED; 0: all.
        typed: tell the tagger the set's product types, where they are fit for it.
    """

    name: str
    files: tuple[Path, ...]
    train: tuple[Path, ...] = ()
    remembered: Seen | None = None
    sample: int = 0
    typed: bool = True


class TypesTexts(Protocol):
    """What finds the product types of texts."""

    @property
    def bundle_id(self) -> str: ...

    def type_of(self, texts: Sequence[Text]) -> list[TypeAnswer | None]: ...


def check(task: str, name: str) -> None:
    """See that the task can be measured on the set.

    Raises:
        DataError: it cannot; names those that it can.
    """
    if name not in SETS[task]:
        raise DataError(f"{task} is not measured on {name!r}: use {', '.join(SETS[task])}")


def run_tagging(tagger: tagging.TagsTexts, bundle_id: str, given: Given) -> Report:
    """A tagger on marked texts.

    Raises:
        DataError: a file is not of the set's format.
    """
    marks, mapping = TAGGING[given.name], mappings.load(given.name)
    golds = _rows(marks.read, given)
    typed_ = given.typed and marks.told
    tagged = ask(tagger.tag, tagging.questions(golds, typed=typed_))
    found = tagging.answered(golds, tagged, mapping, by_place=marks.by_place)
    whole, labels = tagging.evaluate(
        golds, found, named_wholly=marks.named_wholly, known=_known(marks.read, given, mapping)
    )
    notes = ["the tagger was told the product type"] if typed_ else []
    if marks.named_wholly is not None:
        wholly = ", ".join(sorted(marks.named_wholly)) or "no label"
        notes.append(f"the set names all values of {wholly}: precision and F1 are of these alone")
    return _report("tagging", bundle_id, given, (whole, labels), notes)


def run_typing(typer: TypesTexts, above: typed.Above, given: Given) -> Report:
    """A typer on titles with a type.

    Raises:
        DataError: a file is not of the set's format.
    """
    read, types = TYPING[given.name], mappings.load(given.name).types
    golds = _rows(read, given)
    answers = ask(typer.type_of, [Text(gold.text, gold.kind) for gold in golds])
    parts = typed.evaluate(golds, answers, types, above, known=_known_texts(read, given))
    swallowed = sorted(
        {name for name, slug in types.items() if list(types.values()).count(slug) > 1}
        & {gold.type for gold in golds}
    )
    notes = [f"share a node with another and count as wrong: {', '.join(swallowed)}"]
    return _report("typing", typer.bundle_id, given, parts, notes if swallowed else [])


def run_cleaning(cleaner: cleaning.JudgesClaims, bundle_id: str, given: Given) -> Report:
    """A cleaner on a catalog with planted errors, or on judgements with wrong claims beside them.

    Raises:
        DataError: a file is not of the set's format.
    """
    if given.name in JUDGED:
        rows = negatives.against(_rows(JUDGED[given.name], given))
        answers = ask(cleaner.judge, [row.claim for row in rows])
        parts = judgements.evaluate(rows, answers)
        kinds = ", ".join(sorted({row.kind for row in rows} - {""}))
        notes = [f"wrong claims are made beside the right ones: {kinds}"]
        return _report("cleaning", bundle_id, given, parts, notes)
    read, mapping = CATALOGS[given.name], mappings.load(given.name)
    right = cleaning.claims(_rows(read, given), mapping)
    known: Known | None = given.remembered
    if given.train:
        told = (gold for path in given.train for gold in read(path))
        known = seen.of((c.attribute, c.value) for c in cleaning.claims(list(told), mapping))
    planted = cleaning.plant(right)
    answers = ask(cleaner.judge, [row.claim for row in planted])
    parts = cleaning.evaluate(planted, answers, known=known)
    notes = [f"{cleaning.PLANTED:.0%} of the claims are made wrong; figures are of finding these"]
    return _report("cleaning", bundle_id, given, parts, notes)


def run_synonyms(matcher: synonyms.MatchesPairs, bundle_id: str, given: Given) -> Report:
    """A matcher on pairs.

    Raises:
        DataError: a file is not of the set's format.
    """
    read = PAIRS[given.name]
    rows = _rows(read, given)
    known: Known | None = given.remembered
    if given.train:
        told = (row for path in given.train for row in read(path))
        known = seen.of((TEXT, text) for row in told for text in (row.a, row.b))
    answers = ask(matcher.match, synonyms.questions(rows))
    notes = ["pairs that differ are made, see the reader"] if given.name != "ditto-em" else []
    parts = synonyms.evaluate(rows, answers, known=known)
    return _report("synonyms", bundle_id, given, parts, notes)


def ask(
    model: Callable[[Sequence[Row]], Sequence[Answer]], questions: Sequence[Row]
) -> list[Answer]:
    """All answers, AT_ONCE questions a call."""
    return [
        answer
        for start in range(0, len(questions), AT_ONCE)
        for answer in model(questions[start : start + AT_ONCE])
    ]


def _rows(read: Callable[[Path], Iterable[Row]], given: Given) -> list[Row]:
    rows = [row for path in given.files for row in read(path)]
    if not rows:
        raise DataError(f"{', '.join(map(str, given.files))}: nothing to measure on in there")
    if 0 < given.sample < len(rows):
        rng = random.Random(SAMPLE_SEED)  # noqa: S311 - which rows are measured
        chosen = set(rng.sample(range(len(rows)), given.sample))
        return [row for number, row in enumerate(rows) if number in chosen]
    return rows


def _known(read: Golds, given: Given, mapping: mappings.Mapping) -> Known | None:
    if given.train:
        return from_texts(gold for path in given.train for gold in read(path))
    return FromBundle(given.remembered, mapping) if given.remembered is not None else None


def _known_texts(read: Golds, given: Given) -> Known | None:
    if given.train:
        return from_texts(gold for path in given.train for gold in read(path))
    return given.remembered


def _report(
    task: str, bundle_id: str, given: Given, parts: tuple[Part, dict[str, Part]], notes: list[str]
) -> Report:
    if given.sample:
        notes = [*notes, f"{given.sample} rows drawn, not all"]
    files = tuple(map(str, given.files))
    return Report(task, given.name, bundle_id, files, *parts, tuple(notes))
