"""What catalog and title say of products, and which of their attributes have a value; pure.

Functions of the readings that stand, so another record, another bundle or a deletion takes back
what the one before it counted.
"""

from collections.abc import Container, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Final

from streams.ports import State
from streams.products.rows import Reading, decode_row
from streams.state.counted import Counted, rows
from topology.facts import CATALOG, HAS_TYPE, TEXT
from topology.ontology import Ontology

TYPE: Final = "product_type"
NO_DEPARTMENT: Final = "none"
_VALUE: Final = len("value:")
AGREE, DIFFER, CATALOG_ONLY, TEXT_ONLY = "agree", "differ", "catalog_only", "text_only"


def said_of(
    reading: Reading, ontology: Ontology, relations: Container[str] | None = None
) -> dict[str, str]:
    """Attribute -> what catalog and title say of it, whatever the cleaner thinks of it.

    `agree` if they share a value, or their types are on one line of the ontology; `differ` if they
    share none; else `catalog_only` or `text_only`. The product type counts as an attribute. With
    `relations` only what these say.
    """
    by_catalog: dict[str, list[str]] = {}
    by_text: dict[str, list[str]] = {}
    for relation, tail, source in reading.facts:
        if relations is not None and relation not in relations:
            continue
        side = by_catalog if source == CATALOG else by_text if source == TEXT else None
        if side is not None:
            side.setdefault(relation, []).append(tail)
    found = {}
    for relation, tails in by_catalog.items():
        others = by_text.get(relation)
        if others is None:
            outcome = CATALOG_ONLY
        elif not set(tails).isdisjoint(others):
            outcome = AGREE
        else:
            is_type = relation == HAS_TYPE
            outcome = AGREE if is_type and _in_line(tails, others, ontology) else DIFFER
        found[_attribute(relation)] = outcome
    for relation in by_text:
        if relation not in by_catalog:
            found[_attribute(relation)] = TEXT_ONLY
    return found


def coverage_of(reading: Reading, ontology: Ontology) -> tuple[int, int]:
    """Of the attributes that apply to its type: how many have a value, and how many have none."""
    wanted = _attributes(ontology, reading.type)
    filled = len(wanted & _given(reading))
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
        add, ontology = self._counted.add, self._ontology
        # Only what changed is looked at: in half the time of all of it.
        if old.facts != new.facts:
            moved = {relation for relation, _, _ in set(old.facts).symmetric_difference(new.facts)}
            was, is_now = said_of(old, ontology, moved), said_of(new, ontology, moved)
            for attribute in was.keys() | is_now.keys():
                before, after = was.get(attribute), is_now.get(attribute)
                if before == after:
                    continue
                if before is not None:
                    add(f"catalog_text.{attribute}.{before}", -1)
                if after is not None:
                    add(f"catalog_text.{attribute}.{after}", 1)
        if old.type != new.type or (old.used != new.used and _given(old) != _given(new)):
            for reading, sign in ((old, -1), (new, 1)):
                for name, n in self._covered(reading):
                    add(name, sign * n)

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
        yield from self._covered(reading)

    def _covered(self, reading: Reading) -> Iterator[tuple[str, int]]:
        if not reading.type:
            return
        filled, missing = coverage_of(reading, self._ontology)
        for department in _departments(self._ontology, reading.type):
            yield f"coverage.{department}.products", 1
            yield f"coverage.{department}.filled", filled
            yield f"coverage.{department}.missing", missing

    def _of_old(self) -> Iterator[tuple[str, int]]:
        for _, row in rows(self._state, "products"):
            if (reading := decode_row(row).reading) is not None:
                yield from self._names(reading)


def _given(reading: Reading) -> set[str]:
    return set(map(_attribute_of, reading.used))


@lru_cache(maxsize=1 << 14)
def _attribute_of(node: str) -> str:
    return node[_VALUE:].partition("/")[0]


@lru_cache(maxsize=1 << 12)
def _attribute(relation: str) -> str:
    return TYPE if relation == HAS_TYPE else relation.partition(":")[2]


def _in_line(catalog: Iterable[str], text: Iterable[str], ontology: Ontology) -> bool:
    return any(
        ontology.is_a(one, other) or ontology.is_a(other, one)
        for one in (node.partition(":")[2] for node in catalog)
        for other in (node.partition(":")[2] for node in text)
    )


@lru_cache(maxsize=1 << 14)
def _attributes(ontology: Ontology, slug: str) -> frozenset[str]:
    return frozenset(ontology.attributes_of(slug))


@lru_cache(maxsize=1 << 14)
def _departments(ontology: Ontology, slug: str) -> tuple[str, ...]:
    return ontology.departments(slug) or (NO_DEPARTMENT,)
