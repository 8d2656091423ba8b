"""What the figures of an evaluation mean, each with a bootstrap interval. Pure numpy.

Every measure is a function of row weights: float64 [samples, rows] in, float64 [samples] out, a
weight saying how often the row occurs. The figure itself is the measure under weights of one; the
interval is the measure under resampled weights. Rows are texts for spans and values, claims for
cleaning, pairs for synonyms. Where nothing could be divided by, a figure is nan.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Ids = npt.NDArray[np.int64]
Measure = Callable[[Floats], Floats]

SAMPLES = 1000
SEED = 20_240_601
LEVEL = 0.95

_CELLS_AT_ONCE = 4_000_000
"""Weights held in memory at a time: 32 MB of them."""


class Figure(msgspec.Struct, frozen=True):
    """A measured value and its bootstrap interval, `low` <= `high`; nan where it has none."""

    value: float
    low: float
    high: float


class Counts(msgspec.Struct, frozen=True):
    """How many items were right, found and wanted, int64 [rows, labels] each.

    An item is whatever is compared: a span (start, end, label) or a value (attribute, value).
    """

    labels: tuple[str, ...]
    right: Ids
    found: Ids
    gold: Ids

    def only(self, label: str) -> "Counts":
        """The counts of one label.

        Raises:
            ValueError: there is no such label.
        """
        at = [self.labels.index(label)]
        return Counts((label,), self.right[:, at], self.found[:, at], self.gold[:, at])


def count(
    gold: Sequence[Iterable[Hashable]],
    found: Sequence[Iterable[Hashable]],
    label_of: Callable[[Hashable], str] = lambda item: "",
) -> Counts:
    """Counts of the items of every row; equal items of one row count once.

    Args:
        gold: what is right, per row.
        found: what was answered, per row, as many rows.
        label_of: the label of an item; labels are sorted.

    Raises:
        ValueError: `gold` and `found` differ in length.
    """
    pairs = [(set(a), set(b)) for a, b in zip(gold, found, strict=True)]
    labels = tuple(sorted({label_of(item) for a, b in pairs for item in a | b}))
    column = {label: at for at, label in enumerate(labels)}
    right, answered, wanted = (np.zeros((len(pairs), len(labels)), np.int64) for _ in range(3))
    for row, (a, b) in enumerate(pairs):
        for table, items in ((right, a & b), (answered, b), (wanted, a)):
            for item in items:
                table[row, column[label_of(item)]] += 1
    return Counts(labels, right, answered, wanted)


def precision(counts: Counts) -> Measure:
    """Micro precision: right / found, over all labels."""
    right, found, _ = _summed(counts)
    return lambda weights: _ratio(weights @ right, weights @ found)


def recall(counts: Counts) -> Measure:
    """Micro recall: right / wanted, over all labels."""
    right, _, gold = _summed(counts)
    return lambda weights: _ratio(weights @ right, weights @ gold)


def f1(counts: Counts) -> Measure:
    """Micro F1: 2 * right / (found + wanted), over all labels; as conlleval and seqeval do it."""
    right, found, gold = _summed(counts)
    return lambda weights: _ratio(2 * (weights @ right), weights @ (found + gold))


def macro_f1(counts: Counts) -> Measure:
    """Mean of the labels' F1, every label equal, over labels that are wanted at least once.

    A label that is answered and never wanted costs the micro figures, not this one.
    """
    right, both = counts.right.astype(float), (counts.found + counts.gold).astype(float)
    gold = counts.gold.astype(float)

    def measure(weights: Floats) -> Floats:
        each = _ratio(2 * (weights @ right), weights @ both)
        wanted = (weights @ gold) > 0
        return _ratio(np.where(wanted, each, 0.0).sum(axis=1), wanted.sum(axis=1))

    return measure


def share(part: npt.NDArray[np.generic], whole: npt.NDArray[np.generic]) -> Measure:
    """Sum of `part` over the sum of `whole`, [rows] each: coverage, or recall of some rows."""
    top, bottom = part.astype(float), whole.astype(float)
    return lambda weights: _ratio(weights @ top, weights @ bottom)


def average_precision(positive: Flags, scores: Floats) -> Measure:
    """Area under the precision-recall curve as average precision, nan without a positive.

    The sum over distinct scores, from high to low, of the precision at that threshold times the
    recall gained there; equal scores are one threshold. Equals scikit-learn's
    `average_precision_score`.

    Args:
        positive: [rows], what is to be found (wrong values, pairs that mean the same).
        scores: [rows], higher is more likely positive.

    Raises:
        ValueError: the two differ in length, or a score is nan.
    """
    curve = _curve(positive, scores)

    def measure(weights: Floats) -> Floats:
        right, taken, wanted = curve(weights)
        gained = np.diff(right, axis=1, prepend=0.0)
        area = (gained * np.nan_to_num(_ratio(right, taken))).sum(axis=1)
        return _ratio(area, wanted)

    return measure


def recall_at_precision(positive: Flags, scores: Floats, least: float) -> Measure:
    """R@P: the highest recall of any threshold whose precision is at least `least`, 0 if none is.

    Args and errors as in `average_precision`; `least` is 0..1.
    """
    curve = _curve(positive, scores)

    def measure(weights: Floats) -> Floats:
        right, taken, wanted = curve(weights)
        # A hair's breadth: 9 / 10 must count as 0.9 whatever its bits.
        good = np.nan_to_num(_ratio(right, taken)) >= least - 1e-12
        return _ratio(np.where(good, right, 0.0).max(axis=1, initial=0.0), wanted)

    return measure


def threshold_at_precision(positive: Flags, scores: Floats, least: float) -> float | None:
    """The score at which `recall_at_precision` has its highest recall, the highest such; or None.

    What scores at least that is answered "positive".
    """
    edges = _distinct(scores)
    right, taken, _ = _curve(positive, scores)(np.ones((1, len(scores))))
    good = np.nan_to_num(_ratio(right, taken)[0]) >= least - 1e-12
    if not good.any() or not np.where(good, right[0], 0.0).any():
        return None
    best = int(np.argmax(np.where(good, right[0], -1.0)))
    return float(edges[best])


def value(measure: Measure, rows: int) -> float:
    """The measure itself, every row once."""
    return float(measure(np.ones((1, rows)))[0])


def figure(
    measure: Measure, groups: Ids | int, *, samples: int = SAMPLES, seed: int = SEED
) -> Figure:
    """The measure with its 95 % percentile bootstrap interval; see `figures`."""
    return figures({"": measure}, groups, samples=samples, seed=seed)[""]


def figures(
    measures: Mapping[str, Measure],
    groups: Ids | int,
    *,
    samples: int = SAMPLES,
    seed: int = SEED,
) -> dict[str, Figure]:
    """Every measure with its 95 % percentile bootstrap interval, over the same resamples.

    Args:
        measures: name -> measure; see the module.
        groups: the number of rows, each a group of its own; or the group of every row, [rows],
            counted from 0: groups are drawn whole, as the rows of one title are not independent.
        samples: how many resamples, 1 or more.
        seed: equal seeds give equal intervals.
    """
    of = np.arange(groups, dtype=np.int64) if isinstance(groups, int) else groups
    if not len(of):
        return dict.fromkeys(measures, Figure(float("nan"), float("nan"), float("nan")))
    drawn: dict[str, list[Floats]] = {name: [] for name in measures}
    for weights in _resampled(of, samples, seed):
        for name, measure in measures.items():
            drawn[name].append(measure(weights))
    return {
        name: Figure(value(measure, len(of)), *_interval(np.concatenate(drawn[name])))
        for name, measure in measures.items()
    }


def ranking(positive: Flags, scores: Floats) -> dict[str, Measure]:
    """The measures of a ranking: PR-AUC and R@P80, R@P90, R@P95."""
    at = {f"r_at_p{p}": recall_at_precision(positive, scores, p / 100) for p in (80, 90, 95)}
    return {"pr_auc": average_precision(positive, scores), **at}


def numbered(keys: Iterable[Hashable]) -> Ids:
    """Equal keys get equal numbers, from 0 in order of first occurrence, int64 [keys]."""
    known: dict[Hashable, int] = {}
    return np.array([known.setdefault(key, len(known)) for key in keys], np.int64)


def _resampled(of: Ids, samples: int, seed: int) -> Iterator[Floats]:
    """Row weights of `samples` draws of as many groups as there are, with replacement."""
    number = int(of.max()) + 1
    rng = np.random.default_rng(seed)
    at_once = max(1, _CELLS_AT_ONCE // len(of))
    for start in range(0, samples, at_once):
        drawn = np.empty((min(at_once, samples - start), number))
        for line in drawn:
            line[:] = np.bincount(rng.integers(0, number, number), minlength=number)
        yield drawn[:, of]


def _interval(sampled: Floats) -> tuple[float, float]:
    sampled = sampled[~np.isnan(sampled)]
    if not len(sampled):
        return float("nan"), float("nan")
    low, high = np.quantile(sampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _summed(counts: Counts) -> tuple[Floats, Floats, Floats]:
    right, found, gold = (
        table.sum(axis=1).astype(float) for table in (counts.right, counts.found, counts.gold)
    )
    return right, found, gold


def _distinct(scores: Floats) -> Floats:
    """The distinct scores, from high to low."""
    return np.unique(scores)[::-1]


def _curve(positive: Flags, scores: Floats) -> Callable[[Floats], tuple[Floats, Floats, Floats]]:
    """Weights -> (right, taken) at every distinct score [samples, scores], and all positives."""
    if positive.shape != scores.shape or scores.ndim != 1:
        raise ValueError(f"{positive.shape} truths and {scores.shape} scores are no pairs")
    if np.isnan(scores).any():
        raise ValueError("a score is nan: leave out or hold what the model could not score")
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)) if len(ranked) else order
    truth = positive[order].astype(float)

    def curve(weights: Floats) -> tuple[Floats, Floats, Floats]:
        drawn = weights[:, order]
        right = np.cumsum(drawn * truth, axis=1)
        wanted = right[:, -1] if right.shape[1] else np.zeros(len(weights))
        return right[:, ends], np.cumsum(drawn, axis=1)[:, ends], wanted

    return curve


def _ratio(part: Floats, whole: Floats | npt.NDArray[np.int64]) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole > 0, np.divide(part, whole), np.nan)
