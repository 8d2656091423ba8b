"""QueryNER: shopping queries marked by people with spans of seventeen kinds.

Each line: {"tokens": ["red", "shoes"], "labels": ["B-color", "B-core_product_type"]}. The text is
the tokens, one blank apart.
"""

from collections.abc import Iterator
from pathlib import Path

from models_onnx.sets import lines
from models_onnx.sets.records import Gold, Marked

LABELS = (
    "core_product_type", "creator", "product_name", "product_number", "color", "material",
    "modifier", "department", "occasion", "shape", "content", "UoM", "quantity", "price",
    "condition", "time", "origin",
)  # fmt: skip


def read(path: Path) -> Iterator[Gold]:
    """The queries of a file, in order.

    Raises:
        DataError: a line is not of the format.

    Source of the reading of tags: an I- after O or another kind opens a span, as in conlleval.pl.
    """
    for row in lines.rows(path):
        tokens, tags = row.texts("tokens"), row.texts("labels")
        if len(tokens) != len(tags) or not tokens:
            row.fail(f"{len(tokens)} tokens have {len(tags)} labels")
        text = " ".join(tokens)
        marked: list[Marked] = []
        at, before = 0, "O"
        for token, tag in zip(tokens, tags, strict=True):
            part, _, label = tag.partition("-")
            if tag != "O" and (part not in ("B", "I") or label not in LABELS):
                row.fail(f"{tag!r} is no tag of QueryNER")
            end = at + len(token)
            if part == "I" and before[2:] == label:
                marked[-1] = Marked(marked[-1].start, end, label)
            elif tag != "O":
                marked.append(Marked(at, end, label))
            at, before = end + 1, tag
        yield Gold(text=text, kind="query", marked=tuple(marked))
