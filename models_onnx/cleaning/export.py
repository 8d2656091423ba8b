"""Make a bundle of a trained cleaner.

python -m models_onnx.cleaning.export --checkpoint DIR --data DIR --out DIR
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from onnx import TensorProto, helper
from tokenizers import Tokenizer

from models_onnx import bundle as bundles
from models_onnx import publish
from models_onnx.bundle import MODEL_FILE, TOKENIZER_FILE, Manifest, TrainingData
from models_onnx.cleaning import data, evaluate
from models_onnx.cleaning.cleaner import OUTPUTS, Cleaner
from models_onnx.cleaning.data import Pair
from models_onnx.cleaning.train import CleanerModel, encode
from models_onnx.labels import LABELS
from models_onnx.runtime import INPUTS, open_session
from models_onnx.spans import Claim, Judged
from models_onnx.tagging import data as texts
from models_onnx.tagging.evaluate import speed
from models_onnx.tagging.teach import MAX_TOKENS
from models_onnx.tokens import Tokens
from models_onnx.training.fit import collate
from models_onnx.training.graph import Graph, save_int8

NAME, VERSION = "cleaning", "0.1.0"

ABOUT = """
Judges whether a claim (product type, attribute, value) is right: against the product's title, whose
mention of the value is marked by a token type of its own, or without a title by plausibility.
The encoder is the tagger's, trained on; the head reads the first token and the marked place.
"""
LIMITS = """
English only. Wrong values are made by `cleaning/corrupt.py`, not collected: real catalogs err in
other proportions. What a title does not mention (`unstated`) can hardly be judged.

Without a text a wrong attribute and a flavour of shoes are found, but what nobody wants a type for
(kind `unfit`: a laptop for swimming) hardly: an accepted intent makes sense as a sentence, and only
behaviour says whether it is typical. Audiences are accepted for nearly every type.

With a text, values cut short or long by one word (`boundary`) are the weakest kind. "Right" intents
of the set `fitting` are our own lexicon's; a value held out of the right claims may have been shown
as a wrong one. Thresholds are set for a precision over all sets together, on one half of each; the
verdicts are counted on the other half, and single sets fall short of it (see `verdicts`). The
wanted precisions were raised once after seeing a first run. AP and AUC are on all of a set.
"""


_JEANS = "Peter England Men Party Blue Jeans"
EXAMPLES = (
    Claim(_JEANS, "jeans", "color", "Blue"),
    Claim(_JEANS, "jeans", "color", "Red"),
    Claim(_JEANS, "jeans", "brand", "Peter"),
    Claim(_JEANS, "jeans", "flavor", "vanilla"),
    Claim("", "shoes", "audience", "pregnant women"),
    Claim("", "shoes", "function", "plantar fasciitis"),
    Claim("", "shoes", "flavor", "vanilla"),
    Claim("", "boots", "location", "icy sidewalks"),
    Claim("", "sofa", "activity", "swimming"),
    Claim("", "hammer", "function", "acne"),
)


def build(model: CleanerModel) -> Any:
    """The cleaner as ONNX, fp32: `score` (float32) [texts], 0..1."""
    graph = Graph()
    hidden = graph.encoder(model.encoder)
    zero = graph.weight("zero", np.array(0, np.int64))
    first = graph.add("Gather", [hidden, zero], "first", axis=1)
    two = graph.weight("two", np.array(2, np.int32))
    is_marked = graph.add("Equal", [INPUTS[2], two], "is_marked")
    marks = graph.add("Cast", [is_marked], "marks", to=TensorProto.FLOAT)
    last = graph.weight("last_axis", np.array([-1], np.int64))
    marked = graph.add("Unsqueeze", [marks, last], "marked")
    tokens = graph.weight("token_axis", np.array([1], np.int64))
    kept = graph.add("Mul", [hidden, marked], "kept")
    total = graph.add("ReduceSum", [kept, tokens], "total", keepdims=0)
    count = graph.add("ReduceSum", [marked, tokens], "count", keepdims=0)
    one = graph.weight("one", np.array(1, np.float32))
    place = graph.add("Div", [total, graph.add("Max", [count, one], "at_least_one")], "place")
    both = graph.add("Concat", [first, place], "both", axis=1)
    raw = graph.add("MatMul", [both, graph.weight("head", model.head.weight.T)], "raw")
    logit = graph.add("Add", [raw, graph.weight("head_bias", model.head.bias)], "logit")
    chance = graph.add("Sigmoid", [logit], "chance")
    graph.add("Squeeze", [chance, last], OUTPUTS[0])
    return graph.model([helper.make_tensor_value_info(OUTPUTS[0], TensorProto.FLOAT, ["texts"])])


def difference(
    model: CleanerModel, tokens: Tokens, path: Path, pairs: Sequence[Pair]
) -> dict[str, float]:
    """How far the file's scores are from torch's, one claim a call."""
    session = open_session(path, device="cpu")
    gaps = []
    for pair in pairs:
        ids, mask, types, _ = collate([encode(pair, tokens)])
        with torch.inference_mode():
            expected = float(torch.sigmoid(model(ids, mask, types))[0])
        got = session.run(*(a.numpy().astype(np.int32) for a in (ids, mask, types)))[0][0]
        gaps.append(abs(expected - float(got)))
    return {
        "mean_difference_to_torch": round(float(np.mean(gaps)), 4),
        "p99_difference_to_torch": round(float(np.quantile(gaps, 0.99)), 4),
    }


def load_checkpoint(folder: Path) -> tuple[CleanerModel, Tokens]:
    """The trained model and its tokeniser."""
    saved = torch.load(folder / "checkpoint.pt", weights_only=True)
    model = CleanerModel(len(saved["state"]["encoder.words.weight"]), saved["layers"])
    model.load_state_dict(saved["state"])
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
    return model.eval(), Tokens(tokenizer, max_tokens=MAX_TOKENS)


def manifest(folder: Path, thresholds: dict[str, float], quality: dict[str, Any]) -> Manifest:
    """The manifest for the files in `folder`."""
    made = TrainingData("cartograph corruptor", "Apache-2.0 (this repository)", "wrong claims")
    return Manifest(
        schema=bundles.SCHEMA,
        name=NAME,
        version=VERSION,
        task="cleaning",
        precision="int8",
        max_tokens=MAX_TOKENS,
        labels=LABELS,
        thresholds=thresholds,
        files={name: bundles.sha256(folder / name) for name in (MODEL_FILE, TOKENIZER_FILE)},
        training_data=(*texts.TRAINING_DATA, made),
        quality=quality,
    )


def _shown(claim: Claim, answer: Judged) -> str:
    said = f"`{claim.text}`" if claim.text else "no text"
    asked = f"{claim.type}, {claim.attribute} = {claim.value}"
    return f"{said}; {asked}: {answer.verdict} ({answer.score:.2f})"


def main() -> None:
    """Export, set thresholds, measure, write the bundle."""
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("--checkpoint", type=Path, required=True, help="folder that train wrote")
    args.add_argument("--data", type=Path, required=True)
    args.add_argument("--out", type=Path, required=True)
    given = args.parse_args()
    torch.set_num_threads(2)
    given.out.mkdir(parents=True, exist_ok=True)
    model, tokens = load_checkpoint(given.checkpoint)
    save_int8(build(model), given.out / MODEL_FILE)
    tokenizer = (given.checkpoint / TOKENIZER_FILE).read_text(encoding="utf-8")
    (given.out / TOKENIZER_FILE).write_text(tokenizer, encoding="utf-8")
    names = ("accept", "reject", "accept_without_text", "reject_without_text")
    thresholds = dict.fromkeys(names, 0.5)
    publish.write(given.out, manifest(given.out, thresholds, {}), about=ABOUT, limits=LIMITS)

    claims = data.read(given.data, texts.read(given.data))
    _, answered = evaluate.measure_all(Cleaner.load(given.out, device="cpu", threads=2), claims)
    thresholds = evaluate.choose_thresholds(
        {name: (p, np.array([a.score for a in answers])) for name, (p, answers) in answered.items()}
    )
    publish.write(given.out, manifest(given.out, thresholds, {}), about=ABOUT, limits=LIMITS)
    cleaner = Cleaner.load(given.out, device="cpu", threads=2)
    quality, answered = evaluate.measure_all(cleaner, claims)
    mixed = [pair for pairs, _ in answered.values() for pair in pairs[:100]]
    sets = dict(quality)
    asked = [pair.claim for pair in answered["oa-mine"][0][:400]]
    quality["runtime"] = {
        **difference(model, tokens, given.out / MODEL_FILE, mixed),
        "two_threads_one_claim_a_call": speed(lambda: cleaner.judge(asked), len(asked)),
        "megabytes": round((given.out / MODEL_FILE).stat().st_size / 1e6, 2),
    }
    shown = [_shown(c, answer) for c, answer in zip(EXAMPLES, cleaner.judge(EXAMPLES), strict=True)]
    publish.write(
        given.out,
        manifest(given.out, thresholds, quality),
        about=ABOUT,
        limits=LIMITS,
        examples=shown,
    )
    sys.stdout.write("\n".join(evaluate.report(sets)) + f"\n{thresholds}\n{quality['runtime']}\n")
    sys.stdout.write("\n".join(f"{name:10} {f['verdicts']}" for name, f in sets.items()) + "\n")


if __name__ == "__main__":
    main()
