"""The tagger as torch trains it."""

import torch
from torch import nn

from models_onnx.training.encoder import HIDDEN, Encoder


class TaggerModel(nn.Module):  # type: ignore[misc]
    """An encoder, a linear layer over each token, and one over the first token for the type."""

    def __init__(
        self, vocabulary: int, layers: int, labels: int, types: int, *, drop: float = 0.1
    ) -> None:
        super().__init__()
        self.encoder = Encoder(vocabulary, layers, drop=drop)
        self.drop = nn.Dropout(0.1)
        self.head = nn.Linear(HIDDEN, labels)
        self.type_head = nn.Linear(HIDDEN, types)

    def forward(
        self, ids: torch.Tensor, mask: torch.Tensor, types: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of labels [texts, tokens, labels] and of product types [texts, types]."""
        x = self.drop(self.encoder(ids, mask, types))
        return self.head(x), self.type_head(x[:, 0])
