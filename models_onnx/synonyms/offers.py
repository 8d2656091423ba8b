"""Pairs of offer titles, to measure apart: a title is no value, and the matcher is not made for it.

pricerunner: two offers of one product; near misses are the likest titles of other products of the
category. ditto: labelled pairs; those of which a side stands in the set's training part are told
apart from those of which neither does (most validation items of the Magellan sets do).
"""

import gzip
import json
import random
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from rapidfuzz import fuzz, process

from models_onnx.synonyms.data import NEGATIVES, Pair

MAGELLAN = (
    "er_magellan/Structured/Amazon-Google",
    "er_magellan/Structured/Walmart-Amazon",
    "er_magellan/Textual/Abt-Buy",
)
WDC = ("cameras", "computers", "shoes", "watches")

_TITLE = re.compile(r"COL (?:title|name) VAL (.*?)(?= COL |$)")


def read(folder: Path, *, products: int = 300, limit: int = 1500) -> dict[str, list[Pair]]:
    """Pairs by set: pricerunner from so many products, ditto at most `limit` pairs a set."""
    found = {"pricerunner": pricerunner(folder / "pricerunner" / "offers.jsonl.gz", products)}
    for name in MAGELLAN:
        place = folder / "ditto-em" / name
        label = "ditto-" + place.name.lower()
        found |= _by_unseen(label, place / "train.txt", place / "valid.txt", limit)
    for name in WDC:
        place = folder / "ditto-em" / "wdc" / name
        parts = place / "train.txt.medium", place / "valid.txt.medium"
        found |= _by_unseen(f"ditto-wdc-{name}", *parts, limit)
    return {name: pairs for name, pairs in found.items() if any(p.same for p in pairs)}


def pricerunner(path: Path, products: int) -> list[Pair]:
    """Two offers of each of so many products, and NEGATIVES near misses."""
    rng = random.Random(4)  # noqa: S311 - validation data, not secrets
    titles: dict[str, list[str]] = defaultdict(list)
    category: dict[str, str] = {}
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            offer = json.loads(line)
            titles[offer["cluster_id"]].append(offer["product_title"])
            category[offer["cluster_id"]] = offer["category_label"]
    several = sorted(c for c, mine in titles.items() if len(set(mine)) > 1)
    pairs = []
    for product in rng.sample(several, min(products, len(several))):
        a, b = rng.sample(sorted(set(titles[product])), 2)
        others = [
            other
            for other in rng.sample(sorted(titles), 3000)
            if category[other] == category[product] and other != product
        ]
        pool = [titles[other][0] for other in others]
        near = process.extract(a, pool, scorer=fuzz.ratio, limit=NEGATIVES)
        pairs.append(Pair(a, b, "", True, "offer"))
        pairs += [Pair(a, title, "", False, "near") for title, _, _ in near]
    return pairs


def _by_unseen(label: str, train: Path, valid: Path, limit: int) -> dict[str, list[Pair]]:
    known = {text for a, b, _ in _rows(train) for text in (a, b)}
    parts: dict[str, list[Pair]] = defaultdict(list)
    for a, b, same in _rows(valid):
        seen = "seen" if a in known or b in known else "unseen"
        parts[f"{label}-{seen}"].append(Pair(a, b, "", same, seen))
    rng = random.Random(5)  # noqa: S311 - validation data, not secrets
    return {name: rng.sample(pairs, min(limit, len(pairs))) for name, pairs in parts.items()}


def _rows(path: Path) -> Iterator[tuple[str, str, bool]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        left, right, same = line.rsplit("\t", 2)
        titles = [_TITLE.search(side) for side in (left, right)]
        if titles[0] and titles[1]:
            yield titles[0][1].strip(), titles[1][1].strip(), same.strip() == "1"
