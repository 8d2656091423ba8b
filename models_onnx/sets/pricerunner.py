"""PriceRunner: offer titles in clusters of the same product, with one clean label a cluster.

Each line: {"product_title": "...", "cluster_id": "2", "cluster_label": "...", "category_label":
"CPUs"}. Pairs are made here, seeded by the cluster: two titles of it are the same, and a title
beside one of another cluster of its category is not; the other cluster is the one, of TRIED drawn,
whose label has most words in common. NEGATIVES different pairs stand beside each equal one.
"""

import random
import zlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from models_onnx.sets import lines
from models_onnx.sets.records import Gold, Likeness

NEGATIVES = 2
TRIED = 30


def read(path: Path) -> Iterator[Gold]:
    """The titles of a file, in order, with their category as type.

    Raises:
        DataError: a line is not of the format.
    """
    for row in lines.rows(path):
        yield Gold(
            text=row.text("product_title").strip(), kind="title", type=row.text("category_label")
        )


def read_pairs(path: Path) -> Iterator[Likeness]:
    """One equal pair of every cluster with two titles, and NEGATIVES different ones beside it.

    Raises:
        DataError: a line is not of the format.
    """
    titles: dict[tuple[str, str], list[str]] = defaultdict(list)
    words: dict[tuple[str, str], frozenset[str]] = {}
    by_category: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for row in lines.rows(path):
        cluster = row.text("category_label"), row.text("cluster_id")
        title = row.text("product_title").strip()
        if cluster not in words:
            words[cluster] = frozenset(row.text("cluster_label").lower().split())
            by_category[cluster[0]].append(cluster)
        if title not in titles[cluster]:
            titles[cluster].append(title)
    for cluster, own in titles.items():
        if len(own) < 2:
            continue
        name = " ".join(cluster)
        rng = random.Random(zlib.crc32(name.encode()))  # noqa: S311 - pairs to measure on
        a, b = rng.sample(own, 2)
        yield Likeness(a, b, "", True, name)
        for _ in range(NEGATIVES):
            drawn = rng.choices(by_category[cluster[0]], k=TRIED)
            others = [one for one in drawn if one != cluster]
            if others:
                near = max(others, key=lambda one: len(words[one] & words[cluster]))
                yield Likeness(a, rng.choice(titles[near]), "", False, name)
