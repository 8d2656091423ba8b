"""How well claims without a text are told apart: the judged sets, beside frequency and cosine.

The mapping of the sets to claims is in `judgements`, what stands against them in `planting`. The
baseline is logistic regression on how frequent head and tail are in training and the cosine of
their embeddings (`baselines`); it needs the extra `train` and is left out without it.
"""

import importlib
import importlib.util
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from models_onnx import measure
from models_onnx.cleaning import data, judgements, planting
from models_onnx.cleaning.data import Pair
from models_onnx.measure import Flags, Floats, Ids
from models_onnx.spans import Claim, Judged

SAMPLES = 1000
BASELINES = "models_onnx.cleaning.baselines"

TOGETHER = "judged-together"
"""Name of the figures over all judged sets."""

Baseline = Callable[[Sequence[Pair]], Floats]


class JudgesClaims(Protocol):
    """What is measured."""

    def judge(self, claims: Sequence[Claim]) -> list[Judged]: ...


def measure_all(cleaner: JudgesClaims, claims: data.Claims) -> dict[str, Any]:
    """PR-AUC of right claims of every judged set, all together last, and what the baseline gets."""
    sets = planting.judged(claims)
    scored = {}
    for name, pairs in sets.items():
        baseline = fitted(claims, name)
        scores = np.array([a.score for a in cleaner.judge([p.claim for p in pairs])])
        scored[name] = pairs, scores, None if baseline is None else baseline(pairs)
    figures = {name: measure_set(*found) for name, found in scored.items()}
    if len(scored) > 1:
        figures[TOGETHER] = measure_set(*_together(list(scored.values())))
    return figures


def _together(sets: Sequence[tuple[list[Pair], Floats, Floats | None]]) -> Any:
    """All sets as one, each scored by its own baseline."""
    pairs = [pair for some, _, _ in sets for pair in some]
    scores = np.concatenate([scores for _, scores, _ in sets])
    beside = [beside for _, _, beside in sets if beside is not None]
    return pairs, scores, np.concatenate(beside) if len(beside) == len(sets) else None


def fitted(claims: data.Claims, name: str) -> Baseline | None:
    """The baseline for one judged set, trained on its training part; None without torch."""
    if importlib.util.find_spec("torch") is None or not claims.judged.get(name):
        return None
    rng = random.Random(1)  # noqa: S311 - training data, not secrets
    shown = [j for j in claims.judged[name] if not j.for_validation]
    pairs = data.judged_pairs(shown, rng, count=judgements.NEGATIVES)
    made: Baseline = importlib.import_module(BASELINES).FrequencyAndCosine(pairs)
    return made


def measure_set(pairs: Sequence[Pair], scores: Floats, beside: Floats | None) -> dict[str, Any]:
    """PR-AUC and R@P90 of right claims with intervals over heads, by kind of what is wrong.

    `gain` is the PR-AUC over the baseline's, on the same resamples.
    """
    right = np.array([pair.right for pair in pairs])
    heads = measure.numbered(_head(pair) for pair in pairs)
    measures = {
        "pr_auc": measure.average_precision(right, scores),
        "r_at_p90": measure.recall_at_precision(right, scores, 0.9),
    }
    if beside is not None:
        ours, theirs = measures["pr_auc"], measure.average_precision(right, beside)
        measures["baseline"] = theirs
        measures["gain"] = lambda weights: ours(weights) - theirs(weights)
    found = measure.figures(measures, heads, samples=SAMPLES)
    kinds = _by_kind(pairs, right, scores, heads)
    return {
        "claims": len(pairs),
        "right": int(right.sum()),
        **{name: _rounded(figure) for name, figure in found.items()},
        "kinds": kinds,
    }


def _by_kind(pairs: Sequence[Pair], right: Flags, scores: Floats, heads: Ids) -> dict[str, Any]:
    found = {}
    for kind in sorted({pair.kind for pair in pairs} - {""}):
        chosen = np.array([pair.kind in ("", kind) for pair in pairs])
        ap = measure.average_precision(right[chosen], scores[chosen])
        groups = measure.numbered(heads[chosen].tolist())
        found[kind] = _rounded(measure.figure(ap, groups, samples=SAMPLES))
    return found


def _head(pair: Pair) -> str:
    """What the claim was made of: a reversed one has its head for a value."""
    return pair.claim.value if pair.kind == "reversed" else pair.claim.type


def _rounded(figure: measure.Figure) -> dict[str, float]:
    return {k: round(getattr(figure, k), 4) for k in ("value", "low", "high")}


def report(figures: Mapping[str, Any]) -> Iterable[str]:
    """A line a set."""
    for name, f in figures.items():
        shown = {
            k: "{value:.3f} [{low:.3f}, {high:.3f}]".format(**f[k])
            for k in ("pr_auc", "baseline", "gain", "r_at_p90")
            if k in f
        }
        kinds = {k: v["value"] for k, v in f["kinds"].items()}
        yield f"{name}: {f['right']} of {f['claims']} right; {shown}; against {kinds}"
