"""Dashboards, rules, their tests, and the runbook, as they stand in `deploy/`."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
RULES = DEPLOY / "prometheus" / "rules"
RULE_TESTS = DEPLOY / "prometheus" / "tests"
DASHBOARDS = DEPLOY / "grafana" / "dashboards"
RUNBOOK = DEPLOY / "RUNBOOK.md"
_LEGEND = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_VALUE_OF = re.compile(r"\$labels\.(\w+)")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of `rules/*.yml`."""

    name: str
    expr: str
    is_alert: bool
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)

    @property
    def named_labels(self) -> set[str]:
        """Labels that its annotations show."""
        return {name for text in self.annotations.values() for name in _VALUE_OF.findall(text)}


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel."""

    dashboard: str
    panel: str
    expr: str
    legend: str

    def __str__(self) -> str:
        return f"{self.dashboard}: {self.panel}: {self.expr}"

    @property
    def named_labels(self) -> set[str]:
        """Labels that its legend shows."""
        return set(_LEGEND.findall(self.legend))


def rules() -> list[Rule]:
    """All rules; those that record come first, as the alerts use them."""
    found = []
    for file in sorted(RULES.glob("*.yml"), reverse=True):
        for group in yaml.safe_load(file.read_text())["groups"]:
            for each in group["rules"]:
                found.append(
                    Rule(
                        each.get("alert") or each["record"],
                        each["expr"],
                        "alert" in each,
                        each.get("labels", {}),
                        each.get("annotations", {}),
                    )
                )
    return sorted(found, key=lambda rule: rule.is_alert)


def dashboards() -> dict[str, dict[str, Any]]:
    """File stem -> dashboard."""
    return {file.stem: json.loads(file.read_text()) for file in sorted(DASHBOARDS.glob("*.json"))}


def panels(dashboard: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Its panels, without the titles of sections."""
    for panel in dashboard["panels"]:
        if panel["type"] != "row":
            yield panel


def queries() -> list[Query]:
    """All queries of all panels."""
    return [
        Query(name, panel["title"], target["expr"], target["legendFormat"])
        for name, dashboard in dashboards().items()
        for panel in panels(dashboard)
        for target in panel["targets"]
    ]


def rule_tests() -> list[dict[str, Any]]:
    """All tests of `prometheus/tests/*.yml`."""
    return [
        test
        for file in sorted(RULE_TESTS.glob("*.yml"))
        for test in yaml.safe_load(file.read_text())["tests"]
    ]


def runbook_sections() -> dict[str, str]:
    """Name of an alert -> its section of the runbook."""
    parts = re.split(r"^### (\w+)$", RUNBOOK.read_text(), flags=re.MULTILINE)
    return {
        name: text.split("\n## ")[0] for name, text in zip(parts[1::2], parts[2::2], strict=True)
    }
