"""Reader of QueryNER: real shopping queries, labelled by people with seventeen kinds.

Each line: {"tokens": [...], "labels": ["B-core_product_type", ...]}. Its kinds are coarser than
ours in places (`modifier`, `occasion`, `department`), so spans are mapped by their words; a
leading "for" is left out, as ours never hold the preposition.
"""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from models_onnx.tagging.examples import Labelled, Piece
from models_onnx.tagging.lexicon import read_toml
from models_onnx.tagging.splits import listed

PLAIN = {
    "core_product_type": "product_type",
    "creator": "brand",
    "product_name": "model",
    "product_number": "part_number",
    "UoM": "size",
    "color": "color",
    "material": "material",
    "price": "price",
    "content": "theme",
    "origin": "origin",
    "time": "era",
}
"""Kinds whose every span has one label of ours, but for the words in query_ner.toml."""

REST = {
    "quantity": "quantity",
    "shape": "shape",
    "condition": "style",
    "occasion": "occasion",
    "department": "audience",
    "modifier": "feature",
}
"""Label of a kind's other words."""

ACCESSORY = re.compile(
    r"\b(?:case|cover|charger|charging|cable|cord|band|protector|holder|mount|adapter|stand|"
    r"controller|game|skin|strap|battery|dock|keyboard|sleeve|bag|part|kit|headphone|screen|lens|"
    r"wallet|mat|filter|ink|toner|cartridge|grip|remote|accessorie)s?\b"
)
"""What is made for another thing: a model's name beside it says what it must fit."""

PACK = re.compile(r"\b(?:packs?|pk|sets?|pairs?|cases?|box(?:es)?|lots?|twin|bundle|piece set)\b")
"""Says how many packages, not how many things in one."""

_PREPOSITION = re.compile(r"^(?:for|on|or)\s+(?:the\s+|a\s+|my\s+)?", re.IGNORECASE)


def read(path: Path) -> Iterator[Labelled]:
    """The queries of one file, in order."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            yield _labelled(row["tokens"], row["labels"])


def label_of(kind: str, words: str, *, beside_accessory: bool = False) -> str:
    """Our label for a span of QueryNER's `kind`; `words` without a leading preposition."""
    if kind == "product_name" and beside_accessory:
        return "compatibility"
    if kind == "condition" and words.startswith(("without", "no ", "not ")):
        return "exclusion"
    if kind == "quantity" and PACK.search(words):
        return "pack"
    special = _mapped().get(kind, {}).get(words)
    return special or PLAIN.get(kind) or REST[kind]


@cache
def _mapped() -> dict[str, dict[str, str]]:
    return {
        kind: {word: label for label, words in table.items() for word in listed(words)}
        for kind, table in read_toml("query_ner.toml").items()
    }


def _labelled(tokens: list[str], tags: list[str]) -> Labelled:
    text = " ".join(tokens)
    starts = [0]
    for token in tokens:
        starts.append(starts[-1] + len(token) + 1)
    spans: list[tuple[str, int, int]] = []
    for i, tag in enumerate(tags):
        if tag.startswith("I-") and spans and spans[-1][2] == i and spans[-1][0] == tag[2:]:
            spans[-1] = (spans[-1][0], spans[-1][1], i + 1)
        elif tag != "O":
            spans.append((tag[2:], i, i + 1))
    accessory = any(
        kind == "core_product_type" and ACCESSORY.search(" ".join(tokens[a:b]))
        for kind, a, b in spans
    )
    pieces = []
    for kind, a, b in spans:
        start, end = starts[a], starts[b] - 1
        cut = _PREPOSITION.match(text[start:end])
        fits = kind == "product_name" and (accessory or cut is not None)
        if cut and cut.end() < end - start:
            start += cut.end()
        label = label_of(kind, text[start:end].lower(), beside_accessory=fits)
        pieces.append(Piece(start, end, label))
    return Labelled(text=text, kind="query", pieces=tuple(pieces), source="query-ner")
