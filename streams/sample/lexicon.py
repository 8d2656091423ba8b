"""The words of the sample shop, read from `shop.toml`."""

import tomllib
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of product that the sample shop sells.

    Attributes:
        name: key in `shop.toml`, also the slug of the product type in the ontology.
        query, title: nouns of shoppers and of sellers.
        category: the catalog's path.
        attributes: names of lists of values.
        intents: (kind of intent, phrase).
    """

    name: str
    query: tuple[str, ...]
    title: tuple[str, ...]
    category: tuple[str, ...]
    attributes: tuple[str, ...]
    intents: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Everything `shop.toml` says.

    Attributes:
        fields: attribute list -> the catalog's field name.
        values: attribute list -> its values.
    """

    brands: tuple[str, ...]
    fluff: tuple[str, ...]
    kinds: tuple[Kind, ...]
    fields: dict[str, str]
    values: dict[str, tuple[str, ...]]
    complements: dict[str, tuple[str, ...]]


def attribute_of(name: str) -> str:
    """The ontology's attribute behind a list of values: "home_feature" is a feature."""
    return name.rpartition("_")[2]


def load() -> Lexicon:
    """The packaged words."""
    text = resources.files("streams.sample").joinpath("shop.toml").read_text("utf-8")
    found = tomllib.loads(text)
    kinds = tuple(
        Kind(
            name,
            tuple(kind["query"]),
            tuple(kind["title"]),
            tuple(kind["category"]),
            tuple(kind["attributes"]),
            tuple((of, phrase) for of, list_ in kind["intents"].items() for phrase in list_),
        )
        for name, kind in found["types"].items()
    )
    return Lexicon(
        tuple(found["brands"]),
        tuple(found["fluff"]),
        kinds,
        {name: field for name, (field, _) in found["attributes"].items()},
        {name: tuple(found["values"][list_]) for name, (_, list_) in found["attributes"].items()},
        {name: tuple(others) for name, others in found["complements"].items()},
    )
