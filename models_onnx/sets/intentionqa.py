"""IntentionQA: why two products were bought together, as people let it stand.

Each line: {"item_a_name", "item_b_name", "relation", "assertion": "PersonX bought ... Item B
because they both are used for X."}. It is the claim (type = "item A + item B", attribute = the
relation in plain words, value = what follows those words).
"""

import html
import re
from collections.abc import Iterator
from pathlib import Path

from models_onnx.sets import lines
from models_onnx.sets.records import Judgement
from models_onnx.spans import Claim

_SAID = (
    (r"they both are a type of", "is a"),
    (r"they both are a manner of", "manner of"),
    (r"they both have a property of(?: being)?", "property of"),
    (r"(?:they are both|they both are(?: both)?) used for", "used for"),
    (r"they both are capable of", "capable of"),
    (r"they could both", "can"),
    (r"they both are related to", "related to"),
    (r"they both are defined as", "defined as"),
    (r"as a result, the person", "effect"),
    (r"the person wants to", "wants to"),
)
_RELATIONS = [(re.compile(rf"(?:because )?{said}\s+", re.IGNORECASE), name) for said, name in _SAID]
_OTHERWISE = "because"


def read_claims(path: Path) -> Iterator[Judgement]:
    """The assertions of a file, in order; the set names no category.

    Raises:
        DataError: a line is not of the format.
    """
    for row in lines.rows(path):
        names = [" ".join(html.unescape(row.text(f"item_{x}_name")).split()) for x in "ab"]
        head = " + ".join(name.replace(" + ", " and ") for name in names)
        relation, tail = asserted(row.text("assertion"))
        if not tail:
            row.fail("the assertion gives no reason after `Item B`")
        yield Judgement(Claim("", head, relation, tail), ())


def asserted(assertion: str) -> tuple[str, str]:
    """Relation and tail of "PersonX bought ... Item B because they both are a type of ring."."""
    reason = assertion.partition("Item B")[2].strip().rstrip(".")
    for pattern, name in _RELATIONS:
        if found := pattern.match(reason):
            return name, reason[found.end() :].strip(' "')
    return _OTHERWISE, reason.removeprefix("because ").strip()
