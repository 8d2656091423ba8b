"""Right and wrong claims to train and measure the cleaner on, from the tagger's corpus.

Three sorts: claims that the text states (its labelled pieces); claims that a catalog makes and the
title does not mention; and claims without a text, right where people asked for it, where a catalog
has it, or where the lexicon says that it fits the department.
"""

import gzip
import json
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from models_onnx.cleaning.corrupt import TRAINED_KINDS, Corruptor
from models_onnx.spans import Claim
from models_onnx.tagging import data as texts
from models_onnx.tagging.examples import Labelled
from models_onnx.tagging.lexicon import Lexicon, singular
from models_onnx.tagging.splits import for_validation, held_out, normal

NEVER_ALONE = frozenset({"brand", "model", "size", "quantity", "price", "other", "product_type"})
"""Labels of which hardly anything can be said without the text."""

SHARES = {
    "query-ner": 0.16,
    "oa-mine": 0.16,
    "icecat": 0.1,
    "myntra": 0.1,
    "grammar": 0.08,
    "unstated": 0.03,
    "asked": 0.12,
    "fitting": 0.25,
}
"""Source -> its share of an epoch; the last two have no text."""

EPOCH_CLAIMS = 26_000


class Pair(msgspec.Struct, frozen=True):
    """A claim and whether it is right; `kind` says how it was made wrong, "" if it was not."""

    claim: Claim
    right: bool
    kind: str


class Claims(msgspec.Struct, frozen=True):
    """Right claims: `train` by source to learn from, `validation` by set to measure on."""

    lexicon: Lexicon
    train: dict[str, list[Claim]]
    validation: dict[str, list[Claim]]


def read(folder: Path, corpus: texts.Corpus) -> Claims:
    """All right claims of the corpus and the catalogs in `folder`."""
    train = {source: _stated(rows) for source, rows in corpus.train.items()}
    train["grammar"] = _stated(
        row for row in texts.epoch(corpus, 999) if row.source.startswith("grammar")
    )
    unstated = list(_unstated(folder, corpus.lexicon))
    train["unstated"] = [c for c in unstated if not for_validation(c.text)]
    asked = [c for rows in corpus.train.values() for row in rows for c in bare(row)]
    train["asked"] = [c for c in dict.fromkeys(asked) if not _measured(c)]
    fitting = list(_fitting(corpus.lexicon))
    train["fitting"] = [c for c in fitting if not _measured(c)]
    validation = {source: _stated(corpus.validation[source]) for source in corpus.train}
    validation["unstated"] = [c for c in unstated if for_validation(c.text)][:3000]
    asked = [c for s in corpus.train for row in corpus.validation[s] for c in bare(row)]
    learnt = set(train["asked"])
    validation["asked"] = [c for c in dict.fromkeys(asked) if c not in learnt]
    validation["fitting"] = [c for c in fitting if _measured(c)]
    return Claims(corpus.lexicon, train, validation)


def stated(row: Labelled) -> Iterator[Claim]:
    """What the labels of a text claim."""
    kind = row.type or type_in(row)
    for piece in row.pieces:
        if piece.label != "other":
            yield Claim(row.text, kind, piece.label, row.value(piece))


def bare(row: Labelled) -> Iterator[Claim]:
    """The same without the text, where that still says something."""
    for claim in stated(row):
        if claim.type and claim.attribute not in NEVER_ALONE:
            yield Claim("", singular(claim.type), claim.attribute, claim.value.lower())


def type_in(row: Labelled) -> str:
    """The product type that a text names, or ""."""
    return next((row.value(p).lower() for p in row.pieces if p.label == "product_type"), "")


def epoch(claims: Claims, number: int, *, size: int = EPOCH_CLAIMS) -> list[Pair]:
    """Training pairs of one epoch, half of them right; corruptions are new in each."""
    rng = random.Random(number)  # noqa: S311 - training data, not secrets
    corruptor = Corruptor((c for part in claims.train.values() for c in part), claims.lexicon, rng)
    sources = rng.choices(list(SHARES), weights=list(SHARES.values()), k=size // 2)
    pairs: list[Pair] = []
    for source in sources:
        claim, other = rng.choice(claims.train[source]), rng.choice(claims.train[source])
        pairs.append(Pair(claim, right=True, kind=""))
        # The wrong one is made of the same claim as often as of another one.
        made = corruptor.corrupt(
            claim if rng.random() < 0.5 else other, TRAINED_KINDS if claim.text else None
        )
        if made is not None:
            pairs.append(Pair(made.claim, right=False, kind=made.kind))
    rng.shuffle(pairs)
    return pairs


def validation(claims: Claims, *, share: float, seed: int = 1) -> dict[str, list[Pair]]:
    """Validation pairs by set, `share` of those with a text made wrong, half of the others."""
    rng = random.Random(seed)  # noqa: S311 - validation data, not secrets
    parts = [*claims.train.values(), *claims.validation.values()]
    corruptor = Corruptor((c for part in parts for c in part), claims.lexicon, rng)
    sets = {}
    for name, right in claims.validation.items():
        planted = corruptor.plant(right, share if right[0].text else 0.5)
        sets[name] = [Pair(claim, right=not kind, kind=kind) for claim, kind in planted]
    return sets


def _stated(rows: Iterable[Labelled]) -> list[Claim]:
    return [claim for row in rows for claim in stated(row)]


def _measured(claim: Claim) -> bool:
    return held_out(claim.attribute, claim.value) or held_out("product_type", claim.type)


def _unstated(folder: Path, lexicon: Lexicon) -> Iterator[Claim]:
    """What catalogs say of products whose titles say nothing about it."""
    known = {k: frozenset(lexicon.general[k]) for k in ("color", "material", "audience")}
    with gzip.open(folder / "myntra-styles" / "products.jsonl.gz", "rt", encoding="utf-8") as file:
        for number, line in enumerate(file):
            row = json.loads(line)
            if number % 4:
                continue
            kind = singular(row["articleType"].lower())
            values = (
                ("color", row["baseColour"]),
                ("season", row["season"]),
                ("audience", row["gender"]),
                ("style", row["usage"]),
            )
            yield from _unmentioned(row["title"], kind, values, known)
    with gzip.open(folder / "icecat" / "products.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            kind = str(row.get("attr_t_product_type", "")).lower()
            colors = ("color", str(row.get("attr_t_product_colour", "")))
            materials = ("material", str(row.get("attr_t_material", "")))
            yield from _unmentioned(
                row["title"], "" if kind == "1" else kind, (colors, materials), known
            )


def _unmentioned(
    title: str, kind: str, values: Iterable[tuple[str, str]], known: dict[str, frozenset[str]]
) -> Iterator[Claim]:
    words = set(normal(title).split())
    for attribute, value in values:
        said = known.get(attribute, frozenset()) | set(normal(value).split())
        if len(value) > 2 and words.isdisjoint(said):
            yield Claim(title, kind, attribute, value.lower())


def _fitting(lexicon: Lexicon) -> Iterator[Claim]:
    """What fits a department, claimed of each of its types now and then."""
    rng = random.Random(5)  # noqa: S311 - training data, not secrets
    for department in lexicon.departments:
        for label, values in department.fits.items():
            for value in values:
                for kind in rng.sample(department.types, min(6, len(department.types))):
                    yield Claim("", kind, label, value)
