"""Panels, rows and dashboards as Grafana reads them, in a few words each.

Every panel says in its description what is good. Queries are kept to one graph by `$graph`, and
where it helps to one worker by `$worker`; both are labels that Prometheus puts on its targets.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

SCHEMA_VERSION = 41
"""Of Grafana 12."""

RUNBOOK = "${runbook}"
WIDTH = 24
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_HEIGHTS = {"stat": 4, "text": 4}
_HEIGHT = 8

SECONDS, BYTES, RATIO, COUNT = "s", "bytes", "percentunit", "short"
PER_SECOND, MOMENT = "cps", "dateTimeFromNow"


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL, and how its answers are named (`{{label}}`)."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel.

    Attributes:
        good: what it shows and what is good, a sentence or two; `description` in Grafana.
        unit: Grafana's id of it.
        kind: timeseries, stat, table, heatmap, bargauge or text.
        alert: the alert whose section of the runbook it links to.
        warn, bad: from where on it is yellow and red; with `down`, from where on downwards.
        options: what stands in the JSON besides.
    """

    title: str
    good: str
    queries: tuple[Query, ...]
    unit: str = COUNT
    kind: str = "timeseries"
    alert: str = ""
    warn: float | None = None
    bad: float | None = None
    down: bool = False
    stacked: bool = False
    decimals: int | None = None
    maximum: float | None = None
    options: tuple[tuple[str, Any], ...] = ()


def series(title: str, good: str, *queries: tuple[str, str] | str, **more: Any) -> Panel:
    """Lines over time."""
    return Panel(title, good, _queries(queries), **more)


def stat(title: str, good: str, *queries: tuple[str, str] | str, **more: Any) -> Panel:
    """One number, now."""
    return Panel(title, good, _queries(queries), kind="stat", **more)


def table(title: str, good: str, *queries: tuple[str, str] | str, **more: Any) -> Panel:
    """Labels and values, now."""
    return Panel(title, good, _queries(queries), kind="table", **more)


def _queries(queries: Sequence[tuple[str, str] | str]) -> tuple[Query, ...]:
    return tuple(Query(each) if isinstance(each, str) else Query(*each) for each in queries)


@dataclass(frozen=True, slots=True)
class Row:
    """A line of panels that share the width; a title makes it a section."""

    panels: tuple[Panel, ...]
    title: str = ""


def row(*panels: Panel, title: str = "") -> Row:
    """A line of panels."""
    return Row(panels, title)


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A page.

    Attributes:
        name: of its file, and of its uid `cartograph-NAME`.
        workers: whether one may choose workers.
    """

    name: str
    title: str
    about: str
    rows: tuple[Row, ...]
    workers: bool = True

    @property
    def uid(self) -> str:
        """Stable: links and bookmarks hold."""
        return f"cartograph-{self.name}"


def render(page: Dashboard, pages: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The dashboard's JSON.

    Args:
        page: what stands on it.
        pages: (uid, title) of all, for the links at the top.
    """
    return {
        "uid": page.uid,
        "title": page.title,
        "description": page.about,
        "tags": ["cartograph"],
        "timezone": "browser",
        "editable": True,
        "graphTooltip": 1,
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "annotations": {"list": [_alerts()]},
        "links": [_link(title, f"/d/{uid}") for uid, title in pages if uid != page.uid]
        + [_link("Runbook", RUNBOOK, keep=False)],
        "templating": {"list": list(_variables(page.workers))},
        "panels": _laid_out(page.rows),
    }


def _alerts() -> dict[str, Any]:
    return {
        "name": "Alerts",
        "datasource": _SOURCE,
        "enable": True,
        "hide": False,
        "iconColor": "red",
        "expr": 'ALERTS{alertstate="firing", graph=~"$graph|"}',
        "titleFormat": "{{alertname}}",
        "textFormat": "{{severity}} {{worker}}",
    }


def _link(title: str, url: str, *, keep: bool = True) -> dict[str, Any]:
    return {
        "title": title,
        "type": "link",
        "url": url,
        "icon": "dashboard" if keep else "doc",
        "tooltip": "",
        "tags": [],
        "asDropdown": False,
        "keepTime": keep,
        "includeVars": keep,
        "targetBlank": not keep,
    }


def _variables(workers: bool) -> list[dict[str, Any]]:
    found = [
        {
            "name": "datasource",
            "type": "datasource",
            "label": "Prometheus",
            "query": "prometheus",
            "current": {},
            "hide": 0,
            "refresh": 1,
        },
        {
            "name": "runbook",
            "type": "constant",
            "label": "Where RUNBOOK.md is",
            "query": "/public/cartograph/RUNBOOK.md",
            "hide": 2,
        },
        _asked("graph", "Graph", "label_values(cartograph_build_info, graph)"),
    ]
    if workers:
        found.append(
            {
                **_asked("worker", "Worker", 'label_values(up{graph="$graph"}, worker)'),
                "multi": True,
                "includeAll": True,
                "allValue": ".*",
                "current": {"text": "All", "value": "$__all"},
            }
        )
    return found


def _asked(name: str, label: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": "query",
        "label": label,
        "datasource": _SOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
        "hide": 0,
        "multi": False,
        "includeAll": False,
        "current": {},
    }


def _laid_out(rows: Sequence[Row]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    y = 0
    for each in rows:
        if each.title:
            found.append(_section(each.title, len(found) + 1, y))
            y += 1
        height = max(_HEIGHTS.get(panel.kind, _HEIGHT) for panel in each.panels)
        width = WIDTH // len(each.panels)
        for place, panel in enumerate(each.panels):
            box = {"x": place * width, "y": y, "w": width, "h": height}
            found.append({"id": len(found) + 1, "gridPos": box, **_panel(panel)})
        y += height
    return found


def _section(title: str, number: int, y: int) -> dict[str, Any]:
    return {
        "id": number,
        "type": "row",
        "title": title,
        "collapsed": False,
        "gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1},
        "panels": [],
    }


def _panel(panel: Panel) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.good,
        "datasource": _SOURCE,
        "targets": [
            _target(query, chr(ord("A") + place), panel.kind)
            for place, query in enumerate(panel.queries)
        ],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel),
        **dict(panel.options),
    }
    if panel.alert:
        shown["links"] = [
            {
                "title": f"Runbook: {panel.alert}",
                "url": f"{RUNBOOK}#{panel.alert.lower()}",
                "targetBlank": True,
            }
        ]
    if panel.kind == "table":
        shown["transformations"] = [
            {"id": "merge", "options": {}},
            {"id": "organize", "options": {"excludeByName": {"Time": True}}},
        ]
    return shown


def _target(query: Query, ref: str, kind: str) -> dict[str, Any]:
    now = kind in ("stat", "table")
    return {
        "refId": ref,
        "datasource": _SOURCE,
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "range": not now,
        "instant": now,
        "format": "table" if kind == "table" else "time_series",
        "editorMode": "code",
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    found: dict[str, Any] = {"unit": panel.unit, "min": 0, "thresholds": _thresholds(panel)}
    if panel.unit == MOMENT:
        del found["min"]
    if panel.decimals is not None:
        found["decimals"] = panel.decimals
    if panel.maximum is not None:
        found["max"] = panel.maximum
    found["color"] = {
        "mode": "thresholds" if panel.kind in ("stat", "bargauge") else "palette-classic"
    }
    if panel.kind == "timeseries":
        marked = panel.warn is not None or panel.bad is not None
        found["custom"] = {
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": 20 if panel.stacked else 5,
            "showPoints": "never",
            "spanNulls": False,
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
            "thresholdsStyle": {"mode": "dashed" if marked else "off"},
        }
    return found


def _thresholds(panel: Panel) -> dict[str, Any]:
    marks = [("yellow", panel.warn), ("red", panel.bad)]
    given = [(color, value) for color, value in marks if value is not None]
    if not panel.down:
        steps = [("green", None), *given]
    else:  # the lowest first: red below `bad`, yellow below `warn`
        lowest = given[::-1]
        colors = [color for color, _ in lowest] + ["green"]
        steps = list(zip(colors, [None, *(value for _, value in lowest)], strict=True))
    return {
        "mode": "absolute",
        "steps": [{"color": color, "value": value} for color, value in steps],
    }


def _options(panel: Panel) -> dict[str, Any]:
    match panel.kind:
        case "timeseries":
            return {
                "legend": {
                    "displayMode": "list",
                    "placement": "bottom",
                    "showLegend": True,
                    "calcs": [],
                },
                "tooltip": {"mode": "multi", "sort": "desc"},
            }
        case "stat" | "bargauge":
            return {
                "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
                "orientation": "auto",
            }
    return {}
