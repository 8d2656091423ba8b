"""`cartograph graph quality`: what decided the facts, what is held, what is missing."""

import ipaddress
import urllib.request
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from streams.cli import which
from streams.cli.held import note_left
from streams.cli.shell import JSON, note, say, settings, show, table, told
from streams.cli.state import folders, opened
from streams.errors import StateError
from streams.graph.quality import TABLE as HELD_SINCE
from streams.graph.quality import FactQuality
from streams.process import status
from streams.process.status import stage_folder
from streams.products.quality import ProductQuality
from streams.products.rows import TABLES as PRODUCT_TABLES
from streams.registry import ontology
from streams.settings import Settings
from topology.facts import ACCEPTED, HELD, REJECTED
from topology.graph import TABLES as GRAPH_TABLES
from topology.graph import Graph

_DRIFT = "cartograph_model_score_drift"
_PATIENCE_S = 5.0
_MINUTES = len("2026-11-05T12:00")
_STATUSES = (ACCEPTED, HELD, REJECTED)


class Drift(msgspec.Struct):
    """PSI of a bundle's newest scores against its first ones, in one worker."""

    worker: str
    task: str
    bundle: str
    psi: float


class Quality(msgspec.Struct):
    """The graph's quality over the partitions of this machine.

    Attributes:
        facts: relation -> status -> facts; attributes apart.
        reasons: relation -> status -> code of the reason (`topology.reasons`) -> facts.
        held_since: relation -> since when its oldest held fact is held, to the hour, UTC.
        catalog_text: attribute -> what catalog and title say of it -> products.
        coverage: department -> products, and their attributes that are filled and missing.
        drift: of the models of the workers that run here, as far as there are scores enough.
    """

    facts: dict[str, dict[str, int]] = {}
    reasons: dict[str, dict[str, dict[str, int]]] = {}
    held_since: dict[str, str] = {}
    catalog_text: dict[str, dict[str, int]] = {}
    coverage: dict[str, dict[str, int]] = {}
    drift: list[Drift] = []


@told
def quality(as_json: Annotated[bool, JSON] = False) -> None:
    """What decided the facts, what is held since when, what is missing, and how models drift.

    Read from the stores of this machine as they are now (workers may run meanwhile); drift from the
    workers that run here. The same is in the metrics (deploy/METRICS.md).
    """
    own = which.stored(settings())
    found = quality_of(own)
    note_left(own, ("products", "graph"), note)
    show(found, as_json=as_json, text=lambda: _print(found))


def quality_of(found: Settings) -> Quality:
    """Of the partitions on this machine.

    Raises:
        StateError: there are none of GRAPH.
    """
    graphs = folders(found, "graph")
    if not graphs:
        raise StateError(
            f"there is no graph in {stage_folder(found, 'graph')}: run `cartograph worker` first, "
            "or set CARTOGRAPH_DATA_DIR"
        )
    made = Quality()
    reasons, oldest = Counter[str](), dict[str, int]()
    for folder in graphs:
        with opened(folder, (*GRAPH_TABLES, HELD_SINCE, "meta")) as store:
            graph = Graph(store)
            counted = FactQuality(store, graph)
            reasons.update(counted.counts())
            for relation, by_status in graph.counts().items():
                kept = made.facts.setdefault(relation, {})
                for each, n in by_status.items():
                    kept[each] = kept.get(each, 0) + n
            for relation, at_ms in counted.oldest_ms().items():
                oldest[relation] = min(at_ms, oldest.get(relation, at_ms))
    products = Counter[str]()
    for folder in folders(found, "products"):
        with opened(folder, (*PRODUCT_TABLES, "meta")) as store:
            products.update(dict(ProductQuality(store, ontology(found)).counts()))
    _sort_out(made, reasons, products)
    made.held_since = {
        relation: datetime.fromtimestamp(at_ms / 1000, UTC).isoformat()
        for relation, at_ms in sorted(oldest.items())
    }
    made.drift = list(_drifts(found))
    return made


def _sort_out(made: Quality, reasons: Mapping[str, int], products: Mapping[str, int]) -> None:
    for name, n in sorted(reasons.items()):
        if n:
            _, relation, each, code = name.split(".")
            made.reasons.setdefault(relation, {}).setdefault(each, {})[code] = n
    for name, n in sorted(products.items()):
        if n:
            kind, what, outcome = name.split(".")
            table_ = made.catalog_text if kind == "catalog_text" else made.coverage
            table_.setdefault(what, {})[outcome] = n


def _drifts(found: Settings) -> Iterable[Drift]:
    for worker in status.read_all(found):
        if not worker.metrics_port or not status.is_alive(worker):
            continue
        name = f"{worker.stage}-{worker.slot}"
        try:
            address = f"http://{_reached(found.metrics_host)}:{worker.metrics_port}/metrics"
            with urllib.request.urlopen(address, timeout=_PATIENCE_S) as page:
                families = list(text_string_to_metric_families(page.read().decode()))
        except OSError as error:
            note(f"{name} does not tell its metrics ({error})")
            continue
        for family in families:
            if family.name == _DRIFT:
                for each in family.samples:
                    labels = each.labels
                    yield Drift(name, labels["task"], labels["bundle"], round(each.value, 4))


def _reached(host: str) -> str:
    """Where a worker of this machine that listens on `host` is asked; all addresses: loopback."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:
        return "127.0.0.1"
    return f"[{host}]" if address.version == 6 else host


def _print(found: Quality) -> None:
    table(
        ("relation", *_STATUSES, "accepted", "held since"),
        [
            (
                relation,
                *(by_status.get(each, 0) for each in _STATUSES),
                _share(by_status.get(ACCEPTED, 0), sum(by_status.values())),
                found.held_since.get(relation.partition(":")[0], "")[:_MINUTES],
            )
            for relation, by_status in sorted(found.facts.items())
        ],
    )
    say()
    rows = [
        (relation, each, code, n)
        for relation, by_status in found.reasons.items()
        for each, codes in by_status.items()
        for code, n in sorted(codes.items(), key=lambda item: -item[1])
    ]
    table(("relation", "status", "what decided", "facts"), rows)
    say()
    sides = ("agree", "differ", "catalog_only", "text_only")
    table(
        ("attribute", *sides),
        [(name, *(n.get(each, 0) for each in sides)) for name, n in found.catalog_text.items()],
    )
    say()
    table(
        ("department", "products", "filled", "missing", "covered"),
        [
            (
                name,
                *(n.get(each, 0) for each in ("products", "filled", "missing")),
                _share(n.get("filled", 0), n.get("filled", 0) + n.get("missing", 0)),
            )
            for name, n in found.coverage.items()
        ],
    )
    if found.drift:
        say()
        rows_ = [(each.worker, each.task, each.bundle, each.psi) for each in found.drift]
        table(("worker", "task", "bundle", "drift (PSI)"), rows_)


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else ""
