"""The dashboards are what their Python says, in Grafana's schema, and say what is good."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.grafana.make.__main__ import texts
from tests.monitoring import files

PAGES = files.dashboards()
NAMES = ("overview", "pipeline", "models", "graph", "broker")
ALERTS = {rule.name for rule in files.rules() if rule.is_alert}
UNITS = {"short", "s", "bytes", "percentunit", "cps", "reqps", "dateTimeFromNow"}


def test_the_json_is_what_the_python_says():
    assert texts() == {
        file.name: file.read_text() for file in sorted(files.DASHBOARDS.glob("*.json"))
    }, "run `make dashboards`"
    assert set(PAGES) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_grafanas_own_types_know_every_field(name: str):
    register_default_plugins()
    page = PAGES[name]
    again = json.loads(json.dumps(Dashboard.from_json(page), cls=JSONEncoder))
    # Words of annotations are Grafana's for Prometheus alone, and in no schema.
    assert set(lost(page, again)) == {f"annotations.list.{n}Format" for n in ("title", "text")}


def lost(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Where the second does not say what the first does."""
    if isinstance(before, dict):
        for key, value in before.items():
            place = f"{path}.{key}" if path else key
            if key not in after:
                yield place
            else:
                yield from lost(value, after[key], place)
    elif isinstance(before, list):
        for one, other in zip(before, after, strict=True):
            yield from lost(one, other, path)
    elif before != after:
        yield path


def test_a_field_that_grafana_does_not_know_is_found():
    page = PAGES["overview"] | {"titel": "Cartograph"}
    again = json.loads(json.dumps(Dashboard.from_json(page), cls=JSONEncoder))
    assert "titel" in set(lost(page, again))


@pytest.mark.parametrize("name", NAMES)
def test_a_dashboard_is_found_again_and_leads_to_the_others(name: str):
    page = PAGES[name]
    assert page["uid"] == f"cartograph-{name}"
    uids = {f"/d/{other['uid']}" for other in PAGES.values()} - {f"/d/{page['uid']}"}
    assert {link["url"] for link in page["links"]} == uids | {"${runbook}"}
    variables = [each["name"] for each in page["templating"]["list"]]
    assert variables[:3] == ["datasource", "runbook", "graph"]
    ids = [panel["id"] for panel in page["panels"]]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("name", NAMES)
def test_panels_do_not_overlap_and_fill_the_width(name: str):
    cells: set[tuple[int, int]] = set()
    for panel in PAGES[name]["panels"]:
        box = panel["gridPos"]
        own = {
            (x, y)
            for x in range(box["x"], box["x"] + box["w"])
            for y in range(box["y"], box["y"] + box["h"])
        }
        assert not own & cells, panel["title"]
        cells |= own
    assert max(x for x, _ in cells) < 24


@pytest.mark.parametrize("name", NAMES)
def test_every_panel_says_what_is_good_in_units_and_of_one_graph(name: str):
    for panel in files.panels(PAGES[name]):
        assert "Good: " in panel["description"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
        assert panel["datasource"]["uid"] == "${datasource}"
        assert panel["targets"], panel["title"]
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"]
            assert '"$graph' in target["expr"], target["expr"]
        for link in panel.get("links", ()):
            alert = link["title"].removeprefix("Runbook: ")
            assert alert in ALERTS, link
            assert link["url"] == f"${{runbook}}#{alert.lower()}"


def test_every_alert_has_a_panel_that_shows_it():
    shown = {
        link["title"].removeprefix("Runbook: ")
        for page in PAGES.values()
        for panel in files.panels(page)
        for link in panel.get("links", ())
    }
    assert ALERTS - shown == {"CartographNotWatched"}  # there would be nothing to see


def test_grafana_reads_the_folder_and_knows_the_source():
    folder = files.DEPLOY / "grafana" / "provisioning"
    (provider,) = yaml.safe_load((folder / "dashboards" / "cartograph.yaml").read_text())[
        "providers"
    ]
    (source,) = yaml.safe_load((folder / "datasources" / "prometheus.yaml").read_text())[
        "datasources"
    ]
    assert provider["type"] == "file"
    assert source["type"] == "prometheus"
    compose = yaml.safe_load((files.DEPLOY / "compose.yaml").read_text())
    mounted = dict(volume.split(":")[:2] for volume in compose["services"]["grafana"]["volumes"])
    assert mounted["./grafana/dashboards"] == provider["options"]["path"]
    assert mounted["./grafana/provisioning"] == "/etc/grafana/provisioning"
    runbook = PAGES["overview"]["templating"]["list"][1]["query"]
    assert mounted["./RUNBOOK.md"] == f"/usr/share/grafana{runbook}"
    for variable in PAGES["overview"]["templating"]["list"]:
        if variable["type"] == "query":
            assert variable["datasource"]["uid"] == "${datasource}"
