"""Makes wrong catalog values out of right ones, in nine ways, reproducibly.

One piece of code for training and for measuring: the cleaner is trained on TRAINED_KINDS and
measured on all KINDS, so that its figures on the others say what it does with errors it never saw.
"""

import random
import re
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from models_onnx.spans import Claim
from models_onnx.tagging.lexicon import Department, Lexicon, singular
from models_onnx.tagging.splits import normal

KINDS = {
    "swap": "another value of the attribute, from anywhere in the catalog",
    "attribute": "the right words under the wrong attribute",
    "inapplicable": "a value of an attribute that the type does not have",
    "boundary": "a word too many or too few",
    "junk": "a placeholder or a slip of the form: n/a, see description",
    "neighbour": "a value that another product of the same type has: a row slipped",
    "unfit": "what nobody wants the type for: the intent of another department",
    "number": "another number or unit: 12 oz -> 16 oz",
    "overlong": "half the title, or two values in one",
}
TRAINED_KINDS = ("swap", "attribute", "inapplicable", "boundary", "junk")
WITHOUT_TEXT_KINDS = (*["unfit"] * 4, *["attribute"] * 2, *["inapplicable"] * 2, "junk")
"""Ways that show without a text (a swapped colour is as likely as the right one), by frequency."""

NOT_FOR_ALL = ("flavor", "scent", "compatibility", "pattern", "body_part", "material")
"""Attributes that many types cannot have."""

UNFIT = ("feature", "function", "activity", "location", "body_part", "compatibility", "audience")
"""Intents that differ much between departments; of audiences, only animals do.

A feast or a season suits nearly everything. Only what at most RARE departments list is unfit
elsewhere.
"""

RARE = 2

JUNK = (
    "n/a", "na", "none", "null", "unknown", "-", "see description", "not specified", "other", "yes",
    "default", "does not apply", "tbd", "various", "as shown", "0", "1", "no", "true", "test",
)  # fmt: skip

_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_UNITS = (
    "oz",
    "ml",
    "lb",
    "kg",
    "g",
    "cm",
    "mm",
    "inch",
    "ft",
    "m",
    "l",
    "gb",
    "tb",
    "count",
    "pack",
)


class Corruption(msgspec.Struct, frozen=True):
    """A claim made wrong, and how."""

    claim: Claim
    kind: str


class Corruptor:
    """Knows which values a catalog has, to put wrong ones that look right."""

    def __init__(self, claims: Iterable[Claim], lexicon: Lexicon, rng: random.Random) -> None:
        """Take the right claims of the catalog."""
        self._rng = rng
        values: dict[str, list[str]] = {}
        by_type: dict[tuple[str, str], list[str]] = {}
        attributes: dict[str, set[str]] = {}
        for claim in claims:
            # As often as the catalog has it: a wrong value must not be known by being rare.
            values.setdefault(claim.attribute, []).append(claim.value)
            by_type.setdefault((claim.type, claim.attribute), []).append(claim.value)
            attributes.setdefault(claim.type, set()).add(claim.attribute)
        self._values = values
        self._known = {k: frozenset(map(normal, v)) for k, v in values.items()}
        self._by_type = by_type
        self._departments = lexicon.departments
        self._department: dict[str, Department] = {}
        for department in lexicon.departments:
            for kind in department.types:
                self._department[singular(kind)] = department
                attributes.setdefault(kind, set()).update(department.has, department.fits)
        self._attributes = attributes
        self._listed = Counter(
            (label, value)
            for department in lexicon.departments
            for label, values_ in department.fits.items()
            for value in values_
        )

    def corrupt(self, claim: Claim, kinds: Sequence[str] | None = None) -> Corruption | None:
        """`claim` made wrong in one of `kinds` at random, or None where none of them fits it.

        By default every kind that shows: WITHOUT_TEXT_KINDS where the claim has no text.
        """
        kinds = kinds or (tuple(KINDS) if claim.text else WITHOUT_TEXT_KINDS)
        for kind in self._rng.sample(kinds, len(kinds)):
            made = self._make(kind, claim)
            if made is not None and (kind == "inapplicable" or self._is_wrong(claim, made)):
                return Corruption(made, kind)
        return None

    def plant(self, claims: Sequence[Claim], share: float) -> list[tuple[Claim, str]]:
        """The claims, `share` of them made wrong: (claim, kind), kind "" where it is right."""
        planted = []
        for claim in claims:
            made = self.corrupt(claim) if self._rng.random() < share else None
            planted.append((made.claim, made.kind) if made else (claim, ""))
        return planted

    def _make(self, kind: str, claim: Claim) -> Claim | None:
        if kind == "attribute":
            return self._wrong_attribute(claim)
        if kind == "inapplicable":
            return self._inapplicable(claim)
        value = {
            "swap": lambda: self._pick(self._values.get(claim.attribute, [])),
            "neighbour": lambda: self._pick(
                self._by_type.get((claim.type, claim.attribute), []) if claim.type else []
            ),
            "unfit": lambda: self._unfit(claim),
            "boundary": lambda: self._boundary(claim),
            "junk": lambda: self._pick(JUNK),
            "number": lambda: self._number(claim.value),
            "overlong": lambda: self._overlong(claim),
        }[kind]()
        if not value:
            return None
        return msgspec.structs.replace(claim, value=value)

    def _is_wrong(self, claim: Claim, made: Claim) -> bool:
        """Whether the change really makes it wrong: no other spelling, no value the title has."""
        before, after = normal(claim.value), normal(made.value)
        if made.attribute != claim.attribute:
            return after not in self._known.get(made.attribute, ())
        if before == after or before.replace(" ", "") == after.replace(" ", ""):
            return False
        if before.removesuffix("s") == after.removesuffix("s"):
            return False
        swapped = not (set(before.split()) & set(after.split()))
        return not (swapped and after and f" {after} " in f" {normal(claim.text)} ")

    def _pick(self, values: Sequence[str]) -> str | None:
        return self._rng.choice(values) if values else None

    def _wrong_attribute(self, claim: Claim) -> Claim | None:
        others = [a for a in self._values if a not in (claim.attribute, "other")]
        return (
            msgspec.structs.replace(claim, attribute=self._rng.choice(others)) if others else None
        )

    def _inapplicable(self, claim: Claim) -> Claim | None:
        known = self._attributes.get(claim.type)
        if not claim.type or not known or len(known) < 3:
            return None
        others = [a for a in NOT_FOR_ALL if a not in known and a in self._values]
        if not others:
            return None
        attribute = self._rng.choice(others)
        value = self._rng.choice(self._values[attribute])
        return msgspec.structs.replace(claim, attribute=attribute, value=value)

    def _unfit(self, claim: Claim) -> str | None:
        own = self._department.get(singular(claim.type))
        if own is None or claim.attribute not in UNFIT:
            return None
        animals = claim.attribute == "audience"
        others = [d for d in self._departments if not animals or d.name == "pets"]
        other = self._rng.choice(others)
        fitting = own.fits.get(claim.attribute, ())
        return self._pick(
            [
                value
                for value in other.fits.get(claim.attribute, ())
                if value not in fitting and self._listed[claim.attribute, value] <= RARE
            ]
        )

    def _boundary(self, claim: Claim) -> str | None:
        words, part = claim.text.split(), claim.value.split()
        if len(part) > 1 and self._rng.random() < 0.5:
            return " ".join(part[1:] if self._rng.random() < 0.5 else part[:-1])
        lower = [w.lower().strip(",.()") for w in words]
        start = next((i for i, w in enumerate(lower) if w == part[0].lower()), None)
        if start is None:
            return None
        end = start + len(part)
        if self._rng.random() < 0.5 and start > 0:
            return " ".join(words[start - 1 : end])
        return " ".join(words[start : end + 1]) if end < len(words) else None

    def _number(self, value: str) -> str | None:
        found = _NUMBER.search(value)
        if found is None:
            return None
        if self._rng.random() < 0.3:
            unit = next(
                (u for u in _UNITS if re.search(rf"(?<![a-z]){u}(?![a-z])", value.lower())), None
            )
            if unit is not None:
                other = self._rng.choice([u for u in _UNITS if u != unit])
                return re.sub(rf"(?i)(?<![a-z]){unit}(?![a-z])", other, value)
        number = float(found.group())
        changed = number + self._rng.choice((1, 2, 4, number, 9 * number))
        return f"{value[: found.start()]}{changed:g}{value[found.end() :]}"

    def _overlong(self, claim: Claim) -> str | None:
        words = claim.text.split()
        if len(words) > 4 and self._rng.random() < 0.6:
            half = len(words) // 2
            return " ".join(words[:half] if self._rng.random() < 0.5 else words[half:])
        other = self._pick(self._values.get(claim.attribute, []))
        return f"{claim.value} {other}" if other else None
