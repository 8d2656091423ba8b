"""The words of a general shop: departments, and values and intents by label (two TOML files)."""

import importlib.resources
import tomllib
from collections.abc import Iterable
from functools import cache

import msgspec

from models_onnx.tagging.examples import Piece
from models_onnx.tagging.splits import listed

LISTED = ("feature", "audience", "activity", "function", "occasion", "season", "location")
LISTED_TOO = ("body_part", "compatibility")
"""Labels whose phrases stand by department."""


class Department(msgspec.Struct, frozen=True, kw_only=True):
    """One department: its types, the labels that apply, and by label what fits it."""

    name: str
    types: tuple[str, ...]
    has: tuple[str, ...]
    size: str
    fits: dict[str, tuple[str, ...]]


class Lexicon(msgspec.Struct, frozen=True):
    """All of it. `general` is label -> phrases for any department; `parts` is label -> name ->
    halves from which more phrases are composed ("pregnant" + "women").
    """

    departments: tuple[Department, ...]
    general: dict[str, tuple[str, ...]]
    parts: dict[str, dict[str, tuple[str, ...]]]


def load() -> Lexicon:
    """The lexicon that comes with the package."""
    shops, phrases = read_toml("shops.toml"), read_toml("phrases.toml")
    departments = tuple(
        Department(
            name=name,
            types=listed(table["types"]),
            has=listed(table["has"]),
            size=table["size"],
            fits={k: listed(table[k]) for k in (*LISTED, *LISTED_TOO) if k in table},
        )
        for name, table in shops.items()
    )
    values = phrases.pop("values")
    general = {label: listed(text) for label, text in values.items()}
    parts: dict[str, dict[str, tuple[str, ...]]] = {}
    for label, table in phrases.items():
        lists = {name: listed(text) for name, text in table.items()}
        general[label] = lists.pop("plain")
        parts[label] = lists
    return Lexicon(departments, general, parts)


class Matcher:
    """Finds known phrases in texts, the longest first."""

    def __init__(self, phrases: Iterable[tuple[str, str]]) -> None:
        """Take (label, phrase) pairs; of two labels for one phrase the first wins."""
        self._labels: dict[tuple[str, ...], str] = {}
        for label, phrase in phrases:
            self._labels.setdefault(tuple(phrase.lower().split()), label)
        self._longest = max(map(len, self._labels), default=0)

    def find(self, words: list[tuple[int, int]], text: str, taken: set[int]) -> list[Piece]:
        """Pieces over `words` (character offsets), none over the word numbers in `taken`."""
        lower = [text[s:e].lower() for s, e in words]
        found, at = [], 0
        while at < len(words):
            for count in range(min(self._longest, len(words) - at), 0, -1):
                label = self._labels.get(tuple(lower[at : at + count]))
                if label and taken.isdisjoint(range(at, at + count)):
                    found.append(Piece(words[at][0], words[at + count - 1][1], label))
                    at += count
                    break
            else:
                at += 1
        return found


def singular(noun: str) -> str:
    """ "dresses" -> "dress", "shoes" -> "shoe", "glass" -> "glass"; only the last word changes."""
    for ending, cut in (("sses", 2), ("ches", 2), ("shes", 2), ("xes", 2), ("ss", 0), ("us", 0)):
        if noun.endswith(ending):
            return noun[: len(noun) - cut]
    if noun.endswith("ies") and len(noun) > 5:
        return noun[:-3] + "y"
    return noun.removesuffix("s") if len(noun) > 3 else noun


def plural(noun: str) -> str:
    """ "dress" -> "dresses", "shoe" -> "shoes", "shoes" -> "shoes"; only the last word changes."""
    if noun != singular(noun):
        return noun
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


@cache
def writing(table: str) -> dict[str, list[str]]:
    """A table of `writing.toml`: name -> phrases, repeated ones as often as they stand there."""
    return {
        name: [" ".join(part.split()) for part in text.split(",")]
        for name, text in read_toml("writing.toml")[table].items()
    }


def read_toml(name: str) -> dict[str, dict[str, str]]:
    """A table of tables of texts that lies beside this file."""
    text = importlib.resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
    return tomllib.loads(text)
