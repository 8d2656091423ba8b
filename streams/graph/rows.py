"""What GRAPH adds up of its inbox: one row a key without its week, decoded and kept in memory.

Rows live in the table `sums` under the key of the total without its week (`totals/messages.py`),
and are exact functions of the totals. Beside them some rows have codes of their own: `y`, the
values that were seen with an intent of a type (`type:T, y, relation, intent, value`), `h`, all that
a product was bought with (`product:P, h`), `s`, a pair of values (`same.py`), and `m`, what a value
may stand for (`senses.py`).
"""

from typing import Any, Final, TypeVar

import msgspec

from streams.ports import State
from streams.totals.cache_count import CacheCount
from topology.facts import HELD, Status
from topology.scoring import spread_of

TABLE: Final = "sums"
WEEK_CHARS: Final = 6
"""A NUL and five digits (`weeks.week_key`) end every key that is told by week."""


class Sum(msgspec.Struct, array_like=True, gc=False):
    """A total over all weeks.

    Attributes:
        weeks: week -> what stands there; zeros are left out.
        total: their sum.
        mark: `Judgement.mark` of the fact that was made of it, 0 while there is none.
        stale: that fact has other counts than were published, and waits for `calm`.
    """

    weeks: dict[int, int] = {}
    total: int = 0
    mark: int = 0
    stale: bool = False

    def set(self, week: int, n: int) -> int:
        """Make a week's total `n`; returns by how much the sum moved."""
        delta = n - self.weeks.get(week, 0)
        if delta:
            self.total += delta
            if n:
                self.weeks[week] = n
            else:
                del self.weeks[week]
        return delta


class Asked(Sum, gc=False):
    """An intent of a type, with how its counts are spread over the values of the type.

    Attributes:
        spread_total: sum over the values.
        spread: sum of their `scoring.spread_of`.
    """

    spread_total: int = 0
    spread: int = 0

    def move(self, before: int, after: int) -> None:
        """One value's count has changed."""
        self.spread_total += after - before
        self.spread += spread_of(after) - spread_of(before)


class Bought(Sum, gc=False):
    """Purchases of a type, with its co-purchases over all types it was bought with."""

    together: int = 0


class Partner(Sum, gc=False):
    """A co-purchase, with what its newest week says of the other side (`messages.With`)."""

    told_in: int = -1
    type: str = ""
    bought: int = 0


class Head(msgspec.Struct, array_like=True, gc=False):
    """All that a product was bought with.

    Attributes:
        together: co-purchases over all partners.
        popularity: purchases of all partners that count, added up.
        types: partner type -> co-purchases.
        spread: sum of `scoring.spread_of` over the types.
    """

    together: int = 0
    popularity: int = 0
    types: dict[str, int] = {}
    spread: int = 0

    def move(self, kind: str, delta: int) -> None:
        """Co-purchases with partners of a type have moved by `delta`."""
        before = self.types.get(kind, 0)
        after = before + delta
        self.together += delta
        self.spread += spread_of(after) - spread_of(before)
        if after:
            self.types[kind] = after
        else:
            self.types.pop(kind, None)


class Claims(msgspec.Struct, array_like=True, gc=False):
    """What is claimed of a product by one relation.

    Attributes:
        told: tail -> source -> payload (`messages.Claimed`).
        made: tails of which there is a fact.
    """

    told: dict[str, dict[str, bytes]] = {}
    made: list[str] = []


class Named(msgspec.Struct, array_like=True, gc=False):
    """A phrase for a product type that the ontology lacks.

    Attributes:
        kinds: type node, or `phrases.UNKNOWN` -> products that carry it and count as that.
        parent: type node of the fact that was made of it, "" while there is none.
        mark: 1 while there is one, else 0.
        stale: that fact has other counts than were published, and waits for `calm`.
    """

    kinds: dict[str, int] = {}
    parent: str = ""
    mark: int = 0
    stale: bool = False


class Likely(msgspec.Struct, array_like=True, gc=False):
    """A pair of values that may be synonyms: it is there, or it is not.

    Attributes:
        score: of the model, 0..1; without a model how alike they are spelled.
        verdict: of the model.
        bundle: of the model, "" without one.
        passed_over: the clusters have no place for it (`links.py`).
    """

    score: float = 0.0
    verdict: Status = HELD
    bundle: str = ""
    passed_over: bool = False


class Meant(msgspec.Struct, array_like=True, gc=False):
    """What a value in use may stand for.

    Attributes:
        names: of its senses, as the model told them.
        bundle: of the model.
    """

    names: tuple[str, ...] = ()
    bundle: str = ""


Row = Sum | Head | Claims | Named | Likely | Meant
R = TypeVar("R", bound=Row)
_MISSING: Final[Any] = object()

_KINDS: Final = (Sum, Asked, Bought, Partner, Head, Claims, Named, Likely, Meant)
_DECODE: Final[dict[Any, Any]] = {kind: msgspec.msgpack.Decoder(kind).decode for kind in _KINDS}
decode_sum = msgspec.msgpack.Decoder(Sum).decode
decode_likely = msgspec.msgpack.Decoder(Likely).decode
decode_meant = msgspec.msgpack.Decoder(Meant).decode
_encode = msgspec.msgpack.Encoder().encode


class Rows:
    """Decoded rows of one partition, written back at `flush`.

    Args:
        state: the partition's state.
        cache_size: rows kept in memory between commits, about.
    """

    def __init__(self, state: State, *, cache_size: int = 100_000) -> None:
        self._state = state
        self._cache_size = cache_size
        self._young: dict[bytes, Row | None] = {}
        self._old: dict[bytes, Row | None] = {}
        self._dirty: set[bytes] = set()
        self.cache = CacheCount()

    def get(self, key: bytes, kind: type[R]) -> R | None:
        """The row, None if there is none; a caller who changes it says `touch`."""
        young = self._young
        row: Any = young.get(key, _MISSING)
        if row is not _MISSING:
            self.cache.hits += 1
            return row  # type: ignore[no-any-return]
        if key in self._old:
            self.cache.hits += 1
            row = self._old.pop(key)
        else:
            self.cache.misses += 1
            value = self._state.get(TABLE, key)
            row = None if value is None else _DECODE[kind](value)
        young[key] = row
        return row  # type: ignore[no-any-return]

    def make(self, key: bytes, kind: type[R]) -> R:
        """The row, a new one if there is none; counts as touched."""
        self._dirty.add(key)
        row = self.get(key, kind)
        if row is None:
            row = self._young[key] = kind()
        return row

    def touch(self, key: bytes) -> None:
        """The row under the key was changed."""
        self._dirty.add(key)

    def drop(self, key: bytes) -> None:
        """Take a row away."""
        self._young[key] = None
        self._old.pop(key, None)
        self._dirty.add(key)

    def flush(self) -> None:
        """Write what changed to the state, and forget rows that were not asked for lately."""
        young, put = self._young, self._state.put
        for key in self._dirty:
            row = young[key] if key in young else self._old[key]
            if row is None:
                self._state.delete(TABLE, key)
            else:
                put(TABLE, key, _encode(row))
        self._dirty.clear()
        if len(self._young) > self._cache_size // 2:
            self._old, self._young = self._young, {}

    def mark_there(self, key: bytes, *, there: bool) -> None:
        """Put or delete a row that says nothing but that it is there."""
        if there:
            self._state.put(TABLE, key, b"")
        else:
            self._state.delete(TABLE, key)

    def keys(self, prefix: bytes, *, after: bytes | None = None, limit: int) -> list[bytes]:
        """Keys that start with `prefix` and are greater than `after`, in order.

        As of the last `flush`: a row made since then is missing, one dropped is still named.
        """
        return [key for key, _ in self._state.scan(TABLE, prefix, after=after, limit=limit)]
