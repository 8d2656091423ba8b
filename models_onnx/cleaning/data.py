"""Right and wrong claims to train and measure the cleaner on.

Five sorts: claims that a text states, under our labels (the tagger's labelled pieces); claims of
catalogs under their own attribute names, most of which the title does not mention; the same without
the text, and what a taxonomy allows; what people asked for or the lexicon says fits; and what
people judged (`judgements`).
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

import msgspec

from models_onnx.cleaning import catalogs, judgements
from models_onnx.cleaning.corrupt import TRAINED_KINDS, Corruptor
from models_onnx.cleaning.judgements import Judgement
from models_onnx.cleaning.wording import ALIASES, attribute_words
from models_onnx.spans import Claim
from models_onnx.tagging import data as texts
from models_onnx.tagging.examples import Labelled
from models_onnx.tagging.lexicon import Lexicon, singular
from models_onnx.tagging.splits import for_validation, held_out, normal, share

NEVER_ALONE = frozenset(
    {"brand", "model", "part_number", "size", "dosage", "quantity", "pack", "price", "other"}
    | {"product_type"}
)
"""Labels of which hardly anything can be said without the text."""

TAXONOMY = "taxonomy"
SAME_TYPE = "same-type"
MEASURED_ONLY = "wdc-pave"
MAIN = "icecat-main"
CATALOG_OF = {MAIN: "icecat-catalog"}
"""Sets that are a part of another one, for the fields that shoppers ask for."""

SHARES = {
    "query-ner": 0.09,
    "oa-mine": 0.09,
    "icecat": 0.05,
    "myntra": 0.05,
    "grammar": 0.05,
    "unstated": 0.03,
    "icecat-catalog": 0.22,
    "myntra-catalog": 0.08,
    "oa-mine-catalog": 0.08,
    "asked": 0.06,
    "fitting": 0.1,
    TAXONOMY: 0.05,
    SAME_TYPE: 0.06,
}
"""Source -> its share of an epoch, apart from the judged claims; the last four have no text."""

DRAWN_KINDS = tuple(
    kind for kind, times in zip(TRAINED_KINDS, (5, 3, 3, 4, 1), strict=True) for _ in range(times)
)
"""TRAINED_KINDS as often as they are tried: the hard ones more."""

EPOCH_CLAIMS = 50_000
JUDGED_NEGATIVES = 2
"""Wrong tails beside each judged claim in an epoch; others in each."""

RENAMED, WITHOUT_TYPE, WITHOUT_TEXT = 0.25, 0.25, 0.06
"""Shares of claims that are trained on under another name, without their type, without the text.

Users name attributes as they like, and many have no product types.
"""

TYPE_RELATIONS = ("is a", "manner of", "related to", "defined as")
"""Of IntentionQA: those whose tail may be the type that two products share."""

SAME_TYPE_CLAIMS = 60
"""Of each type, lest shirts and shoes were nearly all."""

CATALOGS = ("icecat-catalog", "myntra-catalog", "oa-mine-catalog")
VALIDATION_CLAIMS = 3000


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
    judged: dict[str, list[Judgement]]


def read(folder: Path, corpus: texts.Corpus) -> Claims:
    """All right claims of the corpus and the catalogs in `folder`."""
    labelled = {s: rows for s, rows in corpus.train.items() if any(row.pieces for row in rows)}
    train = {source: _stated(rows) for source, rows in labelled.items()}
    validation = {source: _stated(corpus.validation[source]) for source in labelled}
    train["grammar"] = _stated(
        row for row in texts.epoch(corpus, 999) if row.source.startswith("grammar")
    )
    # The tagger also measures on titles of held-out brands, which `for_validation` does not know.
    kept = {normal(row.text) for rows in corpus.validation.values() for row in rows}
    for name, claims in _own_words(folder).items():
        shown = {c.text: normal(c.text) not in kept and not for_validation(c.text) for c in claims}
        train[name] = [c for c in claims if shown[c.text]]
        measured = [c for c in claims if for_validation(c.text)]
        validation[name] = _some(measured)
        if name == CATALOG_OF[MAIN]:
            validation[MAIN] = _some([c for c in measured if c.attribute in catalogs.MAIN])
    train["unstated"] = list(_unstated(train, corpus.lexicon))
    validation["unstated"] = _some(list(_unstated(validation, corpus.lexicon)))
    asked = [c for rows in labelled.values() for row in rows for c in bare(row)]
    fitting = list(_fitting(corpus.lexicon))
    train["asked"] = [c for c in dict.fromkeys(asked) if not _measured(c)]
    train["fitting"] = [c for c in fitting if not _measured(c)]
    taxonomy = folder / "shopify-taxonomy" / "data"
    train[TAXONOMY] = list(_taxonomy(taxonomy)) if taxonomy.exists() else []
    train[SAME_TYPE] = list(_same_type(labelled))
    asked = [c for s in labelled for row in corpus.validation[s] for c in bare(row)]
    learnt = set(train["asked"])
    validation["asked"] = [c for c in dict.fromkeys(asked) if c not in learnt]
    validation["fitting"] = [c for c in fitting if _measured(c)]
    pave = folder / "internal-no-licence" / MEASURED_ONLY / "train.jsonl"
    if pave.exists():
        validation[MEASURED_ONLY] = _some(list(catalogs.wdc_pave(pave)))
    return Claims(corpus.lexicon, train, validation, judgements.read(folder, corpus.lexicon))


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


class Epochs:
    """Training pairs, half of them right; corruptions are new in each epoch."""

    def __init__(self, claims: Claims) -> None:
        """Learn what each catalog has; our labels are one catalog over all texts."""
        self._claims = claims
        rng = random.Random(0)  # noqa: S311 - training data, not secrets
        self._corruptors = corruptors(claims.train, claims.lexicon, rng)

    def pairs(self, number: int, *, size: int = EPOCH_CLAIMS) -> list[Pair]:
        """About `size` pairs of epoch `number`, and the judged ones."""
        rng = random.Random(number)  # noqa: S311 - training data, not secrets
        makers = {name: c.reseeded(rng) for name, c in self._corruptors.items()}
        names = [name for name in SHARES if self._claims.train.get(name)]
        sources = rng.choices(names, weights=[SHARES[name] for name in names], k=size // 2)
        pairs: list[Pair] = []
        for source in sources:
            claim, other = (rng.choice(self._claims.train[source]) for _ in range(2))
            bare_ = source in CATALOGS and bool(claim.type) and rng.random() < WITHOUT_TEXT
            kinds = _trained_kinds(source, bare_)
            # The wrong one is made of the same claim as often as of another one.
            made = makers[source].corrupt(claim if rng.random() < 0.5 else other, kinds)
            pairs.append(_varied(Pair(claim, right=True, kind=""), rng, bare_))
            if made is not None:
                pairs.append(_varied(Pair(made.claim, right=False, kind=made.kind), rng, bare_))
        for rows in self._claims.judged.values():
            shown = [j for j in rows if not j.for_validation]
            part = judged_pairs(rng.sample(shown, min(len(shown), size // 20)), rng)
            pairs += [_reworded(pair, rng) for pair in part]
        rng.shuffle(pairs)
        return pairs


def corruptors(
    parts: dict[str, list[Claim]], lexicon: Lexicon, rng: random.Random
) -> dict[str, Corruptor]:
    """Set -> what makes it wrong: a catalog knows its own values, the other sets all of theirs."""
    alone = (*CATALOGS, TAXONOMY, SAME_TYPE, MEASURED_ONLY)
    ours = [c for name, part in parts.items() if name not in alone for c in part]
    shared = Corruptor(ours, lexicon, rng)
    return {
        name: Corruptor(part, lexicon, rng, complete=name == TAXONOMY) if name in alone else shared
        for name, part in parts.items()
    }


def judged_pairs(
    rows: Sequence[Judgement], rng: random.Random, *, count: int = JUDGED_NEGATIVES
) -> list[Pair]:
    """Judged claims and wrong ones beside them."""
    return [
        Pair(j.claim, right=not kind, kind=kind)
        for j, kind in judgements.against(rows, rng, count=count)
    ]


def _trained_kinds(source: str, without_text: bool) -> Sequence[str] | None:
    if source in ("asked", "fitting"):
        return None
    if source == SAME_TYPE:
        return ("swap",)
    if source == TAXONOMY or without_text:
        return ("attribute", "attribute", "inapplicable", "junk")
    return DRAWN_KINDS


def _varied(pair: Pair, rng: random.Random, without_text: bool) -> Pair:
    """The same pair as another shop might send it."""
    claim = pair.claim
    names = ALIASES.get(attribute_words(claim.attribute).replace(" ", "_"))
    if names and rng.random() < RENAMED:
        claim = msgspec.structs.replace(claim, attribute=rng.choice(names))
    if without_text:
        claim = msgspec.structs.replace(claim, text="")
    elif claim.text and pair.kind != "inapplicable" and rng.random() < WITHOUT_TYPE:
        claim = msgspec.structs.replace(claim, type="")
    return Pair(claim, pair.right, pair.kind)


def _reworded(pair: Pair, rng: random.Random) -> Pair:
    """A judged pair as published, or with one of the two products, or with the head for a text."""
    claim, chance = pair.claim, rng.random()
    if " + " in claim.type and chance < 0.3:
        claim = msgspec.structs.replace(claim, type=rng.choice(claim.type.split(" + ")))
    if rng.random() < 0.1:
        claim = msgspec.structs.replace(claim, text=claim.type, type="")
    return Pair(claim, pair.right, pair.kind)


def _stated(rows: Iterable[Labelled]) -> list[Claim]:
    return [claim for row in rows for claim in stated(row)]


def _some(claims: list[Claim]) -> list[Claim]:
    """Up to VALIDATION_CLAIMS of them, the same in every run."""
    order = sorted(claims, key=lambda c: share(f"{c.text}\0{c.attribute}\0{c.value}"))
    return order[:VALIDATION_CLAIMS]


def _measured(claim: Claim) -> bool:
    return held_out(claim.attribute, claim.value) or held_out("product_type", claim.type)


def _own_words(folder: Path) -> dict[str, list[Claim]]:
    read_ = (
        (catalogs.icecat, folder / "icecat" / "products.jsonl.gz"),
        (catalogs.myntra, folder / "myntra-styles" / "products.jsonl.gz"),
        (catalogs.oa_mine, folder / "oa-mine" / "train.jsonl"),
    )
    return {
        name: list(dict.fromkeys(reader(path)))
        for name, (reader, path) in zip(CATALOGS, read_, strict=True)
    }


_OURS = {
    "baseColour": "color",
    "season": "season",
    "gender": "audience",
    "usage": "style",
    "attr_t_product_colour": "color",
    "attr_t_material": "material",
}
"""Catalog fields that the stream reads, as it names them."""


def _unstated(parts: dict[str, list[Claim]], lexicon: Lexicon) -> Iterator[Claim]:
    """What catalogs say, under our labels, of products whose titles say nothing about it."""
    known = {k: frozenset(lexicon.general[k]) for k in ("color", "material", "audience")}
    for claim in (*parts["myntra-catalog"], *parts["icecat-catalog"]):
        label = _OURS.get(claim.attribute)
        if label is None or len(claim.value) < 3:
            continue
        said = known.get(label, frozenset()) | set(normal(claim.value).split())
        if said.isdisjoint(normal(claim.text).split()):
            yield Claim(claim.text, singular(claim.type), label, claim.value.lower())


def _fitting(lexicon: Lexicon) -> Iterator[Claim]:
    """What fits a department, claimed of each of its types now and then."""
    rng = random.Random(5)  # noqa: S311 - training data, not secrets
    for department in lexicon.departments:
        for label, values in department.fits.items():
            for value in values:
                for kind in rng.sample(department.types, min(6, len(department.types))):
                    yield Claim("", kind, label, value)


def _same_type(parts: dict[str, list[Labelled]]) -> Iterator[Claim]:
    """What two products of one type have in common, as a reason for buying both."""
    rng = random.Random(7)  # noqa: S311 - training data, not secrets
    for rows in parts.values():
        of_type: dict[str, list[str]] = {}
        for row in rows:
            if row.kind == "title" and row.type:
                of_type.setdefault(row.type, []).append(row.text.replace(" + ", " and "))
        for kind, titles in of_type.items():
            for _ in range(min(len(titles), SAME_TYPE_CLAIMS)):
                a, b = rng.choice(titles), rng.choice(titles)
                yield Claim("", f"{a} + {b}", rng.choice(TYPE_RELATIONS), kind)


def _taxonomy(folder: Path) -> Iterator[Claim]:
    """Two values of each attribute of each category, the same in every run."""
    rng = random.Random(6)  # noqa: S311 - training data, not secrets
    for _, some in groupby(catalogs.taxonomy(folder), lambda c: (c.type, c.attribute)):
        values = list(some)
        yield from rng.sample(values, min(2, len(values)))
