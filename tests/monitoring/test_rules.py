"""promtool takes the rules, every alert is tested both ways, and the runbook has its section."""

import re

import pytest
import yaml

from tests.monitoring import files
from tests.monitoring.declared import TARGET
from tests.monitoring.tools import promtool

ALERTS = [rule for rule in files.rules() if rule.is_alert]
NAMES = {rule.name for rule in ALERTS}
PARTS = ("**Means.**", "**Look.**", "**Act.**")


def test_promtool_takes_the_configuration_and_the_rules():
    # Its syntax alone: the token stands where Prometheus runs.
    config = promtool(
        "check", "config", "--syntax-only", files.DEPLOY / "prometheus" / "prometheus.yml"
    )
    assert config.returncode == 0, config.stdout + config.stderr
    checked = promtool("check", "rules", "--lint=all", "--lint-fatal", *files.RULES.glob("*.yml"))
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize(
    "file", sorted(files.RULE_TESTS.glob("*.yml")), ids=lambda file: str(file.stem)
)
def test_alerts_fire_when_they_should_and_are_silent_else(file):
    done = promtool("test", "rules", file)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_case_that_fires_and_one_that_does_not():
    firing, silent = set(), set()
    for test in files.rule_tests():
        for each in test["alert_rule_test"]:
            (firing if each["exp_alerts"] else silent).add(each["alertname"])
    assert firing == NAMES
    assert silent == NAMES


def test_the_order_of_groups_is_told_whole_or_figures_would_change_from_run_to_run():
    groups = [
        group["name"]
        for file in sorted(files.RULES.glob("*.yml"), reverse=True)
        for group in yaml.safe_load(file.read_text())["groups"]
    ]
    for file in files.RULE_TESTS.glob("*.yml"):
        assert yaml.safe_load(file.read_text())["group_eval_order"] == groups, file.name


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule.name)
def test_an_alert_says_how_bad_it_is_what_it_is_and_where_to_read_on(rule: files.Rule):
    assert rule.labels["severity"] in ("warning", "critical")
    assert set(rule.annotations) == {"summary", "description", "runbook_url"}
    assert rule.annotations["runbook_url"] == f"deploy/RUNBOOK.md#{rule.name.lower()}"
    section = files.runbook_sections()[rule.name]
    places = [section.find(part) for part in PARTS]
    assert places == sorted(places), rule.name
    assert -1 not in places, f"{rule.name} lacks one of {PARTS}"


def test_the_runbook_has_no_section_and_no_line_for_an_alert_that_is_gone():
    assert set(files.runbook_sections()) == NAMES
    listed = re.findall(r"^\| \[(Cartograph\w+)\]\(#(\w+)\) \| (\w+) \|", files.RUNBOOK.read_text(),
                        flags=re.MULTILINE)  # fmt: skip
    assert {name: severity for name, _, severity in listed} == {
        rule.name: rule.labels["severity"] for rule in ALERTS
    }
    assert all(anchor == name.lower() for name, anchor, _ in listed)


def test_targets_carry_the_labels_that_rules_and_dashboards_go_by():
    config = yaml.safe_load((files.DEPLOY / "prometheus" / "prometheus.yml").read_text())
    for job in config["scrape_configs"]:
        for target in job["static_configs"]:
            told = {"job", "instance", *target["labels"]}
            assert told == (TARGET if job["job_name"] != "kminion" else TARGET - {"worker"})
