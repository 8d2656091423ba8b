"""How good a cleaner is: ranking of wrong values, by set and by kind of error, and its verdicts.

python -m models_onnx.cleaning.evaluate --data DIR [--bundle DIR] [--json]

What is measured on: `planting`. Figures of a set with texts, all with 95 % bootstrap intervals over
titles: AP of wrong values and R@P80/90/95 with a tenth of the claims wrong; `kinds`, AP of that
kind's wrong values against all right ones, that kind alone being a tenth of all; apart for values
seen under the attribute in training, and for claims whose (right) value the title states.
Beside them stand two baselines: how often training has type, attribute and value together, and
whether the title contains the value. Judged claims without a text: see `plausibility`.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from models_onnx import measure
from models_onnx.cleaning import data, planting, plausibility
from models_onnx.cleaning.cleaner import Cleaner
from models_onnx.cleaning.corrupt import TRAINED_KINDS
from models_onnx.cleaning.data import Pair
from models_onnx.cleaning.decide import decide
from models_onnx.cleaning.planting import Planted
from models_onnx.cleaning.wording import value_words
from models_onnx.measure import Figure, Flags, Floats, Ids
from models_onnx.spans import Claim, Judged
from models_onnx.tagging import data as texts
from models_onnx.tagging.splits import normal

ACCEPT_PRECISION, REJECT_PRECISION = 0.985, 0.9
"""Wanted where a tenth of the claims is wrong."""

BARE_PRECISION = 0.9
"""Wanted of both verdicts without a text, where half of the claims is wrong."""

SAMPLES = 300

Answered = dict[str, tuple[list[Pair], list[Judged]]]


class JudgesClaims(Protocol):
    """What is measured."""

    def judge(self, claims: Sequence[Claim]) -> list[Judged]: ...


class Seen:
    """How often training has what a claim says."""

    def __init__(self, claims: data.Claims) -> None:
        parts = [claim for part in claims.train.values() for claim in part]
        self._together = Counter((c.type, c.attribute, _same(c.value)) for c in parts)
        self._values = {(attribute, value) for _, attribute, value in self._together}

    def frequency(self, claims: Iterable[Claim]) -> Floats:
        """log(1 + times) that training has type, attribute and value together."""
        times = [self._together[c.type, c.attribute, _same(c.value)] for c in claims]
        counted: Floats = np.log1p(np.array(times, float))
        return counted

    def has(self, claim: Claim) -> bool:
        """Whether training has the value under the attribute."""
        return (claim.attribute, _same(claim.value)) in self._values


def is_stated(claim: Claim) -> bool:
    """Whether the text has the value as whole words, letter case and punctuation aside."""
    value = _same(claim.value)
    return bool(value) and f" {value} " in f" {normal(claim.text)} "


def measure_set(planted: Planted, scores: Floats, alone: Mapping[str, Floats], seen: Seen) -> Any:
    """The figures of one set.

    Args:
        planted: the set.
        scores: of `planted.pairs`.
        alone: kind -> scores of `planted.alone[kind]`.
        seen: what training had.
    """
    pairs = planted.pairs
    claims = [pair.claim for pair in pairs]
    wrong = np.array([not pair.right for pair in pairs])
    groups = measure.numbered(c.text or (c.type, c.attribute, c.value) for c in claims)
    figures = {"claims": len(pairs), "wrong": int(wrong.sum()), **_ranked(wrong, -scores, groups)}
    figures["ap_right"] = _plain(~wrong, scores)
    beside = {
        "frequency": -seen.frequency(claims),
        "containment": -np.array([is_stated(c) for c in claims], float),
    }
    figures["beside"] = {
        name: {"ap": _plain(wrong, s), "r_at_p90": _recall(wrong, s)} for name, s in beside.items()
    }
    parts = {
        "seen": np.array([seen.has(c) for c in claims]),
        "stated": np.array([is_stated(c) for c in planted.right]),
    }
    for name, part in parts.items():
        for label, chosen in ((name, part), ("un" + name, ~part)):
            if (wrong & chosen).sum() >= planting.FEWEST:
                figures[label] = _ranked(wrong[chosen], -scores[chosen], groups[chosen])
    right = scores[~wrong], groups[~wrong]
    figures["kinds"] = {
        kind: _of_kind(right, found, planted.alone[kind], groups, claims)
        for kind, found in alone.items()
    }
    return figures


def _of_kind(
    right: tuple[Floats, Ids],
    found: Floats,
    made: Sequence[Pair],
    groups: Ids,
    claims: Sequence[Claim],
) -> dict[str, Any]:
    number = dict(zip((c.text for c in claims), groups, strict=True))
    of = np.concatenate([right[1], np.array([number[p.claim.text] for p in made], np.int64)])
    scores = np.concatenate([right[0], found])
    is_wrong = np.arange(len(scores)) >= len(right[0])
    ap = measure.average_precision(is_wrong, -scores)
    got = measure.figure(ap, measure.numbered(of.tolist()), samples=SAMPLES)
    share = round(len(made) / len(scores), 3)
    return {**_figure(got), "wrong": len(made), "share": share, "trained": _is_trained(made)}


def _is_trained(made: Sequence[Pair]) -> bool:
    return made[0].kind in TRAINED_KINDS


def _ranked(wrong: Flags, scores: Floats, groups: Ids) -> dict[str, Any]:
    if not wrong.any():
        return {}
    numbered = measure.numbered(groups.tolist())
    got = measure.figures(measure.ranking(wrong, scores), numbered, samples=SAMPLES)
    return {name.replace("pr_auc", "ap"): _figure(figure) for name, figure in got.items()}


def _figure(figure: Figure) -> dict[str, float]:
    return {k: round(getattr(figure, k), 4) for k in ("value", "low", "high")}


def _plain(found: Flags, scores: Floats) -> float:
    return round(measure.value(measure.average_precision(found, scores), len(scores)), 4)


def _recall(found: Flags, scores: Floats) -> float:
    return round(measure.value(measure.recall_at_precision(found, scores, 0.9), len(scores)), 4)


def choose_thresholds(answered: Answered) -> dict[str, float]:
    """Thresholds for the wanted precisions, from the first half of every set.

    `accept` and `reject` from the sets with texts, `..._without_text` from the others. A set that
    may only be measured on has no say.
    """
    sets = [
        (pairs, np.array([answer.score for answer in answers]))
        for name, (pairs, answers) in answered.items()
        if pairs and name != data.MEASURED_ONLY
    ]
    found: dict[str, float] = {}
    for suffix, bare in (("", False), ("_without_text", True)):
        parts = [(p[::2], s[::2]) for p, s in sets if (not p[0].claim.text) == bare]
        right = np.concatenate([[pair.right for pair in p] for p, _ in parts]).astype(bool)
        scores = np.concatenate([s for _, s in parts])
        wanted = (BARE_PRECISION, BARE_PRECISION) if bare else (ACCEPT_PRECISION, REJECT_PRECISION)
        accept = measure.threshold_at_precision(right, scores, wanted[0])
        reject = measure.threshold_at_precision(~right, -scores, wanted[1])
        # Above and below one half in any case: a verdict never goes against the score.
        found["accept" + suffix] = round(max(0.5, 1.0 if accept is None else accept), 4)
        lowest = 0.0 if reject is None else min(0.5, 1e-4 - reject)
        found["reject" + suffix] = round(max(0.0, lowest), 4)
    return found


def decided(
    pairs: Sequence[Pair], answers: Sequence[Judged], thresholds: Mapping[str, float]
) -> list[Judged]:
    """The same scores with the verdicts that these thresholds give them."""
    limits = [
        {"accept": thresholds[f"accept{suffix}"], "reject": thresholds[f"reject{suffix}"]}
        for suffix in ("", "_without_text")
    ]
    return [
        decide(answer.score, **limits[not pair.claim.text])
        for pair, answer in zip(pairs, answers, strict=True)
    ]


def verdicts(pairs: Sequence[Pair], answers: Sequence[Judged]) -> dict[str, float]:
    """How the verdicts fall on right and wrong claims of the second half of a set."""
    counts = Counter((p.right, a.verdict) for p, a in list(zip(pairs, answers, strict=True))[1::2])
    accepted = counts[True, "accepted"], counts[False, "accepted"]
    rejected = counts[True, "rejected"], counts[False, "rejected"]
    right = sum(n for (r, _), n in counts.items() if r)
    wrong = sum(n for (r, _), n in counts.items() if not r)
    return {
        "accepted_share_of_right": _ratio(accepted[0], right),
        "accepted_precision": _ratio(accepted[0], sum(accepted)),
        "rejected_share_of_wrong": _ratio(rejected[1], wrong),
        "rejected_precision": _ratio(rejected[1], sum(rejected)),
    }


def measure_all(cleaner: JudgesClaims, claims: data.Claims) -> tuple[dict[str, Any], Answered]:
    """Figures and answers of every validation set that errors are planted in."""
    seen = Seen(claims)
    figures: dict[str, Any] = {}
    answered = {}
    for name, planted in planting.plant(claims).items():
        answers = cleaner.judge([pair.claim for pair in planted.pairs])
        alone = {k: _scores(cleaner, made) for k, made in planted.alone.items()}
        scores = np.array([a.score for a in answers])
        figures[name] = measure_set(planted, scores, alone, seen)
        figures[name]["verdicts"] = verdicts(planted.pairs, answers)
        answered[name] = (planted.pairs, answers)
    return figures, answered


def brief(figures: Mapping[str, Any]) -> dict[str, Any]:
    """The same for a card: intervals as texts, counts and truths of the kinds left out."""
    found: dict[str, Any] = {}
    for name, value in figures.items():
        if not isinstance(value, Mapping):
            found[name] = value
        elif "value" in value:
            known = "" if value.get("trained", True) else ", not trained on"
            found[name] = f"{_shown(value)}{known}"
        else:
            found[name] = brief(value)
    return found


def report(figures: Mapping[str, Any]) -> Iterable[str]:
    """A few lines a set."""
    for name, f in figures.items():
        beside = {k: (v["ap"], v["r_at_p90"]) for k, v in f["beside"].items()}
        yield f"{name}: {f['wrong']} of {f['claims']} wrong; AP and R@P90 beside: {beside}"
        for part in ("", "seen", "unseen", "stated", "unstated"):
            if found := (f.get(part) if part else f):
                ap, recall = _shown(found["ap"]), _shown(found["r_at_p90"])
                yield f"  {part or 'all':9} AP {ap}  R@P90 {recall}"
        for kind, k in sorted(f["kinds"].items(), key=lambda item: item[1]["value"]):
            yield f"  {kind:12} AP {_shown(k)}{'' if k['trained'] else '  not trained on'}"


def _shown(figure: Mapping[str, float]) -> str:
    return f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]"


def _scores(cleaner: JudgesClaims, pairs: Sequence[Pair]) -> Floats:
    return np.array([a.score for a in cleaner.judge([pair.claim for pair in pairs])])


def _ratio(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0


def _same(value: str) -> str:
    return normal(value_words(value))


def main() -> None:
    """Print figures for every validation set."""
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("--data", type=Path, required=True)
    args.add_argument("--bundle", type=Path)
    args.add_argument("--threads", type=int, default=2)
    args.add_argument("--json", action="store_true")
    given = args.parse_args()
    cleaner = Cleaner.load(given.bundle, device="cpu", threads=given.threads)
    claims = data.read(given.data, texts.read(given.data))
    figures, _ = measure_all(cleaner, claims)
    judged = plausibility.measure_all(cleaner, claims)
    if given.json:
        json.dump({**figures, "judged": judged}, sys.stdout, indent=1)
    else:
        lines = [*report(figures), *plausibility.report(judged)]
        sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
