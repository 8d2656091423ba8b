"""Texts to spans, with the model of a bundle."""

from collections.abc import Sequence

from models_onnx.bundle import Bundle
from models_onnx.errors import ShapeError
from models_onnx.served import Served
from models_onnx.spans import Tagged, Text
from models_onnx.tagging.decode import check_labels, decode_spans
from models_onnx.tagging.path import PathFinder
from models_onnx.tokens import Encoded, Tokens
from models_onnx.workers import Row, Runs, Workers

OUTPUTS = ("chances", "type", "type_confidence")
"""Needed of the graph: float32 [texts, tokens, labels]; of a bundle that types texts also int32 and
float32, [texts] each; others are not looked at."""

_PROBE = Text("black leather shoes for men, size 8", "title")


class Tagger(Served):
    """Tags titles and queries. Thread-safe; a text's answer never depends on its company.

    `bundle_id` names model, precision and the device that answers now: after a GPU failed for good
    it is another one. No text makes it raise: one that is empty, or that the model fails on, has no
    spans (`set_aside` counts the latter).

    Raises:
        BundleError: labels or thresholds are missing.
        ShapeError: the graph's outputs do not fit the bundle's labels.
        InferenceError: the session is broken.
    """

    task = "tagging"

    def __init__(self, bundle: Bundle, session: Runs, *, threads: int | None = None) -> None:
        super().__init__(bundle, session)
        self._labels = bundle.manifest.labels
        check_labels(self._labels)
        self._path = PathFinder(self._labels)
        self._min_score = bundle.threshold("min_score")
        self._types = bundle.types()
        self._min_type_score = bundle.threshold("min_type_score") if self._types else 1.0
        longest = bundle.manifest.max_tokens
        self._tokens = Tokens.load(bundle.tokenizer_path, max_tokens=longest)
        probe = self._tokens.encode_text(_PROBE)
        self._workers = Workers(
            session,
            probe=probe,
            pad=self._tokens.pad,
            outputs=OUTPUTS if self._types else OUTPUTS[:1],
            longest=longest,
            threads=threads,
        )
        self._read(_PROBE, probe, self._workers.warm)

    def tag(self, texts: Sequence[Text]) -> list[Tagged]:
        """One `Tagged` for each text, in the order given."""
        return self._workers.map(texts, self._tokens.encode_text, self._read)

    async def tag_async(self, texts: Sequence[Text]) -> list[Tagged]:
        """As `tag`, off the event loop."""
        return await self._workers.map_async(texts, self._tokens.encode_text, self._read)

    def _read(self, text: Text, encoded: Encoded, row: Row | None) -> Tagged:
        if row is None or not encoded.words:
            return Tagged()
        chances = row[0][[word[0] for word in encoded.words]]
        if chances.shape[1:] != (len(self._labels),):
            raise ShapeError(
                f"the model gives chances {row[0].shape}, but bundle.toml has {len(self._labels)} "
                "labels: they are from different exports; fetch the bundle again"
            )
        tags = self._path.best(chances)
        spans = decode_spans(
            text.text,
            [word[1:] for word in encoded.words],
            tags,
            chances[range(len(tags)), tags].tolist(),
            self._labels,
            min_score=self._min_score,
        )
        return Tagged(spans, *self._type(row))

    def _type(self, row: Row) -> tuple[str, float]:
        if not self._types:
            return "", 0.0
        column, score = int(row[1]), float(row[2])
        if not 0 <= column < len(self._types):
            raise ShapeError(f"type {column}, but the bundle has {len(self._types)}: fetch it anew")
        if not self._types[column] or not score >= self._min_type_score:
            return "", 0.0
        return self._types[column], round(score, 4)
