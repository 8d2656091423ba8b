"""Tags of words to spans of characters."""

from collections.abc import Sequence

from models_onnx.errors import ShapeError
from models_onnx.spans import Span

Word = tuple[int, int]


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
        Spans in text order, never overlapping. A span's score is the lowest of its words'.
        A span without a letter or digit is no value and is dropped.

    Raises:
        ShapeError: `words`, `tags` and `scores` differ in number, or a tag has no label.

    Source: an I- tag after O or after another label opens a span, as in conlleval.pl (CoNLL-2000).
    """
    if not len(words) == len(tags) == len(scores):
        raise ShapeError(f"{len(words)} words, {len(tags)} tags, {len(scores)} scores")
    spans: list[Span] = []
    open_label, start, end, score = "", 0, 0, 1.0

    def close() -> None:
        piece = text[start:end]
        if open_label and score >= min_score and any(c.isalnum() for c in piece):
            spans.append(Span(start, end, open_label, piece, round(score, 4)))

    for (word_start, word_end), tag, word_score in zip(words, tags, scores, strict=True):
        if not 0 <= tag < len(labels):
            raise ShapeError(f"tag {tag}, but the bundle has {len(labels)} labels")
        part, _, label = labels[tag].partition("-")
        if part == "I" and label == open_label:
            end = word_end
            score = _lower(score, float(word_score))
            continue
        close()
        open_label, start, end, score = label, word_start, word_end, float(word_score)
    close()
    return tuple(spans)


def _lower(a: float, b: float) -> float:
    """The lower of two scores; no number if either is none, whichever it is."""
    return a if a <= b or a != a else b
