"""What the synonym model says that values in use may stand for: the blocks that it puts them into.

Owner `attr:A`. A value that comes into use is asked about (`wants`, `learn`); what was said stays
as long as the value is used, in rows of `sums`: `attr:A, m, value`. Names of another bundle stay
until the value is read again; then the value leaves the blocks of the old names and enters those of
the new ones in one step, so that which blocks there are is a function of the values in use and of
the bundle that each was read with.
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from models_onnx.spans import Senses, Term
from streams.graph.rows import Meant, Rows
from streams.state.derived import Derived
from topology.facts import text_of

CODE: Final = b"m"

Owned = tuple[bytes, str]
"""A value, and the attribute that owns it: `attr:A`."""


class Move(NamedTuple):
    """A value comes to be known under a name, or is not any more."""

    owner: bytes
    value: str
    name: str
    there: bool


class Meanings:
    """The senses of one partition's values.

    Args:
        rows: of the partition.
        derived: its index of what was derived with which bundle.
        bundle: id of the synonym model's bundle; empty: there is none, and no value has senses.
    """

    def __init__(self, rows: Rows, derived: Derived, bundle: str) -> None:
        self._rows, self._derived, self._bundle = rows, derived, bundle
        self._asked: dict[Owned, Term] = {}
        self._told: dict[Owned, Senses] = {}
        self._moves: list[Move] = []

    @property
    def is_settled(self) -> bool:
        """Nothing is asked, and `moves` would give nothing."""
        return not (self._asked or self._told or self._moves)

    @property
    def asked(self) -> int:
        """Values whose senses were asked for and not told."""
        return len(self._asked)

    def names(self, owner: bytes, value: str) -> tuple[str, ...]:
        """Names of what a value may stand for, as far as `moves` has told them."""
        row = self._rows.get(name_of(owner, value), Meant)
        return row.names if row is not None else ()

    def used(self, owner: bytes, value: str, *, there: bool) -> None:
        """The value is in use, or not any more; told again, nothing changes."""
        owned, row = (owner, value), self._rows.get(name_of(owner, value), Meant)
        if there:
            if row is None and self._bundle and owned not in self._told:
                self._asked[owned] = _question(value)
            return
        self._asked.pop(owned, None)
        self._told.pop(owned, None)
        if row is not None:
            self._moves += [Move(owner, value, name, there=False) for name in row.names]
            self._derived.forget(name_of(owner, value), row.bundle)
            self._rows.drop(name_of(owner, value))

    def wants(self) -> list[Term]:
        """Values whose senses must be told, each once."""
        return list(dict.fromkeys(self._asked.values()))

    def learn(self, senses: Mapping[Term, Senses]) -> None:
        """What the model says of them."""
        for owned, question in list(self._asked.items()):
            if question in senses:
                del self._asked[owned]
                self._told[owned] = senses[question]

    def reread(self, thing: bytes) -> None:
        """Ask again of a value, by its name in the index of what was derived."""
        owner, _, value = thing.split(b"\0")
        self._asked[owner, value.decode()] = _question(value.decode())

    def moves(self) -> Iterator[Move]:
        """What has changed since it was last asked for; it is changed from here on."""
        moves, self._moves = self._moves, []
        told, self._told = self._told, {}
        yield from moves
        for (owner, value), senses in told.items():
            name = name_of(owner, value)
            before = self._rows.get(name, Meant)
            self._derived.note(name, before.bundle if before is not None else None)
            left = before.names if before is not None else ()
            row = self._rows.make(name, Meant)
            row.names, row.bundle = senses.names, self._bundle
            for each in left:
                if each not in row.names:
                    yield Move(owner, value, each, there=False)
            for each in row.names:
                yield Move(owner, value, each, there=True)


def name_of(owner: bytes, value: str) -> bytes:
    """Key of the row that says what a value may stand for."""
    return b"\0".join((owner, CODE, value.encode()))


def _question(value: str) -> Term:
    return Term(text_of(value.partition("/")[2]))
