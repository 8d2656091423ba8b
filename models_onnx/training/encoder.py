"""The encoder as torch trains it: some layers of a BERT of hidden size 384, and a small vocabulary.

Word embeddings are frozen: words that training never showed keep their place (measured: recall of
unseen values 0.69 so, 0.42 from scratch).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from models_onnx import word_table

HIDDEN, HEADS, INNER, POSITIONS, EPSILON = 384, 12, 1536, 128, 1e-12


class Dropout(nn.Module):  # type: ignore[misc]
    """Dropout with windows on one long random mask, shared by all who hold it.

    Drawing every mask anew is a fifth of a step on a CPU (measured: aten::bernoulli_).
    """

    _LONG = 1 << 23

    def __init__(self, share: float) -> None:
        super().__init__()
        self._share = share
        self._masks = torch.empty(0, dtype=torch.bfloat16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or not self._share:
            return x
        size = x.numel()
        if len(self._masks) < 2 * size:
            kept = torch.rand(max(self._LONG, 2 * size)) >= self._share
            self._masks = kept.to(torch.bfloat16) / (1 - self._share)
        at = int(torch.randint(len(self._masks) - size, ()))
        return x * self._masks[at : at + size].view(x.shape)


class Layer(nn.Module):  # type: ignore[misc]
    """One BERT layer, normalised after each half; `qkv` is query, key and value in one matrix."""

    def __init__(self, drop: Dropout) -> None:
        super().__init__()
        self.qkv = nn.Linear(HIDDEN, 3 * HIDDEN)
        self.out = nn.Linear(HIDDEN, HIDDEN)
        self.norm1 = nn.LayerNorm(HIDDEN, EPSILON)
        self.inner = nn.Linear(HIDDEN, INNER)
        self.outer = nn.Linear(INNER, HIDDEN)
        self.norm2 = nn.LayerNorm(HIDDEN, EPSILON)
        self.drop = drop

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        rows, length, _ = x.shape
        split = self.qkv(x).view(rows, length, 3, HEADS, HIDDEN // HEADS).permute(2, 0, 3, 1, 4)
        # By hand: torch's fused kernel takes six times as long on texts this short (measured).
        near = split[0] @ split[1].transpose(-1, -2) / (HIDDEN // HEADS) ** 0.5
        near = near.masked_fill(~mask, float("-inf")).softmax(-1)
        seen = self.drop(near) @ split[2]
        seen = seen.transpose(1, 2).reshape(rows, length, HIDDEN)
        x = self.norm1(x + self.drop(self.out(seen)))
        return self.norm2(x + self.drop(self.outer(functional.gelu(self.inner(x)))))


class Encoder(nn.Module):  # type: ignore[misc]
    """Some layers and `vocabulary` tokens of a BERT; three token types, the third a copy."""

    def __init__(self, vocabulary: int, layers: int, *, drop: float = 0.1) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, HIDDEN)
        self.positions = nn.Embedding(POSITIONS, HIDDEN)
        self.types = nn.Embedding(3, HIDDEN)
        self.norm = nn.LayerNorm(HIDDEN, EPSILON)
        self.drop = Dropout(drop)
        self.layers = nn.ModuleList(Layer(self.drop) for _ in range(layers))
        self.words.weight.requires_grad_(False)

    def round_words(self) -> None:
        """Make the words what a shipped file will have (`word_table.py`), before training."""
        words = self.words.weight.data
        words.copy_(torch.from_numpy(word_table.rounded(words.numpy())))

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
        places = torch.arange(ids.shape[1])
        x = self.words(ids) + self.positions(places) + self.types(types)
        x = self.drop(self.norm(x))
        open_ = mask[:, None, None, :].bool()
        for layer in self.layers:
            x = layer(x, open_)
        return x


def fill(encoder: Encoder, weights: Mapping[str, torch.Tensor], kept: Sequence[int]) -> None:
    """Fill `encoder` with the first layers of a BERT, `kept` being the old ids of its tokens."""

    def put(module: Any, name: str) -> None:
        module.weight.data.copy_(weights[name + ".weight"])
        module.bias.data.copy_(weights[name + ".bias"])

    words = weights["embeddings.word_embeddings.weight"]
    encoder.words.weight.data.copy_(words[torch.tensor(kept)])
    encoder.positions.weight.data.copy_(
        weights["embeddings.position_embeddings.weight"][:POSITIONS]
    )
    types = weights["embeddings.token_type_embeddings.weight"]
    encoder.types.weight.data.copy_(torch.cat([types, types[1:]]))
    put(encoder.norm, "embeddings.LayerNorm")
    for i, layer in enumerate(encoder.layers):
        at = f"encoder.layer.{i}."
        parts = [f"{at}attention.self.{name}" for name in ("query", "key", "value")]
        layer.qkv.weight.data.copy_(torch.cat([weights[p + ".weight"] for p in parts]))
        layer.qkv.bias.data.copy_(torch.cat([weights[p + ".bias"] for p in parts]))
        put(layer.out, at + "attention.output.dense")
        put(layer.norm1, at + "attention.output.LayerNorm")
        put(layer.inner, at + "intermediate.dense")
        put(layer.outer, at + "output.dense")
        put(layer.norm2, at + "output.LayerNorm")
