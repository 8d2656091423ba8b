"""Tags of words to spans of characters."""

import math
from collections.abc import Sequence
from functools import lru_cache

from models_onnx.errors import BundleError, ShapeError
from models_onnx.spans import Span

Word = tuple[int, int]

_LEAST = 1e-9
_BEHIND = " ,;:-(/&"
"""Never the end of a value: words are cut at blanks and before most, but not all, of these."""


def decode_spans(
    text: str,
    words: Sequence[Word],
    tags: Sequence[int],
    scores: Sequence[float],
    labels: Sequence[str],
    *,
    min_score: float = 0.0,
) -> tuple[Span, ...]:
    """Turn one tag a word into labelled spans.

    Args:
        text: what the words are from.
        words: character start and end (exclusive) of each word, ascending, not overlapping.
        tags: index into `labels` for each word.
        scores: probability of that tag, 0..1.
        labels: "O", "B-color", "I-color", ...
        min_score: spans with a lower score, or one that is no number, are dropped.

    Returns:
        Spans in text order, never overlapping, without a comma or the like at the end. A span's
        score is the geometric mean of its words': beside the lowest it costs long values less
        (recall of values never seen, on the teacher of `path.py`, at 0.4: 0.615 against 0.586). A
        span without a letter or digit is no value and is dropped.

    Raises:
        ShapeError: `words`, `tags` and `scores` differ in number, or a tag has no label.

    Source: an I- tag after O or after another label opens a span, as in conlleval.pl (CoNLL-2000).
    """
    if not len(words) == len(tags) == len(scores):
        raise ShapeError(f"{len(words)} words, {len(tags)} tags, {len(scores)} scores")
    parted = _parted(tuple(labels))
    spans: list[Span] = []
    open_label, start, end = "", 0, 0
    logs: list[float] = []

    def close() -> None:
        if not open_label:
            return
        piece, score = text[start:end].rstrip(_BEHIND), math.exp(sum(logs) / len(logs))
        if score >= min_score and any(c.isalnum() for c in piece):
            spans.append(Span(start, start + len(piece), open_label, piece, round(score, 4)))

    for (word_start, word_end), tag, word_score in zip(words, tags, scores, strict=True):
        if not 0 <= tag < len(parted):
            raise ShapeError(
                f"the model gave tag {tag}, but bundle.toml has {len(labels)} labels: they are "
                "from different exports; fetch the bundle again"
            )
        part, label = parted[tag]
        if label and part == "I" and label == open_label:
            end = word_end
            logs.append(_log(word_score))
            continue
        close()
        open_label, start, end, logs = label, word_start, word_end, [_log(word_score)]
    close()
    return tuple(spans)


def check_labels(labels: Sequence[str]) -> None:
    """Refuse a list of labels that tags could not be read with.

    Raises:
        BundleError: the first is not "O", or a B- has no I- or the other way round.
    """
    begins = {label[2:] for label in labels if label.startswith("B-")}
    inside = {label[2:] for label in labels if label.startswith("I-")}
    known = all(label[:2] in ("B-", "I-") and len(label) > 2 for label in labels[1:])
    if not labels or labels[0] != "O" or begins != inside or not known:
        raise BundleError(
            f"labels are missing or damaged (without a pair: {sorted(begins ^ inside)}, first: "
            f"{list(labels[:1])}): want O, then B- and I- of each; fetch the bundle again"
        )


@lru_cache(maxsize=8)
def _parted(labels: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """ "B-color" -> ("B", "color")."""
    return tuple((part, label) for part, _, label in (each.partition("-") for each in labels))


def _log(score: float) -> float:
    """The logarithm; no number of no number."""
    return math.log(_LEAST if score < _LEAST else score)
