"""Candidates for `same_as` from nothing but the set of values in use: the oracle of the blocks."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import combinations

from models_onnx.fakes import FakeMatcher
from models_onnx.spans import Term, ValuePair
from topology.facts import text_of
from topology.likeness import agree, likeness, spelling_of
from topology.scoring import ScoringSettings


def judged_pairs(
    values: Iterable[str],
    matcher: FakeMatcher,
    settings: ScoringSettings,
    is_known: Callable[[str], bool] = lambda value: False,
) -> dict[tuple[str, str], str]:
    """(lesser value node, other) -> verdict, for the values of one attribute.

    Two values that the ontology knows (`is_known`) are no pair.
    """
    blocks = defaultdict(set)
    spelled = {value: told for value in values if (told := spelling_of(value))}
    for value, spelling in spelled.items():
        for name in spelling.blocks:
            blocks["looks", name].add((spelling.rank, value))
        for name in matcher.senses([Term(_text(value))])[0].names:
            blocks["means", name].add((spelling.rank, value))
    found = {}
    for (kind, _), members in blocks.items():
        compared = sorted(value for _, value in sorted(members)[: settings.block])
        for one, other in combinations(compared, 2):
            if is_known(one) and is_known(other):
                continue
            sides = spelled[one], spelled[other]
            if agree(*sides) if kind == "means" else likeness(*sides, settings.alike):
                attribute = one.partition(":")[2].partition("/")[0]
                question = ValuePair(_text(one), _text(other), attribute)
                found[one, other] = matcher.match([question])[0].verdict
    return found


def _text(value: str) -> str:
    return text_of(value.partition("/")[2])
