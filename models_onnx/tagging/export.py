"""Make a bundle of a trained tagger: the graph, its precision, its figures, its card."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from onnx import TensorProto, helper

from models_onnx import bundle as bundles
from models_onnx import publish
from models_onnx.bundle import MODEL_FILE, TOKENIZER_FILE, TYPES_FILE, Manifest
from models_onnx.labels import bio_labels
from models_onnx.runtime import open_session
from models_onnx.seen import Seen
from models_onnx.spans import Tagged, Text
from models_onnx.tagging import data
from models_onnx.tagging.examples import Labelled
from models_onnx.tagging.model import TaggerModel
from models_onnx.tagging.tagger import OUTPUTS, Tagger
from models_onnx.tagging.teach import MAX_TOKENS
from models_onnx.tokens import Encoded, Tokens
from models_onnx.training.fit import collate
from models_onnx.training.graph import Graph, save_int8

NAME, VERSION = "tagging", "0.3.0"
_CALIBRATED = 300
THRESHOLDS = {"min_score": 0.45, "min_type_score": 0.5}

ABOUT = """
Tags product titles and shopping queries with product type, brand, attributes and intents, and says
what product type the whole text is about. One encoder (MiniLM-L6's first five layers, vocabulary
cut, words in four bits), a linear layer over each word's first token (of the sequences of tags that
are possible the likeliest is taken: `tagging/path.py`) and one over the first token for the type,
which is a node of Cartograph's ontology. The model was taught by three models
of twelve layers (e5-small-v2 twice, bge-small-en-v1.5; both MIT) on labelled, recombined and
unlabelled texts. Spans below `min_score` are dropped: that costs recall of values never seen
(OA-Mine: 0.59 to 0.56 from 0 to 0.5) and gives QueryNER's and OA-Mine's F1 two to three points.
"""
LIMITS = """
English only, letter case ignored. Figures are on validation parts that share no title, query or (of
a part) brand with training; `cartograph model split` makes them. Labels of the sets follow from
ours by `models_onnx/mappings`. Catalogs (icecat) name only some values: read their recall. Of the
icecat titles measured 28 % are of one held-out brand, "Tripp Lite", which is cut to "Tripp".

Weak: modifiers and themes that no training query has (recall of unseen modifiers below a third),
values of materials and colours never seen, phrases of three words and more, new devices
(compatibility), misspelt first words taken for brands ("pregnent women shoes"). Rare labels (scent,
condition, era, price) have little hand-labelled data. QueryNER's annotators agree at 0.56 span F1,
and at 0.70 to 0.75 with its gold. Types: titles that do not say it ("Rocia Women Black Sandals",
sold as flats) are typed by what the training catalog made of the brand. A type that no training
text has is known by its names alone.
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


def build(model: TaggerModel) -> Any:
    """The tagger as ONNX, fp32.

    Outputs: `chances` (float32) [texts, tokens, labels]; `type` (int32) and `type_confidence`
    (float32), [texts] each.
    """
    graph = Graph()
    x = graph.encoder(model.encoder)
    labels = _linear(graph, x, model.head, "label")
    graph.add("Softmax", [labels], OUTPUTS[0], axis=-1)
    start = graph.weight("start", np.array(0, np.int64))
    first = graph.add("Gather", [x, start], "first", axis=1)
    types = _linear(graph, first, model.type_head, "type")
    best = graph.add("ArgMax", [types], "best_type", axis=-1, keepdims=0)
    graph.add("Cast", [best], OUTPUTS[1], to=TensorProto.INT32)
    chances = graph.add("Softmax", [types], "type_chances", axis=-1)
    graph.add("ReduceMax", [chances], OUTPUTS[2], axes=[-1], keepdims=0)
    kinds = (TensorProto.FLOAT, TensorProto.INT32, TensorProto.FLOAT)
    shapes = (["texts", "tokens", len(bio_labels())], ["texts"], ["texts"])
    return graph.model(
        [
            helper.make_tensor_value_info(name, kind, shape)
            for name, kind, shape in zip(OUTPUTS, kinds, shapes, strict=True)
        ]
    )


def _linear(graph: Graph, x: str, layer: torch.nn.Linear, name: str) -> str:
    raw = graph.add("MatMul", [x, graph.weight(f"{name}_head", layer.weight.T)], f"{name}_raw")
    return graph.add("Add", [raw, graph.weight(f"{name}_bias", layer.bias)], f"{name}_logits")


def calibration(corpus: data.Corpus, tokens: Tokens) -> list[Encoded]:
    """Texts for `save_int8`, spread over all training sets, of which no figure is told."""
    each = _CALIBRATED // max(1, len(corpus.train))
    rows = [
        row
        for rows in corpus.train.values()
        for row in rows[:: max(1, len(rows) // max(1, each))][:each]
    ]
    return [tokens.encode_text(Text(row.text, row.kind, row.type)) for row in rows]


def parity(model: TaggerModel, tokens: Tokens, path: Path, rows: Sequence[Labelled]) -> float:
    """Share of words to which the file gives the same tag as torch, one text a call, 0..1."""
    session = open_session(path, device="cpu")
    same = total = 0
    for row in rows:
        found = tokens.encode_text(Text(row.text, row.kind, row.type))
        ids, mask, types, _ = collate([(found.ids, found.types, [])])
        with torch.inference_mode():
            expected = model(ids, mask, types)[0].argmax(-1)[0].numpy()
        got = session.run(*(a.numpy().astype(np.int32) for a in (ids, mask, types)))[0][0].argmax(
            -1
        )
        first = [word[0] for word in found.words]
        same += int((expected[first] == got[first]).sum())
        total += len(first)
    return round(same / max(1, total), 4)


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
        thresholds=THRESHOLDS,
        files={
            name: bundles.sha256(folder / name) for name in (MODEL_FILE, TOKENIZER_FILE, TYPES_FILE)
        },
        training_data=data.TRAINING_DATA,
        quality=quality,
    )


def shown(text: Text, answer: Tagged, remembered: Seen) -> str:
    """A line for the card; values that no training text has are marked new."""
    parts = []
    for span in answer.spans:
        new = "" if remembered.has(span.label, span.text) else ", new"
        parts.append(f"{span.text} ({span.label} {span.score:.2f}{new})")
    about = f" -> {answer.type} {answer.type_score:.2f}" if answer.type else ""
    return f"{text.kind} `{text.text}`: {', '.join(parts) or 'nothing'}{about}"


def illustrate(folder: Path, remembered: Seen) -> None:
    """Write the card again, with what the bundle in `folder` answers to EXAMPLES."""
    with contextlib.closing(Tagger.load(folder, device="cpu")) as tagger:
        answers = zip(EXAMPLES, tagger.tag(EXAMPLES), strict=True)
        lines = [shown(text, answer, remembered) for text, answer in answers]
    made = bundles.read_manifest(folder)
    publish.write(folder, made, about=ABOUT, limits=LIMITS, examples=lines)


def write(
    model: TaggerModel,
    tokenizer: str,
    slugs: Sequence[str],
    folder: Path,
    *,
    texts: Sequence[Encoded] = (),
) -> None:
    """Write a bundle without figures; `texts`: see `save_int8`."""
    folder.mkdir(parents=True, exist_ok=True)
    save_int8(build(model), folder / MODEL_FILE, keep=("label_raw",), texts=texts)
    (folder / TOKENIZER_FILE).write_text(tokenizer, encoding="utf-8")
    (folder / TYPES_FILE).write_text("\n".join(slugs) + "\n", encoding="utf-8")
    publish.write(folder, manifest(folder, {}), about=ABOUT, limits=LIMITS)
