"""Rule-based models, and a session that fails on demand, for tests and simulations.

Tagger and cleaner know only the lexicon that the caller hands in (label -> phrases), need no files,
no threads and no onnxruntime, and give the same answer every time.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any, Literal

import numpy as np

from models_onnx.batching import Ids
from models_onnx.errors import DeviceError, DeviceMemoryError, InferenceError
from models_onnx.spans import HELD, Claim, Judged, Senses, Span, Tagged, Term, Text, ValuePair

Lexicon = Mapping[str, Iterable[str]]

_WORD = re.compile(r"\w+", re.UNICODE)


class FakeTagger:
    """Tags the longest lexicon phrase at each word; case and punctuation between words are ignored.

    When several labels hold the same phrase, the label that comes first in the lexicon wins.
    """

    def __init__(self, lexicon: Lexicon, *, bundle_id: str = "tagging@0.0.0-rules-fake") -> None:
        self.bundle_id = bundle_id
        self._labels: dict[tuple[str, ...], str] = {}
        for label, phrases in lexicon.items():
            for phrase in phrases:
                if words := _words(phrase):
                    self._labels.setdefault(words, label)
        self._longest = max(map(len, self._labels), default=0)

    def tag(self, texts: Sequence[Text]) -> list[Tagged]:
        """One `Tagged` for each text, in the order given."""
        return [Tagged(tuple(self._spans(text.text))) for text in texts]

    async def tag_async(self, texts: Sequence[Text]) -> list[Tagged]:
        """As `tag`."""
        return self.tag(texts)

    def close(self) -> None:
        """Nothing to release."""

    def _spans(self, text: str) -> Iterable[Span]:
        found = [(m.start(), m.end(), m.group().lower()) for m in _WORD.finditer(text)]
        at = 0
        while at < len(found):
            for count in range(min(self._longest, len(found) - at), 0, -1):
                label = self._labels.get(tuple(word for _, _, word in found[at : at + count]))
                if label is not None:
                    start, end = found[at][0], found[at + count - 1][1]
                    yield Span(start, end, label, text[start:end], 1.0)
                    at += count
                    break
            else:
                at += 1


class FakeCleaner:
    """Judges claims by the lexicon (attribute -> values it may have) and by the title.

    Rejected: the value stands in the lexicon under other attributes only, or the title names
    another value of the same attribute and not this one. Accepted: a known value, or one that the
    title names. Held: everything else.
    """

    def __init__(self, lexicon: Lexicon, *, bundle_id: str = "cleaning@0.0.0-rules-fake") -> None:
        self.bundle_id = bundle_id
        self.attributes = frozenset(lexicon)
        self._values = {a: {_words(v) for v in values} - {()} for a, values in lexicon.items()}

    def judge(self, claims: Sequence[Claim]) -> list[Judged]:
        """One `Judged` for each claim, in the order given."""
        return [self._judge(claim) for claim in claims]

    async def judge_async(self, claims: Sequence[Claim]) -> list[Judged]:
        """As `judge`."""
        return self.judge(claims)

    def close(self) -> None:
        """Nothing to release."""

    def _judge(self, claim: Claim) -> Judged:
        value, title = _words(claim.value), _words(claim.text)
        if not value or not claim.attribute.strip():
            return HELD
        own = self._values.get(claim.attribute, set())
        in_title = _contains(title, value)
        if value not in own and any(value in other for other in self._values.values()):
            return Judged(0.05, "rejected")
        if in_title:
            return Judged(0.95, "accepted")
        if any(_contains(title, other) for other in own if other != value):
            return Judged(0.05, "rejected")
        return Judged(0.9, "accepted") if value in own else HELD


class FakeMatcher:
    """Judges pairs of values by their letters, and never values with other digits the same.

    Args:
        sets: name of a sense -> words that have it; to the judge all words of a set are one, of
            several sets the first by name.
        accept: share of letters in common from which two values mean the same, 0..1; below half of
            it they do not.
        bundle_id: to answer under.
    """

    def __init__(
        self,
        *,
        accept: float = 0.9,
        bundle_id: str = "synonyms@0.0.0-rules-fake",
        sets: Mapping[str, frozenset[str]] | None = None,
    ) -> None:
        self.bundle_id = bundle_id
        self._accept = accept
        self._sets = dict(sets or {})

    def match(self, pairs: Sequence[ValuePair]) -> list[Judged]:
        """One `Judged` for each pair, in the order given."""
        return [self._judge(*sorted((pair.a, pair.b))) for pair in pairs]

    async def match_async(self, pairs: Sequence[ValuePair]) -> list[Judged]:
        """As `match`."""
        return self.match(pairs)

    def senses(self, terms: Sequence[Term]) -> list[Senses]:
        """One `Senses` for each value, in the order given."""
        return [
            Senses(
                tuple(
                    name
                    for name, words in sorted(self._sets.items())
                    if not words.isdisjoint(_words(term.text))
                )
            )
            for term in terms
        ]

    async def senses_async(self, terms: Sequence[Term]) -> list[Senses]:
        """As `senses`."""
        return self.senses(terms)

    def close(self) -> None:
        """Nothing to release."""

    def _judge(self, one: str, other: str) -> Judged:
        if re.findall(r"\d+", one) != re.findall(r"\d+", other):
            return Judged(0.0, "rejected")
        left, right = ("".join(map(self._meant, _words(text))) for text in (one, other))
        score = round(SequenceMatcher(None, left, right).ratio(), 4)
        if score >= self._accept:
            return Judged(score, "accepted")
        return Judged(score, "rejected" if score < self._accept / 2 else "held")

    def _meant(self, word: str) -> str:
        return next((name for name, words in sorted(self._sets.items()) if word in words), word)


class FakeSession:
    """A session whose answer for a text is the sum of its ids ("sum") and its ids ("echo").

    Args:
        device: "cpu" or "cuda".
        fails_on: ids of tokens for which it raises.
        memory: padded tokens of the largest call that it has memory for; None: any.
        broken: it raises for everything.
        next: what `reopen` gives by device; a device that is not there cannot be had.

    Attributes:
        shapes: of the calls so far, failed ones too.
    """

    outputs = ("sum", "echo")
    per_token = frozenset({"echo"})

    def __init__(
        self,
        device: str = "cpu",
        *,
        fails_on: Collection[int] = (),
        memory: int | None = None,
        broken: bool = False,
        next: Mapping[str, "FakeSession"] | None = None,
    ) -> None:
        self.device = device
        self.fails_on, self.memory, self.broken = set(fails_on), memory, broken
        self.shapes: list[tuple[int, ...]] = []
        self._next = dict(next or {})

    def run(self, ids: Ids, mask: Ids, types: Ids) -> list[Any]:
        """See the class.

        Raises:
            DeviceMemoryError, InferenceError: as asked for, in onnxruntime's words.
        """
        del types
        self.shapes.append(ids.shape)
        if self.memory is not None and ids.size > self.memory:
            raise DeviceMemoryError("model.onnx failed on cuda: Failed to allocate memory")
        if self.broken or self.fails_on & set(np.unique(ids).tolist()):
            raise InferenceError(f"model.onnx failed on {self.device}: CUDA failure 700")
        return [(ids * mask).sum(axis=1), ids * mask]

    def reopen(self, device: Literal["auto", "cpu", "cuda"]) -> "FakeSession":
        """The next session on that device.

        Raises:
            DeviceError: there is none.
        """
        if device not in self._next:
            raise DeviceError(f"no {device} here")
        return self._next[device]


def _words(text: str) -> tuple[str, ...]:
    return tuple(m.group().lower() for m in _WORD.finditer(text))


def _contains(words: tuple[str, ...], part: tuple[str, ...]) -> bool:
    return any(words[i : i + len(part)] == part for i in range(len(words) - len(part) + 1))
