"""What the tagger is trained and measured on, from a data folder. The same folder, the same rows.

The folder holds `query-ner/{train,dev}.jsonl`, `oa-mine/train.jsonl`, `icecat/products.jsonl.gz`,
`myntra-styles/products.jsonl.gz` and, optional, `shopify-taxonomy/data/categories/*.yml`.
"""

import random
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec

from models_onnx.bundle import TrainingData
from models_onnx.tagging import icecat, lexicon, myntra, oa_mine, query_ner
from models_onnx.tagging.examples import Labelled, distinct
from models_onnx.tagging.finding import rows_of
from models_onnx.tagging.grammar import Writer
from models_onnx.tagging.lexicon import Lexicon
from models_onnx.tagging.rebrand import rebranded
from models_onnx.tagging.splits import (
    VALIDATION_SHARE,
    for_validation,
    held_out,
    listed,
    normal,
    share,
)
from models_onnx.tagging.types import NO_TYPES, TypeTable

TRAINING_DATA = (
    TrainingData(
        "query-ner", "MIT (labels), Apache-2.0 (queries, Amazon ESCI)", "queries, hand-labelled"
    ),
    TrainingData("oa-mine", "Apache-2.0", "titles of ten product types, hand-labelled"),
    TrainingData("icecat", "Icecat Open Content License", "titles, distant supervision"),
    TrainingData(
        "myntra-styles", "MIT by its page; none in the copy", "titles, distant supervision, types"
    ),
    TrainingData("pricerunner", "CC BY 4.0 by its page; none in the copy", "offers, types"),
    TrainingData("shopify-taxonomy", "MIT", "names of product types for the generator"),
    TrainingData("ditto-em", "Apache-2.0 (repository)", "titles without labels"),
    TrainingData("intentionqa", "MIT", "titles without labels"),
    TrainingData("impakt", "CC BY 4.0", "phrases without labels"),
    TrainingData("ubi-esci", "Apache-2.0", "queries without labels"),
    TrainingData(
        "cartograph grammar and ontology", "Apache-2.0 (this repository)", "generated texts, types"
    ),
)

AN_EPOCH = {
    "query-ner": 1.0,
    "oa-mine": 3.0,
    "icecat": 2000,
    "myntra": 1000,
    "myntra-types": 6000,
    "pricerunner": 400,
    "names": 1000,
}
"""Source -> how often an epoch shows it (up to 10), or how many rows of it."""

GRAMMAR_AN_EPOCH = 3_000
VALIDATION_ROWS = 800
OFFERS = 6_000

_FOR_SOMEBODY = frozenset(
    listed("maternity, pregnancy, men's, women's, men, women, kids, children, girls, boys")
)
"""Words that are an audience of their own in a query: "maternity jeans"."""

_NAME = re.compile(r"^  name: (.+)$", re.MULTILINE)


class Corpus(msgspec.Struct, frozen=True):
    """Training rows by source, validation rows by set, and what the generator needs.

    `table` has the product types to learn; `types` are phrases for the generator.
    """

    train: dict[str, list[Labelled]]
    validation: dict[str, list[Labelled]]
    lexicon: Lexicon
    brands: list[str]
    types: list[str]
    table: TypeTable


def read(folder: Path, table: TypeTable = NO_TYPES) -> Corpus:
    """The corpus in `folder`, its texts typed by `table`.

    Raises:
        OSError: a set is missing.
    """
    words = lexicon.load()
    queries = list(query_ner.read(folder / "query-ner" / "train.jsonl"))
    asked = list(query_ner.read(folder / "query-ner" / "dev.jsonl"))
    measured = {normal(row.text) for row in asked}
    train = {"query-ner": [row for row in distinct(queries) if normal(row.text) not in measured]}
    validation = {"query-ner": asked}
    fashion = folder / "myntra-styles" / "products.jsonl.gz"
    for source, found in (
        ("oa-mine", oa_mine.read(folder / "oa-mine" / "train.jsonl")),
        ("icecat", icecat.read(folder / "icecat" / "products.jsonl.gz", words)),
        ("myntra", myntra.read(fashion, words)),
    ):
        train[source], validation[source] = _split(distinct(list(found)))
    for parts in (train, validation):
        for source, rows in parts.items():
            parts[source] = [_typed(row, table) for row in rows]
    typed = [r for r in myntra.types(fashion, table) if r.node]
    train["myntra-types"] = [row for row in typed if not for_validation(row.text)]
    validation["myntra-types"] = [row for row in typed if for_validation(row.text)]
    train["pricerunner"] = list(_offers(folder / "pricerunner" / "offers.jsonl.gz", table))
    train["names"] = list(table.rows())
    brands = sorted(
        {v for rows in train.values() for row in rows for k, v in row.values() if k == "brand"}
    )
    types = _types(folder / "shopify-taxonomy" / "data" / "categories")
    corpus = Corpus(train, validation, words, brands, types, table)
    for unseen in (False, True):
        rng = random.Random(1000 + unseen)  # noqa: S311 - validation data, not secrets
        writer = Writer(words, rng, brands=brands, more_types=types, unseen=unseen)
        name = "grammar-unseen" if unseen else "grammar-seen"
        validation[name] = list(writer.write(VALIDATION_ROWS))
    return corpus


def epoch(corpus: Corpus, number: int) -> list[Labelled]:
    """The training rows of one epoch, shuffled; the generator's are new in each."""
    rng = random.Random(number)  # noqa: S311 - training data, not secrets
    rows: list[Labelled] = []
    for source, amount in AN_EPOCH.items():
        have = corpus.train.get(source, [])
        if amount <= 10:
            rows += have * int(amount)
        elif source == "myntra-types":
            rows += _evenly(have, int(amount), rng)
        else:
            rows += rng.sample(have, min(len(have), int(amount)))
    rows = [rebranded(row, corpus.brands, rng) for row in rows]
    writer = Writer(corpus.lexicon, rng, brands=corpus.brands, more_types=corpus.types)
    rows += (
        msgspec.structs.replace(row, node=corpus.table.of_labels(row))
        for row in writer.write(GRAMMAR_AN_EPOCH)
    )
    rng.shuffle(rows)
    return rows


def _split(rows: list[Labelled]) -> tuple[list[Labelled], list[Labelled]]:
    """Training and validation: by title, and every title of a held-out brand to validation."""
    train: list[Labelled] = []
    validation: list[Labelled] = []
    for row in rows:
        brands = [v for k, v in row.values() if k == "brand"]
        measure = for_validation(row.text) or any(
            held_out("brand", brand, part=VALIDATION_SHARE) for brand in brands
        )
        (validation if measure else train).append(row)
    validation.sort(key=lambda row: share(row.text))
    return train, validation[:VALIDATION_ROWS]


def _typed(row: Labelled, table: TypeTable) -> Labelled:
    """The row with its node, and told as its type what the ontology calls that."""
    node = _node(row, table)
    name = row.type
    if row.kind == "title":
        known = node or (table.type_of(row.type) if row.type else None)
        name = table.names[known][0] if known else row.type
    return msgspec.structs.replace(row, node=node, type=name)


def _node(row: Labelled, table: TypeTable) -> str | None:
    if row.source == "oa-mine":
        return table.of_set("oa-mine", row.type)
    if row.source == "myntra":
        return None  # learnt from "myntra-types", which has every title once
    return table.of_labels(row)


def _offers(path: Path, table: TypeTable) -> Iterator[Labelled]:
    """Offers of ten product types, of which most titles name none: `OFFERS` of them."""
    if not path.exists():
        return
    rows = [row for row in rows_of(path) if not for_validation(row["product_title"])]
    for row in random.Random(0).sample(rows, min(OFFERS, len(rows))):  # noqa: S311
        node = table.of_set("pricerunner", row["category_label"])
        yield Labelled(
            text=row["product_title"],
            kind="title",
            pieces=(),
            source="pricerunner",
            doubt=1.0,
            node=node,
        )


def _evenly(rows: list[Labelled], count: int, rng: random.Random) -> list[Labelled]:
    """`count` rows, rare types more often than their share: by the root of how many there are."""
    often = Counter(row.node for row in rows)
    if not rows:
        return []
    return rng.choices(rows, weights=[often[row.node] ** -0.5 for row in rows], k=count)


def _types(folder: Path) -> list[str]:
    return sorted({name for path in sorted(folder.glob("*.yml")) for name in _names(path)})


def _names(path: Path) -> Iterator[str]:
    """Category names fit for a query: one to three plain words, in small letters."""
    for name in _NAME.findall(path.read_text(encoding="utf-8")):
        name = name.strip("'\"").lower()
        if not len(name) > 2 or len(name.split()) > 3 or not re.fullmatch(r"[a-z][a-z' -]+", name):
            continue
        if _FOR_SOMEBODY.isdisjoint(name.split()):
            yield name
