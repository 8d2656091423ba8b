"""The sample of evidence that goes with an intent of a concept (`Why`), as the totals now stand.

For every key the table `behind` knows each query and product with a total that is not zero, and
how many such totals there are; the sample is those with the lowest hashes. So it depends on the
totals alone, and what falls out of them falls out of it.
"""

from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b

from streams.errors import StateError
from streams.ports import State
from streams.products.rows import decode_behind, encode_behind
from streams.state.derived import Derived
from streams.totals.messages import Why, decode_why, encode
from streams.totals.outbox import Outbox
from streams.totals.wire import join

QUERY, PRODUCT = b"q", b"p"
SAMPLE = b"w"
_NO_WHY = Why((), (), ())
SIZES: Mapping[bytes, int] = {QUERY: 5, PRODUCT: 3}


class Samples:
    """The samples of one partition.

    Args:
        bundles: ids of the bundles behind every count, as they go into `Why`.
        derived: told which samples name which bundles; a sample is a `SAMPLE` and its key there.
    """

    def __init__(
        self, state: State, outbox: Outbox, bundles: tuple[str, ...], derived: Derived
    ) -> None:
        self._state, self._outbox, self._bundles = state, outbox, bundles
        self._derived = derived

    def restate(self, key: bytes) -> None:
        """Name the bundles that answer now behind the claim `key`."""
        payload = self._outbox.get("claims", key)[1]
        if payload:
            why = decode_why(payload)
            self._tell(key, why, why.queries, why.products)

    def move(self, key: bytes, who: bytes, text: str, delta: int) -> None:
        """`delta` (not 0) more totals of `text` now stand behind the claim `key`.

        `who` says what `text` is: QUERY, a query's text, or PRODUCT, a product's node. No more
        may be taken away than was given.
        """
        owner = _hashed(key.decode())
        name = join(owner, who + _hashed(text))
        row = self._state.get("behind", name)
        before = 0 if row is None else decode_behind(row)[0]
        after = before + delta
        if after < 0:
            raise StateError(
                f"{after} totals of {name!r} stand behind a claim: a bug, please report it; "
                "rebuild the partition"
            )
        if after:
            self._state.put("behind", name, encode_behind(after, text))
        else:
            self._state.delete("behind", name)
        if before == 0 or after == 0:
            self._resample(key, owner, who, text, gone=after == 0)

    def _resample(self, key: bytes, owner: bytes, who: bytes, text: str, *, gone: bool) -> None:
        payload = self._outbox.get("claims", key)[1]
        why = decode_why(payload) if payload else _NO_WHY
        sample = why.queries if who == QUERY else why.products
        size = SIZES[who]
        if gone and text in sample:
            rows = self._state.scan("behind", join(owner, who), limit=size)
            sample = tuple(decode_behind(row)[1] for _, row in rows)
        elif not gone and (len(sample) < size or _hashed(text) < _hashed(sample[-1])):
            sample = tuple(sorted((*sample, text), key=_hashed)[:size])
        else:
            return
        queries = sample if who == QUERY else why.queries
        products = sample if who == PRODUCT else why.products
        self._tell(key, why, queries, products)

    def _tell(
        self, key: bytes, before: Why, queries: tuple[str, ...], products: tuple[str, ...]
    ) -> None:
        thing = SAMPLE + key
        named = " ".join(before.bundles) if before is not _NO_WHY else None
        if queries or products:
            self._derived.note(thing, named)
            why = Why(queries, products, self._bundles)
            self._outbox.describe("claims", key, encode(why))
        else:
            self._derived.forget(thing, named)
            self._outbox.describe("claims", key, b"")


@lru_cache(maxsize=1 << 16)
def _hashed(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=12).hexdigest().encode()
