"""Facts of types and concepts: why people buy T, and T[a=v], and which types go together.

Owner `type:T`. Rows of `sums`: n, v, i, x, t as in `totals/messages.py` without the week, and y.
Counts named "both" and "asked" are weights: 2 for a purchase after a click on the result, 1
without.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from streams.graph.agenda import Agenda
from streams.graph.evidence import lowest, sample_of
from streams.graph.facts import Facts, Made
from streams.graph.rows import WEEK_CHARS, Asked, Bought, Partner, Rows, Sum
from streams.totals.inbox import Inbox
from streams.totals.wire import join
from streams.weeks import week_key
from topology.facts import ACCEPTED, BEHAVIOUR, HELD, concept_node
from topology.scoring import (
    ScoringSettings,
    judge_concept,
    judge_type,
    judge_types_together,
    step,
)

USED_WITH: Final = "used_with"
_FULL_WEIGHT: Final = 2
_VALUES_SAMPLED: Final = 1
_SOURCES: Final = (BEHAVIOUR,)


class Concepts:
    """The view of one partition over what is told of types."""

    def __init__(
        self, rows: Rows, agenda: Agenda, facts: Facts, inbox: Inbox, settings: ScoringSettings
    ) -> None:
        self._rows, self._agenda, self._facts = rows, agenda, facts
        self._inbox, self._settings = inbox, settings
        self._floor = settings.floor * _FULL_WEIGHT

    def bought(self, key: bytes, parts: list[bytes], n: int) -> None:
        """type:T, n, week."""
        kind = parts[0]
        name = kind + b"\0n"
        row = self._rows.make(name, Bought)
        before = step(row.total)
        row.set(int(parts[2]), n)
        if step(row.total) != before:
            for code in (b"\0x\0", b"\0i\0", b"\0t\0"):
                self._agenda.group(kind + code)
        if not row.total and not row.together:
            self._rows.drop(name)

    def with_value(self, key: bytes, parts: list[bytes], n: int) -> None:
        """type:T, v, value, week."""
        name = key[:-WEEK_CHARS]
        row = self._rows.make(name, Sum)
        before = step(row.total)
        row.set(int(parts[3]), n)
        if step(row.total) != before:
            self._agenda.group(b"%s\0x\0%s\0" % (parts[0], parts[2]))
        if not row.total:
            self._rows.drop(name)

    def asked(self, key: bytes, parts: list[bytes], n: int) -> None:
        """type:T, i, relation, intent, week."""
        name = key[:-WEEK_CHARS]
        row = self._rows.make(name, Asked)
        before = step(row.total)
        row.set(int(parts[4]), n)
        self._agenda.own[name] = parts[:4]
        if step(row.total) != before:
            self._agenda.group(b"%s\0y\0%s\0%s\0" % (parts[0], parts[2], parts[3]))

    def both(self, key: bytes, parts: list[bytes], n: int) -> None:
        """type:T, x, value, relation, intent, week."""
        kind, _, value, relation, intent, week = parts
        name = key[:-WEEK_CHARS]
        row = self._rows.make(name, Sum)
        before = row.total
        row.set(int(week), n)
        of_type = b"%s\0i\0%s\0%s" % (kind, relation, intent)
        if row.total != before:
            self._rows.make(of_type, Asked).move(before, row.total)
            if not before or not row.total:
                seen = b"%s\0y\0%s\0%s\0%s" % (kind, relation, intent, value)
                self._rows.mark_there(seen, there=row.total > 0)
        own = self._agenda.own
        own[name] = parts[:5]
        own[of_type] = [kind, b"i", relation, intent]

    def types(self, key: bytes, parts: list[bytes], n: int) -> None:
        """type:T, t, type:O, week."""
        name = key[:-WEEK_CHARS]
        row = self._rows.make(name, Partner)
        total = self._rows.make(parts[0] + b"\0n", Bought)
        before = step(total.together)
        total.together += row.set(int(parts[3]), n)
        self._agenda.own[name] = parts[:3]
        if step(total.together) != before:
            self._agenda.group(parts[0] + b"\0t\0")
        if not total.total and not total.together:
            self._rows.drop(parts[0] + b"\0n")

    def score_seen(self, key: bytes, parts: list[bytes], force: bool) -> None:
        """A value that was seen with an intent: its concept is to be scored."""
        kind, _, relation, intent, value = parts
        x = [kind, b"x", value, relation, intent]
        self.score_both(b"\0".join(x), x, force)

    def score_both(self, key: bytes, parts: list[bytes], force: bool) -> None:
        """An intent of T[a=v]."""
        row = self._rows.get(key, Sum)
        if row is None:
            return
        if row.total < self._floor:
            self._below_floor(key, row, *_concept(parts))
            return
        kind, _, value, relation, intent = parts
        get = self._rows.get
        bought = get(kind + b"\0n", Bought)
        valued = get(b"%s\0v\0%s" % (kind, value), Sum)
        asked = get(b"%s\0i\0%s\0%s" % (kind, relation, intent), Asked)
        n = step(bought.total) if bought else 0
        v = step(valued.total) if valued else 0
        i = max(step(asked.total) if asked else 0, row.total)
        judged = judge_concept(row.total / _FULL_WEIGHT, i / _FULL_WEIGHT, v, n, self._settings)
        mark = judged.mark(self._settings.score_steps)
        if not self._agenda.is_news(key, row, mark, force=force):
            return
        sample = sample_of(self._inbox, _weekly(((key, row.weeks),)))
        if judged.status == ACCEPTED and len(sample.products) < self._settings.min_products:
            judged = judged._replace(status=HELD, because="one product")
        head, name, tail = _concept(parts)
        self._facts.make(
            Made(
                head,
                name,
                tail,
                judged.status,
                judged.score,
                judged.reason,
                {"asked": i, "both": row.total, "type": n, "value": v},
                _SOURCES,
                row.weeks,
                queries=lowest(sample.queries),
                products=lowest(sample.products),
                bundles=sample.bundles,
            )
        )

    def score_asked(self, key: bytes, parts: list[bytes], force: bool) -> None:
        """An intent of T as a whole."""
        row = self._rows.get(key, Asked)
        if row is None:
            return
        kind, _, relation, intent = parts
        triple = kind.decode(), relation.decode(), intent.decode()
        if row.total < self._floor:
            self._below_floor(key, row, *triple, keep=row.spread_total > 0)
            return
        bought = self._rows.get(kind + b"\0n", Bought)
        n = step(bought.total) if bought else 0
        judged = judge_type(
            row.total / _FULL_WEIGHT, n, row.spread_total, row.spread, self._settings
        )
        mark = judged.mark(self._settings.score_steps)
        if not self._agenda.is_news(key, row, mark, force=force):
            return
        seen = self._rows.keys(b"%s\0y\0%s\0%s\0" % (kind, relation, intent), limit=_VALUES_SAMPLED)
        values = [name.rpartition(b"\0")[2] for name in seen]
        keys = [b"%s\0x\0%s\0%s\0%s" % (kind, value, relation, intent) for value in values]
        found = [(name, self._rows.get(name, Sum)) for name in keys]
        sample = sample_of(
            self._inbox,
            _weekly((name, one.weeks) for name, one in found if one is not None),
        )
        self._facts.make(
            Made(
                *triple,
                judged.status,
                judged.score,
                judged.reason,
                {"asked": row.total, "type": n},
                _SOURCES,
                row.weeks,
                queries=lowest(sample.queries),
                products=lowest(sample.products),
                bundles=sample.bundles,
            )
        )

    def score_types(self, key: bytes, parts: list[bytes], force: bool) -> None:
        """T is bought with O."""
        row = self._rows.get(key, Partner)
        if row is None:
            return
        head, tail = parts[0].decode(), parts[2].decode()
        if row.total < self._settings.floor:
            self._below_floor(key, row, head, USED_WITH, tail)
            return
        all_of = self._rows.get(parts[0] + b"\0n", Bought)
        n = max(step(all_of.total) if all_of else 0, row.total)
        together = max(step(all_of.together) if all_of else 0, row.total)
        judged = judge_types_together(row.total, together, n, 0, self._settings)
        mark = judged.mark(self._settings.score_steps)
        if self._agenda.is_news(key, row, mark, force=force):
            counts = {"both": row.total, "together": together, "type": n}
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

    def _below_floor(
        self, key: bytes, row: Sum, head: str, relation: str, tail: str, *, keep: bool = False
    ) -> None:
        """Too few stand behind the row for a fact: there is none (any more)."""
        if row.mark:
            self._agenda.settle(key, row, 0)
            self._facts.withdraw(head, relation, tail)
        if not row.total and not keep:
            self._rows.drop(key)


def _concept(parts: list[bytes]) -> tuple[str, str, str]:
    kind, _, value, relation, intent = parts
    attribute, _, slug = value.decode().removeprefix("value:").partition("/")
    head = concept_node(kind.decode().removeprefix("type:"), attribute, slug)
    return head, relation.decode(), intent.decode()


def _weekly(rows: Iterable[tuple[bytes, Iterable[int]]]) -> Iterator[bytes]:
    """The keys of the totals that rows (key, weeks that count) add up."""
    return (join(key, week_key(week)) for key, weeks in rows for week in weeks)
