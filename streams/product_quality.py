"""What catalog and title say of products, and which of their attributes have a value; pure.

Functions of the readings that stand, so another record, another bundle or a deletion takes back
what the one before it counted.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final

from streams.counted import Counted, rows
from streams.ports import State
from streams.product_rows import Reading, decode_row
from topology.facts import CATALOG, HAS_TYPE, TEXT
from topology.ontology import Ontology

TYPE: Final = "product_type"
NO_DEPARTMENT: Final = "none"
AGREE, DIFFER, CATALOG_ONLY, TEXT_ONLY = "agree", "differ", "catalog_only", "text_only"


def said_of(reading: Reading, ontology: Ontology) -> dict[str, str]:
    """Attribute -> what catalog and title say of it, whatever the cleaner thinks of it.

    `agree` if they share a value, or their types are on one line of the ontology; `differ` if they
    share none; else `catalog_only` or `text_only`. The product type counts as an attribute.
    """
    tails: dict[str, dict[str, set[str]]] = {}
    for relation, tail, source in reading.facts:
        name = TYPE if relation == HAS_TYPE else relation.partition(":")[2]
        if name and source in (CATALOG, TEXT):
            tails.setdefault(name, {}).setdefault(source, set()).add(tail)
    found = {}
    for name, sides in tails.items():
        catalog, text = sides.get(CATALOG), sides.get(TEXT)
        if catalog is None or text is None:
            found[name] = TEXT_ONLY if catalog is None else CATALOG_ONLY
        elif catalog & text or (name == TYPE and _in_line(catalog, text, ontology)):
            found[name] = AGREE
        else:
            found[name] = DIFFER
    return found


def coverage_of(reading: Reading, ontology: Ontology) -> tuple[int, int]:
    """Of the attributes that apply to its type: how many have a value, and how many have none."""
    wanted = _attributes(ontology, reading.type)
    given = {node.removeprefix("value:").partition("/")[0] for node in reading.used}
    filled = len(wanted & given)
    return filled, len(wanted) - filled


class ProductQuality:
    """The counts of one partition.

    Args:
        state: the partition's state; `products` is counted once where an older store has no counts.
        ontology: of the graph.
    """

    def __init__(self, state: State, ontology: Ontology) -> None:
        self._state, self._ontology = state, ontology
        self._counted = Counted(state, "quality", self._of_old)

    def move(self, old: Reading, new: Reading) -> None:
        """A product now counts as `new`, which was `old`."""
        for reading, sign in ((old, -1), (new, 1)):
            for name, n in self._names(reading):
                self._counted.add(name, sign * n)

    def flush(self) -> None:
        """Write what changed to the state."""
        self._counted.flush()

    def counts(self) -> Mapping[str, int]:
        """Name -> count.

        `catalog_text.<attribute>.<outcome>`: products (`said_of`). `coverage.<department>.products`
        and `.filled`, `.missing` (`coverage_of`): a department's products of a known type, and
        their attributes with and without a value.
        """
        return self._counted.counts

    def _names(self, reading: Reading) -> Iterator[tuple[str, int]]:
        for attribute, outcome in said_of(reading, self._ontology).items():
            yield f"catalog_text.{attribute}.{outcome}", 1
        if not reading.type:
            return
        filled, missing = coverage_of(reading, self._ontology)
        for department in self._ontology.departments(reading.type) or (NO_DEPARTMENT,):
            yield f"coverage.{department}.products", 1
            yield f"coverage.{department}.filled", filled
            yield f"coverage.{department}.missing", missing

    def _of_old(self) -> Iterator[tuple[str, int]]:
        for _, row in rows(self._state, "products"):
            if (reading := decode_row(row).reading) is not None:
                yield from self._names(reading)


def _in_line(catalog: set[str], text: set[str], ontology: Ontology) -> bool:
    return any(
        ontology.is_a(one, other) or ontology.is_a(other, one)
        for one in (node.partition(":")[2] for node in catalog)
        for other in (node.partition(":")[2] for node in text)
    )


@lru_cache(maxsize=1 << 14)
def _attributes(ontology: Ontology, slug: str) -> frozenset[str]:
    return frozenset(ontology.attributes_of(slug))
