"""Which words are known to mean the same, or the opposite: a lexicon of hashes, no words.

The file holds, for each relation, the sorted hashes of pairs of words, and those of all words known
at all. Two known words that were never put in as a pair are found with a chance of 1 in 400. Sets
of words that may stand for one another are in it too, by which values that look different find each
other (`senses`); of a file without them no value has senses.
"""

import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models_onnx.errors import BundleError

LEXICON_FILE = "lexicon.npz"

AGAINST, UNRELATED, UNKNOWN, ABOVE, KIN, SAME = -2.0, -1.0, 0.0, 1.0, 2.0, 3.0
"""Antonyms; both words known but not as a pair; a word not known; a word and what it is a kind of;
an adjective and its kin or its noun; synonyms."""

RELATIONS: Mapping[str, float] = {"same": SAME, "against": AGAINST, "kin": KIN, "above": ABOVE}
"""Relations in the order in which they are asked: words of several senses have several."""
WORDS = "words"
SETS, SIZES = "sets", "sizes"
"""Places in WORDS of the words of all sets, one set after the other, and how many each has."""

MOST_WORDS = 12
"""Words of a side that are compared with those of the other."""

MOST_OF_A_VALUE = 5
"""Words of the longest value that has senses: what is longer is a description."""

MOST_SENSES = 24
"""Senses of one value, those of more words of it first: the cost of a new value is bounded."""

_LONGEST_TERM = 3
"""Words of the longest term looked up: "t-shirt" is two, and names in `lexical` are of two."""

BITS = 24
"""Of a hash: with 40,000 pairs, 1 in 400 others is found by chance, at 1.8 bytes a pair."""

Hashes = npt.NDArray[np.uint32]


class Lexicon:
    """Relations of words. Thread-safe. `hashes` are sorted, by relation and for WORDS."""

    def __init__(self, hashes: Mapping[str, Hashes]) -> None:
        self._words = frozenset(hashes[WORDS].tolist())
        self._related = [(frozenset(hashes[n].tolist()), code) for n, code in RELATIONS.items()]
        self._sets = _sets_by_word(hashes)

    @classmethod
    def load(cls, path: Path) -> "Lexicon":
        """The lexicon in the file `path`.

        Raises:
            BundleError: it is none, or not whole.
        """
        try:
            with np.load(path, allow_pickle=False) as planes:
                found = {name: _joined(planes[name]) for name in (WORDS, *RELATIONS)}
                found |= {name: _joined(planes[name]) for name in (SETS, SIZES) if name in planes}
                return cls(found)
        except (
            OSError,
            ValueError,
            KeyError,
            IndexError,
            EOFError,
            zipfile.BadZipFile,
        ) as error:
            raise BundleError(f"{path} is no lexicon ({error}); fetch the bundle again") from error

    def relation(self, a: Sequence[str], b: Sequence[str]) -> float:
        """How two terms, each given by the stems of its words, are related: one of the codes."""
        x, y = "".join(a), "".join(b)
        if x == y:
            return SAME
        if word_hash(x) not in self._words or word_hash(y) not in self._words:
            return UNKNOWN
        pair = pair_hash(x, y)
        return next((code for known, code in self._related if pair in known), UNRELATED)

    def senses(self, stems: Sequence[str]) -> tuple[str, ...]:
        """Names of what a value, given by the stems of its words, may stand for.

        Two values share one if both have a word, or a term of several, of one set, and all their
        other words are the same: "red couch" and "sofa, red". A name is a function of the words of
        the set and of the other words. At most MOST_SENSES.
        """
        many = len(stems)
        if many > MOST_OF_A_VALUE:
            return ()
        found: dict[str, None] = {}
        for length in range(min(many, _LONGEST_TERM), 0, -1):
            for first in range(many - length + 1):
                term = "".join(stems[first : first + length])
                rest = " ".join(sorted((*stems[:first], *stems[first + length :])))
                for name in self._sets.get(word_hash(term), ()):
                    found[f"{name:06x}+{word_hash(rest):06x}" if rest else f"{name:06x}"] = None
        return tuple(found)[:MOST_SENSES]

    def compare(
        self, stems: Sequence[Sequence[str]], alone: Sequence[Sequence[str]]
    ) -> tuple[float, float, float]:
        """For two values' stems, and those that only one has: three codes, of RELATIONS.

        The values as a whole, or what they have alone where one is not known as a whole; of the
        words alone, the one that fits the other side least; and the worst of all their pairs.
        """
        whole = self.relation(stems[0], stems[1])
        few, many = sorted((list(side)[:MOST_WORDS] for side in alone), key=len)
        if not few:
            return whole, UNKNOWN, UNKNOWN
        part = whole if whole != UNKNOWN else self.relation(alone[0], alone[1])
        table = [[self.relation((x,), (y,)) for y in many] for x in few]
        fits = [*map(max, table), *map(max, zip(*table, strict=True))]
        return part, min(fits), min(map(min, table))


def word_hash(word: str) -> int:
    """BITS bits for a term in `stems`, joined."""
    return _hash(word)


def pair_hash(a: str, b: str) -> int:
    """BITS bits for two terms, in either order."""
    return _hash(f"{min(a, b)}\0{max(a, b)}")


@lru_cache(maxsize=1 << 15)
def _hash(text: str) -> int:
    digest = blake2b(text.encode("utf-8", "replace"), digest_size=4).digest()
    return int.from_bytes(digest, "big") >> (32 - BITS)


def hashed(
    words: Iterable[str],
    pairs: Mapping[str, Iterable[tuple[str, str]]],
    sets: Iterable[Iterable[str]] = (),
) -> dict[str, Hashes]:
    """Sorted hashes of terms and of pairs of terms by relation, and sets of those terms."""
    found = {name: {pair_hash(a, b) for a, b in pairs.get(name, ())} for name in RELATIONS}
    found[WORDS] = set(map(word_hash, words))
    hashes = {name: np.array(sorted(own), np.uint32) for name, own in found.items()}
    place = {word: number for number, word in enumerate(hashes[WORDS].tolist())}
    listed = sorted({tuple(sorted({place[word_hash(word)] for word in own})) for own in sets})
    hashes[SETS] = np.array([number for own in listed for number in own], np.uint32)
    hashes[SIZES] = np.array([len(own) for own in listed], np.uint32)
    return hashes


def _sets_by_word(hashes: Mapping[str, Hashes]) -> dict[int, tuple[int, ...]]:
    """Hash of a word -> hashes of the sets that it is of, in the order of the file."""
    found: dict[int, tuple[int, ...]] = {}
    if SETS not in hashes or SIZES not in hashes:
        return found
    members = hashes[WORDS][hashes[SETS]].tolist()
    if sum(sizes := hashes[SIZES].tolist()) != len(members):
        raise ValueError(f"{len(members)} words of sets, {sum(sizes)} wanted")
    start = 0
    for size in sizes:
        own = members[start : start + size]
        start += size
        digest = blake2b(np.array(own, ">u4").tobytes(), digest_size=4).digest()
        name = int.from_bytes(digest, "big") >> (32 - BITS)
        for word in own:
            found[word] = (*found.get(word, ()), name)
    return found


EMPTY = Lexicon(hashed((), {}))
"""Knows no word."""


def write(path: Path, hashes: Mapping[str, Hashes]) -> None:
    """Write hashes as the planes of bytes of their differences, which pack well in order."""
    buffer = io.BytesIO()
    planes: dict[str, Any] = {
        name: np.diff(own, prepend=np.uint32(0)).astype(">u4").view(np.uint8).reshape(-1, 4).T
        for name, own in sorted(hashes.items())
    }
    np.savez_compressed(buffer, **planes)
    path.write_bytes(buffer.getvalue())


def _joined(planes: npt.NDArray[np.uint8]) -> Hashes:
    if planes.dtype != np.uint8 or planes.ndim != 2 or len(planes) != 4:
        raise ValueError(f"bytes of shape (4, n) wanted, {planes.dtype} {planes.shape} found")
    steps = np.ascontiguousarray(planes.T).view(">u4").ravel()
    return np.cumsum(steps, dtype=np.uint32)
