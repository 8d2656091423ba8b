"""Which values, titles and queries are never trained on. The split is this code and nothing else.

Titles and queries are split by their normalised text. A fifth of all brands, and of all phrases of
the generator, is held out by hash before any data is made: only unseen values tell models apart.
"""

import hashlib
import re
import unicodedata

HELD_OUT_SHARE = 0.2
VALIDATION_SHARE = 0.12

_NOT_WORD = re.compile(r"[\W_]+")


def normal(text: str) -> str:
    """`text` without case, accents and punctuation, words one blank apart: equal means same."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    return _NOT_WORD.sub(" ", plain).strip()


def share(key: str) -> float:
    """A number 0..1, the same for the same key on every machine and in every run."""
    digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def listed(text: str) -> tuple[str, ...]:
    """The phrases of a comma-separated text, in order, each once."""
    return tuple(dict.fromkeys(" ".join(p.split()) for p in text.split(",") if p.strip()))


EVERYDAY = frozenset(
    listed("""black, white, red, blue, green, pink, purple, yellow, brown, grey, gray, gold, silver,
    orange, men, women, kids, girls, boys, baby, babies, toddlers, mens, womens, men's, women's,
    dogs, cats, cotton, leather, plastic, wood, metal, glass, christmas, wedding, birthday,
    halloween, winter, summer, kitchen, bathroom, outdoor, cheap, new, used, refurbished,
    waterproof, wireless, running, hiking, small, medium, large, shoes, shirt, dress""")
)
"""Words that nobody meets for the first time: never held out."""


def held_out(label: str, value: str, *, part: float = HELD_OUT_SHARE) -> bool:
    """Whether this value is of the `part` (0..1) that is kept out of training."""
    if value.casefold() in EVERYDAY:
        return False
    return share(f"{label}\0{normal(value)}") < part


def for_validation(text: str) -> bool:
    """Whether this title or query is measured on: equal texts go together, however written."""
    return share(f"text\0{normal(text)}") < VALIDATION_SHARE
