"""Whether the numbers and units of two values agree: a value with other numbers is another value.

Units are folded ("0.5 l" is "500 ml", "1 lb" is "16 oz"), number words count ("a dozen").
Imperial and metric measures are compared within half a percent, all others exactly.
"""

import re
from collections.abc import Iterable
from fractions import Fraction
from itertools import zip_longest
from typing import Literal

import msgspec

from models_onnx.synonyms.wording import stems_of

Agreement = Literal["none", "agree", "one-sided", "differ"]

UNITS: dict[str, tuple[str, str]] = {
    "mm": ("length", "0.001"),
    "millimeter": ("length", "0.001"),
    "millimetre": ("length", "0.001"),
    "cm": ("length", "0.01"),
    "centimeter": ("length", "0.01"),
    "centimetre": ("length", "0.01"),
    "m": ("length", "1"),
    "meter": ("length", "1"),
    "metre": ("length", "1"),
    "km": ("length", "1000"),
    "kilometer": ("length", "1000"),
    "kilometre": ("length", "1000"),
    "in": ("length", "0.0254"),
    "inch": ("length", "0.0254"),
    "inches": ("length", "0.0254"),
    '"': ("length", "0.0254"),
    "''": ("length", "0.0254"),
    "ft": ("length", "0.3048"),
    "foot": ("length", "0.3048"),
    "feet": ("length", "0.3048"),
    "'": ("length", "0.3048"),
    "yd": ("length", "0.9144"),
    "yard": ("length", "0.9144"),
    "mile": ("length", "1609.344"),
    "mg": ("mass", "0.001"),
    "milligram": ("mass", "0.001"),
    "g": ("mass", "1"),
    "gm": ("mass", "1"),
    "gr": ("mass", "1"),
    "gram": ("mass", "1"),
    "kg": ("mass", "1000"),
    "kilo": ("mass", "1000"),
    "kilogram": ("mass", "1000"),
    "oz": ("mass", "28.349523125"),
    "ounce": ("mass", "28.349523125"),
    "lb": ("mass", "453.59237"),
    "pound": ("mass", "453.59237"),
    "ml": ("volume", "1"),
    "milliliter": ("volume", "1"),
    "millilitre": ("volume", "1"),
    "cl": ("volume", "10"),
    "dl": ("volume", "100"),
    "l": ("volume", "1000"),
    "ltr": ("volume", "1000"),
    "liter": ("volume", "1000"),
    "litre": ("volume", "1000"),
    "floz": ("volume", "29.5735295625"),
    "pint": ("volume", "473.176473"),
    "quart": ("volume", "946.352946"),
    "gal": ("volume", "3785.411784"),
    "gallon": ("volume", "3785.411784"),
    "mb": ("data", "1"),
    "gb": ("data", "1000"),
    "gig": ("data", "1000"),
    "tb": ("data", "1000000"),
    "mw": ("power", "0.001"),
    "w": ("power", "1"),
    "watt": ("power", "1"),
    "kw": ("power", "1000"),
    "v": ("voltage", "1"),
    "volt": ("voltage", "1"),
    "kv": ("voltage", "1000"),
    "mah": ("charge", "1"),
    "ah": ("charge", "1000"),
    "hz": ("frequency", "1"),
    "khz": ("frequency", "1000"),
    "mhz": ("frequency", "1000000"),
    "ghz": ("frequency", "1000000000"),
    "sec": ("time", "1"),
    "second": ("time", "1"),
    "min": ("time", "60"),
    "minute": ("time", "60"),
    "hr": ("time", "3600"),
    "hour": ("time", "3600"),
    "day": ("time", "86400"),
    "week": ("time", "604800"),
    "month": ("months", "1"),
    "mo": ("months", "1"),
    "year": ("months", "12"),
    "yr": ("months", "12"),
    "%": ("share", "0.01"),
    "percent": ("share", "0.01"),
    "k": ("count", "1000"),
    "ply": ("layers", "1"),
    "mp": ("pixels", "1"),
    "megapixel": ("pixels", "1"),
}
"""Unit -> (dimension, factor). Factors: BIPM SI brochure; imperial: NIST Handbook 44."""

_WORDS = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
fifteen sixteen seventeen eighteen nineteen twenty"""
_NAMED = {word: Fraction(number) for number, word in enumerate(_WORDS.split())} | {
    "thirty": Fraction(30),
    "forty": Fraction(40),
    "fifty": Fraction(50),
    "hundred": Fraction(100),
    "pair": Fraction(2),
    "dozen": Fraction(12),
}
_NAMED["half dozen"] = _NAMED["half a dozen"] = Fraction(6)
_VAGUE = frozenset({Fraction(1)})
"""As a word, "one" is mostly a pronoun, and "a pair" may be named or not."""

_IMPRECISE = Fraction(1, 200)
_TOKEN = re.compile(
    r"(?P<mixed>\d+\s+[1-9]\d?/(?:2|3|4|8|16|32|64)(?!\d))"
    r"|(?<![\d/.])(?P<part>[1-9]\d?/(?:2|3|4|8|16|32|64)(?![\d/]))"
    r"|(?P<number>\d[\d,]*(?:\.\d+)?|\.\d+)"
    r"|(?P<word>\b(?:half (?:a )?dozen|" + "|".join(sorted(_NAMED, reverse=True)) + r")s?\b)"
)
_UNIT = re.compile(r"[\s-]?(?P<unit>fl\.? ?oz|fluid ounces?|[a-z]+|%|''|\"|')")


class Amount(msgspec.Struct, frozen=True):
    """A number, its unit's dimension ("" without a known unit), and its size in the base unit."""

    number: Fraction
    dimension: str
    size: Fraction
    spelt: bool

    def equals(self, other: "Amount") -> bool:
        """Same number, a missing unit being any unit; or the same size in another unit."""
        if self.number == other.number:
            bare = not self.dimension or not other.dimension
            if bare or (self.dimension, self.size) == (other.dimension, other.size):
                return True
        if self.dimension != other.dimension or not self.dimension:
            return False
        exact = self.size == other.size
        close = abs(self.size - other.size) <= _IMPRECISE * max(self.size, other.size)
        return exact or (close and self.size / self.number != other.size / other.number)


def amounts_of(text: str) -> tuple[Amount, ...]:
    """The amounts that a `plain` text names, in order."""
    found = []
    for match in _TOKEN.finditer(text):
        number = _value(match)
        if number is None:
            continue
        dimension, factor = UNITS.get(_unit(text, match.end())[0], ("", "1"))
        size = number * Fraction(factor)
        found.append(Amount(number, dimension, size, match["word"] is not None))
    return tuple(found)


def restated(a: str, b: str) -> bool:
    """Whether two `plain` texts say the same but for the spelling of their amounts.

    The amounts are equal one by one, none lacks the unit that its partner has, and all other words
    are the same: "0.5 l bottle", "500 ml bottles".
    """
    pairs = list(zip_longest(amounts_of(a), amounts_of(b)))
    if not pairs or not all(
        x and y and x.equals(y) and x.dimension == y.dimension for x, y in pairs
    ):
        return False
    return stems_of(without_amounts(a)) == stems_of(without_amounts(b))


def without_amounts(text: str) -> str:
    """What a `plain` text says besides its amounts: "0.5 l bottle" -> " bottle"."""
    left, end = [], 0
    for match in _TOKEN.finditer(text):
        if _value(match) is not None and match.start() >= end:
            left.append(text[end : match.start()])
            name, length = _unit(text, match.end())
            end = length if UNITS.get(name) else match.end()
    return " ".join((*left, text[end:]))


def agreement(a: tuple[Amount, ...], b: tuple[Amount, ...]) -> Agreement:
    """How the amounts of two values fit together.

    "none": neither has digits; "one-sided": digits stand on one side only; "differ": both name
    amounts and something is left over. Number words may be left over ("two-tone"), unless both
    sides have left something over.
    """
    left_a, left_b = list(a), list(b)
    for amount in a:
        partner = next((other for other in left_b if amount.equals(other)), None)
        if partner is not None:
            left_b.remove(partner)
            left_a.remove(amount)
    left_a, left_b = ([x for x in left if not _vague(x)] for left in (left_a, left_b))
    matched = len(left_a) < len(a)
    if left_a and left_b:
        return "differ"
    if any(not amount.spelt for amount in (*left_a, *left_b)):
        return "differ" if a and b else "one-sided"
    digits = matched and any(not amount.spelt for amount in (*a, *b))
    return "agree" if digits else "none"


def _unit(text: str, start: int) -> tuple[str, int]:
    """The unit that stands at `start`, as in UNITS where it is one, and where it ends."""
    match = _UNIT.match(text, start)
    if match is None:
        return "", start
    name = re.sub(r"\W", "", match["unit"]) or match["unit"]
    name = "floz" if name in ("floz", "fluidounce", "fluidounces") else name
    return name if name in UNITS else name.removesuffix("s"), match.end()


def _vague(amount: Amount) -> bool:
    return amount.spelt and amount.number in _VAGUE


def _value(match: re.Match[str]) -> Fraction | None:
    if match["word"]:
        word = match["word"]
        return _NAMED.get(word) or _NAMED.get(word.removesuffix("s"))
    if match["mixed"]:
        whole, part = match["mixed"].split()
        return _ratio((whole, part))
    if match["part"]:
        return _ratio((match["part"],))
    written = match["number"].rstrip(",")
    # A comma before exactly three digits separates thousands, any other stands for a point.
    written = re.sub(r",(?=\d{3}(?!\d))", "", written).replace(",", ".")
    return Fraction(written) if written.count(".") < 2 else None


def _ratio(parts: Iterable[str]) -> Fraction:
    return sum((Fraction(part) for part in parts), Fraction(0))
