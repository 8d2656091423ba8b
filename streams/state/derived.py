"""Which things of a partition were derived with which bundles, so that the older ones are found.

Table `derived`: `d<bundles> NUL <thing>` -> nothing, and `c<bundles>` -> how many there are.
Written with the state that was derived, in the same commit: what a backfill has still to do is
always what stands here under other bundles than those that answer now, before and after any crash.
"""

from collections import Counter
from typing import Final

from streams.ports import State

TABLE: Final = "derived"


class Derived:
    """The index of one partition.

    Args:
        state: the partition's state.
        bundles: ids of the bundles that answer now, in a fixed order, joined by blanks.
    """

    def __init__(self, state: State, bundles: str) -> None:
        self._state = state
        self._own = bundles
        self._counts = Counter(
            {key[1:].decode(): int(value) for key, value in state.scan(TABLE, b"c")}
        )

    @property
    def older(self) -> int:
        """How many things were derived with other bundles."""
        return sum(n for bundles, n in self._counts.items() if bundles != self._own)

    def note(self, thing: bytes, before: str | None) -> None:
        """The thing is now derived with the bundles that answer; `before`: with which it was."""
        if before == self._own:
            return
        self.forget(thing, before)
        self._state.put(TABLE, key_of(self._own, thing), b"")
        self._count(self._own, 1)

    def forget(self, thing: bytes, before: str | None) -> None:
        """The thing is not there any more."""
        if before is not None:
            self._state.delete(TABLE, key_of(before, thing))
            self._count(before, -1)

    def oldest(self, limit: int) -> list[bytes]:
        """At most so many things that were derived with other bundles, in a fixed order."""
        found: list[bytes] = []
        for bundles in sorted(self._counts):
            if bundles != self._own and len(found) < limit:
                prefix = key_of(bundles, b"")
                rows = self._state.scan(TABLE, prefix, limit=limit - len(found))
                found += [key[len(prefix) :] for key, _ in rows]
        return found

    def _count(self, bundles: str, delta: int) -> None:
        self._counts[bundles] += delta
        key = b"c" + bundles.encode()
        if n := self._counts[bundles]:
            self._state.put(TABLE, key, b"%d" % n)
        else:
            del self._counts[bundles]
            self._state.delete(TABLE, key)


def key_of(bundles: str, thing: bytes) -> bytes:
    """Key of the entry of a thing that was derived with these bundles."""
    return b"d%s\0%s" % (bundles.encode(), thing)
