"""What the cleaner stands beside: a few features and logistic regression, no network trained.

For claims without a text: how frequent head and tail are, and the cosine of their embeddings by
all-MiniLM-L6-v2 as it comes (six layers, whole vocabulary, mean of the tokens).
"""

import json
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer

from models_onnx.cleaning.judgements import Judgement
from models_onnx.tagging.splits import normal
from models_onnx.tagging.train import Encoder, base_folder, load_base

Array = npt.NDArray[np.float64]

_LAYERS, _MAX_TOKENS, _BATCH = 6, 96, 64


class Cosine:
    """Cosine of two texts by all-MiniLM-L6-v2, -1..1."""

    def __init__(self) -> None:
        base = base_folder()
        table = json.loads((base / "tokenizer.json").read_text(encoding="utf-8"))
        table["truncation"] = table["padding"] = None
        self._tokenizer = Tokenizer.from_str(json.dumps(table))
        self._tokenizer.enable_truncation(_MAX_TOKENS)
        self._tokenizer.enable_padding()
        size = len(table["model"]["vocab"])
        self._encoder = Encoder(size, _LAYERS).eval()
        load_base(self._encoder, base, list(range(size)))
        self._known: dict[str, Array] = {}

    def __call__(self, pairs: Sequence[tuple[str, str]]) -> Array:
        self._learn(sorted({t for pair in pairs for t in pair} - self._known.keys(), key=len))
        return np.array([self._known[a] @ self._known[b] for a, b in pairs])

    def _learn(self, texts: Sequence[str]) -> None:
        for start in range(0, len(texts), _BATCH):
            part = texts[start : start + _BATCH]
            found = self._tokenizer.encode_batch(list(part))
            ids = torch.tensor([f.ids for f in found])
            mask = torch.tensor([f.attention_mask for f in found])
            with torch.inference_mode():
                hidden = self._encoder(ids, mask, torch.zeros_like(ids))
            mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
            vectors = torch.nn.functional.normalize(mean, dim=1).double().numpy()
            self._known.update(zip(part, vectors, strict=True))


class FrequencyAndCosine:
    """Logistic regression on log frequencies in training (head, tail, relation and tail) and cosine."""

    def __init__(self, train: Sequence[Judgement], right: Sequence[bool], cosine: Cosine) -> None:
        self._cosine = cosine
        asserted = [j for j, r in zip(train, right, strict=True) if r]
        self._heads = Counter(normal(j.head) for j in asserted)
        self._tails = Counter(normal(j.tail) for j in asserted)
        self._both = Counter((j.relation, normal(j.tail)) for j in asserted)
        # A row's own count would give its label away: it is left out where it is trained on.
        self._weights = logistic(self._features(train, less=right), np.array(right, float))

    def __call__(self, judgements: Sequence[Judgement]) -> Array:
        """Log odds of being right."""
        scores: Array = self._features(judgements) @ self._weights
        return scores

    def _features(self, rows: Sequence[Judgement], less: Sequence[bool] | None = None) -> Array:
        own = np.array(less if less is not None else [False] * len(rows), float)
        heads = np.array([self._heads[normal(j.head)] for j in rows]) - own
        tails = np.array([self._tails[normal(j.tail)] for j in rows]) - own
        both = np.array([self._both[j.relation, normal(j.tail)] for j in rows]) - own
        cosine = self._cosine([(j.head, j.tail) for j in rows])
        counts = [np.log1p(counted) for counted in (heads, tails, both)]
        return np.stack([np.ones(len(rows)), *counts, cosine], 1)


def logistic(features: Array, truth: Array, *, ridge: float = 1e-3, steps: int = 30) -> Array:
    """Weights of a logistic regression, by Newton's method."""
    weights = np.zeros(features.shape[1])
    for _ in range(steps):
        chance = 1 / (1 + np.exp(-features @ weights))
        slope = features.T @ (chance - truth) + ridge * weights
        curve = (features * (chance * (1 - chance))[:, None]).T @ features
        weights -= np.linalg.solve(curve + ridge * np.eye(len(weights)), slope)
    return weights
