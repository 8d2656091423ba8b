"""The sample shop's products, and what its shoppers secretly want: a pure function of a seed."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random

from streams.sample.lexicon import Kind, Lexicon, attribute_of

MISSING, WRONG, TYPO = 0.12, 0.04, 0.03
"""Shares of catalog values that are missing or wrong, and of titles with a typing error."""

POPULAR = 3.0
"""How much better products with a decoy's value sell, whatever was asked."""


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """A product as it really is, and as the catalog tells it.

    Attributes:
        values: list of values (of the lexicon) -> the true value.
        weight: how well it sells in general, > 0.
        record: the catalog record, with its errors.
    """

    id: str
    kind: str
    values: dict[str, str]
    weight: float
    record: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bond:
    """Buyers of `kind` with the intent want `value` (planted), or merely often buy it (decoy)."""

    kind: str
    intent: str
    phrase: str
    values: str
    value: str

    @property
    def attribute(self) -> str:
        """The ontology's attribute."""
        return attribute_of(self.values)


COSMO = Bond("shoes", "audience", "pregnant women", "feature", "slip resistant")
"""The COSMO article's own example; planted for every seed, so that the demo can ask for it."""


@dataclass(frozen=True, slots=True)
class Shop:
    """The whole shop before anybody has visited it."""

    lexicon: Lexicon
    items: tuple[Item, ...]
    planted: tuple[Bond, ...]
    decoys: tuple[Bond, ...]
    searches: tuple[str, ...] = ()


def plant(lexicon: Lexicon, rng: Random, *, count: int = 50) -> tuple[list[Bond], list[Bond]]:
    """Draw associations and decoys: other pairs of intent and value for every seed.

    A decoy's value sells well in its kind whatever was asked, and its intent is as frequent as
    others, but nobody wants the one because of the other.
    """
    favourites = {
        (kind.name, name): rng.choice(lexicon.values[name])
        for kind in lexicon.kinds
        for name in kind.attributes[:1]
    }
    cells = [(kind, *intent) for kind in lexicon.kinds for intent in kind.intents]
    rng.shuffle(cells)
    planted: list[Bond] = []
    if any(kind.name == COSMO.kind for kind in lexicon.kinds):
        planted.append(COSMO)
        favourites.pop((COSMO.kind, COSMO.values), None)
        others = [v for v in lexicon.values[COSMO.values] if v != COSMO.value]
        favourites[COSMO.kind, COSMO.values] = rng.choice(others)
    for kind, intent, phrase in cells:
        if len(planted) == count:
            break
        name = rng.choice(kind.attributes)
        choice = [v for v in lexicon.values[name] if v != favourites.get((kind.name, name))]
        bond = Bond(kind.name, intent, phrase, name, rng.choice(choice))
        if (bond.kind, bond.phrase) != (COSMO.kind, COSMO.phrase):
            planted.append(bond)
    rng.shuffle(cells)
    decoys = [
        Bond(
            kind.name, intent, phrase, kind.attributes[0], favourites[kind.name, kind.attributes[0]]
        )
        for kind, intent, phrase in cells[:count]
    ]
    return planted, decoys


def stock(lexicon: Lexicon, decoys: Sequence[Bond], rng: Random, *, products: int) -> list[Item]:
    """Products of every kind, with titles and catalog values as noisy as real ones."""
    favourites = {(bond.kind, bond.values): bond.value for bond in decoys}
    items = []
    for number in range(products):
        kind = lexicon.kinds[number % len(lexicon.kinds)]
        values = {name: rng.choice(lexicon.values[name]) for name in kind.attributes}
        weight = rng.lognormvariate(0.0, 0.7)
        if any(favourites.get((kind.name, name)) == value for name, value in values.items()):
            weight *= POPULAR
        item = Item(f"P{number:05d}", kind.name, values, weight)
        items.append(replace(item, record=_record(lexicon, kind, item, rng)))
    return items


def _record(lexicon: Lexicon, kind: Kind, item: Item, rng: Random) -> dict[str, object]:
    brand = rng.choice(lexicon.brands)
    record: dict[str, object] = {
        "id": item.id,
        "title": _title(lexicon, kind, item, brand, rng),
        "category": list(kind.category),
    }
    if rng.random() >= MISSING:
        record["brand"] = brand
    for name, value in item.values.items():
        if rng.random() < MISSING:
            continue
        told = rng.choice(lexicon.values[name]) if rng.random() < WRONG else value
        record[lexicon.fields[name]] = _styled(told, rng)
    return record


def _title(lexicon: Lexicon, kind: Kind, item: Item, brand: str, rng: Random) -> str:
    words = [value.title() for value in item.values.values() if rng.random() < 0.6]
    rng.shuffle(words)
    words.append(rng.choice(kind.title).title())
    words.insert(0, brand)
    if rng.random() < 0.15:
        words.insert(rng.randrange(len(words) + 1), rng.choice(lexicon.fluff).title())
    if rng.random() < 0.3:
        words.append(f"{rng.choice('ABCDXZ')}{rng.randrange(10, 999)}")
    title = " ".join(words)
    return mistyped(title, rng) if rng.random() < TYPO else title


def _styled(value: str, rng: Random) -> str:
    return rng.choice((value, value, value.title(), value.upper(), value.replace(" ", "-")))


def mistyped(text: str, rng: Random) -> str:
    """The text with two neighbouring characters in the wrong order, or one missing."""
    if len(text) < 4:
        return text
    place = rng.randrange(1, len(text) - 2)
    if rng.random() < 0.5:
        return text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    return text[:place] + text[place + 1 :]
