"""Pairs of values that may be two names of one thing, and what the synonym model says of them.

Owner `attr:A`, from what its products use (u totals). Values stand in blocks: those of their
spelling (`likeness.py`), in which they must look alike too, and those of what the synonym model
says they may stand for (`senses.py`), in which "couch" meets "sofa". In a block that is too
full the `block` lowest ranks are compared. Which pairs there are depends on the set of values in
use alone, not on the order in which they came, and a new value is compared with a number of others
that does not grow with the graph. Each pair is judged once (`wants`, `learn`), its verdict is a
function of the two values, the attribute and the bundle; which of the accepted ones stand, of all
links and verdicts (`links.py`). Without a synonym model there are pairs by spelling only, and
every one is held. Two names that the ontology has are no pair: it says already whether they mean
the same.

Table `blocks`: `attr:A, kind and name of a block, rank, value`; rows of `sums`: `attr:A, s, value,
value`, the lesser value first.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from itertools import product
from typing import Final

from models_onnx.spans import Judged, ValuePair
from models_onnx.synonyms.clusters import SIZE_LIMIT
from streams.errors import StateError
from streams.graph.facts import Facts, Made
from streams.graph.links import Links
from streams.graph.rows import Likely, Rows
from streams.graph.senses import CODE as SENSES
from streams.graph.senses import Meanings
from streams.ports import Answers, Questions, State
from streams.state.derived import Derived
from topology.facts import ACCEPTED, HELD, REJECTED, SAME_AS, TEXT, Status, fact_id, text_of
from topology.likeness import agree, likeness, spelling_of
from topology.scoring import ScoringSettings

TABLE: Final = "blocks"
REASON: Final = "synonym model decides"
LOOKS, _MEANS = "s", "m"
"""First character of a block's name: it holds values by spelling, or by what they may stand for."""

_BY_A_PERSON: Final = 2.0
"""A person's link joins before every model's, which score up to 1."""

Pair = tuple[str, str]
Owned = tuple[bytes, Pair]
"""A pair, and the attribute that owns it: `attr:A`."""


class Same:
    """The view of one partition over the values of attributes.

    Args:
        bundle: id of the synonym model's bundle; empty: there is none.
        is_known: whether a value is a name that the ontology has for a product type.
    """

    def __init__(
        self,
        state: State,
        rows: Rows,
        facts: Facts,
        settings: ScoringSettings,
        bundle: str,
        is_known: Callable[[str], bool],
    ) -> None:
        self._state, self._rows, self._facts, self._settings = state, rows, facts, settings
        self._bundle, self._is_known = bundle, is_known
        self._derived = Derived(state, bundle)
        self._meanings = Meanings(rows, self._derived, bundle)
        self._links = Links(state, self._sureness, self._is_apart)
        self._used: dict[tuple[bytes, str], bool] = {}
        self._unjudged: dict[Owned, ValuePair] = {}
        self._moved: dict[Owned, None] = {}

    @property
    def outdated(self) -> int:
        """Values that were read, and pairs that were judged, with another bundle."""
        return self._derived.older if self._bundle else 0

    @property
    def is_settled(self) -> bool:
        """Nothing has changed since the last `settle`."""
        return self._meanings.is_settled and not (self._used or self._unjudged or self._moved)

    def used(self, parts: list[bytes], n: int) -> None:
        """attr:A, u, value."""
        self._used[parts[0], parts[2].decode()] = n > 0

    def wants(self) -> Questions:
        """Values to be read and pairs to be judged, of the values that came and went."""
        self._propose()
        pairs = list(dict.fromkeys(self._unjudged.values()))
        return Questions(pairs=pairs, terms=self._meanings.wants())

    def learn(self, answers: Answers) -> None:
        """What the model says of them."""
        self._meanings.learn(answers.senses)
        for owned, question in list(self._unjudged.items()):
            if question in answers.matched:
                del self._unjudged[owned]
                self._judge(owned, answers.matched[question])

    def reread(self, limit: int) -> int:
        """Have what another bundle said said again, at most so many things; how many."""
        names = self._derived.oldest(limit) if self._bundle else []
        pairs: list[Owned] = []
        for name in names:
            owner, code, *rest = name.split(b"\0")
            if code == SENSES:
                self._meanings.reread(name)
                self._used.setdefault((owner, rest[0].decode()), True)
            else:
                pairs.append((owner, (rest[0].decode(), rest[1].decode())))
        self._propose()
        for owner, pair in pairs:
            row = self._rows.get(_name(owner, pair), Likely)
            if row is not None and self._stand_together(owner, pair):
                self._unjudged[owner, pair] = _question(owner, pair)
            elif row is not None:
                self._drop(owner, pair, row)
        return len(names)

    def score(self, key: bytes, parts: list[bytes], force: bool) -> None:
        """A pair whose fact is to be made again."""
        self._moved[parts[0], (parts[2].decode(), parts[3].decode())] = None

    def settle(self) -> None:
        """Make and withdraw the facts that follow from what has changed.

        Raises:
            StateError: a value was not read, or a pair not judged.
        """
        self._propose()
        if self._unjudged or self._meanings.asked:
            raise StateError(
                f"flush before {self._meanings.asked} values were read and {len(self._unjudged)} "
                "pairs of values judged: a bug, please report it"
            )
        moved, self._moved = self._moved, {}
        reached: dict[bytes, set[str]] = {}
        for owner, pair in moved:
            row = self._rows.get(_name(owner, pair), Likely)
            if row is not None:
                self._links.put(owner, pair, linked=self._is_linked(pair, row))
            reached.setdefault(owner, set()).update(pair)
        stands: dict[Owned, bool] = {}
        for owner, values in reached.items():
            for pair, stood in self._links.standing(owner, values):
                stands[owner, pair] = stood
        for owner, pair in sorted({*moved, *stands}):
            self._make(owner, pair, stands.get((owner, pair), True), force=(owner, pair) in moved)

    def _propose(self) -> None:
        """The pairs that follow from the values that came and went, and from what they mean."""
        blocks: dict[tuple[bytes, str], dict[str, bool]] = {}
        for (owner, value), there in self._used.items():
            spelling = spelling_of(value)
            if spelling is None:
                continue
            for name in spelling.blocks:
                blocks.setdefault((owner, LOOKS + name), {})[value] = there
            self._meanings.used(owner, value, there=there)
        self._used.clear()
        for move in self._meanings.moves():
            blocks.setdefault((move.owner, _MEANS + move.name), {})[move.value] = move.there
        suspects: dict[Owned, None] = {}
        for (owner, block), values in sorted(blocks.items()):
            for pair in self._changed(owner, block, values):
                suspects[owner, pair] = None
        for owner, pair in suspects:
            self._decide(owner, pair)

    def _changed(self, owner: bytes, block: str, values: dict[str, bool]) -> Iterable[Pair]:
        """Change one block; pairs whose members came into it or left it."""
        before = self._members(owner, block)
        for value, there in values.items():
            spelling = spelling_of(value)
            if spelling is None:
                continue
            key = b"\0".join((owner, block.encode(), spelling.rank, value.encode()))
            if there:
                self._state.put(TABLE, key, b"")
            else:
                self._state.delete(TABLE, key)
        after = self._members(owner, block)
        came = [value for value in after if value not in before]
        left = [value for value in before if value not in after]
        pairs = {
            _pair(one, other)
            for moved, among in ((came, after), (left, before))
            for one, other in product(moved, among)
            if one != other and self._may_be_one(block, one, other)
        }
        return sorted(pairs)

    def _decide(self, owner: bytes, pair: Pair) -> None:
        """The pair is a candidate while one block has both."""
        row = self._rows.get(_name(owner, pair), Likely)
        if not self._stand_together(owner, pair):
            self._unjudged.pop((owner, pair), None)
            if row is not None:
                self._drop(owner, pair, row)
        elif row is None and self._bundle:
            self._unjudged[owner, pair] = _question(owner, pair)
        elif row is None:
            self._judge((owner, pair), Judged(self._likeness(*pair), HELD))

    def _judge(self, owned: Owned, judged: Judged) -> None:
        name = _name(*owned)
        before = self._rows.get(name, Likely)
        row = self._rows.make(name, Likely)
        if self._bundle:
            self._derived.note(name, before.bundle if before is not None else None)
        row.score, row.verdict, row.bundle = round(judged.score, 4), judged.verdict, self._bundle
        self._moved[owned] = None

    def _drop(self, owner: bytes, pair: Pair, row: Likely) -> None:
        name = _name(owner, pair)
        if row.bundle:
            self._derived.forget(name, row.bundle)
        self._rows.drop(name)
        self._links.drop(owner, pair)
        self._moved[owner, pair] = None

    def _stand_together(self, owner: bytes, pair: Pair) -> bool:
        return any(
            set(pair) <= self._members(owner, block).keys()
            for block in self._blocks(owner, pair[0]) & self._blocks(owner, pair[1])
            if self._may_be_one(block, *pair)
        )

    def _blocks(self, owner: bytes, value: str) -> set[str]:
        spelling = spelling_of(value)
        looks = {LOOKS + name for name in spelling.blocks} if spelling else set[str]()
        return looks | {_MEANS + name for name in self._meanings.names(owner, value)}

    def _members(self, owner: bytes, block: str) -> dict[str, None]:
        """Values that are compared in a block, the lowest rank first."""
        prefix = b"%s\0%s\0" % (owner, block.encode())
        rows = self._state.scan(TABLE, prefix, limit=self._settings.block)
        return {key.rpartition(b"\0")[2].decode(): None for key, _ in rows}

    def _may_be_one(self, block: str, one: str, other: str) -> bool:
        """Whether two values of a block are a candidate: a function of the values and its kind."""
        if self._is_known(one) and self._is_known(other):
            return False
        if block.startswith(_MEANS):
            left, right = spelling_of(one), spelling_of(other)
            return left is not None and right is not None and agree(left, right)
        return self._likeness(one, other) > 0

    def _likeness(self, one: str, other: str) -> float:
        return _likeness(*_pair(one, other), self._settings.alike)

    def _verdict(self, pair: Pair) -> str:
        """What a person said of the pair; "" while the model decides."""
        told = self._facts.verdicts.on(fact_id(pair[0], SAME_AS, pair[1]))
        return told.verdict if told is not None else ""

    def _is_linked(self, pair: Pair, row: Likely) -> bool:
        return (self._verdict(pair) or row.verdict) == ACCEPTED

    def _is_apart(self, pair: Pair) -> bool:
        return self._verdict(pair) == REJECTED

    def _sureness(self, owner: bytes, pair: Pair) -> float:
        row = self._rows.get(_name(owner, pair), Likely)
        if row is None:
            raise StateError(f"{pair} is linked and no candidate: a bug, please report it")
        return _BY_A_PERSON if self._verdict(pair) == ACCEPTED else row.score

    def _make(self, owner: bytes, pair: Pair, stands: bool, *, force: bool) -> None:
        name = _name(owner, pair)
        row = self._rows.get(name, Likely)
        if row is None:
            self._facts.withdraw(pair[0], SAME_AS, pair[1])
            return
        if row.passed_over == (not stands) and not force:
            return
        row.passed_over = not stands
        self._rows.touch(name)
        status, reason = _meaning(row)
        bundles = (row.bundle,) if row.bundle else ()
        self._facts.make(
            Made(
                pair[0],
                SAME_AS,
                pair[1],
                status,
                row.score,
                reason,
                {},
                (TEXT,),
                (),
                bundles=bundles,
            )
        )


def _meaning(row: Likely) -> tuple[Status, str]:
    if not row.bundle:
        return HELD, REASON
    said = f"synonym model: {row.score:.2f}"
    if row.verdict == ACCEPTED and row.passed_over:
        return HELD, (
            f"{said}, but it would join more than {SIZE_LIMIT} names, or two that a person keeps "
            "apart"
        )
    return row.verdict, said


def looks_of(owner: bytes, value: str) -> list[bytes]:
    """Keys of a value in the blocks of its spelling."""
    spelling = spelling_of(value)
    return [
        b"\0".join((owner, (LOOKS + name).encode(), spelling.rank, value.encode()))
        for name in (spelling.blocks if spelling else ())
        if spelling
    ]


def _name(owner: bytes, pair: Pair) -> bytes:
    return b"\0".join((owner, b"s", pair[0].encode(), pair[1].encode()))


def _question(owner: bytes, pair: Pair) -> ValuePair:
    one, other = (text_of(value.partition("/")[2]) for value in pair)
    return ValuePair(one, other, owner.decode().partition(":")[2])


@lru_cache(maxsize=1 << 16)
def _likeness(one: str, other: str, at_least: float) -> float:
    left, right = spelling_of(one), spelling_of(other)
    return likeness(left, right, at_least) if left and right else 0.0


def _pair(one: str, other: str) -> Pair:
    return (one, other) if one < other else (other, one)
