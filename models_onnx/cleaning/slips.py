"""Single slips of the form of a value: each takes a value and gives a wrong one, or None."""

import random
import re

JUNK = (
    "n/a", "none", "null", "-", "see description", "not specified", "other", "yes",
    "default", "does not apply", "tbd", "as shown", "0", "1", "no", "true", "test", "nan", "?",
    "not available", "please select", "see title",
)  # fmt: skip
"""Trained on, and measured as `junk`."""

PLACEHOLDERS = (
    "na", "unknown", "unspecified", "not applicable", "various", "--", "see image", "xxx", "tba",
    "undefined", "empty", "as described", "99999", "false", "lorem ipsum", "misc", "...",
    "no value", "refer to product page", "enter value here",
)  # fmt: skip
"""Never trained on."""

UNITS = (
    "oz", "ml", "lb", "kg", "g", "cm", "mm", "inch", "ft", "m", "l", "gb", "tb", "mb", "ghz", "mhz",
    "w", "v", "count", "pack", "hours", "sheets", "pages",
)  # fmt: skip

_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_ALL_NUMBER = re.compile(r"[\d.,/x\s-]*\d[\d.,/x\s-]*")
_UNIT = re.compile(rf"(?i)(?<=\d)(\s?)({'|'.join(sorted(UNITS, key=len, reverse=True))})(?![a-z])")
_LONG_WORD = re.compile(r"[^\W\d_]{5,}")


def is_number(value: str) -> bool:
    """Whether a value is digits and what stands between them: "12.5", "10 x 20"."""
    return _ALL_NUMBER.fullmatch(value) is not None


def boundary(text: str, value: str, rng: random.Random) -> str | None:
    """The value with a word too many (of the text) or too few."""
    words, part = text.split(), value.split()
    if not part:
        return None
    if len(part) > 1 and rng.random() < 0.5:
        return " ".join(part[1:] if rng.random() < 0.5 else part[:-1])
    lower = [w.lower().strip(",.()") for w in words]
    start = next((i for i, w in enumerate(lower) if w == part[0].lower()), None)
    if start is None:
        return None
    end = start + len(part)
    if rng.random() < 0.5 and start > 0:
        return " ".join(words[start - 1 : end])
    return " ".join(words[start : end + 1]) if end < len(words) else None


def number(value: str, rng: random.Random) -> str | None:
    """Another number in its place: a step, the double, ten times it, or its digits exchanged."""
    found = _NUMBER.search(value)
    if found is None:
        return None
    was = float(found.group())
    changed = was + rng.choice((1, 2, 4, was or 1, 9 * was or 1))
    digits = found.group()
    new = f"{changed:g}"
    if len(digits) > 1 and digits[0] != digits[1] and digits[1] not in "0." and rng.random() < 0.25:
        new = digits[1] + digits[0] + digits[2:]
    return f"{value[: found.start()]}{new}{value[found.end() :]}"


def unit(value: str, rng: random.Random) -> str | None:
    """Another unit behind the same number."""
    found = _UNIT.search(value)
    if found is None:
        return None
    other = rng.choice([u for u in UNITS if u != found[2].lower()])
    return f"{value[: found.start()]}{found[1]}{other}{value[found.end() :]}"


def merged(text: str, value: str, other: str | None, rng: random.Random) -> str | None:
    """Half of the text, or the value and another one."""
    words = text.split()
    if len(words) > 4 and rng.random() < 0.5:
        half = len(words) // 2
        return " ".join(words[:half] if rng.random() < 0.5 else words[half:])
    return f"{value} {other}" if other and other.lower() not in value.lower() else None


def cut(value: str, rng: random.Random) -> str | None:
    """The value up to the middle of its last long word."""
    words = list(_LONG_WORD.finditer(value))
    if not words:
        return None
    last = words[-1]
    return value[: last.start() + rng.randint(2, len(last.group()) - 2)]


def misspelt(value: str, rng: random.Random) -> str | None:
    """A long word of the value with two letters exchanged, one lost or one twice."""
    words = list(_LONG_WORD.finditer(value))
    if not words:
        return None
    word = rng.choice(words)
    at = word.start() + rng.randint(1, len(word.group()) - 3)
    a, b = value[at], value[at + 1]
    return value[:at] + rng.choice((b + a, a, a + a + b)) + value[at + 2 :]
