"""Claims without a text that people judged: `impakt` and `intentionqa`, as claims of ours.

The published mapping, in the fields of `Claim` and of `cartograph model clean`; `text` is "":

    impakt       type = antecedent, attribute = "implies", value = consequent
    intentionqa  type = "item A + item B" (their names), attribute = the relation in plain words
                 ("used for", "capable of", ...), value = what follows those words in the assertion

Both sets hold what is right only. Wrong ones are made here, reproducibly: `against` puts beside
each the tails of others of its category that are as frequent, and `reversed_` of an implication.
Rows are split by what connects them (shared items, shared normalised text), never one by one.
"""

import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from models_onnx.sets import impakt, intentionqa
from models_onnx.spans import Claim
from models_onnx.tagging.lexicon import Lexicon, Matcher, plural
from models_onnx.tagging.splits import normal, share

VALIDATION_SHARE = 0.3
"""Of what hangs together; the sets are small, so more than of catalogs."""

NEGATIVES = 4
"""Wrong tails beside each right one, as the issue's table has it."""

IMPLIES = impakt.IMPLIES

_WORN = ("bags_jewelry", "apparel", "shoes")
"""Departments of the first of IntentionQA's two domains; the rest is its second, electronics."""


class Judgement(msgspec.Struct, frozen=True):
    """That `head` has `tail` by `relation`; `group` hangs together and is never split."""

    source: str
    head: str
    relation: str
    tail: str
    category: tuple[str, ...]
    group: str = ""

    @property
    def claim(self) -> Claim:
        return Claim("", self.head, self.relation, self.tail)

    @property
    def for_validation(self) -> bool:
        return share(f"judged\0{self.group}") < VALIDATION_SHARE


def read(folder: Path, lexicon: Lexicon) -> dict[str, list[Judgement]]:
    """Set -> its judgements; a set whose file is not there is left out."""
    found = {}
    if (path := folder / "impakt" / "labels.jsonl").exists():
        found["impakt"] = grouped(read_impakt(path), lambda j: (j.head, j.tail))
    if (path := folder / "intentionqa" / "by_relation.jsonl").exists():
        found["intentionqa"] = grouped(
            read_intentionqa(path, lexicon), lambda j: tuple(j.head.split(" + "))
        )
    return found


def read_impakt(path: Path) -> Iterator[Judgement]:
    """What annotators said that an attribute implies, each pair once."""
    seen = set()
    for told in impakt.read_claims(path):
        claim = told.claim
        if (key := (normal(claim.type), normal(claim.value))) not in seen:
            seen.add(key)
            yield Judgement("impakt", claim.type, claim.attribute, claim.value, told.category)


def read_intentionqa(path: Path, lexicon: Lexicon) -> Iterator[Judgement]:
    """Why two products were bought together."""
    worn = _Worn(lexicon)
    for told in intentionqa.read_claims(path):
        claim = told.claim
        category = "worn" if worn.is_worn(claim.type) else "electronics"
        yield Judgement("intentionqa", claim.type, claim.attribute, claim.value, (category,))


def grouped(
    judgements: Iterable[Judgement], connects: Callable[[Judgement], Sequence[str]]
) -> list[Judgement]:
    """The judgements, each with the name of all that hangs together with it by equal texts."""
    rows = list(judgements)
    above: dict[str, str] = {}

    def top(key: str) -> str:
        above.setdefault(key, key)
        while above[key] != key:
            above[key] = above[above[key]]
            key = above[key]
        return key

    keys = [[normal(text) for text in connects(row)] for row in rows]
    for first, *others in keys:
        for other in others:
            # The smaller name wins, so that a group's name does not hang on the order of the rows.
            a, b = sorted((top(first), top(other)))
            above[b] = a
    return [
        msgspec.structs.replace(row, group=top(first))
        for row, (first, *_) in zip(rows, keys, strict=True)
    ]


def against(
    judgements: Sequence[Judgement], rng: random.Random, *, count: int = NEGATIVES
) -> list[tuple[Judgement, str]]:
    """`judgements` with kind "", each followed by wrong ones: "other tail" and "reversed".

    Tails come from the judgements of the same relation and the nearest category (the leaf, else
    what is above it) that has `count` of them, those first that are about as frequent. What
    anybody said of the head is never among them.
    """
    right = {(normal(j.head), normal(j.tail)) for j in judgements}
    frequency = Counter(normal(j.tail) for j in judgements)
    pools: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for j in judgements:
        for depth in range(len(j.category) + 1):
            pools[(j.relation, *j.category[:depth])].append(j.tail)
            pools[j.category[:depth]].append(j.tail)
    rows = []
    for j in judgements:
        rows.append((j, ""))
        own = frequency[normal(j.tail)]
        tails = _tails(j, pools, right, rng, count)
        tails.sort(key=lambda tail: abs(frequency[normal(tail)] - own))
        rows += [(msgspec.structs.replace(j, tail=t), "other tail") for t in tails[:count]]
        if j.relation == IMPLIES and (normal(j.tail), normal(j.head)) not in right:
            rows.append((msgspec.structs.replace(j, head=j.tail, tail=j.head), "reversed"))
    return rows


def _tails(
    j: Judgement,
    pools: dict[tuple[str, ...], list[str]],
    right: set[tuple[str, str]],
    rng: random.Random,
    count: int,
) -> list[str]:
    """At least `count` different wrong tails where there are as many, in random order."""
    head, own = normal(j.head), normal(j.tail)
    places = [(j.relation, *j.category[:depth]) for depth in range(len(j.category), -1, -1)]
    for place in (*places, *(p[1:] for p in places)):
        distinct = {normal(tail): tail for tail in pools[place]}
        fit = [t for n, t in distinct.items() if n not in (own, head) and (head, n) not in right]
        if len(fit) >= count:
            rng.shuffle(fit)
            return fit
    return []


class _Worn:
    """Tells whether a product is worn, by the words of the lexicon's departments."""

    def __init__(self, lexicon: Lexicon) -> None:
        types = [(d.name, t) for d in lexicon.departments for t in d.types]
        self._matcher = Matcher([*types, *((name, plural(t)) for name, t in types)])

    def is_worn(self, text: str) -> bool:
        words = [found.span() for found in re.finditer(r"\w+", text)]
        counts = Counter(p.label in _WORN for p in self._matcher.find(words, text, set()))
        return counts[True] > counts[False]
