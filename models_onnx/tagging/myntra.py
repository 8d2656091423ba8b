"""Reader of the Myntra catalog: fashion titles, with type, colour and usage beside them.

Each line: {"title", "gender", "articleType", "baseColour", "usage", ...}. There is no brand: it is
what stands before the word for the gender, where at least two titles begin so.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from models_onnx.tagging.examples import Labelled, Piece
from models_onnx.tagging.finding import add, by_pattern, match_rest, phrases, rows_of, whole_word
from models_onnx.tagging.lexicon import Lexicon, Matcher, singular
from models_onnx.tagging.splits import normal
from models_onnx.tagging.types import TypeTable

GENDER = re.compile(
    r"\b(men|women|boys|girls|unisex|kids|kid|boy|girl|man|woman|infants?|teens?|men's|women's|"
    r"ladies|mens|womens)\b",
    re.IGNORECASE,
)


def read(path: Path, lexicon: Lexicon) -> Iterator[Labelled]:
    """The titles of one file, in order, those without a known brand left out."""
    rows = list(rows_of(path))
    brands = _brands(rows)
    matcher = Matcher(phrases(lexicon, ("product_type", "color", "pattern", "style", "material")))
    for row in rows:
        text = row["title"]
        pieces: tuple[Piece, ...] = ()
        brand = _leading_brand(text, brands)
        if brand is None:
            continue
        pieces = add(pieces, [Piece(0, brand, "brand")])
        kind = row["articleType"].lower()
        for spelling in _spellings(kind):
            pieces = add(pieces, whole_word(text, spelling, "product_type"))
        pieces = add(pieces, by_pattern(GENDER, text, "audience"))
        pieces = add(pieces, whole_word(text, row["baseColour"], "color"))
        for usage, label in (("party", "occasion"), ("formal", "style"), ("casual", "style")):
            pieces = add(pieces, whole_word(text, usage, label))
        pieces = match_rest(text, pieces, matcher)
        yield Labelled(
            text=text,
            kind="title",
            type=singular(kind),
            pieces=pieces,
            source="myntra",
            doubt=0.35,
        )


def types(path: Path, table: TypeTable) -> Iterator[Labelled]:
    """Every distinct title with its article type's slug: the commonest, where rows disagree."""
    counts: dict[str, Counter[str]] = {}
    titles: dict[str, str] = {}
    for row in rows_of(path):
        key = normal(row["title"])
        titles.setdefault(key, row["title"])
        counts.setdefault(key, Counter())[row["articleType"]] += 1
    for key, title in titles.items():
        (name, _), *_ = counts[key].most_common(1)
        node = table.of_set("myntra-styles", name)
        yield Labelled(
            text=title, kind="title", pieces=(), source="myntra-types", doubt=1.0, node=node
        )


def _brands(rows: list[dict[str, Any]]) -> set[str]:
    counts: Counter[str] = Counter()
    for row in rows:
        gender = GENDER.search(row["title"])
        if gender and gender.start() > 1:
            counts[row["title"][: gender.start()].strip().lower()] += 1
    return {brand for brand, n in counts.items() if n >= 2 and len(brand.split()) <= 4}


def _leading_brand(text: str, brands: set[str]) -> int | None:
    """End of the longest known brand that the title begins with."""
    ends = [m.end() for m in re.finditer(r"\S+", text)][:4]
    known = [end for end in ends if text[:end].lower() in brands]
    return max(known, default=None)


def _spellings(kind: str) -> list[str]:
    one = kind.removesuffix("s")
    forms = [kind, one, kind + "s"]
    if kind == "tshirts":
        forms += ["t-shirt", "t-shirts", "t shirt", "tshirt", "polo t-shirt"]
    if " " in kind:
        forms.append(kind.rsplit(" ", 1)[-1].removesuffix("s"))
        forms.append(kind.rsplit(" ", 1)[-1])
    return sorted(forms, key=len, reverse=True)
