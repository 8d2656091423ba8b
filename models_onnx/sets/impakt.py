"""ImPaKT: what annotators of shopping texts said that an attribute implies, and means in short.

Each line: {"category": "A > B", "implications": [{"antecedent", "consequent"}],
"atomic_attributes": {phrase: [{"attribute", "summary", "attribute_type"}]}}. An implication is the
claim (type = antecedent, attribute = "implies", value = consequent). A pair is (attribute,
summary) where the two differ; NEGATIVES different pairs stand beside it, the attribute with the
summaries of others of its `attribute_type` or category, seeded by the pair.
"""

import random
import zlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from models_onnx.sets import lines
from models_onnx.sets.places import same
from models_onnx.sets.records import Judgement, Likeness
from models_onnx.spans import Claim

IMPLIES = "implies"
NEGATIVES = 4
NOT_GIVEN = "n/a"


def read_claims(path: Path) -> Iterator[Judgement]:
    """What implies what, in order, each pair once.

    Raises:
        DataError: a line is not of the format.
    """
    seen = set()
    for row in lines.rows(path):
        category = tuple(row.text("category").split(" > "))
        for said in row.objects("implications"):
            head, tail = said.text("antecedent"), said.text("consequent")
            if (key := (same(head), same(tail))) not in seen:
                seen.add(key)
                yield Judgement(Claim("", head, IMPLIES, tail), category)


def read_pairs(path: Path) -> Iterator[Likeness]:
    """Attribute and summary where they differ, each pair once, with different ones beside it.

    Raises:
        DataError: a line is not of the format.
    """
    means: dict[tuple[str, str], tuple[str, str, str, str]] = {}
    summaries: dict[str, dict[str, str]] = defaultdict(dict)
    right: dict[str, set[str]] = defaultdict(set)
    for row in lines.rows(path):
        category = row.text("category")
        for phrase in row.object("atomic_attributes"):
            inner = lines.Row(row.path, row.line, row.object("atomic_attributes"))
            for said in inner.objects(phrase):
                a, b = said.text("attribute"), said.text("summary")
                if NOT_GIVEN in (same(a), same(b)):
                    continue
                kind = same(said.text("attribute_type", empty=True))
                for place in (f"kind {kind}", f"category {category}", ""):
                    summaries[place].setdefault(same(b), b)
                right[same(a)].add(same(b))
                right[same(b)].add(same(a))
                if same(a) != same(b):
                    means.setdefault((same(a), same(b)), (a, b, kind, category))
    for (key, _), (a, b, kind, category) in means.items():
        yield Likeness(a, b, kind, True, key)
        rng = random.Random(zlib.crc32(f"{a}\0{b}".encode()))  # noqa: S311 - to measure on
        for other in _others(key, kind, category, summaries, right, rng):
            yield Likeness(a, other, kind, False, key)


def _others(
    key: str,
    kind: str,
    category: str,
    summaries: dict[str, dict[str, str]],
    right: dict[str, set[str]],
    rng: random.Random,
) -> list[str]:
    """Summaries that are not this attribute's, of its kind where there are enough."""
    for place in (f"kind {kind}", f"category {category}", ""):
        fit = [b for k, b in summaries[place].items() if k != key and k not in right[key]]
        if len(fit) >= NEGATIVES:
            return rng.sample(fit, NEGATIVES)
    return []
