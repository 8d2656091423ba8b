"""Why two graphs of a shop differ, and how much. Pure.

Nobody notes with a fact why it is not another one, so a reason is what is likeliest, by what is
known of both graphs: the first of these that holds.

| reason   | it holds where                                                                      |
|----------|-------------------------------------------------------------------------------------|
| verdict  | a person decided it in one of the graphs, or otherwise                              |
| bundle   | a model that read or judged it is not one of the other graph's, or was another      |
| settings | settings differ, and its counts do not; or settings that change counts differ       |
| bundle   | the graphs name other models at all: types move counts that no model had a say in   |
| erasure  | shoppers were erased, and fewer stand behind it                                     |
| totals   | else: late data, another stretch of events, or one of them had not read as far      |
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

import msgspec

from streams.control.generations import MEANING
from streams.settings import Settings
from topology.diff import KINDS, Difference, Kind, Row
from topology.facts import PERSON, Fact, Status

Reason = Literal["verdict", "bundle", "settings", "erasure", "totals"]

_SCORING = frozenset(("scoring", "ontology"))
"""Settings that change what is made of the same totals."""


class Grounds(msgspec.Struct, frozen=True):
    """What is known of both graphs.

    Attributes:
        settings: name -> its value in either, of those that differ and mean something.
        bundles: ids that only the first graph's facts name, and only the second's.
        erased: shoppers were erased (`graph.erasures` holds something).
    """

    settings: dict[str, tuple[object, object]] = {}
    bundles: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    erased: bool = False


class Side(msgspec.Struct, frozen=True):
    """A fact as one of the graphs has it."""

    status: Status
    score: float
    reason: str
    counts: dict[str, int]
    bundles: tuple[str, ...]


class Sample(msgspec.Struct, frozen=True):
    """A fact that differs."""

    kind: Kind
    reason: Reason
    id: str
    head: str
    relation: str
    tail: str
    before: Side | None
    after: Side | None


class Line(msgspec.Struct, frozen=True):
    """How many facts of a relation differ in one way for one reason."""

    relation: str
    kind: Kind
    reason: Reason
    facts: int


class Report(msgspec.Struct, frozen=True):
    """How two graphs differ.

    Attributes:
        lines: by relation, kind and reason.
        samples: of each kind the first by fact id, which is a hash: a fair draw.
    """

    grounds: Grounds
    differ: int
    lines: tuple[Line, ...]
    samples: tuple[Sample, ...]


class _Models(msgspec.Struct):
    bundles: tuple[str, ...] = ()


class _Judged(msgspec.Struct):
    evidence: _Models


_judged = msgspec.json.Decoder(_Judged).decode


def bundles_in(partitions: Iterable[Iterable[Row]]) -> frozenset[str]:
    """Ids of all bundles that the facts of a graph name."""
    return frozenset(
        name for rows in partitions for _, row in rows for name in _judged(row[1:]).evidence.bundles
    )


def settings_that_differ(one: Settings, other: Settings) -> dict[str, tuple[object, object]]:
    """Name -> both values, of the settings that change what a graph says."""
    shown = one.redacted(), other.redacted()
    return {
        name: (shown[0][name], shown[1][name])
        for name in sorted(MEANING | _SCORING)
        if shown[0][name] != shown[1][name]
    }


def reason_of(found: Difference, grounds: Grounds) -> Reason:
    """The likeliest reason of a difference (see the module)."""
    before, after = found.before, found.after
    if _is_by_person(before) != _is_by_person(after):
        return "verdict"
    if _is_by_person(before) and found.kind == "status":
        return "verdict"
    if _is_by_other_models(before, after, grounds):
        return "bundle"
    names = grounds.settings.keys()
    same_counts = before is None or after is None or before.counts == after.counts
    if names if same_counts else names & MEANING:
        return "settings"
    if any(grounds.bundles):
        return "bundle"
    if grounds.erased and _has_fewer(before, after):
        return "erasure"
    return "totals"


def report(
    found: Iterable[Difference],
    grounds: Grounds,
    *,
    relation: str = "",
    status: str = "",
    limit: int = 10,
) -> Report:
    """Differences, counted and sampled.

    Args:
        found: from `topology.diff.differences`.
        grounds: what is known of both graphs.
        relation: of this one alone; "has_attribute" means it of all attributes.
        status: only facts that have this one in either graph.
        limit: samples of each kind.
    """
    counts: Counter[tuple[str, Kind, Reason]] = Counter()
    samples: dict[Kind, list[Sample]] = {kind: [] for kind in KINDS}
    for each in _wanted(found, relation, status):
        why = reason_of(each, grounds)
        counts[each.fact.relation, each.kind, why] += 1
        if len(samples[each.kind]) < limit:
            samples[each.kind].append(_sample(each, why))
    order = sorted(counts.items(), key=lambda item: (item[0][0], KINDS.index(item[0][1]), item[0]))
    return Report(
        grounds,
        sum(counts.values()),
        tuple(Line(*key, facts) for key, facts in order),
        tuple(sample for of_kind in samples.values() for sample in of_kind),
    )


def _wanted(found: Iterable[Difference], relation: str, status: str) -> Iterator[Difference]:
    for each in found:
        name = each.fact.relation
        if relation and relation not in (name, name.partition(":")[0]):
            continue
        sides = (each.before, each.after)
        if status and not any(side is not None and side.status == status for side in sides):
            continue
        yield each


def _is_by_person(fact: Fact | None) -> bool:
    return fact is not None and PERSON in fact.sources


def _is_by_other_models(before: Fact | None, after: Fact | None, grounds: Grounds) -> bool:
    if before is not None and after is not None:
        return before.evidence.bundles != after.evidence.bundles
    alone, names = (
        (before, grounds.bundles[0]) if before is not None else (after, grounds.bundles[1])
    )
    return alone is not None and not set(names).isdisjoint(alone.evidence.bundles)


def _has_fewer(before: Fact | None, after: Fact | None) -> bool:
    if before is None or after is None:
        return after is None
    return _sum(after.counts) < _sum(before.counts)


def _sum(counts: Mapping[str, int]) -> int:
    return sum(counts.values())


def _side(fact: Fact | None) -> Side | None:
    if fact is None:
        return None
    return Side(fact.status, fact.score, fact.reason, fact.counts, fact.evidence.bundles)


def _sample(found: Difference, why: Reason) -> Sample:
    fact = found.fact
    sides = _side(found.before), _side(found.after)
    return Sample(found.kind, why, fact.id, fact.head, fact.relation, fact.tail, *sides)
