"""How text is made comparable: one spelling, one slug, one number of a noun."""

import re
import unicodedata
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_to_bytes

from topology.errors import BadNodeError

MAX_NAME_CHARS: Final = 200
"""Longest product id and longest normalised text of a slug, in characters."""

_PLAIN_SLUG = re.compile(r"[a-z0-9.]+(?:-[a-z0-9.]+)*")

_SAME_CHARS: Final = {
    **dict.fromkeys(map(ord, "‐‑‒–—―−⁃﹘﹣－"), "-"),
    **dict.fromkeys(map(ord, "‘’‚‛ʼ`´"), "'"),
    **dict.fromkeys(map(ord, "“”„‟«»"), '"'),
    ord("_"): " ",
    ord("⁄"): "/",
}
_MARKS: Final[dict[int, str | None]] = {
    **dict.fromkeys(map(ord, "®™©℠")),
    **{ord(char): " " + unicodedata.normalize("NFKC", char) for char in "¼½¾⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"},
}
"""Trade marks say nothing, but NFKC would turn ™ into the letters tm; and 3½ into 31/2."""
_RANGE = re.compile(r"(?<=[0-9])\s*-\s*(?=[0-9])")
_DASH = re.compile(r"(?<=[0-9])-(?=[0-9])|(?:(?<=\s)|^)-(?=[0-9])|(?P<drop>-)")


def normalise(text: str) -> str:
    """One spelling for text that people write in several ways.

    Unicode NFKC and case folding; every dash, quote and white space is one character; no
    control, format or surrogate character, no trade mark sign. Words joined by a dash or an
    underscore come apart ("slip-resistant" is "slip resistant"), but a dash in a range or before
    a number stays ("4 – 6 years" is "4-6 years"). Idempotent. May return "".

    Source: Unicode Standard Annex 15 and chapter 3.13 (toNFKC_Casefold), repeated until stable.
    """
    before = None
    while text != before:
        before = text
        text = _fold_once(text)
    return text


def _fold_once(text: str) -> str:
    if text.isascii():
        text = text.lower().replace("_", " ").replace("`", "'")
        if not text.isprintable():
            text = "".join(char if char.isprintable() else " " for char in text)
    else:
        text = unicodedata.normalize("NFKC", text.translate(_MARKS)).casefold()
        text = text.translate(_SAME_CHARS)
        text = "".join(map(_kept, text))
    if "-" in text:
        text = _RANGE.sub("-", text)
        text = _DASH.sub(lambda dash: " " if dash["drop"] else "-", text)
    return " ".join(text.split())


def _kept(char: str) -> str:
    """The character, a space for a control character, nothing for an invisible one."""
    category = unicodedata.category(char)
    if category == "Cc":
        return " "
    return "" if category in ("Cf", "Cs") else char


@lru_cache(maxsize=1 << 16)
def slug(text: str) -> str:
    """The slug of a text: its normalised form, written so that `text_of` can read it back.

    Two texts have the same slug if and only if `normalise` makes them equal.

    Raises:
        BadNodeError: nothing is left of the text, or more than MAX_NAME_CHARS characters are.
    """
    text = normalise(text)
    if not text:
        raise BadNodeError("an empty text has no slug: give at least one visible character")
    if len(text) > MAX_NAME_CHARS:
        raise BadNodeError(
            f"{text[:40]!r}... has {len(text)} characters, a name at most {MAX_NAME_CHARS}: cut it"
        )
    return "".join(map(_written, text))


def _written(char: str) -> str:
    if char == " ":
        return "-"
    if char == "-":
        return "_"
    if char in ".+'&" or char.isalnum() or unicodedata.category(char)[0] == "M":
        return char
    return "".join(f"%{byte:02X}" for byte in char.encode())


def text_of(a_slug: str) -> str:
    """The normalised text that a slug stands for.

    Raises:
        BadNodeError: this is not how `slug` writes any text.
    """
    try:
        text = unquote_to_bytes(a_slug.replace("-", " ").replace("_", "-")).decode()
        if slug(text) == a_slug:
            return text
    except (UnicodeError, BadNodeError):
        pass
    raise BadNodeError(f"{a_slug!r} is not a slug: write it with topology.facts.slug(text)")


def check_slug(a_slug: str) -> str:
    """The slug itself, if it is one.

    Raises:
        BadNodeError: this is not how `slug` writes any text.
    """
    if len(a_slug) > MAX_NAME_CHARS or not _PLAIN_SLUG.fullmatch(a_slug):
        text_of(a_slug)
    return a_slug


_UNCHANGED: Final = """
always analysis arthritis arts asparagus atlas backless basis bias binoculars blues boxers braces
briefs business bus cactus canvas chassis christmas citrus clothes compass crafts cosmetics darts
diabetes dress dungarees earbuds earphones electronics fitness flats gas glasses goggles goods has
headphones heels hers his hummus iris its jeans jeggings knickers leggings lens lotus minus news
overalls pajamas panties pants pliers plus pyjamas scales scissors series shorts species sports
stockings sunglasses suspenders tennis this tights tongs trousers tweezers unless us was yes
"""
_ONLY_PLURAL: Final = frozenset(_UNCHANGED.split())
"""Words that end in s and stay as they are: they are no plural, or mean another thing without."""

_ODD_PLURALS: Final = {
    "women": "woman",
    "womens": "woman",
    "mens": "man",
    "childrens": "child",
    "men": "man",
    "children": "child",
    "people": "person",
    "feet": "foot",
    "teeth": "tooth",
    "mice": "mouse",
    "geese": "goose",
    "knives": "knife",
    "wives": "wife",
    "housewives": "housewife",
    "midwives": "midwife",
    "lives": "life",
    "loaves": "loaf",
    "leaves": "leaf",
    "shelves": "shelf",
    "bookshelves": "bookshelf",
    "scarves": "scarf",
    "halves": "half",
    "calves": "calf",
    "wolves": "wolf",
    "elves": "elf",
    "thieves": "thief",
    "hooves": "hoof",
    "movies": "movie",
    "cookies": "cookie",
    "hoodies": "hoodie",
    "beanies": "beanie",
    "booties": "bootie",
    "selfies": "selfie",
    "brownies": "brownie",
    "smoothies": "smoothie",
    "onesies": "onesie",
    "ties": "tie",
    "pies": "pie",
    "axes": "axe",
    "buses": "bus",
    "gases": "gas",
    "lenses": "lens",
    "canvases": "canvas",
    "headaches": "headache",
    "undies": "undies",
    "quiches": "quiche",
    "heroes": "hero",
    "potatoes": "potato",
    "tomatoes": "tomato",
}


@lru_cache(maxsize=1 << 16)
def singular(word: str) -> str:
    """The noun in the singular, where the rules of English spelling leave no doubt.

    Conservative: what it does not know it leaves alone. Deterministic, no dictionary but the
    few irregular words above. The word is normalised already; numbers and short words stay.
    """
    if word in _ODD_PLURALS:
        return _ODD_PLURALS[word]
    if len(word) < 4 or not word.endswith("s") or word in _ONLY_PLURAL or not word.isalpha():
        return word
    if word.endswith(("ss", "us", "is", "ous")):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes", "zzes")):
        return word[:-2]
    return word[:-1]


def folded(text: str) -> str:
    """Normalised text with every word in the singular and possessives dropped.

    "Women's Running Shoes" and "woman running shoe" are the same, and so are "&" and "and".
    """
    words = []
    for word in normalise(text).split(" "):
        if word == "&":
            words.append("and")
            continue
        bare = word.removesuffix("'s") if word.endswith("'s") else word.removesuffix("'")
        words.append(singular(bare.replace("'", "")))
    return " ".join(filter(None, words))
