"""Train the cleaner: python -m models_onnx.cleaning.train --data DIR --out DIR [--init DIR].

It starts from the first layers of MiniLM-L6, or with `--init` from the encoder that
`models_onnx.tagging.train` wrote to that folder. The word embeddings are MiniLM's in any case, kept
as they are, so that words never trained on keep their place; the vocabulary is the claims' own.
Writes `checkpoint.pt` and `tokenizer.json`.
"""

import argparse
import json
import logging
import random
from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import nn
from torch.nn import functional

from models_onnx.bundle import TOKENIZER_FILE
from models_onnx.cleaning import data, vocabulary
from models_onnx.cleaning.baselines import Cosine
from models_onnx.cleaning.relatedness import SHARE, Near, Relatedness, phrases
from models_onnx.cleaning.wording import worded
from models_onnx.tagging import data as texts
from models_onnx.tagging.examples import IGNORED
from models_onnx.tokens import Tokens
from models_onnx.training import sources
from models_onnx.training.encoder import HIDDEN, Encoder, fill
from models_onnx.training.fit import Plan, Row, collate, fit

log = logging.getLogger(__name__)

EPOCHS = 4
BATCH = 48
RATE = 3e-4
LAYERS = 3
MAX_TOKENS = 96
"""Of a claim; two product names and a reason need more than a title."""

VOCABULARY = 14_000
"""Tokens: what keeps the file below 9 MB."""

JOINT = 128
"""Width of the layer that joins what the head reads."""

LIKENESS_WEIGHT = 5.0
"""Of a squared error beside a cross-entropy: cosines differ by tenths."""

COLON = ":"
"""Stands between attribute and value in `Tokens.encode_claim`."""


class CleanerModel(nn.Module):  # type: ignore[misc]
    """Encoder and head: one logit a claim, [texts].

    The head reads the first token, the mean of the marked tokens and of the value's own, and
    the latter times the means of type and text: what two texts share shows in three layers only
    if they are laid side by side. `likeness` is trained beside and not exported (`relatedness`).
    """

    def __init__(self, vocabulary_size: int, layers: int, *, sep: int, colon: int) -> None:
        super().__init__()
        self.encoder = Encoder(vocabulary_size, layers)
        self.sep, self.colon = sep, colon
        self.drop = nn.Dropout(0.1)
        self.joint = nn.Linear(5 * HIDDEN, JOINT)
        self.head = nn.Linear(JOINT, 1)
        self.likeness = nn.Linear(JOINT, 1)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.read(ids, mask, types))[:, 0]
        return logits

    def read(self, ids: torch.Tensor, mask: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
        """What the head judges by: [texts, JOINT]."""
        hidden = self.encoder(ids, mask, types)
        is_sep = ids == self.sep
        part = is_sep.long().cumsum(1) - is_sep.long()
        is_colon = (ids == self.colon) & (part == 0)
        inside = ~is_sep & ~is_colon
        value = _mean(hidden, inside & (part == 0) & (is_colon.long().cumsum(1) > 0))
        kind = _mean(hidden, inside & (part == 1))
        text = _mean(hidden, inside & (part == 2))
        place = _mean(hidden, types == 2)
        read = torch.cat([hidden[:, 0], place, value, value * kind, value * text], 1)
        joined: torch.Tensor = functional.gelu(self.joint(self.drop(read)))
        return joined


def _mean(hidden: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """Mean over the chosen tokens, zeros where there are none: [texts, hidden]."""
    weight = chosen.to(hidden.dtype)[..., None]
    total: torch.Tensor = (hidden * weight).sum(1)
    return total / weight.sum(1).clamp(min=1)


def encode(pair: data.Pair, tokens: Tokens) -> Row:
    """Ids, token types, and as the only label 1 for right, 0 for wrong."""
    found = tokens.encode_claim(worded(pair.claim))
    return found.ids, found.types, [int(pair.right)]


def encode_near(near: Near, tokens: Tokens) -> Row:
    """Ids, token types, and as the second label the cosine in thousandths."""
    found = tokens.encode_claim(worded(near.claim))
    return found.ids, found.types, [IGNORED, round(1000 * near.cosine)]


def loss(model: CleanerModel, batch: list[torch.Tensor]) -> torch.Tensor:
    """Cross-entropy of the claims, and the squared error of the cosines."""
    ids, mask, types, labels = batch
    with torch.autocast("cpu", torch.bfloat16):
        joined = model.read(ids, mask, types)
        logits, likeness = model.head(joined)[:, 0].float(), model.likeness(joined)[:, 0].float()
    judged = labels[:, 0] != IGNORED
    right = functional.binary_cross_entropy_with_logits(
        logits[judged], labels[judged, 0].float(), reduction="sum"
    )
    apart = likeness[~judged] - labels[~judged, 1] / 1000
    return (right + LIKENESS_WEIGHT * apart.square().sum()) / len(labels)


def new_model(
    claims: data.Claims, init: Path | None, *, size: int = VOCABULARY
) -> tuple[CleanerModel, str]:
    """An untrained head on a trained encoder, and the tokeniser (JSON)."""
    source = sources.load("minilm-l6")
    table, kept = vocabulary.cut(source.tokenizer, _words(claims), size=size)
    vocab = table["model"]["vocab"]
    state = {} if init is None else _encoder_state(init)
    model = CleanerModel(len(kept), LAYERS, sep=vocab["[SEP]"], colon=vocab[COLON])
    fill(model.encoder, source.weights, kept)
    model.encoder.round_words()
    model.encoder.load_state_dict({**model.encoder.state_dict(), **state})
    return model, json.dumps(table, ensure_ascii=False)


def train(
    claims: data.Claims,
    init: Path | None,
    *,
    epochs: int,
    seed: int,
    size: int = data.EPOCH_CLAIMS,
) -> tuple[CleanerModel, str]:
    """A trained model and its tokeniser (JSON)."""
    torch.manual_seed(seed)
    model, tokenizer = new_model(claims, init)
    tokens = Tokens(Tokenizer.from_str(tokenizer), max_tokens=MAX_TOKENS)

    source = data.Epochs(claims)
    near = Relatedness(phrases(claims), Cosine())

    def epoch(number: int) -> list[Row]:
        rng = random.Random(number)  # noqa: S311 - training data, not secrets
        judged = [encode(pair, tokens) for pair in source.pairs(number, size=size)]
        related = near.draw(round(SHARE * len(judged)), rng)
        return judged + [encode_near(one, tokens) for one in related]

    first = epoch(1)
    steps = epochs * (len(first) // BATCH)
    log.info("%d claims an epoch, %d steps", len(first), steps)
    shown = (first if n == 1 else epoch(n) for n in range(1, epochs + 1))
    fit(
        model,
        shown,
        Plan(steps, rate=RATE, size=BATCH, seed=seed),
        lambda rows: loss(model, collate(rows)),
        lambda row: len(row[0]),
    )
    return model, tokenizer


def save(model: CleanerModel, tokenizer: str, folder: Path) -> None:
    """Write `checkpoint.pt` and the tokeniser."""
    folder.mkdir(parents=True, exist_ok=True)
    about = {"layers": len(model.encoder.layers), "sep": model.sep, "colon": model.colon}
    torch.save({**about, "state": model.state_dict()}, folder / "checkpoint.pt")
    (folder / TOKENIZER_FILE).write_text(tokenizer, encoding="utf-8")


def _words(claims: data.Claims) -> Iterable[str]:
    """What the vocabulary has to hold, each text once a set."""
    for part in claims.train.values():
        seen: dict[str, None] = {}
        for claim in part:
            read = worded(claim)
            seen.update(dict.fromkeys((read.text, read.type, read.attribute, read.value)))
        yield from seen
    for rows in claims.judged.values():
        for row in rows:
            if not row.for_validation:
                yield from (row.head, row.relation, row.tail)


def _encoder_state(folder: Path) -> dict[str, torch.Tensor]:
    """The weights of a tagger's first layers, but not its words: its vocabulary is another."""
    saved = torch.load(folder / "checkpoint.pt", weights_only=True)["state"]
    found = {k.removeprefix("encoder."): v for k, v in saved.items() if k.startswith("encoder.")}
    beyond = ("words.", *(f"layers.{number}." for number in range(LAYERS, 24)))
    return {name: weight for name, weight in found.items() if not name.startswith(beyond)}


def main() -> None:
    """Train and save."""
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    args.add_argument("--out", type=Path, required=True)
    args.add_argument("--init", type=Path, help="folder that tagging.train wrote")
    args.add_argument("--epochs", type=int, default=EPOCHS)
    args.add_argument("--size", type=int, default=data.EPOCH_CLAIMS, help="claims an epoch")
    args.add_argument("--threads", type=int, default=2)
    args.add_argument("--seed", type=int, default=0)
    given = args.parse_args()
    torch.set_num_threads(given.threads)
    claims = data.read(given.data, texts.read(given.data))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    log.info("%s", {source: len(part) for source, part in claims.train.items()})
    model, tokenizer = train(
        claims, given.init, epochs=given.epochs, seed=given.seed, size=given.size
    )
    save(model, tokenizer, given.out)


if __name__ == "__main__":
    main()
