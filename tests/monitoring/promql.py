"""Which metrics and labels a PromQL expression uses, and which labels its answer has.

The grammar is `promql-parser`'s; what is added here is how labels go through an expression, so that
a label that no metric has is found where it is asked for, and a legend or an annotation can be held
to what the answer really carries.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import promql_parser as promql

Labels = frozenset[str]
Metrics = Mapping[str, Labels]
"""Name as PromQL has it (`x_bucket`, `x_total`) -> its labels."""

_NONE: Labels = frozenset()
_MACROS = {"$__rate_interval": "1m", "$__interval": "30s", "$__range": "1h"}
_VARIABLE = re.compile(r"\$\{?(\w+)(?::\w+)?\}?")
_SCALARS = (promql.NumberLiteral, promql.StringLiteral)


class UnknownNameError(AssertionError):
    """An expression names what nobody declares."""


def filled(expr: str, **variables: str) -> str:
    """The expression without Grafana's macros and variables; one that is not given becomes `.*`."""
    for macro, value in _MACROS.items():
        expr = expr.replace(macro, variables.get(macro.removeprefix("$"), value))
    return _VARIABLE.sub(lambda found: variables.get(found[1], ".*"), expr)


def labels_of(expr: str, metrics: Metrics) -> Labels:
    """Labels of what the expression answers.

    Raises:
        UnknownNameError: a metric that is not in `metrics`, or a label that the metric, or what is
            grouped or joined, does not have.
        ValueError: no PromQL.
    """
    return _labels(promql.parse(filled(expr)), metrics)


def names_in(expr: str) -> set[str]:
    """Names of metrics in the expression."""
    found: set[str] = set()

    def note(name: str) -> Labels:
        found.add(name)
        return _Any()

    _labels(promql.parse(filled(expr)), _Noting(note))
    return found


def ranges_of(expr: str) -> list[timedelta]:
    """The windows of range selectors (`[5m]`), in the order of the text."""
    texts = re.findall(r"\[([0-9a-z]+)(?::[0-9a-z]*)?\]", filled(expr))
    return [promql.parse_duration(text) for text in texts]


class _Any(frozenset[str]):
    """Has every label."""

    def __contains__(self, _: object) -> bool:
        return True

    def __sub__(self, _: Any) -> "_Any":
        return self

    def __or__(self, _: Any) -> "_Any":
        return self

    __ror__ = __and__ = __rand__ = __or__

    def __ge__(self, _: Any) -> bool:
        return True


class _Noting(dict[str, Labels]):
    """Knows every metric, and notes what was asked for."""

    def __init__(self, note: Any) -> None:
        self._note = note

    def get(self, name: str, _: Any = None) -> Labels:  # type: ignore[override]
        found: Labels = self._note(name)
        return found


def _labels(node: Any, metrics: Metrics) -> Labels:
    match node:
        case promql.VectorSelector():
            return _of_selector(node, metrics)
        case promql.MatrixSelector():
            return _of_selector(node.vector_selector, metrics)
        case promql.AggregateExpr():
            return _of_aggregate(node, metrics)
        case promql.BinaryExpr():
            return _of_binary(node, metrics)
        case promql.Call():
            return _of_call(node, metrics)
        case promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            return _labels(node.expr, metrics)
    return _NONE


def _of_selector(node: Any, metrics: Metrics) -> Labels:
    if not node.name:
        raise UnknownNameError("a selector without a metric's name reads every series there is")
    found = metrics.get(node.name)
    if found is None:
        raise UnknownNameError(f"no metric {node.name} is declared")
    _hold(found, (m.name for m in node.matchers.matchers), node.name)
    return found


def _hold(found: Labels, asked: Iterable[str], where: object) -> Labels:
    named = frozenset(asked)
    for name in sorted(named):
        if name not in found:
            raise UnknownNameError(f"{where} has no label {name}; it has {sorted(found)}")
    return named


def _of_aggregate(node: Any, metrics: Metrics) -> Labels:
    inner = _labels(node.expr, metrics)
    if str(node.op) in ("topk", "bottomk"):
        return inner
    if node.modifier is None:
        return _NONE
    named = _hold(inner, node.modifier.labels, node)
    return named if node.modifier.type == promql.AggModifierType.By else inner - named


def _of_binary(node: Any, metrics: Metrics) -> Labels:
    left, right = _labels(node.lhs, metrics), _labels(node.rhs, metrics)
    if _is_scalar(node.rhs):
        return left
    if _is_scalar(node.lhs):
        return right
    matching = node.modifier.matching if node.modifier is not None else None
    named = frozenset(matching.labels) if matching is not None else _NONE
    on = matching is not None and matching.type == promql.LabelModifierType.Include
    _hold(left, named, node.lhs)
    _hold(right, named, node.rhs)
    card = node.modifier.card if node.modifier is not None else None
    if card == promql.VectorMatchCardinality.ManyToOne:
        return left | _hold(right, node.modifier.group_labels or (), node.rhs)
    if card == promql.VectorMatchCardinality.OneToMany:
        return right | _hold(left, node.modifier.group_labels or (), node.lhs)
    if card == promql.VectorMatchCardinality.ManyToMany:  # and, or, unless
        return left & right if str(node.op) == "or" else left
    if on:
        return named
    if not named and left != right and not isinstance(left, _Any) and not isinstance(right, _Any):
        raise UnknownNameError(
            f"the two sides of {node} never meet: {sorted(left)} and {sorted(right)}"
        )
    return left - named


def _is_scalar(node: Any) -> bool:
    if isinstance(node, promql.ParenExpr | promql.UnaryExpr):
        return _is_scalar(node.expr)
    if isinstance(node, promql.BinaryExpr):
        return _is_scalar(node.lhs) and _is_scalar(node.rhs)
    if isinstance(node, promql.Call):
        return node.func.name in ("time", "scalar", "pi")
    return isinstance(node, _SCALARS)


def _of_call(node: Any, metrics: Metrics) -> Labels:
    name = node.func.name
    inner = [_labels(arg, metrics) for arg in node.args]
    if name in ("time", "vector", "scalar", "pi"):
        return _NONE
    if name in ("absent", "absent_over_time"):
        (selector,) = node.args
        if not isinstance(selector, promql.VectorSelector):
            return _NONE
        equal = promql.MatchOp.Equal
        return frozenset(m.name for m in selector.matchers.matchers if m.op == equal)
    if name == "histogram_quantile":
        _hold(inner[1], ["le"], node.args[1])
        return inner[1] - {"le"}
    if name in ("label_replace", "label_join"):
        return inner[0] | {str(node.args[1]).strip('"')}
    vectors = [found for arg, found in zip(node.args, inner, strict=True) if not _is_scalar(arg)]
    return vectors[0] if vectors else _NONE
