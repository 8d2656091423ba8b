"""Texts without labels, for a teacher to label: titles, queries and phrases of every set at hand.

Each set is optional but for those that `data.read` needs. Formats: see the sets' own descriptions.
"""

import gzip
import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from models_onnx.spans import Kind
from models_onnx.tagging.examples import Labelled, distinct
from models_onnx.tagging.splits import for_validation

_TITLE = re.compile(r"COL title VAL (.*?)\s*(?:COL |$)")
_MARK_UP = re.compile(r'@\w\w\b|"|\bNull\b|\s+')


def read(folder: Path, *, most: int, seed: int = 0) -> list[Labelled]:
    """At most `most` texts a set, none of them twice, none that is measured on."""
    rng = random.Random(seed)  # noqa: S311 - training data, not secrets
    rows: list[Labelled] = []
    for name, (kind, texts) in _SETS.items():
        if not (folder / name).exists():
            continue
        found = sorted({text for text in texts(folder / name) if 2 < len(text) < 250})
        found = [text for text in found if not for_validation(text)]
        rows += [
            Labelled(text=text, kind=kind, pieces=(), source=f"{name}-unlabelled")
            for text in rng.sample(found, min(most, len(found)))
        ]
    return distinct(rows)


def _titles(path: Path) -> Iterator[str]:
    with gzip.open(path / "products.jsonl.gz", "rt", encoding="utf-8") as file:
        yield from (json.loads(line)["title"] for line in file)


def _offers(path: Path) -> Iterator[str]:
    with gzip.open(path / "offers.jsonl.gz", "rt", encoding="utf-8") as file:
        yield from (json.loads(line)["product_title"] for line in file)


def _pairs(path: Path) -> Iterator[str]:
    """English-looking titles of the entity matching sets."""
    for file in sorted(path.rglob("train.txt*")):
        for line in file.read_text(encoding="utf-8").splitlines():
            for side in line.split("\t")[:2]:
                if found := _TITLE.search(side):
                    text = _MARK_UP.sub(" ", found[1]).strip()
                    if text.isascii():
                        yield " ".join(text.split()[:24])


def _co_bought(path: Path) -> Iterator[str]:
    with (path / "by_relation.jsonl").open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            yield from (row["item_a_name"], row["item_b_name"])


def _queries(path: Path) -> Iterator[str]:
    with (path / "ubi_queries_events.ndjson").open(encoding="utf-8") as file:
        for line in file:
            if text := json.loads(line).get("user_query"):
                yield str(text).lower()


def _implied(path: Path) -> Iterator[str]:
    """What people look for in things, in their words: "easy to clean"."""
    with (path / "labels.jsonl").open(encoding="utf-8") as file:
        for line in file:
            for one in json.loads(line)["attributes"]:
                yield str(one["attribute"]).lower()


_SETS: dict[str, tuple[Kind, Callable[[Path], Iterator[str]]]] = {
    "icecat": ("title", _titles),
    "myntra-styles": ("title", _titles),
    "pricerunner": ("title", _offers),
    "ditto-em": ("title", _pairs),
    "intentionqa": ("title", _co_bought),
    "ubi-esci": ("query", _queries),
    "impakt": ("query", _implied),
}
