"""Which totals of concepts a product's own totals add to. Pure.

A product counts for its types, and for each of them narrowed by each of its values. The counts of
a total are n times one key each, so what changes is told as a difference: of n under the same
`Scope`, or of the scope under the same n (`Scope.without`).
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

import msgspec

from streams.products.rows import Reading
from streams.totals.messages import OF_TYPE, WITH_BOTH, WITH_INTENT, WITH_VALUE, Asked, decode_asked
from streams.totals.wire import join
from topology.facts import type_node

Intent = tuple[bytes, bytes]
"""Relation and intent node, as they stand in keys."""


class Scope(NamedTuple):
    """Type nodes, and pairs of a type node and a value node, that a total counts for."""

    types: tuple[bytes, ...] = ()
    pairs: tuple[tuple[bytes, bytes], ...] = ()

    def without(self, other: "Scope") -> "Scope":
        """What is in this scope and not in the other."""
        types, pairs = set(other.types), set(other.pairs)
        return Scope(
            tuple(one for one in self.types if one not in types),
            tuple(one for one in self.pairs if one not in pairs),
        )


def scope_of(reading: Reading) -> Scope:
    """What the product's totals count for."""
    types = tuple(type_node(slug).encode() for slug in reading.types)
    values = tuple(value.encode() for value in reading.values)
    return Scope(types, tuple((kind, value) for kind in types for value in values))


def asked_scope(
    scope: Scope, named: tuple[bytes, ...], above: Callable[[bytes], frozenset[bytes]]
) -> Scope:
    """Where of a product's scope the intents of a query count: at the types it names, and below.

    Who asks for a frying pan for pancakes says nothing of what kitchen things are bought for: his
    intent would make every value of frying pans one of kitchen things for pancakes. So of a product
    of a type that was not named, too, nothing above the named ones counts; where a query names no
    type, all do.

    Args:
        scope: of the product.
        named: type nodes that the query names.
        above: the type nodes above one.
    """
    if not named:
        return scope
    at = {kind for kind in named if kind in scope.types}
    if at:
        kept = {kind for kind in scope.types if kind in at or at & above(kind)}
    else:
        kept = set(scope.types).difference(*map(above, named))
    return Scope(
        tuple(kind for kind in scope.types if kind in kept),
        tuple(pair for pair in scope.pairs if pair[0] in kept),
    )


class Meaning(NamedTuple):
    """What of an `Asked` counts: the query's text, each intent once, and the types it names."""

    query: str = ""
    intents: tuple[Intent, ...] = ()
    types: tuple[bytes, ...] = ()


@lru_cache(maxsize=1 << 14)
def meaning_of(payload: bytes) -> Meaning:
    """What an `Asked` payload means; nothing if it is none (a zero, or no sender of ours)."""
    try:
        asked: Asked = decode_asked(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Meaning()
    intents = {(relation.encode(), node.encode()): None for relation, node, _ in asked.intents}
    types = tuple(type_node(slug).encode() for slug in asked.types)
    return Meaning(asked.query, tuple(intents), types)


def bought_keys(scope: Scope, week: bytes) -> Iterator[bytes]:
    """Keys that one purchase of the product adds 1 to."""
    for kind in scope.types:
        yield join(kind, OF_TYPE, week)
    for kind, value in scope.pairs:
        yield join(kind, WITH_VALUE, value, week)


def intent_keys(scope: Scope, intent: Intent, week: bytes) -> Iterator[bytes]:
    """Keys of the types alone that one asked purchase adds its weight to."""
    for kind in scope.types:
        yield join(kind, WITH_INTENT, *intent, week)


def both_keys(scope: Scope, intent: Intent, week: bytes) -> Iterator[bytes]:
    """Keys of the concepts that one asked purchase adds its weight to, with a sample each."""
    for kind, value in scope.pairs:
        yield join(kind, WITH_BOTH, value, *intent, week)
