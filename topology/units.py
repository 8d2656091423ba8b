"""Measures in one spelling: "0.5 L", "500ml" and "500 millilitres" are "500 ml".

Metric units become the smallest one of the table, imperial ones stay imperial ("1 ft" is "12 in"):
every conversion is exact, so nothing is rounded together that was not equal.
"""

import re
from decimal import Decimal
from fractions import Fraction
from typing import Final

_TABLE: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    # base unit: (factor, spellings)
    "mm": (
        ("1", "mm millimeter millimetre"),
        ("10", "cm cms centimeter centimetre"),
        ("1000", "m mtr meter metre"),
    ),
    "in": (
        ("1", "in inch inches \" ''"),
        ("12", "ft foot feet '"),
        ("36", "yd yard"),
    ),
    "g": (
        ("0.001", "mg milligram"),
        ("1", "g gr gm gram gramme"),
        ("1000", "kg kgs kilo kilogram"),
    ),
    "oz": (("1", "oz ounce"), ("16", "lb pound")),
    "ml": (
        ("1", "ml milliliter millilitre"),
        ("10", "cl centiliter centilitre"),
        ("100", "dl deciliter decilitre"),
        ("1000", "l ltr lt liter litre"),
    ),
    "fl oz": (
        ("1", "floz"),
        ("8", "cup"),
        ("16", "pt pint"),
        ("32", "qt quart"),
        ("128", "gal gallon"),
    ),
    "w": (("1", "w watt"), ("1000", "kw kilowatt")),
    "v": (("1", "v volt"), ("1000", "kv kilovolt")),
    "mah": (("1", "mah"), ("1000", "ah")),
    "gb": (("0.001", "mb megabyte"), ("1", "gb gigabyte"), ("1000", "tb terabyte")),
    "mhz": (("1", "mhz"), ("1000", "ghz")),
    "month": (("1", "month mo"), ("12", "year yr")),
}
_UNITS: Final[dict[str, tuple[str, Fraction]]] = {
    spelling: (base, Fraction(factor))
    for base, rows in _TABLE.items()
    for factor, spellings in rows
    for spelling in spellings.split()
}
_OF_VOLUME: Final = {"oz": "floz", "ounce": "floz"}
"""In a volume, ounces are fluid ounces."""

_NUMBER: Final = r"\d+(?:[.,]\d+)*(?:\s\d+/\d+)?|\d+/\d+|[.,]\d+"
_MEASURE = re.compile(
    rf"(?P<number>{_NUMBER})\s*(?P<unit>fl\.?\s?oz|fluid ounces?|[a-z]+|''|[\"'])?\.?"
)
_TIMES = re.compile(r"(?<=[\da-z\"'.])\s*(?:x|×|\*|\bby\b)\s*(?=[\d.])")
_COUNTS: Final = (
    re.compile(
        r"(?P<count>\d+)\s*x?\s*(?:packs?|pk|pcs?|pieces?|counts?|ct|units?|sets?|items?)\.?"
    ),
    re.compile(
        r"(?:packs?|sets?|box|bundle|lot|pk|case|bag)\s*(?:of)?\s*(?P<count>\d+)(?:\s*pcs?)?"
    ),
    re.compile(r"(?:x\s*)?(?P<count>\d+)(?:\s*x)?"),
)
_COUNT_WORDS: Final = {"single": 1, "one": 1, "pair": 2, "two": 2, "trio": 3, "dozen": 12}


_LONGEST: Final = 40
"""Characters of a number or a count; Python refuses to read one of 4,301 digits, and no product has
one."""


def number_of(text: str) -> Fraction | None:
    """The number written so: "1,000", "2.5", "2,5", "1 1/2", "3/4"; None for anything else.

    A comma before exactly three digits separates thousands, any other stands for a point.
    A longer text than 40 characters is no number.
    """
    text = " ".join(text.split())
    if len(text) > _LONGEST or not re.fullmatch(_NUMBER, text):
        return None
    whole, _, part = text.rpartition(" ")
    if "/" in part:
        top, bottom = part.split("/")
        if not int(bottom):
            return None
        return Fraction(int(top), int(bottom)) + (number_of(whole) or 0 if whole else 0)
    if re.fullmatch(r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?", text):
        text = text.replace(",", "")
    if text.count(".") + text.count(",") > 1:
        return None
    return Fraction(Decimal(text.replace(",", ".")))


def written(number: Fraction) -> str:
    """The number in decimals without trailing zeros, at most six after the point."""
    text = f"{float(number):.6f}" if number.denominator != 1 else str(number.numerator)
    return text.rstrip("0").rstrip(".") if "." in text else text


def measure_of(text: str, base: str = "") -> str | None:
    """The one spelling of a measure in normalised text, None if the text is no measure.

    Args:
        text: normalised: "0.5 l", '15.6"', "30 x 40 cm", "8.5 fl oz".
        base: the base unit of the attribute it is a value of; only a measure of that kind is
            taken, and ounces are fluid ounces where it is "ml". "" takes every kind.
    """
    parts = [_MEASURE.fullmatch(part.strip()) for part in _TIMES.split(text)]
    if len(parts) > 3 or any(part is None for part in parts):
        return None
    found = [part for part in parts if part is not None]
    unit = found[-1]["unit"]
    written_parts = []
    base_unit = ""
    for part in found:
        number = number_of(part["number"])
        known = _unit(part["unit"] or unit or "", base)
        if number is None or known is None or base_unit not in ("", known[0]):
            return None
        base_unit = known[0]
        written_parts.append(written(number * known[1]))
    return f"{' x '.join(written_parts)} {base_unit}"


def _unit(spelling: str, base: str) -> tuple[str, Fraction] | None:
    spelling = re.sub(r"^(?:fl\.?\s?oz|fluid ounces?)$", "floz", spelling)
    if base == "ml":
        spelling = _OF_VOLUME.get(spelling.removesuffix("s"), spelling)
    known = _UNITS.get(spelling) or _UNITS.get(spelling.removesuffix("s"))
    if known is None or (base and known[0] not in (base, _IMPERIAL.get(base))):
        return None
    return known


def is_no_size(text: str) -> bool:
    """Whether a normalised text measures something, but no size: "60 hz", "300 mbps"; or "10 x".

    Taggers call most numbers with a unit a size (544 such facts of four real sets, read one by
    one: `models_onnx/QUALITY.md`).
    """
    found = _MEASURE.fullmatch(text)
    return found is not None and (found["unit"] or "").removesuffix("s") in _NO_SIZES


_NO_SIZES: Final = frozenset(
    re.split(
        r"\s+",
        "x hz khz mhz ghz w kw kwh watt v kv va kva volt mah ah amp mbp gbp kbp mbit gbit dpi ppm "
        "rpm fp lumen lm db h hr hour min minute sec second month yr year kmh mph ms",
    )
)
"""Units, without a plural's s, of frequency, power, charge, rate, light, sound, time and speed."""

_IMPERIAL: Final = {"mm": "in", "g": "oz", "ml": "fl oz"}


def count_of(text: str) -> int | None:
    """How many a normalised text says: "pack of 6", "6 pcs", "6 pc(s)", "x6", "6"; None if none."""
    text = text.replace("(s)", "s")
    if len(text) > _LONGEST:
        return None
    if text in _COUNT_WORDS:
        return _COUNT_WORDS[text]
    for pattern in _COUNTS:
        if found := pattern.fullmatch(text):
            return int(found["count"])
    return None
