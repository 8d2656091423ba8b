"""Readers of catalogs: titles with attribute values beside them, labelled by finding the values.

Distant supervision as in AutoKnow: what a catalog says and the title repeats is a label. What it
does not say is unknown rather than "O", so rows carry a `doubt` (see `examples.Labelled`).
"""

import gzip
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from models_onnx.tagging.examples import Labelled, Piece
from models_onnx.tagging.lexicon import Lexicon, Matcher, singular

WORD = re.compile(r"[^\W_]+(?:['’.][^\W_]+)*|[^\w\s]")
"""Words for matching phrases; training labels are put on the tokeniser's words later."""

OA_MINE = {
    "Brand": "brand",
    "Specialty": "feature",
    "Flavor": "flavor",
    "Color": "color",
    "Pack size": "quantity",
    "Load size": "quantity",
    "Scent": "scent",
    "Gender": "audience",
    "Age": "audience",
    "Age range": "audience",
    "Animal": "audience",
    "Size": "size",
    "Volume": "size",
    "Dosage": "size",
    "Supply size": "size",
    "Supplement type": "product_type",
    "Shoe type": "product_type",
    "Tea variety": "product_type",
    "Cereal type": "product_type",
    "Model name": "model",
    "Material": "material",
    "Benefit": "function",
    "Health benefit": "function",
    "Skin type": "body_part",
    "Hair type": "body_part",
    "Machine type": "compatibility",
    "Sport": "activity",
    "Protection level": "feature",
    "Reusability": "feature",
    "Roast type": "feature",
    "Layer": "feature",
    "Firmness": "feature",
    "Closure type": "feature",
    "Closure": "feature",
    "Operation mode": "feature",
    "Caffeine content": "feature",
    "Power source": "feature",
    "Diet": "feature",
    "Certified grade": "feature",
    "Waterproof": "feature",
    "Administration type": "feature",
}
"""OA-Mine's attributes whose values have one label of ours; the others: see `oa_mine_label`."""

_COUNTED = re.compile(
    r"^[\d,]+$|\b(count|ct|tablets?|capsules?|pack|bags?|pods?|cups?|softgels?|pcs|pieces?|caps|"
    r"gummies|packets|boxes|servings?)\b"
)
_KINDS = re.compile(
    r"\b(conditioner|coffee|tea|sunscreen|toothbrush\w*|detergent|cereal|granola|oatmeal|oats|mask|"
    r"respirator|stain remover|lotion|vitamins?|softener|cleaner|booster)\b"
)
_CLOTH = re.compile(r"^(cloth|fabric|cotton)$")

MYNTRA_GENDER = re.compile(
    r"\b(men|women|boys|girls|unisex|kids|kid|boy|girl|man|woman|infants?|teens?|men's|women's|"
    r"ladies|mens|womens)\b",
    re.IGNORECASE,
)
_LENGTH = re.compile(
    r"(?<![\w.])\d+(?:[.,/]\d+)?\s?(?:mm|cm|m|ft|feet|in|inch|inches|\"|gb|tb|mb|ghz|mhz|w|watt|v|va|kva|"
    r"ohm|mp|ml|l|kg|g|mah|oz|u|k)(?!\w)(?:\s?x\s?\d+(?:[.,]\d+)?\s?(?:mm|cm|m)?)?",
    re.IGNORECASE,
)
_PIECES = re.compile(
    r"\b\d+\s?(?:pc\(s\)|pcs?|sheets|pages|pack|pieces|packs?)(?!\w)", re.IGNORECASE
)
_CODE = re.compile(r"^(?=.*\d)[A-Za-z0-9][\w/#.+-]{2,}$")


def oa_mine_label(attribute: str, value: str) -> str:
    """Our label for a value of OA-Mine's `attribute`."""
    lower = value.lower()
    if attribute == "Net content":
        return "quantity" if _COUNTED.search(lower) else "size"
    if attribute in ("Item form", "Sub brand", "Mask type", "Specific uses"):
        if _KINDS.search(lower):
            return "product_type"
        if attribute == "Mask type":
            return "material" if _CLOTH.match(lower) else "feature"
        return "function" if attribute == "Specific uses" else "other"
    return OA_MINE.get(attribute, "other")


def read_oa_mine(path: Path) -> Iterator[Labelled]:
    """Hand-marked Amazon titles of ten types; every value stands in its title."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            text = row["input"]
            values = [
                (oa_mine_label(attribute, value), value)
                for attribute, given in row["target_scores"].items()
                for value in given
                if value != "n/a"
            ]
            pieces = _find_values(text, values)
            pieces = _add(pieces, _whole_word(text, row["category"].lower(), "product_type"))
            yield Labelled(
                text=text,
                kind="title",
                type=row["category"].lower(),
                pieces=pieces,
                source="oa-mine",
                doubt=0.1,
            )


def read_icecat(path: Path, lexicon: Lexicon) -> Iterator[Labelled]:
    """Electronics titles; brand, colour, material, type, number, lengths and packs are found."""
    matcher = Matcher(_phrases(lexicon, ("product_type", "color", "feature")))
    for row in _gzip_rows(path):
        text = row["title"]
        values = [("brand", row.get("supplier", ""))]
        values += [("color", str(row.get(f"attr_t_{k}_colour", ""))) for k in ("product", "cable")]
        values += [("color", str(row.get("attr_t_printing_colours", "")))]
        values += [("material", str(row.get("attr_t_material", "")))]
        values += [("compatibility", str(row.get("attr_t_compatibility", "")))]
        values += [("product_type", str(row.get("attr_t_product_type", "")))]
        values = [(label, v) for label, v in values if len(v) > 2]
        pieces = _find_values(text, values)
        name = str(row.get("name", ""))
        if _CODE.match(name):
            pieces = _add(pieces, _whole_word(text, name, "model"))
        pieces = _add(pieces, _pattern(_PIECES, text, "quantity"))
        pieces = _add(pieces, _pattern(_LENGTH, text, "size"))
        pieces = _match_rest(text, pieces, matcher)
        if any(p.label == "brand" for p in pieces) and len(pieces) > 1:
            yield Labelled(
                text=text,
                kind="title",
                type=_type_of(text, pieces),
                pieces=pieces,
                source="icecat",
                doubt=0.6,
            )


def read_myntra(path: Path, lexicon: Lexicon) -> Iterator[Labelled]:
    """Fashion titles; the brand is what stands before the word for the gender."""
    rows = list(_gzip_rows(path))
    brands = _myntra_brands(rows)
    matcher = Matcher(_phrases(lexicon, ("product_type", "color", "pattern", "style", "material")))
    for row in rows:
        text = row["title"]
        pieces: tuple[Piece, ...] = ()
        brand = _leading_brand(text, brands)
        if brand is None:
            continue
        pieces = _add(pieces, [Piece(0, brand, "brand")])
        kind = row["articleType"].lower()
        for spelling in _spellings(kind):
            pieces = _add(pieces, _whole_word(text, spelling, "product_type"))
        pieces = _add(pieces, _pattern(MYNTRA_GENDER, text, "audience"))
        pieces = _add(pieces, _whole_word(text, row["baseColour"], "color"))
        for usage, label in (("party", "occasion"), ("formal", "style"), ("casual", "style")):
            pieces = _add(pieces, _whole_word(text, usage, label))
        pieces = _match_rest(text, pieces, matcher)
        yield Labelled(
            text=text,
            kind="title",
            type=singular(kind),
            pieces=pieces,
            source="myntra",
            doubt=0.35,
        )


def _gzip_rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def _find_values(text: str, values: Iterable[tuple[str, str]]) -> tuple[Piece, ...]:
    """The longest values first, each at its first free place."""
    pieces: tuple[Piece, ...] = ()
    for label, value in sorted(values, key=lambda v: -len(v[1])):
        pieces = _add(pieces, _whole_word(text, value, label)[:1])
    return pieces


def _whole_word(text: str, value: str, label: str) -> list[Piece]:
    if not value.strip():
        return []
    found = re.finditer(rf"(?<!\w){re.escape(value.strip())}(?!\w)", text, re.IGNORECASE)
    return [Piece(m.start(), m.end(), label) for m in found]


def _pattern(pattern: re.Pattern[str], text: str, label: str) -> list[Piece]:
    return [Piece(m.start(), m.end(), label) for m in pattern.finditer(text)]


def _add(pieces: tuple[Piece, ...], more: Iterable[Piece]) -> tuple[Piece, ...]:
    """`pieces` and those of `more` that overlap none of them, in text order."""
    kept = list(pieces)
    for piece in more:
        if all(piece.end <= p.start or piece.start >= p.end for p in kept):
            kept.append(piece)
    return tuple(sorted(kept))


def _match_rest(text: str, pieces: tuple[Piece, ...], matcher: Matcher) -> tuple[Piece, ...]:
    words = [m.span() for m in WORD.finditer(text)]
    taken = {
        i
        for i, (start, end) in enumerate(words)
        if any(p.start < end and p.end > start for p in pieces)
    }
    return _add(pieces, matcher.find(words, text, taken))


def _phrases(lexicon: Lexicon, labels: tuple[str, ...]) -> list[tuple[str, str]]:
    found = [(k, v) for k in labels for v in lexicon.general.get(k, ())]
    for department in lexicon.departments:
        found += [("product_type", t) for t in department.types]
        found += [("product_type", t + "s") for t in department.types if not t.endswith("s")]
    return found


def _type_of(text: str, pieces: tuple[Piece, ...]) -> str:
    types = [text[p.start : p.end].lower() for p in pieces if p.label == "product_type"]
    return types[-1] if types else ""


def _myntra_brands(rows: list[dict[str, Any]]) -> set[str]:
    counts: Counter[str] = Counter()
    for row in rows:
        gender = MYNTRA_GENDER.search(row["title"])
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
