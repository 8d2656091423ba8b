"""Pairs of values to train and measure the synonym scorer on, from impakt and shopify-taxonomy.

impakt: what a text says and how people summed it up ("easier to use", "easy to use"). All texts
that are linked so, over any number of steps, form a group, and the split is by group. Its negatives
are near misses: texts of other groups. Two groups can mean the same all the same ("less expensive",
"affordable"): some negatives are wrong, which no model can know.

shopify-taxonomy: values of one attribute, and sibling categories, are different by definition;
other spellings are made by `variants`, and names in brackets that abbreviate are aliases.
"""

import json
import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml
from rapidfuzz import fuzz, process
from rapidfuzz.distance import Levenshtein

from models_onnx.bundle import TrainingData
from models_onnx.synonyms.variants import OTHER, SAME
from models_onnx.synonyms.wording import plain, stem, stems_of, words_of
from models_onnx.tagging.splits import normal, share

VALIDATION_SHARE = 0.3
NEGATIVES = 4
"""Near misses for every right pair, in training and in measuring."""

TRAINING_DATA = (
    TrainingData("impakt", "CC BY 4.0 (Google)", "what texts say and its summary, by people"),
    TrainingData("shopify-taxonomy", "MIT", "values and categories, siblings, bracketed aliases"),
    TrainingData("WordNet 3.0", "WordNet 3.0 (Princeton)", "synonyms and antonyms, as hashes"),
    TrainingData("cartograph variants", "Apache-2.0 (this repository)", "other spellings"),
)


class Pair(msgspec.Struct, frozen=True):
    """Two values of one attribute ("" where unknown), whether they mean the same, and what kind."""

    a: str
    b: str
    attribute: str
    same: bool
    kind: str


class Said(msgspec.Struct, frozen=True):
    """What a snippet says, how people summed it up, and where it stood."""

    text: str
    summary: str
    attribute: str
    category: str
    snippet: int


class Sets(msgspec.Struct, frozen=True):
    """Pairs by set."""

    train: dict[str, list[Pair]]
    validation: dict[str, list[Pair]]


def read(folder: Path, *, limit: int = 0) -> Sets:
    """Training and validation pairs of the data sets in `folder`; `limit` > 0 for a small part."""
    said = list(read_impakt(folder / "impakt" / "labels.jsonl"))
    values = read_shopify(folder / "shopify-taxonomy" / "data")
    if limit:
        said, values = said[:limit], dict(sorted(values.items())[: max(20, limit // 10)])
    groups = group(said)
    parts: dict[bool, dict[str, list[Pair]]] = {}
    for held in (False, True):
        mine = [
            s
            for s in said
            if (share(f"synonyms\0{groups[normal(s.text)]}") < VALIDATION_SHARE) == held
        ]
        own = {
            attribute: [v for v in names if held_out(v) == held]
            for attribute, names in values.items()
        }
        parts[held] = {
            "impakt": impakt_pairs([s for s in mine if not s.attribute], groups, seed=1),
            "impakt-atomic": impakt_pairs([s for s in mine if s.attribute], groups, seed=2),
            "shopify": shopify_pairs(own, seed=3),
        }
    return Sets(train=parts[False], validation=parts[True])


def read_pairs(path: Path) -> list[Pair]:
    """Pairs of a file of hand-made pairs: a, b, attribute, same (0 or 1), with a heading line."""
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    return [Pair(a, b, attribute, same == "1", "hand") for a, b, attribute, same in rows]


def read_impakt(path: Path) -> Iterator[Said]:
    """Every text whose summary is not the text itself; atomic ones with their attribute's name."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        row = json.loads(line)
        category = row["category"].rsplit(" > ", 1)[-1]
        whole = [(a, "") for a in row["attributes"]]
        parts = [
            (a, _attribute(a["attribute_type"]))
            for p in row["atomic_attributes"].values()
            for a in p
        ]
        for entry, attribute in [*whole, *parts]:
            text, summary = entry["attribute"].strip(), entry["summary"].strip()
            if normal(text) and normal(summary) and normal(text) != normal(summary):
                yield Said(text, summary, attribute, category, number)


def group(said: Iterable[Said]) -> dict[str, str]:
    """The group of every normalised text: the least of all texts linked with it."""
    parent: dict[str, str] = {}

    def root(text: str) -> str:
        while (above := parent.setdefault(text, text)) != text:
            parent[text] = text = parent[above]
        return text

    for one in said:
        low, high = sorted((root(normal(one.text)), root(normal(one.summary))))
        parent[high] = low
    return {text: root(text) for text in list(parent)}


def held_out(value: str) -> bool:
    """Whether a shopify value is for measuring only, however it is written."""
    key = " ".join(map(stem, words_of(plain(value))))
    return share(f"synonyms\0{key}") < VALIDATION_SHARE


def impakt_pairs(said: Sequence[Said], groups: dict[str, str], *, seed: int) -> list[Pair]:
    """Right pairs, and for each NEGATIVES near misses from other groups."""
    rng = random.Random(seed)  # noqa: S311 - training data, not secrets
    said = sorted(
        {(s.text, s.summary): s for s in said}.values(), key=lambda s: (s.text, s.summary)
    )
    texts = sorted({t for s in said for t in (s.text, s.summary)})
    folded = [plain(t) for t in texts]
    by_word: dict[str, list[str]] = defaultdict(list)
    by_category: dict[str, list[str]] = defaultdict(list)
    for text in texts:
        for word in set(stems_of(plain(text))):
            by_word[word].append(text)
    for one in said:
        by_category[one.category] += [one.text, one.summary]
    pairs = []
    for one in said:
        ask = rng.choice((one.text, one.summary))
        rarest = sorted(set(stems_of(plain(ask))), key=lambda w: (len(by_word[w]), w))
        near = process.extract(plain(ask), folded, scorer=fuzz.ratio, limit=12)
        edit = rng.choice(list(OTHER.values()))(rng, plain(ask))
        sources: dict[str, Sequence[str]] = {
            "spelling": [texts[index] for _, _, index in near],
            "word": [t for w in rarest[:2] for t in by_word[w]],
            "category": by_category[one.category],
            "edited": [edit] if edit else [],
            "any": texts,
        }
        pairs.append(Pair(one.text, one.summary, one.attribute, True, "said"))
        pairs += _misses(rng, ask, one.attribute, sources, groups)
    return pairs


def _misses(
    rng: random.Random,
    ask: str,
    attribute: str,
    sources: dict[str, Sequence[str]],
    groups: dict[str, str],
) -> Iterator[Pair]:
    """NEGATIVES different wrong partners of `ask`, one of each source as far as they go."""
    used, own = {normal(ask)}, groups[normal(ask)]
    for kind in [*sources, *["any"] * NEGATIVES]:
        for partner in rng.sample(list(sources[kind]), min(12, len(sources[kind]))):
            if (
                normal(partner) not in used
                and _is_another(ask, partner)
                and groups.get(normal(partner)) != own
            ):
                used.add(normal(partner))
                yield Pair(ask, partner, attribute, False, kind)
                break
        if len(used) == NEGATIVES + 1:
            return


def _is_another(a: str, b: str) -> bool:
    """Whether `b` is more than another spelling of `a`: people mistype, too."""
    x, y = ("".join(words_of(plain(t))) for t in (a, b))
    return bool(y) and Levenshtein.distance(x, y) > (2 if min(len(x), len(y)) > 7 else 0)


def read_shopify(folder: Path) -> dict[str, list[str]]:
    """Attribute name -> names of its values; "product_type under X" -> names of its children."""
    values = {v["friendly_id"]: v["name"] for v in _yaml(folder / "values.yml")}
    found: dict[str, list[str]] = {}
    for entry in _yaml(folder / "attributes.yml")["base_attributes"]:
        names = [values[v] for v in entry.get("values", ()) if v in values]
        found[entry["name"]] = sorted(set(names))
    for path in sorted((folder / "categories").glob("*.yml")):
        rows = {row["id"]: row for row in _yaml(path)}
        for row in rows.values():
            names = [rows[c]["name"] for c in row.get("children", ()) if c in rows]
            found[f"product type under {row['name']}"] = sorted(set(names))
    return {name: listed for name, listed in found.items() if listed}


def shopify_pairs(values: dict[str, list[str]], *, seed: int) -> list[Pair]:
    """Other spellings and aliases of values, and siblings: the nearest by spelling, and any."""
    rng = random.Random(seed)  # noqa: S311 - training data, not secrets
    pairs: dict[tuple[str, str], Pair] = {}

    def put(a: str, b: str, attribute: str, *, same: bool, kind: str) -> None:
        if normal(a) and normal(b) and a != b:
            pairs.setdefault((min(a, b), max(a, b)), Pair(a, b, attribute, same, kind))

    for attribute, names in sorted(values.items()):
        about = "product_type" if attribute.startswith("product type under") else attribute
        folded = sorted({plain(name) for name in names if "other" not in name.lower()})
        for name in folded:
            if (alias := alias_of(name)) is not None:
                put(*alias, about, same=True, kind="alias")
            kind, other = _applied(rng, SAME, name)
            if other is not None:
                put(name, other, about, same=True, kind=kind)
            kind, other = _applied(rng, OTHER, name)
            if other is not None and rng.random() < 0.3:
                put(name, other, about, same=False, kind=kind)
            near = process.extract(name, folded, scorer=fuzz.ratio, limit=4)
            for partner in {near[-1][0], near[min(1, len(near) - 1)][0], rng.choice(folded)}:
                if stems_of(partner) != stems_of(name):
                    put(name, partner, about, same=False, kind="sibling")
    return list(pairs.values())


def alias_of(name: str) -> tuple[str, str] | None:
    """A `plain` name and its abbreviation in brackets; None where they say something else."""
    match = re.fullmatch(r"([^()]+) \(([^()]+)\)", name)
    if match is None or any(c.isdigit() for c in name):
        return None
    long, short = sorted((match[1].strip(), match[2].strip()), key=lambda t: -len(t))
    letters = iter(long.replace(" ", ""))
    abbreviates = all(c in letters for c in short.replace("-", "").replace(".", ""))
    if not abbreviates or len(short) * 2 > len(long) or short[0] != long[0] or " " in short:
        return None
    return long, short


def _applied(
    rng: random.Random, rules: dict[str, Callable[[random.Random, str], str | None]], name: str
) -> tuple[str, str | None]:
    for kind in rng.sample(list(rules), len(rules)):
        if (other := rules[kind](rng, name)) is not None and plain(other) != plain(name):
            return kind, other
    return "", None


def _attribute(text: str) -> str:
    first = re.split(r"[,/;]", text)[0].strip().lower()
    return "feature" if first in {"", "n/a", "na", "x"} else first


def _yaml(path: Path) -> Any:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with path.open(encoding="utf-8") as file:
        return yaml.load(file, Loader=loader)  # noqa: S506
