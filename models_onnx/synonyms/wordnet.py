"""WordNet 3.x, read from its own files (`index.noun`, `data.noun`, ...), for training only.

The format is that of the manual page wndb(5WN): one synset a line, found by its offset. Nouns and
adjectives are read; `FIELDS` keeps those that values of products are made of.
"""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import msgspec

FIELDS = frozenset({0, 6, 7, 8, 13, 18, 25, 27})
"""Numbers of lexicographer files, see lexnames(5WN): adjectives, then nouns of artifact, attribute,
body, food, person, shape, substance."""

ANTONYM, HYPERNYM, INSTANCE, SIMILAR, DERIVED = "!", "@", "@i", "&", "+"
PARTS = {"noun": "n", "adj": "a"}


class Synset(msgspec.Struct, frozen=True):
    """Words of one meaning, blanks for underscores, and links to others: symbol and key.

    `key` is the part of speech, "n" or "a", and the offset in its file. A link between two words
    of the synsets counts as one between the synsets.
    """

    key: str
    field: int
    words: tuple[str, ...]
    links: tuple[tuple[str, str], ...]


class WordNet(msgspec.Struct, frozen=True):
    """Synsets by key, and for each word in lower case the keys of its senses, commonest first."""

    synsets: dict[str, Synset]
    senses: dict[str, tuple[str, ...]]


def read(folder: Path) -> WordNet:
    """The nouns and adjectives of the WordNet in `folder`, of FIELDS only.

    Raises:
        SystemExit: a file is missing or no WordNet file.
    """
    synsets: dict[str, Synset] = {}
    senses: dict[str, list[str]] = defaultdict(list)
    for name, part in PARTS.items():
        try:
            for line in _lines(folder / f"data.{name}"):
                synset = _synset(line, part)
                if synset.field in FIELDS:
                    synsets[synset.key] = synset
            for line in _lines(folder / f"index.{name}"):
                word, keys = _senses(line, part)
                senses[word] += [key for key in keys if key in synsets]
        except (OSError, ValueError, IndexError) as error:
            raise SystemExit(
                f"{folder} has no WordNet 3.x files index.{name} and data.{name} ({error}): "
                "apt-get install wordnet-base puts them into /usr/share/wordnet"
            ) from error
    return WordNet(synsets, {word: tuple(keys) for word, keys in senses.items() if keys})


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as file:
        # The licence at the head of every file is indented.
        yield from (line for line in file if not line.startswith(" "))


def _synset(line: str, part: str) -> Synset:
    columns = line.split(" | ")[0].split()
    count = int(columns[3], 16)
    words = columns[4 : 4 + 2 * count : 2]
    links = columns[5 + 2 * count :]
    if len(links) < 4 * int(columns[4 + 2 * count]):
        raise ValueError(f"a line ends too early: {line[:60]!r}")
    found = [
        (symbol, ("a" if to == "s" else to) + offset)
        for symbol, offset, to in zip(links[::4], links[1::4], links[2::4], strict=False)
    ]
    return Synset(
        key=part + columns[0],
        field=int(columns[1]),
        words=tuple(dict.fromkeys(_word(w) for w in words)),
        links=tuple(found),
    )


def _senses(line: str, part: str) -> tuple[str, list[str]]:
    columns = line.split()
    count = int(columns[2])
    return _word(columns[0]), [part + offset for offset in columns[len(columns) - count :]]


def _word(text: str) -> str:
    """Underscores are blanks; "(a)" and its like tell where an adjective may stand."""
    return text.split("(")[0].replace("_", " ").lower()
