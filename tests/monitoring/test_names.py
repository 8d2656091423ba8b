"""Dashboards and rules name only metrics and labels that there are."""

import re

import pytest

from tests.monitoring import declared, files
from tests.monitoring.promql import UnknownNameError, labels_of, names_in, ranges_of

METRICS = declared.everything()
QUERIES = files.queries()
RULES = files.rules()
KNOWN = {
    "x_total": frozenset({"graph", "stage", "outcome"}),
    "y_bucket": frozenset({"graph", "le"}),
    "z": frozenset({"graph", "worker"}),
}


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_a_panel_asks_for_what_there_is_and_its_legend_for_what_it_gets(query: files.Query):
    assert query.named_labels <= labels_of(query.expr, METRICS)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_asks_for_what_there_is_and_its_words_for_what_it_gets(rule: files.Rule):
    assert rule.named_labels <= labels_of(rule.expr, METRICS)


def test_dashboards_and_rules_look_at_every_metric_of_ours():
    used = {name for each in (*QUERIES, *RULES) for name in names_in(each.expr)}
    families = {re.sub(r"_(bucket|sum|count|total)$", "", name) for name in used}
    told = {re.sub(r"_(bucket|sum|count|total)$", "", name) for name in declared.of_the_code()}
    ours = {name for name in told if name.startswith("cartograph_")}
    # build_info feeds the variable `graph`; an incarnation is looked up, not watched.
    assert ours - families == {"cartograph_build_info", "cartograph_incarnation"}


@pytest.mark.parametrize("rule", [r for r in RULES if not r.is_alert], ids=lambda rule: rule.name)
def test_a_recording_is_named_after_what_is_left_of_its_labels(rule: files.Rule):
    level, metric, operations = rule.name.split(":")
    assert frozenset(level.split("_")) == labels_of(rule.expr, METRICS)
    assert metric in rule.expr
    windows = {f"{int(window.total_seconds() // 60)}m" for window in ranges_of(rule.expr)}
    assert windows <= {operations[-3:], operations[-2:]}


@pytest.mark.parametrize(
    ("expr", "says"),
    [
        ("w", "no metric w"),
        ('x_total{stages="a"}', "no label stages"),
        ("sum by (worker) (rate(x_total[5m]))", "no label worker"),
        ("histogram_quantile(0.9, sum by (graph) (rate(y_bucket[5m])))", "no label le"),
        ("sum by (graph) (z) / sum by (stage) (x_total)", "never meet"),
        ("z / on (stage) x_total", "no label stage"),
        ("sum without (stage) (z)", "no label stage"),
        ('{graph="g"}', "reads every series"),
    ],
)
def test_what_nobody_declares_is_found(expr: str, says: str):
    with pytest.raises(UnknownNameError, match=says):
        labels_of(expr, KNOWN)


@pytest.mark.parametrize(
    ("expr", "labels"),
    [
        ("rate(x_total[$__rate_interval])", {"graph", "stage", "outcome"}),
        ('sum by (stage) (rate(x_total{graph="$graph"}[5m])) > 3', {"stage"}),
        ("histogram_quantile(0.9, sum by (graph, le) (rate(y_bucket[5m])))", {"graph"}),
        ("sum by (graph, stage) (x_total) / on (graph) group_left () sum by (graph) (z)",
         {"graph", "stage"}),
        ("count(z == 0) or vector(0)", set()),
        ("time() - z", {"graph", "worker"}),
        ('absent(z{worker="a"})', {"worker"}),
        ("topk(3, sum by (worker) (z))", {"worker"}),
        ("sum by (stage) (rate(x_total[5m]) > 0 or x_total unless x_total offset 1h)", {"stage"}),
        ("x_total unless on (graph) z", {"graph", "stage", "outcome"}),
    ],
)  # fmt: skip
def test_labels_go_through_an_expression_as_prometheus_takes_them(expr: str, labels: set[str]):
    assert labels_of(expr, KNOWN) == labels
