"""Facts of products: what catalog and text claim of them, and what they are bought with.

Owner `product:P`. Rows of `sums`: f (by relation), b, c as in `totals/messages.py` without the
week, and h, all that P was bought with.
"""

from functools import lru_cache
from typing import Final

import msgspec

from streams.graph.agenda import Agenda
from streams.graph.facts import Facts, Made
from streams.graph.rows import WEEK_CHARS, Claims, Head, Partner, Rows, Sum
from streams.totals.inbox import Inbox
from streams.totals.messages import Claimed, With, decode_claimed, decode_with
from streams.totals.wire import week_key
from topology.claims import Told, weigh
from topology.facts import BEHAVIOUR, CATALOG, HAS_ATTRIBUTE, HAS_TYPE, HELD
from topology.ontology import Ontology
from topology.scoring import (
    Partners,
    ScoringSettings,
    is_promiscuous,
    judge_together,
    step,
)

USED_WITH: Final = "used_with"
_SOURCES: Final = (BEHAVIOUR,)
_NO_CLAIM: Final = Claimed(0.0, HELD, "", "", ())
_NO_PARTNER: Final = With("", "", -1, 0)


class Products:
    """The view of one partition over what is told of products."""

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
        self._before: dict[bytes, Partners] = {}

    def claimed(self, key: bytes, parts: list[bytes], n: int) -> None:
        """product:P, f, relation, tail, source."""
        product, code, relation, tail, source = parts
        name = b"\0".join((product, code, relation))
        row = self._rows.make(name, Claims)
        told = row.told.setdefault(tail.decode(), {})
        if n:
            told[source.decode()] = self._payload(key)
        else:
            told.pop(source.decode(), None)
            if not told:
                del row.told[tail.decode()]
        self._agenda.own[name] = parts[:3]

    def bought(self, key: bytes, parts: list[bytes], n: int) -> None:
        """product:P, b, week."""
        self._notice(parts[0])
        name = parts[0] + b"\0b"
        row = self._rows.make(name, Sum)
        row.set(int(parts[2]), n)
        if not row.total:
            self._rows.drop(name)

    def together(self, key: bytes, parts: list[bytes], n: int) -> None:
        """product:P, c, product:O, week."""
        product = parts[0]
        self._notice(product)
        name = key[:-WEEK_CHARS]
        row = self._rows.make(name, Partner)
        head_name = product + b"\0h"
        head = self._rows.make(head_name, Head)
        if row.total:
            head.move(row.type, -row.total)
            head.popularity -= row.bought
        row.set(int(parts[3]), n)
        row.told_in = max(row.weeks, default=-1)
        told = _NO_PARTNER
        if row.total:
            told = _with(self._payload(b"%s\0%s" % (name, week_key(row.told_in))))
        row.type, row.bought = told.tail_type, told.bought
        if row.total:
            head.move(row.type, row.total)
            head.popularity += row.bought
        elif not head.together:
            self._rows.drop(head_name)
        self._agenda.own[name] = parts[:3]

    def settle(self) -> None:
        """Partners of products whose marginals moved a step are to be scored again."""
        for product, before in self._before.items():
            if self._partners(product) != before:
                self._agenda.group(product + b"\0c\0")
        self._before.clear()

    def score_claims(self, key: bytes, parts: list[bytes], force: bool) -> None:
        """All that is claimed of a product by one relation: the values are weighed together."""
        row = self._rows.get(key, Claims)
        if row is None:
            return
        head, relation = parts[0].decode(), parts[2].decode()
        claims = {
            (tail, source): _claimed(payload)
            for tail, sides in row.told.items()
            for source, payload in sides.items()
        }
        weighed = weigh(
            [
                Told(tail, source, claimed.score, claimed.verdict)
                for (tail, source), claimed in claims.items()
            ],
            clash=lambda one, other: self._clash(relation, one, other),
            agree_accept=self._settings.agree_accept,
        )
        for tail, found in weighed.items():
            sides = {source: claims[tail, source] for source in sorted(row.told[tail])}
            self._facts.make(
                Made(
                    head,
                    relation,
                    tail,
                    found.status,
                    found.score,
                    found.reason,
                    dict.fromkeys(sides, 1),
                    tuple(sides),
                    fields={_field(source, claimed.field) for source, claimed in sides.items()},
                    bundles={bundle for claimed in sides.values() for bundle in claimed.bundles},
                )
            )
        for tail in row.made:
            if tail not in weighed:
                self._facts.withdraw(head, relation, tail)
        if row.made != (made := sorted(weighed)):
            row.made = made
            self._rows.touch(key)
        if not made:
            self._rows.drop(key)

    def score_together(self, key: bytes, parts: list[bytes], force: bool) -> None:
        """P is bought with O."""
        row = self._rows.get(key, Partner)
        if row is None:
            return
        head, tail = parts[0].decode(), parts[2].decode()
        if row.total < self._settings.floor:
            if row.mark:
                self._agenda.settle(key, row, 0)
                self._facts.withdraw(head, USED_WITH, tail)
            if not row.total:
                self._rows.drop(key)
            return
        partners = self._partners(parts[0])
        judged = judge_together(row.total, row.bought, partners, self._settings)
        mark = judged.mark(self._settings.score_steps)
        if self._agenda.is_news(key, row, mark, force=force):
            counts = {
                "both": row.total,
                "head": partners.bought,
                "tail": row.bought,
                "together": partners.together,
            }
            self._facts.make(
                Made(
                    head,
                    USED_WITH,
                    tail,
                    judged.status,
                    judged.score,
                    judged.reason,
                    counts,
                    _SOURCES,
                    row.weeks,
                )
            )

    def _notice(self, product: bytes) -> None:
        """Remember the product's marginals as they were before this flush."""
        if product not in self._before:
            self._before[product] = self._partners(product)

    def _partners(self, product: bytes) -> Partners:
        bought = self._rows.get(product + b"\0b", Sum)
        head = self._rows.get(product + b"\0h", Head)
        if head is None:
            return Partners(step(bought.total) if bought else 0, 0, 0, promiscuous=False)
        return Partners(
            step(bought.total) if bought else 0,
            step(head.together),
            step(head.popularity),
            is_promiscuous(head.together, head.spread, self._settings),
        )

    def _payload(self, key: bytes) -> bytes:
        """What the lowest sender that counts says of a total."""
        entries = self._inbox.entries("claims", key)
        if len(entries) == 1:  # one sender, as nearly always
            return entries[0].payload if entries[0].n else b""
        standing = [entry for entry in entries if entry.n]
        return min(standing).payload if standing else b""

    def _clash(self, relation: str, one: str, other: str) -> bool:
        """Whether a product cannot have both."""
        if relation == HAS_TYPE:
            left, right = one.removeprefix("type:"), other.removeprefix("type:")
            return not (self._ontology.is_a(left, right) or self._ontology.is_a(right, left))
        name, _, attribute = relation.partition(":")
        known = self._ontology.attributes.get(attribute) if name == HAS_ATTRIBUTE else None
        return known is not None and not known.many


def _field(source: str, field: str) -> str:
    return f"catalog:{field}" if source == CATALOG else field


@lru_cache(maxsize=1 << 14)
def _claimed(payload: bytes) -> Claimed:
    try:
        claimed: Claimed = decode_claimed(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _NO_CLAIM
    return claimed


@lru_cache(maxsize=1 << 14)
def _with(payload: bytes) -> With:
    try:
        told: With = decode_with(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _NO_PARTNER
    return told
