"""The chart's own files: values are checked, settings and topics are those of the code."""

import json
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from streams.registry import SPECS
from streams.settings import RULES, STAGES
from tests.deploy import topics
from tests.deploy.told import DEPLOY, ROOT

CHART = DEPLOY / "chart"
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())

SET_BY_THE_CHART = {
    "data_dir", "member", "workers", "metrics_port", "metrics_host", "http_host", "http_port",
    "secret", "kafka_password", "kafka_key_password",
    "kafka_ca_file", "kafka_cert_file", "kafka_key_file",
    "generation", "generation_base",
    "api_mode", "api_tokens_file", "api_proxies", "api_user_header", "api_role_header",
}  # fmt: skip
"""Settings that follow from other values, are secrets, or mean one command alone."""


def merged(values: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Values as Helm puts them together: tables are merged, anything else is replaced."""
    found = dict(values)
    for name, value in over.items():
        both = isinstance(value, dict) and isinstance(found.get(name), dict)
        found[name] = merged(found[name], value) if both else value
    return found


def test_any_setting_may_be_given_and_nothing_else():
    allowed = SCHEMA["properties"]["settings"]["propertyNames"]["enum"]
    assert set(allowed) == set(RULES) - SET_BY_THE_CHART
    assert set(RULES) >= SET_BY_THE_CHART


def test_the_stages_are_those_of_the_code():
    assert tuple(VALUES["stages"]) == STAGES
    assert set(SCHEMA["properties"]["stages"]["properties"]) == set(STAGES)
    with_models = {name for name, spec in SPECS.items() if spec.models}
    assert set(SCHEMA["properties"]["gpu"]["properties"]["stages"]["items"]["enum"]) == with_models


def test_the_topics_are_those_of_the_code():
    assert (CHART / "files" / "topics.yaml").read_text() == topics.render(), (
        f"run `{topics.COMMAND}`"
    )


@pytest.mark.parametrize("name", ["", *(file.name for file in sorted((CHART / "ci").iterdir()))])
def test_values_obey_the_schema(name: str):
    Draft7Validator.check_schema(SCHEMA)
    over = yaml.safe_load((CHART / "ci" / name).read_text()) if name else {}
    assert list(Draft7Validator(SCHEMA).iter_errors(merged(VALUES, over))) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"settings": {"partitons": 8}},
        {"settings": {"secret": "in-plain-sight"}},
        {"settings": {"partitions": 0}},
        {"stages": {"graf": {}}},
        {"stages": {"graph": {"processes": 0}}},
        {"stages": {"graph": {"storage": "much"}}},
        {"topics": {"mode": "auto"}},
        {"tidy": {"schedule": "nightly"}},
        {"gpu": {"stages": ["route"]}},
        {"secret": {"existingSecret": ""}},
        {"mappings": {"../catalog.toml": ""}},
        {"serve": {"port": 80}},
        {"serve": {"auth": {"mode": "none"}}},
        {"serve": {"auth": {"mode": "proxy-header"}}},
        {"serve": {"auth": {"mode": "proxy-header", "proxies": ["0.0.0.0/0"]}}},
        {"serve": {"auth": {"tokens": {"existingSecret": ""}}}},
    ],
)
def test_wrong_values_are_refused(wrong: dict[str, Any]):
    assert list(Draft7Validator(SCHEMA).iter_errors(merged(VALUES, wrong))) != []


def test_the_versions_are_those_of_the_project():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = (ROOT / "pyproject.toml").read_text()
    assert f'version = "{chart["appVersion"]}"' in project
    compose = (DEPLOY / "compose.yaml").read_text()
    assert f"image: cartograph:{chart['appVersion']}\n" in compose
