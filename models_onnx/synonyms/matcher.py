"""Pairs of values to verdicts: do they mean the same?"""

import asyncio
from collections.abc import Iterable, Sequence

from models_onnx.bundle import Bundle
from models_onnx.cleaning.decide import check_thresholds, decide
from models_onnx.runtime import Session
from models_onnx.served import Served
from models_onnx.spans import HELD, Judged, Senses, Term, ValuePair
from models_onnx.synonyms.amounts import agreement, amounts_of, restated
from models_onnx.synonyms.features import Vector, features
from models_onnx.synonyms.lexicon import LEXICON_FILE, Lexicon
from models_onnx.synonyms.reader import Reader, Readings
from models_onnx.synonyms.trees import SCORER_FILE, Forest
from models_onnx.synonyms.wording import plain, stems_of

DIFFERENT = Judged(0.0, "rejected")
"""The answer to two values whose numbers or units differ: a rule, no model is asked."""

SAME = Judged(1.0, "accepted")
"""The answer to two spellings of one text: case, punctuation, plural and units aside."""

STEP = 0.0001
"""Scores are rounded to this. Of two values of which only one has a number, no score reaches
the threshold of acceptance."""


class Matcher(Served):
    """Judges pairs. Thread-safe; an answer depends on its own pair alone, and not on its order.

    A pair with a value without a letter or digit, and one that the model fails on, is held
    (`set_aside` counts the values of the latter).

    Raises:
        ShapeError: the graph's outputs are not an encoder's.
        BundleError: thresholds are missing or out of order, or the scorer or the lexicon is
            not whole.
        InferenceError: the session is broken.
    """

    task = "synonyms"

    def __init__(self, bundle: Bundle, session: Session, *, threads: int | None = None) -> None:
        super().__init__(bundle, session)
        self._accept, self._reject = bundle.threshold("accept"), bundle.threshold("reject")
        check_thresholds(accept=self._accept, reject=self._reject)
        self._forest = Forest.load(bundle.folder / SCORER_FILE)
        self._lexicon = Lexicon.load(bundle.folder / LEXICON_FILE)
        self._reader = Reader(bundle, session, threads=threads)
        self._workers = self._reader.workers

    def match(self, pairs: Sequence[ValuePair]) -> list[Judged]:
        """One `Judged` for each pair, in the order given."""
        return self._judge_all(pairs, self._reader.read(_values(pairs)))

    async def match_async(self, pairs: Sequence[ValuePair]) -> list[Judged]:
        """As `match`, off the event loop."""
        readings = await self._reader.read_async(_values(pairs))
        return await asyncio.to_thread(self._judge_all, pairs, readings)

    def senses(self, terms: Sequence[Term]) -> list[Senses]:
        """What each may stand for, by the bundle's lexicon, in the order given; cheap."""
        return [Senses(self._lexicon.senses(stems_of(plain(term.text)))) for term in terms]

    async def senses_async(self, terms: Sequence[Term]) -> list[Senses]:
        """As `senses`, off the event loop."""
        return await asyncio.to_thread(self.senses, terms)

    def vectors(self, values: Sequence[str]) -> list[Vector | None]:
        """The encoder's vector of each value, float32 [384], length 1; None where it failed."""
        readings = self._reader.read(values)
        found = (readings[plain(value)] for value in values)
        return [reading.vector if reading is not None else None for reading in found]

    def _judge_all(self, pairs: Sequence[ValuePair], readings: Readings) -> list[Judged]:
        return [self._judge(pair, readings) for pair in pairs]

    def _judge(self, pair: ValuePair, readings: Readings) -> Judged:
        a, b = plain(pair.a), plain(pair.b)
        stems = stems_of(a), stems_of(b)
        if not all(stems):
            return HELD
        numbers = agreement(amounts_of(a), amounts_of(b))
        if numbers == "differ":
            return DIFFERENT
        if stems[0] == stems[1] or restated(a, b):
            return SAME
        one, other = readings[a], readings[b]
        if one is None or other is None:
            return HELD
        row = features(one, other, pair.attribute, self._forest.weights, self._lexicon)
        score = self._forest.score(row)
        if numbers == "one-sided":
            score = min(score, self._accept - STEP)
        return decide(score, accept=self._accept, reject=self._reject)


def _values(pairs: Iterable[ValuePair]) -> list[str]:
    return [value for pair in pairs for value in (pair.a, pair.b)]
