"""One spelling of a value for all comparisons, its words, and their stems."""

import re
import unicodedata
from functools import lru_cache

MAX_CHARS = 300
"""Values are cut to this many characters: what is longer is a description."""

_WORD = re.compile(r"[^\W_]+")
_BIG = re.compile(r"\b([2-9])\s?x(s|l)\b")
_ENDINGS = (
    ("ies", "y"),
    ("sses", "ss"),
    ("shes", "sh"),
    ("ches", "ch"),
    ("xes", "x"),
    ("zes", "z"),
)
_NO_PLURAL = ("ss", "us", "is", "as")


def plain(text: str) -> str:
    """`text` in lower case, compatibility forms and control characters gone, blanks single.

    "2xl" becomes "xxl": there the digit counts letters. At most MAX_CHARS characters.
    """
    # Compatibility forms grow a text up to 18 times, so it is cut before and after.
    folded = unicodedata.normalize("NFKC", text[: 4 * MAX_CHARS]).casefold()
    shown = "".join(" " if unicodedata.category(c)[0] == "C" else c for c in folded)
    spaced = " ".join(shown.replace("⁄", "/").split())
    return _BIG.sub(lambda m: "x" * int(m[1]) + m[2], spaced)[:MAX_CHARS].strip()


def words_of(text: str) -> list[str]:
    """Runs of letters and digits; "men's" is one word, "mens"."""
    return _WORD.findall(text.replace("'", "").replace("’", ""))


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """`word` in the singular, by its ending alone: "batteries" -> "battery", "glass" stays."""
    if len(word) < 4 or not word.isalpha():
        return word
    for ending, singular in _ENDINGS:
        if word.endswith(ending) and len(word) > len(ending) + 1:
            return word[: -len(ending)] + singular
    return word[:-1] if word.endswith("s") and not word.endswith(_NO_PLURAL) else word


def stems_of(text: str) -> tuple[str, ...]:
    """The stems of the words of `text`, in order."""
    return tuple(map(stem, words_of(text)))
