"""Facts of phrases for product types that the ontology lacks: where they may belong.

Owner `attr:product_type`, from k totals (`totals/messages.py`). Each phrase that enough products
carry makes one fact, phrase `is_a` type, that is always held: what becomes of an ontology, people
decide. Which type is proposed follows from all its totals (`topology.phrases.place`).

Rows of `sums`: `attr:product_type, k, phrase`.
"""

from typing import Final

from streams.graph.agenda import Agenda
from streams.graph.evidence import lowest, sample_of
from streams.graph.facts import Facts, Made
from streams.graph.rows import Named, Rows
from streams.totals.inbox import Inbox
from streams.totals.wire import join
from topology.errors import BadNodeError
from topology.facts import HELD, IS_A, TEXT, parse_node
from topology.ontology import Ontology
from topology.phrases import UNKNOWN, Placed, place
from topology.scoring import ScoringSettings

_MADE: Final = 1
_FIELDS: Final = ("title",)


class Phrases:
    """The view of one partition over phrases for product types."""

    def __init__(
        self,
        rows: Rows,
        agenda: Agenda,
        facts: Facts,
        inbox: Inbox,
        settings: ScoringSettings,
        ontology: Ontology,
    ) -> None:
        self._rows, self._agenda, self._facts = rows, agenda, facts
        self._inbox, self._settings, self._ontology = inbox, settings, ontology

    def named(self, key: bytes, parts: list[bytes], n: int) -> None:
        """attr:product_type, k, phrase, type:T."""
        owner, code, phrase, kind = parts
        if not _is_value(phrase.decode()):
            return
        name = join(owner, code, phrase)
        row = self._rows.make(name, Named)
        if n:
            row.kinds[kind.decode()] = n
        else:
            row.kinds.pop(kind.decode(), None)
        self._agenda.own[name] = parts[:3]

    def score(self, key: bytes, parts: list[bytes], force: bool) -> None:
        """Propose where the phrase belongs, or take back what was proposed."""
        row = self._rows.get(key, Named)
        if row is None:
            return
        phrase = parts[2].decode()
        placed = place(self._ontology, phrase, row.kinds)
        stands = placed.products >= self._settings.type_support
        if row.mark and (not stands or row.parent != placed.parent):
            self._facts.withdraw(phrase, IS_A, row.parent)
            self._agenda.settle(key, row, 0)
        if not stands:
            if not row.kinds:
                self._rows.drop(key)
        elif self._agenda.is_news(key, row, _MADE, force=force):
            row.parent = placed.parent
            self._make(key, phrase, row, placed)

    def _make(self, key: bytes, phrase: str, row: Named, placed: Placed) -> None:
        sample = sample_of(self._inbox, (join(key, kind.encode()) for kind in row.kinds))
        self._facts.make(
            Made(
                phrase,
                IS_A,
                placed.parent,
                HELD,
                round(placed.in_line / placed.products, 4),
                _reason(placed),
                {"products": placed.products, "in_line": placed.in_line},
                (TEXT,),
                fields=_FIELDS,
                products=lowest(sample.products),
                bundles=sample.bundles,
            )
        )


def _reason(placed: Placed) -> str:
    """For people: "the ontology lacks this product type: 12 products, 9 of them in line"."""
    said = f"the ontology lacks this product type: {placed.products:,} products"
    if placed.parent == UNKNOWN:
        return f"{said}, none of a known type"
    return f"{said}, {placed.in_line:,} of them of the type proposed above it"


def _is_value(node: str) -> bool:
    try:
        return parse_node(node).kind == "value"
    except BadNodeError:
        return False
