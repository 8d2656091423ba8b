"""Train the cleaner: python -m models_onnx.cleaning.train --data DIR --tagger DIR --out DIR.

`--tagger` is the folder that `models_onnx.tagging.train` wrote: the cleaner starts from its encoder
and keeps its tokeniser. Writes `checkpoint.pt` and `tokenizer.json`.
"""

import argparse
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from models_onnx.bundle import TOKENIZER_FILE
from models_onnx.cleaning import data
from models_onnx.tagging import data as texts
from models_onnx.tagging.train import load as load_checkpoint
from models_onnx.tokens import Tokens
from models_onnx.training.encoder import HIDDEN, Encoder
from models_onnx.training.fit import Plan, Row, collate, fit

EPOCHS = 5
BATCH = 48


class CleanerModel(nn.Module):  # type: ignore[misc]
    """Encoder, and one logit from the first token beside the mean of the marked ones: [texts]."""

    def __init__(self, vocabulary: int, layers: int) -> None:
        super().__init__()
        self.encoder = Encoder(vocabulary, layers)
        self.drop = nn.Dropout(0.1)
        self.head = nn.Linear(2 * HIDDEN, 1)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
        hidden = self.encoder(ids, mask, types)
        marked = (types == 2).to(hidden.dtype)[..., None]
        place = (hidden * marked).sum(1) / marked.sum(1).clamp(min=1)
        logits: torch.Tensor = self.head(self.drop(torch.cat([hidden[:, 0], place], 1)))[:, 0]
        return logits


def encode(pair: data.Pair, tokens: Tokens) -> Row:
    """Ids, token types, and as the only label 1 for right, 0 for wrong."""
    found = tokens.encode_claim(pair.claim)
    return found.ids, found.types, [int(pair.right)]


def train(
    claims: data.Claims, tagger: Path, *, epochs: int, seed: int
) -> tuple[CleanerModel, Tokens]:
    """A trained model and the tokeniser it uses."""
    torch.manual_seed(seed)
    start, tokens = load_checkpoint(tagger)
    encoder = start.encoder
    model = CleanerModel(encoder.words.num_embeddings, len(encoder.layers))
    model.encoder.load_state_dict(encoder.state_dict())

    def loss_of(batch: list[torch.Tensor]) -> torch.Tensor:
        ids, mask, types, labels = batch
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(ids, mask, types)
        return functional.binary_cross_entropy_with_logits(logits.float(), labels[:, 0].float())

    shown = (data.epoch(claims, number) for number in range(1, epochs + 1))
    steps = epochs * (len(data.epoch(claims, 1)) // BATCH)
    encoded = ([encode(pair, tokens) for pair in pairs] for pairs in shown)
    fit(
        model,
        encoded,
        Plan(steps, rate=3e-4, size=BATCH, seed=seed),
        lambda rows: loss_of(collate(rows)),
        lambda row: len(row[0]),
    )
    return model, tokens


def main() -> None:
    """Train and save."""
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    args.add_argument("--tagger", type=Path, required=True, help="folder that tagging.train wrote")
    args.add_argument("--out", type=Path, required=True)
    args.add_argument("--epochs", type=int, default=EPOCHS)
    args.add_argument("--threads", type=int, default=2)
    args.add_argument("--seed", type=int, default=0)
    given = args.parse_args()
    torch.set_num_threads(given.threads)
    claims = data.read(given.data, texts.read(given.data))
    print({source: len(part) for source, part in claims.train.items()}, flush=True)
    model, _ = train(claims, given.tagger, epochs=given.epochs, seed=given.seed)
    given.out.mkdir(parents=True, exist_ok=True)
    layers = len(model.encoder.layers)
    torch.save({"layers": layers, "state": model.state_dict()}, given.out / "checkpoint.pt")
    tokenizer = (given.tagger / TOKENIZER_FILE).read_text(encoding="utf-8")
    (given.out / TOKENIZER_FILE).write_text(tokenizer, encoding="utf-8")


if __name__ == "__main__":
    main()
