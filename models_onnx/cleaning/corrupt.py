"""Makes wrong catalog values out of right ones, in named ways, reproducibly.

One piece of code for training and for measuring: the cleaner is trained on TRAINED_KINDS and
measured on all KINDS, so that its figures on the others say what it does with errors it never saw.
"""

import copy
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import msgspec

from models_onnx.cleaning import slips
from models_onnx.cleaning.wording import attribute_words, value_words
from models_onnx.spans import Claim
from models_onnx.tagging.lexicon import Department, Lexicon, singular
from models_onnx.tagging.splits import normal

KINDS = {
    "swap": "another value of the attribute, from anywhere in the catalog",
    "attribute": "the right words under the wrong attribute",
    "inapplicable": "a value of an attribute that such products do not have",
    "boundary": "a word too many or too few",
    "junk": "a placeholder or a slip of the form: n/a, see description",
    "unfit": "what nobody wants the type for: the intent of another department",
    "neighbour": "a value that another product of the same type (or maker) has: a row slipped",
    "number": "another number: 12 oz -> 16 oz",
    "unit": "another unit: 12 oz -> 12 ml",
    "merged": "half the title, or two values in one",
    "cut": "cut off in the middle of a word",
    "maker": "the maker's name as a value of something else",
    "placeholder": "placeholders other than those of `junk`",
    "misspelt": "two letters exchanged, one lost or one twice",
}
TRAINED_KINDS = ("swap", "attribute", "inapplicable", "boundary", "junk")
WITHOUT_TEXT_KINDS = (*["unfit"] * 4, *["attribute"] * 2, *["inapplicable"] * 2, "junk")
"""Ways that show without a text (a swapped colour is as likely as the right one), by frequency."""
PLANTED_KINDS = tuple(k for k in KINDS if k != "unfit")
MEASURED_KINDS = tuple(k for k in PLANTED_KINDS if k not in TRAINED_KINDS)
"""What is planted where a text is given: every kind as often as it can be made."""

NOT_FOR_ALL = ("flavor", "scent", "compatibility", "pattern", "body_part", "material")
"""Attributes of ours that many types cannot have."""

UNFIT = ("feature", "function", "activity", "location", "body_part", "compatibility", "audience")
"""Intents that differ much between departments; of audiences, only animals do.

A feast or a season suits nearly everything. Only what at most RARE departments list is unfit
elsewhere.
"""

RARE = 2
OFTEN = 40
"""Attributes of so many products that it says something if two of them never occur together."""

MAKERS = frozenset({"brand", "supplier", "manufacturer", "maker"})
FREE_TEXT = frozenset({"model", "model name", "model number", "other", "theme"})
"""Attributes that may have any words for a value: nothing is wrong under them for its form."""


class Corruption(msgspec.Struct, frozen=True):
    """A claim made wrong, and how."""

    claim: Claim
    kind: str


class Corruptor:
    """Knows which values a catalog has, to put wrong ones that look right."""

    def __init__(
        self,
        claims: Iterable[Claim],
        lexicon: Lexicon,
        rng: random.Random,
        *,
        complete: bool = False,
    ) -> None:
        """Take the right claims of one catalog.

        `complete`: a type has no other attributes than those that the claims give it.
        """
        self._rng = rng
        self._complete = complete
        self._values: dict[str, list[str]] = {}
        self._kin: dict[tuple[str, str], list[str]] = {}
        self._said: dict[str, dict[str, str]] = {}
        of_type: dict[str, set[str]] = {}
        for claim in claims:
            # As often as the catalog has it: a wrong value must not be known by being rare.
            self._values.setdefault(claim.attribute, []).append(claim.value)
            self._kin.setdefault((_kin(claim), claim.attribute), []).append(claim.value)
            of_type.setdefault(claim.type, set()).add(claim.attribute)
            if claim.text:
                self._said.setdefault(claim.text, {})[claim.attribute] = claim.value
        self._known = {k: frozenset(_same(v) for v in vs) for k, vs in self._values.items()}
        self._numbers = {
            k for k, v in self._known.items() if sum(map(slips.is_number, v)) > len(v) / 2
        }
        self._counts = Counter(a for said in self._said.values() for a in said)
        self._together = _together(self._said.values(), self._counts)
        self._often = [a for a, n in self._counts.items() if n >= OFTEN]
        self._departments = lexicon.departments
        self._department: dict[str, Department] = {}
        for department in lexicon.departments:
            for kind in department.types:
                self._department[singular(kind)] = department
                of_type.setdefault(kind, set()).update(department.has, department.fits)
        self._of_type = of_type
        self._listed = Counter(
            (label, value)
            for department in lexicon.departments
            for label, values_ in department.fits.items()
            for value in values_
        )

    def reseeded(self, rng: random.Random) -> "Corruptor":
        """One that knows the same catalog and draws from `rng`."""
        other = copy.copy(self)
        other._rng = rng
        return other

    def corrupt(self, claim: Claim, kinds: Sequence[str] | None = None) -> Corruption | None:
        """`claim` made wrong in one of `kinds` at random, or None where none of them fits it.

        By default every kind that shows: WITHOUT_TEXT_KINDS where the claim has no text.
        """
        kinds = kinds or (PLANTED_KINDS if claim.text else WITHOUT_TEXT_KINDS)
        for kind in self._rng.sample(kinds, len(kinds)):
            made = self._make(kind, claim)
            if made is not None and (kind == "inapplicable" or self._is_wrong(claim, made, kind)):
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
        changed = self._changed(kind, claim)
        return msgspec.structs.replace(claim, value=changed) if changed else None

    def _changed(self, kind: str, claim: Claim) -> str | None:
        """A wrong value; the slips of the form are in `slips`."""
        rng, value = self._rng, claim.value
        other = self._pick(self._values.get(claim.attribute, []))
        made: dict[str, Callable[[], str | None]] = {
            "swap": lambda: other,
            "neighbour": lambda: self._pick(self._kin.get((_kin(claim), claim.attribute), [])),
            "unfit": lambda: self._unfit(claim),
            "boundary": lambda: slips.boundary(claim.text, value, rng),
            "junk": lambda: rng.choice(slips.JUNK),
            "placeholder": lambda: rng.choice(slips.PLACEHOLDERS),
            "number": lambda: slips.number(value, rng),
            "unit": lambda: slips.unit(value, rng),
            "merged": lambda: slips.merged(claim.text, value, other, rng),
            "cut": lambda: slips.cut(value, rng),
            "maker": lambda: self._maker(claim),
            "misspelt": lambda: slips.misspelt(value, rng),
        }
        return made[kind]()

    def _is_wrong(self, claim: Claim, made: Claim, kind: str) -> bool:
        """Whether the change really makes it wrong: no other spelling, no value the title has."""
        before, after = _same(claim.value), _same(made.value)
        if made.attribute != claim.attribute:
            return after not in self._known.get(made.attribute, ())
        if before.replace(" ", "").rstrip("s") == after.replace(" ", "").rstrip("s"):
            return False
        if kind in ("boundary", "cut", "misspelt", "unit", "merged", "maker"):
            # What the catalog has elsewhere may be the shorter or longer name of the same.
            return after not in self._known.get(claim.attribute, ())
        if kind in ("junk", "placeholder", "number"):
            return True
        # "Laser" and "Laser printing", "Black" and "Black, White" may both be right.
        apart = set(before.split()).isdisjoint(after.split())
        return apart and f" {after} " not in f" {_same(claim.text)} "

    def _pick(self, values: Sequence[str]) -> str | None:
        return self._rng.choice(values) if values else None

    def _wrong_attribute(self, claim: Claim) -> Claim | None:
        own = [a for a in self._said.get(claim.text, ()) if a != claim.attribute]
        others = own if own and self._rng.random() < 0.5 else list(self._values)
        numeric = claim.attribute in self._numbers
        for _ in range(4):
            other = self._rng.choice(others)
            # 12.5 is as good a width as a height.
            if (numeric and other in self._numbers) or other in FREE_TEXT:
                continue
            if attribute_words(other) != attribute_words(claim.attribute):
                return msgspec.structs.replace(claim, attribute=other)
        return None

    def _inapplicable(self, claim: Claim) -> Claim | None:
        known = self._of_type.get(claim.type) if claim.type else None
        others: list[str] = []
        if known and len(known) >= 3:
            some = list(self._values) if self._complete else NOT_FOR_ALL
            others = [a for a in some if a not in known and a in self._values]
        if not others:
            others = self._never_beside(self._said.get(claim.text, {}))
        if not others:
            return None
        attribute = self._rng.choice(others)
        value = self._rng.choice(self._values[attribute])
        return msgspec.structs.replace(claim, attribute=attribute, value=value)

    def _never_beside(self, said: dict[str, str]) -> list[str]:
        """Attributes that no product has that has some other attribute of this one's."""
        own = [a for a in said if self._counts[a] >= OFTEN]
        some = self._rng.sample(self._often, min(30, len(self._often)))
        return [b for b in some if any(a != b and b not in self._together[a] for a in own)]

    def _maker(self, claim: Claim) -> str | None:
        attribute = attribute_words(claim.attribute)
        if attribute in MAKERS or attribute in FREE_TEXT or "brand" in attribute:
            return None
        said = self._said.get(claim.text, {})
        makers = [value for name, value in said.items() if attribute_words(name) in MAKERS]
        return makers[0] if makers else None

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


def _same(value: str) -> str:
    return normal(value_words(value))


def _kin(claim: Claim) -> str:
    """Products that are alike: of one type, or where none is given of one maker."""
    return claim.type or claim.text.partition(" ")[0]


def _together(products: Iterable[dict[str, str]], counts: Counter[str]) -> dict[str, set[str]]:
    """Attribute -> the attributes that some product has beside it, of those with many products."""
    found: dict[str, set[str]] = {a: set() for a, n in counts.items() if n >= OFTEN}
    for said in products:
        often = [a for a in said if a in found]
        for a in often:
            found[a].update(often)
    return found
