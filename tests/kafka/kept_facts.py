"""What a run of `real_input` left, kept in a file: products with their records and their facts.

`SET.jsonl.gz` has a line a product; a last line without one holds what is said of types, concepts
and values.
"""

import gzip
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from streams.sources.said import RawProduct
from topology.facts import Fact, kind_of

_SUFFIX = ".jsonl.gz"


class Kept(msgspec.Struct):
    """A product and what the graph says of it.

    Attributes:
        product: node id; "" for the facts of what is no product.
        title: as the shop wrote it last.
        fields: of its record, without the description; "category" is its path.
        facts: of every status, by fact id.
    """

    product: str
    title: str
    fields: dict[str, list[str]]
    facts: list[Fact]


def file_of(folder: Path, name: str) -> Path:
    """Where the facts of a set are kept."""
    return folder / f"{name}{_SUFFIX}"


def sets_in(folder: Path) -> list[str]:
    """The sets kept in a folder, ascending."""
    return sorted(path.name.removesuffix(_SUFFIX) for path in folder.glob(f"*{_SUFFIX}"))


def keep(path: Path, products: Mapping[str, RawProduct], facts: Iterable[Fact]) -> None:
    """Write all facts beside the products' records."""
    by_head: dict[str, list[Fact]] = {node: [] for node in products}
    for fact in facts:
        head = fact.head if kind_of(fact.head) == "product" else ""
        by_head.setdefault(head, []).append(fact)
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wb") as out:
        for head in sorted(by_head, reverse=True):
            record = products.get(head, RawProduct(""))
            fields = dict(record.attributes)
            if record.category:
                fields["category"] = list(record.category)
            found = sorted(by_head[head], key=lambda fact: fact.id)
            out.write(msgspec.json.encode(Kept(head, record.title, fields, found)) + b"\n")


def kept(path: Path) -> Iterator[Kept]:
    """Read what `keep` wrote."""
    decode = msgspec.json.Decoder(Kept).decode
    with gzip.open(path, "rb") as lines:
        for line in lines:
            yield decode(line)
