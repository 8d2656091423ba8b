"""Which pairs of values of one attribute are worth scoring, at a cost that stays flat.

A new value is compared with few earlier ones: those that share a rare key with it (words, word
beginnings, skeletons, initials), the best of them by rapidfuzz; and those whose vectors lie in the
cells nearest to its own. What is looked at is bounded, so that a value costs about the same among
100,000 as among 10,000.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt
from rapidfuzz import fuzz, process

from models_onnx.synonyms.features import Vector
from models_onnx.synonyms.wording import plain, stems_of, words_of

BY_SPELLING = 10
BY_MEANING = 10
"""Most candidates of each kind for one new value; as many again that are its initials."""

LEAST_RATIO = 55.0
"""Candidates by spelling below this, 0..100, are not worth a score."""

LEAST_COSINE = 0.4
"""As above, by meaning."""

_LONGEST_LIST = 64
"""Values under one key; a key with more is too common to tell anything."""

_MOST_COMPARED = 256
_CELL = 32
"""Values in a cell, on average."""

_PROBED = 12
"""Cells looked into."""

_NARROW = 64
"""Numbers of a vector by which cells are found: a fixed random projection."""

_FIRST = 256
"""Up to so many values there are no cells: all are compared."""


class Blocks:
    """The values of one attribute seen so far. Not thread-safe."""

    def __init__(self) -> None:
        self._values: list[str] = []
        self._folded: list[str] = []
        self._known: set[str] = set()
        self._by_key: dict[str, list[int]] = defaultdict(list)
        self._cells = _Cells()

    def __len__(self) -> int:
        return len(self._values)

    def add(self, value: str, vector: Vector | None) -> list[str]:
        """The earlier values that may mean the same as `value`, likeliest spelling first.

        Nothing for a value that is known already. Without a vector only spelling counts.
        """
        if value in self._known:
            return []
        folded = plain(value)
        keys = list(dict.fromkeys(_keys(folded)))
        near = self._by_spelling(folded, keys)
        if vector is not None:
            near += self._cells.nearest(vector, BY_MEANING)
        number = len(self._values)
        self._known.add(value)
        self._values.append(value)
        self._folded.append(folded)
        for key in keys:
            if len(self._by_key[key]) < _LONGEST_LIST:
                self._by_key[key].append(number)
        if vector is not None:
            self._cells.add(number, vector)
        return [self._values[i] for i in dict.fromkeys(near)]

    def _by_spelling(self, folded: str, keys: Sequence[str]) -> list[int]:
        lists = sorted((self._by_key[k] for k in keys if k in self._by_key), key=len)
        some: dict[int, str] = {}
        for numbers in lists:
            some.update((i, self._folded[i]) for i in numbers)
            if len(some) >= _MOST_COMPARED:
                break
        best = process.extract(
            folded, some, scorer=fuzz.WRatio, limit=BY_SPELLING, score_cutoff=LEAST_RATIO
        )
        # Initials look like nothing that they stand for, so their ratio says nothing.
        whole = [i for k in keys if k.startswith("all:") for i in self._by_key.get(k, ())]
        return list(dict.fromkeys([*whole[:BY_SPELLING], *(number for _, _, number in best)]))


def candidate_pairs(
    values: Iterable[str], vectors: Iterable[Vector | None]
) -> Iterator[tuple[str, str]]:
    """(earlier value, later value) for all pairs of one attribute that are worth scoring."""
    blocks = Blocks()
    for value, vector in zip(values, vectors, strict=True):
        for earlier in blocks.add(value, vector):
            yield earlier, value


def _keys(folded: str) -> Iterator[str]:
    """What a value is found under; most are shared by spellings of the same words."""
    stems = stems_of(folded)[:6]
    joined = "".join(words_of(folded))
    yield f"all:{joined}"
    if len(stems) > 1:
        yield f"all:{''.join(s[0] for s in stems)}"
    for one, other in combinations(sorted(set(stems)), 2):
        yield f"two:{one} {other}"
    for word in stems:
        yield f"one:{word}"
        yield f"start:{word[:4]}"
        yield f"bones:{_bones(word)}"
    yield f"start:{joined[:4]}"
    yield f"bones:{_bones(joined)}"
    yield f"end:{joined[-5:]}"


def _bones(word: str) -> str:
    """First letter and consonants, doubled ones once: what a misspelling mostly leaves alone."""
    kept = word[:1]
    for letter in word[1:]:
        if letter not in "aeiouy" and letter != kept[-1]:
            kept += letter
    return kept[:6]


class _Cells:
    """Vectors in cells around some of them; the cells are drawn anew when their number doubles."""

    def __init__(self) -> None:
        self._numbers: list[int] = []
        self._vectors = np.zeros((_FIRST, 0), np.float16)
        self._narrow = np.zeros((_FIRST, _NARROW), np.float32)
        self._projection = np.zeros((0, _NARROW), np.float32)
        self._leaders = np.zeros((0, _NARROW), np.float32)
        self._cells: list[list[int]] = []
        self._rebuild_at = _FIRST

    def nearest(self, vector: Vector, count: int) -> list[int]:
        """The numbers of the nearest vectors by cosine, nearest first."""
        size = len(self._numbers)
        if not size or not np.isfinite(vector).all():
            return []
        rows = self._rows(vector) if self._cells else np.arange(size)
        likeness = self._vectors[rows].astype(np.float32) @ vector
        best = np.argsort(-likeness, kind="stable")[:count]
        return [self._numbers[rows[i]] for i in best if likeness[i] >= LEAST_COSINE]

    def add(self, number: int, vector: Vector) -> None:
        if not np.isfinite(vector).all():
            return
        row = len(self._numbers)
        if not row:
            # Seeded: the same values give the same candidates on every machine.
            drawn = np.random.default_rng(0).standard_normal((len(vector), _NARROW))
            self._projection = drawn.astype(np.float32)
            self._vectors = np.zeros((_FIRST, len(vector)), np.float16)
        if row == len(self._vectors):
            self._vectors = np.concatenate([self._vectors, np.zeros_like(self._vectors)])
            self._narrow = np.concatenate([self._narrow, np.zeros_like(self._narrow)])
        self._numbers.append(number)
        self._vectors[row] = vector
        self._narrow[row] = vector @ self._projection
        if self._cells:
            self._cells[int(np.argmax(self._leaders @ self._narrow[row]))].append(row)
        if len(self._numbers) == self._rebuild_at:
            self._rebuild()

    def _rows(self, vector: Vector) -> npt.NDArray[np.int64]:
        likeness = self._leaders @ (vector @ self._projection)
        probed = np.argpartition(-likeness, min(_PROBED, len(likeness) - 1))[:_PROBED]
        return np.array([row for cell in sorted(probed) for row in self._cells[cell]], np.int64)

    def _rebuild(self) -> None:
        size = len(self._numbers)
        self._rebuild_at = 2 * size
        chosen = np.random.default_rng(size).permutation(size)[: max(2, size // _CELL)]
        leaders = self._narrow[np.sort(chosen)]
        lengths = np.linalg.norm(leaders, axis=1, keepdims=True)
        self._leaders = leaders / np.maximum(lengths, np.float32(1e-9))
        self._cells = [[] for _ in self._leaders]
        for start in range(0, size, 1024):
            part = self._narrow[start : min(size, start + 1024)]
            for offset, cell in enumerate(np.argmax(part @ self._leaders.T, axis=1)):
                self._cells[cell].append(start + offset)
