"""The sample of evidence that goes with an intent of a concept (`Why`), as the totals now stand.

For every key the table `behind` knows each query and product with a total that is not zero, and
how many such totals there are; the sample is those with the lowest hashes. So it depends on the
totals alone, and what falls out of them falls out of it.
"""

from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b

from streams.errors import StateError
from streams.messages import Why, decode_why, encode
from streams.outbox import Outbox
from streams.ports import State
from streams.product_rows import decode_behind, encode_behind
from streams.wire import join

QUERY, PRODUCT = b"q", b"p"
SIZES: Mapping[bytes, int] = {QUERY: 5, PRODUCT: 3}


class Samples:
    """The samples of one partition.

    Args:
        bundles: ids of the bundles behind every count, as they go into `Why`.
    """

    def __init__(self, state: State, outbox: Outbox, bundles: tuple[str, ...]) -> None:
        self._state, self._outbox, self._bundles = state, outbox, bundles

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
        why = decode_why(payload) if payload else Why((), (), self._bundles)
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
        why = Why(queries, products, self._bundles)
        self._outbox.describe("claims", key, encode(why) if queries or products else b"")


@lru_cache(maxsize=1 << 16)
def _hashed(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=12).hexdigest().encode()
