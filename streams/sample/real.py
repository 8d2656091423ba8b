"""A sample shop on real titles and real queries: files of the user, never part of this project.

Titles: JSON lines with `title` and a product type (`articleType` or `product_type`), every other
text field taken as a catalog value (Myntra's form). Queries: JSON lines with `tokens` (query-ner's
form) or `query`, or plain lines.
"""

import gzip
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import msgspec

from streams.errors import SourceError
from streams.sample.lexicon import Kind, Lexicon, load
from streams.sample.shop import Bond, Item, Shop, plant

FIELDS = {"baseColour": "color", "season": "season", "usage": "style", "gender": "gender"}
"""Catalog fields that may be planted on, and the ontology's attribute for each."""

LEAST_PRODUCTS = 60
"""A type with fewer titles cannot carry an association: too few products per value."""


def searches_of(path: Path) -> tuple[str, ...]:
    """The distinct queries of a file, in its order."""
    found: dict[str, None] = {}
    for line in _lines(path):
        if not line.startswith("{"):
            found[line] = None
            continue
        row = _decoded(path, line)
        tokens = row.get("tokens")
        query = " ".join(tokens) if isinstance(tokens, list) else row.get("query")
        if isinstance(query, str) and query.strip():
            found[query.strip()] = None
    if not found:
        raise SourceError(f"{path}: no queries in it; give JSON lines with `tokens` or `query`")
    return tuple(found)


def shop_of_titles(path: Path, rng: Random, *, products: int, searches: tuple[str, ...]) -> Shop:
    """A shop that sells what the file lists; intents and values are drawn anew for the seed."""
    rows = [row for row in (_decoded(path, line) for line in _lines(path)) if _type(row)]
    counts = Counter(_type(row) for row in rows)
    types = sorted(name for name, n in counts.items() if n >= LEAST_PRODUCTS)
    if not types:
        raise SourceError(f"{path}: no product type has {LEAST_PRODUCTS} titles or more")
    rows = [row for row in rows if _type(row) in types]
    rng.shuffle(rows)
    rows = rows[:products]
    words = load()
    pool = sorted({intent for kind in words.kinds for intent in kind.intents})
    kinds = tuple(_kind(name, rng.sample(pool, 6)) for name in types)
    values = {
        of: tuple(
            name
            for name, _ in Counter(_text(row, f) for row in rows if _text(row, f)).most_common(8)
        )
        for f, of in FIELDS.items()
    }
    fields = {of: name for name, of in FIELDS.items()}
    kinds = tuple(kind for kind in kinds if all(values[of] for of in kind.attributes))
    lexicon = Lexicon(words.brands, words.fluff, kinds, fields, values, {})
    planted, decoys = plant(lexicon, rng)
    favourites = {(bond.kind, bond.values, bond.value) for bond in decoys}
    items = tuple(_item(row, favourites, rng) for row in rows)
    present = {(item.kind, of, value) for item in items for of, value in item.values.items()}
    return Shop(
        lexicon,
        items,
        tuple(bond for bond in planted if _key(bond) in present),
        tuple(bond for bond in decoys if _key(bond) in present),
        searches,
    )


def _key(bond: Bond) -> tuple[str, str, str]:
    return bond.kind, bond.values, bond.value


def _kind(name: str, intents: list[tuple[str, str]]) -> Kind:
    noun = name.lower()
    return Kind(name, (noun,), (noun,), (name,), ("color", "style", "season"), tuple(intents))


def _item(row: dict[str, object], favourites: set[tuple[str, str, str]], rng: Random) -> Item:
    kind = _type(row)
    values = {of: _text(row, name) for name, of in FIELDS.items() if _text(row, name)}
    weight = rng.lognormvariate(0.0, 0.7)
    if any((kind, of, value) in favourites for of, value in values.items()):
        weight *= 3.0
    record = {"category": [kind]} | row
    return Item(str(row["id"]), kind, values, weight, record)


def _type(row: dict[str, object]) -> str:
    found = row.get("articleType") or row.get("product_type") or ""
    return found if isinstance(found, str) and row.get("title") and row.get("id") else ""


def _text(row: dict[str, object], name: str) -> str:
    value = row.get(name)
    return value.strip() if isinstance(value, str) else ""


def _decoded(path: Path, line: str) -> dict[str, object]:
    try:
        return msgspec.json.decode(line, type=dict[str, object])
    except msgspec.MsgspecError as error:
        raise SourceError(f"{path}: a line is not a JSON object ({error})") from error


def _lines(path: Path) -> Iterator[str]:
    try:
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
            for line in file:
                if line.strip():
                    yield line.strip()
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error}") from error
