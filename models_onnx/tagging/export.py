"""Make a bundle of a trained tagger.

python -m models_onnx.tagging.export --checkpoint DIR --data DIR --out DIR

The graph is built by hand from onnxruntime's fused operators: its optimiser finds none of them in
what torch.onnx makes of this encoder (measured: 24 nodes here, 137 there), and the 1-D lengths that
`EmbedLayerNormalization` gives to `Attention` open the fast attention kernels on a GPU.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from tokenizers import Tokenizer

from models_onnx import bundle as bundles
from models_onnx import graphs, publish, smoothing
from models_onnx.batching import Ids, alone, arrays
from models_onnx.bundle import MODEL_FILE, TOKENIZER_FILE, Manifest
from models_onnx.labels import bio_labels
from models_onnx.runtime import INPUTS, open_session
from models_onnx.spans import Tagged, Text
from models_onnx.tagging import data, evaluate
from models_onnx.tagging.examples import Labelled
from models_onnx.tagging.splits import normal
from models_onnx.tagging.tagger import OUTPUTS, Tagger
from models_onnx.tagging.train import (
    EPOCHS,
    EPSILON,
    HEADS,
    MAX_TOKENS,
    Encoder,
    TaggerModel,
    collate,
)
from models_onnx.tokens import Encoded, Tokens

FUSED = "com.microsoft"
NAME, VERSION = "tagging", "0.1.0"
MIN_SCORE = 0.3
_CALIBRATED = 300

ABOUT = """
Tags product titles and shopping queries with product type, brand, attributes and intents. One
encoder (MiniLM-L6's first three layers, vocabulary cut) with one linear layer; labels are read at
each word's first token and repaired as in conlleval.
"""
LIMITS = """
English only, letter case ignored. Figures are on validation splits that no training text shares a
title or query with; sets labelled from catalogs (icecat, myntra) name only some values, so read
their recall. `unseen` = no training text has that value under that label. The labels of query-ner
and oa-mine are mapped to ours: these figures are not comparable with published ones.

`grammar-*` are generated texts: they show that phrases never seen are found in the generator's own
sentences, not how shoppers write. Twenty queries written by hand afterwards, with intents that are
in no training text ("raincoat for beekeepers"), came out exactly right in 10: read `grammar-unseen`
as too kind. Most of the well-known examples above ("shoes for pregnant women", "icy sidewalks",
"Peter England") are in the training data; what is not is marked new.

Bare intents without a preposition, phrases of three words and more, new devices (compatibility),
and misspelt first words ("pregnent women shoes") are the commonest errors. Rare labels (scent,
condition, price) have little hand-labelled data. QueryNER's annotators agree at 0.56 span F1.
The same validation sets were looked at between two training runs (3 and 9 epochs).
"""


EXAMPLES = (
    Text("shoes for pregnant women", "query"),
    Text("pregnent women shoes", "query"),
    Text("boots for icy sidewalks", "query"),
    Text("jacket for rainy hiking trips", "query"),
    Text("something to help me sleep", "query"),
    Text("raincoat for beekeepers", "query"),
    Text("beekeepers raincoat", "query"),
    Text("shoes for chasing toddlers", "query"),
    Text("case for fairphone 5", "query"),
    Text("maternity jeans", "query"),
    Text("Peter England Men Party Blue Jeans", "title"),
    Text("Slip-Resistant Leather Clogs for Nurses, Black, Size 8", "title"),
    Text("WHITE HANGING HEART T-LIGHT HOLDER", "title"),
    Text("Kids Rain Boots with Easy-On Handles", "title"),
)


class Graph:
    """Collects nodes and weights of one ONNX graph."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def weight(self, name: str, value: torch.Tensor | np.ndarray[Any, Any]) -> str:
        array = value.detach().numpy() if isinstance(value, torch.Tensor) else value
        self.weights.append(numpy_helper.from_array(np.array(array, order="C"), name))
        return name

    def add(
        self, op: str, inputs: Sequence[str], *outputs: str, domain: str = "", **attributes: Any
    ) -> str:
        node = helper.make_node(
            op, list(inputs), list(outputs), name=outputs[0], domain=domain, **attributes
        )
        self.nodes.append(node)
        return outputs[0]

    def encoder(self, encoder: Encoder) -> str:
        """Add the encoder; the name of its output [texts, tokens, hidden]."""
        tables = [
            self.weight("words", encoder.words.weight),
            self.weight("positions", encoder.positions.weight),
            self.weight("types", encoder.types.weight),
            self.weight("norm", encoder.norm.weight),
            self.weight("norm_bias", encoder.norm.bias),
        ]
        x = self.add(
            "EmbedLayerNormalization",
            [INPUTS[0], INPUTS[2], *tables, INPUTS[1]],
            "embedded",
            "lengths",
            domain=FUSED,
            epsilon=EPSILON,
        )
        for number, layer in enumerate(encoder.layers):
            x = self._layer(layer, x, f"layer{number}.")
        return x

    def _layer(self, layer: Any, x: str, p: str) -> str:
        qkv = [
            self.weight(p + "qkv", layer.qkv.weight.T),
            self.weight(p + "qkv_bias", layer.qkv.bias),
        ]
        y = self.add(
            "Attention", [x, *qkv, "lengths"], p + "attention", domain=FUSED, num_heads=HEADS
        )
        y = self.add("MatMul", [y, self.weight(p + "out", layer.out.weight.T)], p + "mixed")
        x = self._skip_norm(y, x, layer.norm1, layer.out.bias, p + "norm1")
        y = self.add("MatMul", [x, self.weight(p + "inner", layer.inner.weight.T)], p + "wide")
        bias = self.weight(p + "inner_bias", layer.inner.bias)
        y = self.add("BiasGelu", [y, bias], p + "gelu", domain=FUSED)
        y = self.add("MatMul", [y, self.weight(p + "outer", layer.outer.weight.T)], p + "narrow")
        return self._skip_norm(y, x, layer.norm2, layer.outer.bias, p + "norm2")

    def _skip_norm(self, x: str, skip: str, norm: Any, bias: torch.Tensor, name: str) -> str:
        weights = [
            self.weight(name + ".weight", norm.weight),
            self.weight(name + ".bias", norm.bias),
            self.weight(name + ".before", bias),
        ]
        return self.add(
            "SkipLayerNormalization", [x, skip, *weights], name, domain=FUSED, epsilon=EPSILON
        )

    def model(self, outputs: list[Any]) -> Any:
        """The finished model; inputs are int32 [texts, tokens]."""
        inputs = [
            helper.make_tensor_value_info(name, TensorProto.INT32, ["texts", "tokens"])
            for name in INPUTS
        ]
        graph = helper.make_graph(self.nodes, "cartograph", inputs, outputs, self.weights)
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid(FUSED, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def build(model: TaggerModel) -> Any:
    """The tagger as ONNX, fp32: `tags` (uint8) and `confidence` (float32), [texts, tokens] each."""
    graph = Graph()
    x = graph.encoder(model.encoder)
    x = graph.add("MatMul", [x, graph.weight("head", model.head.weight.T)], "raw")
    x = graph.add("Add", [x, graph.weight("head_bias", model.head.bias)], "logits")
    best = graph.add("ArgMax", [x], "best", axis=-1, keepdims=0)
    graph.add("Cast", [best], OUTPUTS[0], to=TensorProto.UINT8)
    chances = graph.add("Softmax", [x], "chances", axis=-1)
    graph.add("ReduceMax", [chances], OUTPUTS[1], axes=[-1], keepdims=0)
    kinds = (TensorProto.UINT8, TensorProto.FLOAT)
    return graph.model(
        [
            helper.make_tensor_value_info(name, kind, ["texts", "tokens"])
            for name, kind in zip(OUTPUTS, kinds, strict=True)
        ]
    )


def save_int8(
    model: Any, path: Path, *, keep: Sequence[str] = ("raw",), texts: Sequence[Encoded] = ()
) -> None:
    """Write `model` with int8 weights per channel, for the CPU; the nodes in `keep` stay fp32.

    With `texts` (some hundred like those to come) activations are evened out before.
    """
    if texts:
        smoothing.smooth(model, map(single, texts), keep=keep)
    with TemporaryDirectory() as folder:
        full = Path(folder) / "fp32.onnx"
        onnx.save(model, full)
        quantize_dynamic(
            full,
            path,
            per_channel=True,
            reduce_range=False,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=list(keep),
            extra_options={"MatMulConstBOnly": True, "DefaultTensorType": TensorProto.FLOAT},
        )
    made = onnx.load(path)
    graphs.split_norms(made)
    onnx.save(made, path)


def calibration(corpus: data.Corpus, tokens: Tokens) -> list[Encoded]:
    """Texts for `save_int8`, spread over all training sets, of which no figure is told."""
    each = _CALIBRATED // max(1, len(corpus.train))
    rows = [
        row
        for rows in corpus.train.values()
        for row in rows[:: max(1, len(rows) // max(1, each))][:each]
    ]
    return [tokens.encode_text(Text(row.text, row.kind, row.type)) for row in rows]


def single(text: Encoded) -> tuple[Ids, Ids, Ids]:
    """Ids, mask and token types of one text alone."""
    (batch,) = alone([len(text.ids)])
    return arrays(batch, [text], pad=0)


def parity(model: TaggerModel, tokens: Tokens, path: Path, rows: Sequence[Labelled]) -> float:
    """Share of words to which the file gives the same tag as torch, one text a call, 0..1."""
    session = open_session(path, device="cpu")
    same = total = 0
    for row in rows:
        found = tokens.encode_text(Text(row.text, row.kind, row.type))
        ids, mask, types, _ = collate([(found.ids, found.types, [])])
        with torch.inference_mode():
            expected = model(ids, mask, types).argmax(-1)[0].numpy()
        got = session.run(*(a.numpy().astype(np.int32) for a in (ids, mask, types)))[0][0]
        first = [word[0] for word in found.words]
        same += int((expected[first] == got[first]).sum())
        total += len(first)
    return round(same / max(1, total), 4)


def load_checkpoint(folder: Path) -> tuple[TaggerModel, Tokens]:
    """The trained model and its tokeniser."""
    saved = torch.load(folder / "checkpoint.pt", weights_only=True)
    state = saved["state"]
    model = TaggerModel(len(state["encoder.words.weight"]), saved["layers"], len(bio_labels()))
    model.load_state_dict(state)
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
    return model.eval(), Tokens(tokenizer, max_tokens=MAX_TOKENS)


def manifest(folder: Path, quality: dict[str, Any]) -> Manifest:
    """The manifest for the files in `folder`."""
    return Manifest(
        schema=bundles.SCHEMA,
        name=NAME,
        version=VERSION,
        task="tagging",
        precision="int8",
        max_tokens=MAX_TOKENS,
        labels=bio_labels(),
        thresholds={"min_score": MIN_SCORE},
        files={name: bundles.sha256(folder / name) for name in (MODEL_FILE, TOKENIZER_FILE)},
        training_data=data.TRAINING_DATA,
        quality=quality,
    )


def shown(text: Text, answer: Tagged, seen: evaluate.Seen) -> str:
    """A line for the card; values that no training text has are marked new."""
    parts = []
    for span in answer.spans:
        new = "" if (span.label, normal(span.text)) in seen else ", new"
        parts.append(f"{span.text} ({span.label} {span.score:.2f}{new})")
    return f"{text.kind} `{text.text}`: {', '.join(parts) or 'nothing'}"


def main() -> None:
    """Export, compare with torch, measure, write the bundle."""
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("--checkpoint", type=Path, required=True, help="folder that train wrote")
    args.add_argument("--data", type=Path, required=True)
    args.add_argument("--out", type=Path, required=True)
    args.add_argument("--epochs", type=int, default=EPOCHS, help="epochs that were trained")
    given = args.parse_args()
    torch.set_num_threads(2)
    given.out.mkdir(parents=True, exist_ok=True)
    model, tokens = load_checkpoint(given.checkpoint)
    corpus = data.read(given.data)
    save_int8(build(model), given.out / MODEL_FILE, texts=calibration(corpus, tokens))
    tokenizer = (given.checkpoint / TOKENIZER_FILE).read_text(encoding="utf-8")
    (given.out / TOKENIZER_FILE).write_text(tokenizer, encoding="utf-8")
    publish.write(given.out, manifest(given.out, {}), about=ABOUT, limits=LIMITS)

    seen = evaluate.seen_values(corpus, epochs=given.epochs)
    tagger = Tagger.load(given.out, device="cpu", threads=2)
    quality = {
        name: evaluate.measure(tagger, rows, seen) for name, rows in corpus.validation.items()
    }
    mixed = [row for rows in corpus.validation.values() for row in rows[:100]]
    texts = [Text(row.text, row.kind, row.type) for row in corpus.validation["myntra"][:400]]
    lengths = [len(tokens.encode_text(text).ids) for text in texts]
    quality["runtime"] = {
        "tags_equal_to_torch": parity(model, tokens, given.out / MODEL_FILE, mixed),
        "two_threads_one_text_a_call": {
            "tokens_per_text": round(sum(lengths) / len(lengths), 1),
            **evaluate.speed(lambda: tagger.tag(texts), len(texts)),
        },
        "megabytes": round((given.out / MODEL_FILE).stat().st_size / 1e6, 2),
    }
    answers = zip(EXAMPLES, tagger.tag(EXAMPLES), strict=True)
    lines = [shown(text, answer, seen) for text, answer in answers]
    publish.write(
        given.out, manifest(given.out, quality), about=ABOUT, limits=LIMITS, examples=lines
    )
    sets = {name: f for name, f in quality.items() if name != "runtime"}
    sys.stdout.write("\n".join(evaluate.report(sets)) + f"\n{quality['runtime']}\n")


if __name__ == "__main__":
    main()
