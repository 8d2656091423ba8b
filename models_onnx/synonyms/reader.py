"""Values to readings, with the encoder of a bundle; each is read alone and kept for a while."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence

import numpy as np

from models_onnx.bundle import Bundle
from models_onnx.errors import ShapeError
from models_onnx.runtime import Session
from models_onnx.synonyms.features import Reading, Vector
from models_onnx.synonyms.wording import plain, words_of
from models_onnx.tokens import Encoded, Tokens
from models_onnx.workers import Row, Workers

OUTPUTS = ("hidden", "vector")
"""Of the graph: float32 [values, tokens, 384], and their mean over tokens, of length 1,
[values, 384]."""

KEPT_VALUES = 8_192
"""Readings kept: values repeat. One takes about 5 kB."""

_PROBE = "dark red"

Readings = dict[str, Reading | None]
"""By `plain` text; None where the model failed."""


class Reader:
    """Reads values. Thread-safe; a reading never depends on other values.

    Raises:
        ShapeError: the graph's outputs are not an encoder's.
        BundleError: the tokeniser is none.
        InferenceError: the session is broken.
    """

    def __init__(
        self,
        bundle: Bundle,
        session: Session,
        *,
        threads: int | None = None,
        kept: int = KEPT_VALUES,
    ) -> None:
        if session.outputs != OUTPUTS:
            raise ShapeError(f"{session.path} gives {session.outputs}, an encoder gives {OUTPUTS}")
        self._tokens = Tokens.load(bundle.tokenizer_path, max_tokens=bundle.manifest.max_tokens)
        probe = self._tokens.encode_value(_PROBE)
        self.workers = Workers(
            session,
            probe=probe,
            pad=self._tokens.pad,
            outputs=OUTPUTS,
            longest=bundle.manifest.max_tokens,
            threads=threads,
        )
        self._read(_PROBE, probe, self.workers.warm)
        self._kept: OrderedDict[str, Reading | None] = OrderedDict()
        self._most = kept
        self._lock = threading.Lock()

    def read(self, values: Iterable[str]) -> Readings:
        """A reading of each value, by its `plain` text."""
        known, missing = self._known(values)
        found = self.workers.map(missing, self._tokens.encode_value, self._read)
        return self._keep(known, missing, found)

    async def read_async(self, values: Iterable[str]) -> Readings:
        """As `read`, off the event loop."""
        known, missing = self._known(values)
        found = await self.workers.map_async(missing, self._tokens.encode_value, self._read)
        return self._keep(known, missing, found)

    def _known(self, values: Iterable[str]) -> tuple[Readings, list[str]]:
        asked = dict.fromkeys(plain(value) for value in values)
        with self._lock:
            known = {text: self._kept[text] for text in asked if text in self._kept}
            for text in known:
                self._kept.move_to_end(text)
        return known, [text for text in asked if text not in known]

    def _keep(
        self, known: Readings, missing: Sequence[str], found: Sequence[Reading | None]
    ) -> Readings:
        new = dict(zip(missing, found, strict=True))
        with self._lock:
            self._kept.update(new)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return known | new

    def _read(self, text: str, encoded: Encoded, row: Row | None) -> Reading | None:
        if row is None:
            return None
        hidden = np.asarray(row[0], np.float32)
        firsts = [*(first for first, _, _ in encoded.words), len(encoded.ids) - 1]
        words, vectors = [], []
        for (first, start, end), last in zip(encoded.words, firsts[1:], strict=True):
            if word := "".join(words_of(text[start:end])):
                words.append(word)
                vectors.append(_unit(hidden[first:last].mean(0)))
        matrix = np.stack(vectors) if vectors else np.zeros((0, hidden.shape[-1]), np.float32)
        return Reading(text, tuple(words), np.array(row[1], np.float32), matrix)


def _unit(vector: Vector) -> Vector:
    length = np.float32(np.sqrt((vector * vector).sum()))
    return vector / max(length, np.float32(1e-9))
