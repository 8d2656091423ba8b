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
from models_onnx.cleaning import data, evaluate, plausibility
from models_onnx.cleaning.cleaner import OUTPUTS, Cleaner
from models_onnx.cleaning.data import Pair
from models_onnx.cleaning.train import MAX_TOKENS, CleanerModel, encode
from models_onnx.cleaning.wording import worded
from models_onnx.labels import LABELS
from models_onnx.runtime import INPUTS, open_session
from models_onnx.spans import Claim, Judged
from models_onnx.tagging import data as texts
from models_onnx.tagging.evaluate import speed
from models_onnx.tokens import Encoded, Tokens
from models_onnx.training.fit import collate
from models_onnx.training.graph import FUSED, Graph, save_int8

NAME, VERSION = "cleaning", "0.2.1"
_CALIBRATED = 300

ABOUT = """
Judges whether a claim (product type, attribute, value) is right: against the product's title, whose
mention of the value is marked by a token type of its own, or without a title by plausibility.
Attributes may be named as a catalog names them ("attr_t_product_colour", "baseColour", "Net
content"); type and title may be missing. The head reads the first token, the marked place, the
value's own tokens, and these laid beside those of the type and of the title. Three layers, trained
from those of tagging 0.2.0; four from those of 0.3.0 were better on the sets they know and much
worse on wdc-pave (AP 0.57), which none of them knows.

Judged claims, the published mapping to `Claim(text="", type, attribute, value)`:

- impakt: type = antecedent, attribute = `implies`, value = consequent;
- intentionqa: type = `item A + item B` (names), attribute = the relation in plain words (`is a`,
  `used for`, `capable of`, `can`, `manner of`, `property of`, `related to`, `defined as`,
  `wants to`, `effect`, else `because`), value = what follows those words in the assertion.

How figures are made: `AP` and `r_at_p..` are of wrong values with a tenth of the claims wrong, all
kinds as often as they can be made; `kinds` is AP of one kind's wrong values against all right ones,
that kind alone being a tenth of all. In brackets 95 % intervals, bootstrap over titles. `seen`:
training has the value under the attribute; `stated`: the title has the right value as whole words.
Judged sets: PR-AUC of right claims, one right beside four other tails of the same category and
about the same frequency, and for impakt its reverse; 30 % held out by what hangs together.
"""
LIMITS = """
English only. Wrong values are made by `cleaning/corrupt.py`, not collected: real catalogs err in
other proportions. AP and precision hold for the stated share of wrong ones only.

Nobody can tell from a title whether a value it does not mention was exchanged for another that
such products also have: a parcel's weight, the year of a collection, the colour of a plain "watch".
Kinds `swap`, `neighbour` and `number` are therefore weak in `icecat-catalog`, `icecat-main`,
`unstated` and for Myntra's season and year, however well the model is trained; the rows `stated`
show what is left where the title speaks. Where a catalog has few values per attribute and type
(`myntra-catalog`, `unstated`), counting how often type, attribute and value were seen is as good.

Values cut short or long by one word (`boundary`) are the weakest kind with a text: people draw that
line differently ("cherry" of "cherry almond"). `wdc-pave` has words that no training set has, and
titles of spare parts. Judged claims: what follows from a phrase nobody has heard of ("CPX implies
efficiency") is guessed; reversed implications are found.

Without a text an accepted intent makes sense as a sentence, and only behaviour says whether it is
typical. "Right" intents of the set `fitting` are our own lexicon's; a value held out of the right
claims may have been shown as a wrong one. Thresholds are set for a precision over all sets
together, on one half of each; the verdicts are counted on the other half, and single sets fall
short of it (see `verdicts`). AP is on all of a set. The validation parts were looked at between
training runs.

Fifty errors of an earlier model, of two short runs (142,000 rows), read and sorted: 25 right claims
scored below 0.1 and 25 wrong ones scored above 0.6, drawn from nine sets with texts:

| right, scored wrong | | wrong, scored right | |
|---|---|---|---|
| catalog or label is doubtful ("type: 1", SPF as a scent) | 13 | a word too many or few | 10 |
| true, but the title gives no sign of it | 5 | two values in one, half the title | 3 |
| rare spelling or code ("Off White" of "Off-White") | 4 | a value that the title contradicts | 3 |
| plain mistake | 3 | such products do not have it (ink of a cable) | 2 |
| | | misspelt or cut, not in the title | 2 |
| | | wrong attribute | 2 |
| | | nobody could tell (another year) | 2 |
| | | the maker as a flavour | 1 |
"""


TRAINING_DATA = (
    TrainingData("icecat and myntra-styles, fields", "as above", "claims of the catalogs' own"),
    TrainingData("shopify-taxonomy, values", "MIT", "what a category's attributes may be"),
    TrainingData("impakt", "CC BY 4.0 (Google)", "human judgements of what implies what"),
    TrainingData("intentionqa", "MIT", "rated reasons for buying two products"),
    TrainingData("cartograph corruptor", "Apache-2.0 (this repository)", "wrong claims"),
)
"""Beside the tagger's."""

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
    parts = _Parts(graph, hidden, sep=model.sep, colon=model.colon)
    place, value, kind, text = (parts.mean(name) for name in ("place", "value", "kind", "text"))
    shared = [graph.add("Mul", [value, other], f"value_{other}") for other in (kind, text)]
    read = graph.add("Concat", [first, place, value, *shared], "read", axis=1)
    wide = graph.add("MatMul", [read, graph.weight("joint", model.joint.weight.T)], "wide")
    bias = graph.weight("joint_bias", model.joint.bias)
    joined = graph.add("BiasGelu", [wide, bias], "joined", domain=FUSED)
    raw = graph.add("MatMul", [joined, graph.weight("head", model.head.weight.T)], "raw")
    logit = graph.add("Add", [raw, graph.weight("head_bias", model.head.bias)], "logit")
    chance = graph.add("Sigmoid", [logit], "chance")
    last = graph.weight("last_axis", np.array([-1], np.int64))
    graph.add("Squeeze", [chance, last], OUTPUTS[0])
    return graph.model([helper.make_tensor_value_info(OUTPUTS[0], TensorProto.FLOAT, ["texts"])])


class _Parts:
    """The parts of an encoded claim, as `CleanerModel.forward` tells them apart."""

    def __init__(self, graph: Graph, hidden: str, *, sep: int, colon: int) -> None:
        self._graph, self._hidden = graph, hidden
        self._axis = graph.weight("token_axis", np.array([1], np.int64))
        self._depth = graph.weight("hidden_axis", np.array([-1], np.int64))
        self._one = graph.weight("one", np.array(1, np.float32))
        counted = graph.weight("counted_axis", np.array(1, np.int64))
        is_sep = self._is("is_sep", INPUTS[0], sep)
        seps = graph.add("Cast", [is_sep], "seps", to=TensorProto.INT32)
        passed = graph.add("CumSum", [seps, counted], "seps_passed")
        part = graph.add("Sub", [passed, seps], "part")
        said, kind, text = (self._is(f"is_part{n}", part, n) for n in range(3))
        colons = graph.add("And", [self._is("colons", INPUTS[0], colon), said], "is_colon")
        marks = graph.add("Cast", [colons], "colon_marks", to=TensorProto.INT32)
        colons_passed = graph.add("CumSum", [marks, counted], "colons_passed")
        none = graph.weight("none", np.array(0, np.int32))
        behind = graph.add("Greater", [colons_passed, none], "behind_colon")
        apart = graph.add("Not", [graph.add("Or", [is_sep, colons], "between")], "inside")
        value = graph.add("And", [said, behind], "said_behind")
        self._chosen = {
            "place": self._is("is_marked", INPUTS[2], 2),
            "value": graph.add("And", [value, apart], "is_value"),
            "kind": graph.add("And", [kind, apart], "is_kind"),
            "text": graph.add("And", [text, apart], "is_text"),
        }

    def mean(self, name: str) -> str:
        """Mean of the hidden states of one part, zeros where it is empty."""
        add = self._graph.add
        weights = add("Cast", [self._chosen[name]], f"{name}_weights", to=TensorProto.FLOAT)
        wide = add("Unsqueeze", [weights, self._depth], f"{name}_wide")
        kept = add("Mul", [self._hidden, wide], f"{name}_kept")
        total = add("ReduceSum", [kept, self._axis], f"{name}_total", keepdims=0)
        count = add("ReduceSum", [wide, self._axis], f"{name}_count", keepdims=0)
        return add("Div", [total, add("Max", [count, self._one], f"{name}_some")], name)

    def _is(self, name: str, tokens: str, number: int) -> str:
        wanted = self._graph.weight(f"{name}_number", np.array(number, np.int32))
        return self._graph.add("Equal", [tokens, wanted], name)


def calibration(claims: data.Claims, tokens: Tokens) -> list[Encoded]:
    """Claims for `save_int8`, spread over all training sets, of which no figure is told."""
    each = _CALIBRATED // max(1, len(claims.train))
    chosen = [
        claim
        for part in claims.train.values()
        for claim in part[:: max(1, len(part) // max(1, each))][:each]
    ]
    return [tokens.encode_claim(worded(claim)) for claim in chosen]


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
    size = len(saved["state"]["encoder.words.weight"])
    model = CleanerModel(size, saved["layers"], sep=saved["sep"], colon=saved["colon"])
    model.load_state_dict(saved["state"])
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
    return model.eval(), Tokens(tokenizer, max_tokens=MAX_TOKENS)


def manifest(folder: Path, thresholds: dict[str, float], quality: dict[str, Any]) -> Manifest:
    """The manifest for the files in `folder`."""
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
        training_data=(*texts.TRAINING_DATA, *TRAINING_DATA),
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
    args.add_argument("--threads", type=int, default=2)
    given = args.parse_args()
    torch.set_num_threads(given.threads)
    given.out.mkdir(parents=True, exist_ok=True)
    model, tokens = load_checkpoint(given.checkpoint)
    claims = data.read(given.data, texts.read(given.data))
    save_int8(build(model), given.out / MODEL_FILE, texts=calibration(claims, tokens))
    tokenizer = (given.checkpoint / TOKENIZER_FILE).read_text(encoding="utf-8")
    (given.out / TOKENIZER_FILE).write_text(tokenizer, encoding="utf-8")
    names = ("accept", "reject", "accept_without_text", "reject_without_text")
    thresholds = dict.fromkeys(names, 0.5)
    publish.write(given.out, manifest(given.out, thresholds, {}), about=ABOUT, limits=LIMITS)

    cleaner = Cleaner.load(given.out, device="cpu", threads=given.threads)
    sets, answered = evaluate.measure_all(cleaner, claims)
    thresholds = evaluate.choose_thresholds(answered)
    for name, (pairs, answers) in answered.items():
        decided = evaluate.decided(pairs, answers, thresholds)
        sets[name]["verdicts"] = evaluate.verdicts(pairs, decided)
    judged = plausibility.measure_all(cleaner, claims)
    publish.write(given.out, manifest(given.out, thresholds, {}), about=ABOUT, limits=LIMITS)
    cleaner.close()
    cleaner = Cleaner.load(given.out, device="cpu", threads=given.threads)
    mixed = [pair for pairs, _ in answered.values() for pair in pairs[:100]]
    asked = [pair.claim for pair in answered["oa-mine"][0][:400]]
    runtime = {
        **difference(model, tokens, given.out / MODEL_FILE, mixed),
        "two_threads_one_claim_a_call": speed(lambda: cleaner.judge(asked), len(asked)),
        "megabytes": round((given.out / MODEL_FILE).stat().st_size / 1e6, 2),
    }
    quality = {name: evaluate.brief(f) for name, f in {**sets, **judged}.items()}
    shown = [_shown(c, answer) for c, answer in zip(EXAMPLES, cleaner.judge(EXAMPLES), strict=True)]
    publish.write(
        given.out,
        manifest(given.out, thresholds, {**quality, "runtime": runtime}),
        about=ABOUT,
        limits=LIMITS,
        examples=shown,
    )
    lines = [*evaluate.report(sets), *plausibility.report(judged)]
    lines += [str(thresholds), str(runtime)]
    lines += [f"{name:16} {f['verdicts']}" for name, f in sets.items()]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
