"""Other spellings of a value, and values that only look like it, made by seeded rules.

Rules of form alone: which words mean the same is never written down here.
"""

import random
import re
from collections.abc import Callable

from models_onnx.synonyms.wording import stem, words_of

Rule = Callable[[random.Random, str], str | None]

_NEXT_KEY = dict(zip("qwertyuiopasdfghjklzxcvbnm", "wertyuiopqsdfghjklaxcvbnmz", strict=True))
_UNIT_SPELLINGS = (
    ("in", "inch", "inches", '"'),
    ("ft", "feet", "foot"),
    ("oz", "ounce", "ounces", "oz."),
    ("lb", "pound", "pounds", "lbs"),
    ("g", "gram", "grams", "gr"),
    ("kg", "kilogram", "kilograms", "kilo"),
    ("ml", "milliliter", "millilitres", "mls"),
    ("l", "liter", "litres", "ltr"),
    ("cm", "centimeter", "centimetres"),
    ("mm", "millimeter", "millimetres"),
    ("w", "watt", "watts"),
    ("hz", "hertz"),
    ("gb", "gigabyte", "gigabytes"),
    ("mah", "milliamp hours"),
)
_IN_UNIT = {spelling: row for row in _UNIT_SPELLINGS for spelling in row}
_MEASURE = re.compile(r"(\d[\d.,/]*)([\s-]?)([a-z]+\b\.?|\")")
_NUMBER = re.compile(r"\d+")
_PREFIXES = ("un", "non-", "anti-", "in", "dis", "semi-", "re", "de")
_PAIRS_OF_FORM = (
    ("with", "without"),
    ("more", "less"),
    ("high", "low"),
    ("easy", "hard"),
    ("no", "extra"),
)


def _plural(rng: random.Random, value: str) -> str | None:
    del rng
    head, _, last = value.rpartition(" ")
    if not last.isalpha() or len(last) < 3:
        return None
    if stem(last) != last:
        changed = stem(last)
    elif last.endswith(("s", "x", "ch", "sh")):
        changed = last + "es"
    elif last.endswith("y") and last[-2] not in "aeiou":
        changed = last[:-1] + "ies"
    else:
        changed = last + "s"
    return f"{head} {changed}".strip()


def _spacing(rng: random.Random, value: str) -> str | None:
    places = [m.start() for m in re.finditer(r"(?<=[^\W\d_])[ -](?=[^\W\d_])", value)]
    if not places:
        return None
    at = rng.choice(places)
    other = rng.choice([c for c in (" ", "-", "") if c != value[at]])
    return value[:at] + other + value[at + 1 :]


def _typo(rng: random.Random, value: str) -> str | None:
    places = [
        i for m in re.finditer(r"[a-z]{6,}", value) for i in range(m.start() + 1, m.end() - 1)
    ]
    if not places:
        return None
    at = rng.choice(places)
    return rng.choice(
        (
            value[:at] + value[at + 1 :],
            value[:at] + value[at] + value[at:],
            value[:at] + value[at + 1] + value[at] + value[at + 2 :],
            value[:at] + _NEXT_KEY[value[at]] + value[at + 1 :],
        )
    )


def _joined_by(rng: random.Random, value: str) -> str | None:
    forms = (" & ", " and ", "/", ", ", " + ")
    for form in forms:
        if form in value and not any(c.isdigit() for c in value):
            return value.replace(form, rng.choice([f for f in forms[:4] if f != form]))
    return None


def _reordered(rng: random.Random, value: str) -> str | None:
    del rng
    for joint in (" & ", " and ", "/", ", "):
        parts = value.split(joint)
        if len(parts) == 2 and not any(c.isdigit() for c in value):
            return joint.join(reversed(parts))
    parts = value.split(" ")
    if len(parts) == 2 and all(p.isalpha() for p in parts):
        return f"{parts[1]}, {parts[0]}"
    return None


def _british(rng: random.Random, value: str) -> str | None:
    changes = (
        (r"(?<=[a-z]{2})ize(d|s|r)?\b", r"ise\1"),
        (r"(?<=[a-z]{2})izing\b", "ising"),
        (r"\b(col|flav|od|hum|fav|arm|neighb|harb|vap)or", r"\1our"),
        (r"\b(cent|fib|theat|lit|met)er(s?)\b", r"\1re\2"),
        (r"(?<=[aeiou])l(ed|ing)\b", r"ll\1"),
        (r"\bgray", "grey"),
    )
    fitting = [(p, r) for p, r in changes if re.search(p, value)]
    return re.sub(*rng.choice(fitting), value) if fitting else None


def _unit(rng: random.Random, value: str) -> str | None:
    match = _MEASURE.search(value)
    if match is None or match[3] not in _IN_UNIT:
        return None
    other = rng.choice([u for u in _IN_UNIT[match[3]] if u != match[3]])
    gap = "" if other == '"' else rng.choice(("", " ", "-"))
    return f"{value[: match.start()]}{match[1]}{gap}{other}{value[match.end() :]}"


def _acronym(rng: random.Random, value: str) -> str | None:
    del rng
    found = words_of(value)
    if not 3 <= len(found) <= 5 or not all(w.isalpha() for w in found):
        return None
    return "".join(w[0] for w in found)


def _abbreviated(rng: random.Random, value: str) -> str | None:
    long = [w for w in words_of(value) if w.isalpha() and len(w) >= 6]
    if not long:
        return None
    word = rng.choice(long)
    without = word[0] + re.sub("[aeiou]", "", word[1:])
    short = rng.choice((without[:4], word[:4], word[:5], without))
    return value.replace(word, short, 1) if len(short) >= 3 else None


def _free(rng: random.Random, value: str) -> str | None:
    match = re.fullmatch(r"([a-z]+)[ -]free", value)
    if match is None:
        return None
    return rng.choice(("no {}", "without {}", "free of {}", "non-{}", "{} free")).format(match[1])


def _turned(rng: random.Random, value: str) -> str | None:
    match = re.fullmatch(r"([a-z]+)s? ([a-z]+s)", value)
    if match is None:
        return None
    return rng.choice(("{1} for {0}s", "{1} ({0})", "{0}-{1}")).format(match[1], match[2])


def _wordy(rng: random.Random, value: str) -> str | None:
    if len(value.split()) > 4 or not value[:1].isalpha():
        return None
    return rng.choice(("the {}", "has {}", "{} type", "{} style", "very {}", "is {}")).format(value)


SAME: dict[str, Rule] = {
    "plural": _plural,
    "spacing": _spacing,
    "typo": _typo,
    "joined": _joined_by,
    "order": _reordered,
    "british": _british,
    "unit": _unit,
    "acronym": _acronym,
    "abbreviated": _abbreviated,
    "free": _free,
    "turned": _turned,
}
"""Rules that keep the meaning."""


def _another_number(rng: random.Random, value: str) -> str | None:
    match = _NUMBER.search(value)
    if match is None:
        return None
    other = int(match[0][:9]) + rng.choice((1, 2, 5, 10))
    return f"{value[: match.start()]}{other}{value[match.end() :]}"


def _denied(rng: random.Random, value: str) -> str | None:
    match = re.fullmatch(r"([a-z]+)[ -]free", value)
    if match:
        return rng.choice((match[1], f"with {match[1]}", f"contains {match[1]}"))
    if re.search(r"\b(no|not|without|non)\b", value):
        return re.sub(r"\b(no|not|without|non)\b[ -]?", "", value, count=1).strip() or None
    return rng.choice(("not {}", "without {}", "no {}", "{} free", "less {}", "isn't {}")).format(
        value
    )


def _prefixed(rng: random.Random, value: str) -> str | None:
    word = words_of(value)[-1] if words_of(value) else ""
    if len(word) < 5 or not word.isalpha():
        return None
    for prefix in ("un", "non", "dis"):
        if word.startswith(prefix) and len(word) > len(prefix) + 4:
            return value.replace(word, word[len(prefix) :])
    return value.replace(word, rng.choice(_PREFIXES) + word)


def _opposite(rng: random.Random, value: str) -> str | None:
    del rng
    for one, other in _PAIRS_OF_FORM:
        for a, b in ((one, other), (other, one)):
            if re.search(rf"\b{a}\b", value):
                return re.sub(rf"\b{a}\b", b, value)
    return None


def _longer(rng: random.Random, value: str) -> str | None:
    if len(value.split()) > 3:
        return None
    form = (
        "{} cover",
        "{} holder",
        "{} replacement",
        "{} accessories",
        "mini {}",
        "faux {}",
        "half {}",
    )
    return rng.choice(form).format(value)


OTHER: dict[str, Rule] = {
    "number": _another_number,
    "denied": _denied,
    "prefixed": _prefixed,
    "opposite": _opposite,
    "longer": _longer,
}
"""Rules that change the meaning."""
