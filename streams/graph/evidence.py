"""What stands behind facts that GRAPH adds up of several totals: samples of `messages.Why`."""

from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b
from typing import Final

import msgspec

from streams.totals.inbox import Inbox
from streams.totals.messages import Why, decode_why

_SAMPLE: Final = 5


class Sample:
    """Queries, product nodes and ids of bundles, as all senders name them."""

    __slots__ = ("bundles", "products", "queries")

    def __init__(self) -> None:
        self.queries: set[str] = set()
        self.products: set[str] = set()
        self.bundles: set[str] = set()


def sample_of(inbox: Inbox, keys: Iterable[bytes]) -> Sample:
    """What stands behind totals of `claims`, over all senders."""
    sample = Sample()
    for key in keys:
        for entry in inbox.entries("claims", key):
            if entry.n and (why := _why(entry.payload)):
                sample.queries.update(why.queries)
                sample.products.update(why.products)
                sample.bundles.update(why.bundles)
    return sample


def lowest(texts: set[str]) -> list[str]:
    """At most five, the lowest hashes first: a sample that no order of arrival moves."""
    return sorted(texts, key=_hashed)[:_SAMPLE]


@lru_cache(maxsize=1 << 14)
def _why(payload: bytes) -> Why | None:
    try:
        why: Why = decode_why(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return why


@lru_cache(maxsize=1 << 16)
def _hashed(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=12).digest()
