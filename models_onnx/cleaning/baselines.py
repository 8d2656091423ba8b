"""What claims without a text are measured beside: frequency and cosine, no network trained.

The cosine is that of head and tail by all-MiniLM-L6-v2 as it comes (six layers, whole vocabulary,
mean of the tokens).
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from models_onnx.cleaning.data import Pair
from models_onnx.measure import Floats
from models_onnx.tagging.splits import normal
from models_onnx.training import sources, vocabulary
from models_onnx.training.encoder import Encoder, fill

_LAYERS, _MAX_TOKENS, _BATCH = 6, 96, 64


class Cosine:
    """Cosine of two texts by all-MiniLM-L6-v2, -1..1."""

    def __init__(self) -> None:
        source = sources.load("minilm-l6")
        self._tokenizer = vocabulary.whole(source.tokenizer)
        self._tokenizer.enable_truncation(_MAX_TOKENS)
        self._tokenizer.enable_padding()
        size = self._tokenizer.get_vocab_size()
        self._encoder = Encoder(size, _LAYERS).eval()
        fill(self._encoder, source.weights, range(size))
        self._known: dict[str, Floats] = {}

    def __call__(self, pairs: Sequence[tuple[str, str]]) -> Floats:
        # By length and then by letters: a batch, and so the last bit, is the same in every run.
        texts = {t for pair in pairs for t in pair} - self._known.keys()
        self._learn(sorted(texts, key=lambda text: (len(text), text)))
        return np.array([float(self._known[a] @ self._known[b]) for a, b in pairs])

    def vectors(self, texts: Sequence[str]) -> Floats:
        """Their embeddings, of length 1: [texts, hidden]."""
        self._learn(sorted(set(texts) - self._known.keys(), key=lambda text: (len(text), text)))
        return np.stack([self._known[text] for text in texts])

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
    """Logistic regression on log frequencies (head, tail, relation with tail) and the cosine.

    Frequencies are those of right claims in training. Heads that are measured were never seen
    there (the split keeps them apart), so in training they count as unseen too, and each tail is
    counted without the claim itself.
    """

    def __init__(self, train: Sequence[Pair], cosine: Cosine | None = None) -> None:
        self._cosine = cosine or Cosine()
        right = [pair for pair in train if pair.right]
        self._heads = Counter(normal(p.claim.type) for p in right)
        self._tails = Counter(normal(p.claim.value) for p in right)
        self._both = Counter((p.claim.attribute, normal(p.claim.value)) for p in right)
        truth = np.array([pair.right for pair in train])
        self._model = LogisticRegression(max_iter=1000).fit(self._features(train, own=True), truth)

    def __call__(self, pairs: Sequence[Pair]) -> Floats:
        """Log odds of being right."""
        scores: Floats = self._model.decision_function(self._features(pairs, own=False))
        return scores

    def _features(self, pairs: Sequence[Pair], *, own: bool) -> Floats:
        heads = np.array([self._heads[normal(p.claim.type)] for p in pairs], float)
        tails = np.array([self._tails[normal(p.claim.value)] for p in pairs], float)
        both = np.array(
            [self._both[p.claim.attribute, normal(p.claim.value)] for p in pairs], float
        )
        if own:
            heads[:] = 0.0
            counted = np.array([pair.right for pair in pairs], float)
            tails, both = tails - counted, both - counted
        cosine = self._cosine([(p.claim.type, p.claim.value) for p in pairs])
        return np.stack([np.log1p(heads), np.log1p(tails), np.log1p(both), cosine], 1)
