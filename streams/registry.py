"""The real stages, and what each takes from the settings. The only place that names them all."""

from collections.abc import Callable
from dataclasses import fields

from streams import queries
from streams.errors import SettingsError
from streams.graph import stage as graph
from streams.ports import Stage
from streams.products import rows as product_rows
from streams.products import stage as products
from streams.products.reading import ProductSettings
from streams.queries import QuerySettings
from streams.route.agent import RouteRun
from streams.route.checks import NAME as ROUTE
from streams.settings import Settings
from streams.shoppers import stage as shoppers
from streams.shoppers.windows import WindowSettings
from streams.stages import Bundles, StageSpec
from streams.totals.owner import Wiring
from streams.weeks import DAY_MS
from streams.worker.app import StageRun
from streams.worker.runs import Run
from topology.ontology import Ontology, default_ontology, load_ontology
from topology.scoring import ScoringSettings

Build = Callable[[Wiring], Stage]
_ROWS_A_SHOPPER = 4
"""A shopper in memory takes about as much as so many totals."""


def window_settings(settings: Settings) -> WindowSettings:
    """What SHOPPERS must know."""
    return WindowSettings(
        gap_ms=settings.session_gap_ms,
        longest_ms=settings.session_longest_ms,
        allowance_ms=settings.allowance_ms,
        span_ms=settings.pair_span_ms,
        clicks=settings.pair_clicks,
        searches=settings.pair_searches,
        basket=settings.basket_items,
        keep_ms=settings.keep_days * DAY_MS,
        future_ms=settings.future_ms,
        minute_events=settings.minute_events,
        cache_shoppers=max(settings.cache_rows_of("shoppers") // _ROWS_A_SHOPPER, 1),
    )


def query_settings(settings: Settings, bundles: Bundles) -> QuerySettings:
    """What QUERIES must know."""
    return QuerySettings(k=settings.k_shoppers, bundle=bundles.tagging)


def product_settings(settings: Settings, bundles: Bundles) -> ProductSettings:
    """What PRODUCTS must know."""
    return ProductSettings(
        max_distance=settings.type_distance,
        floor=scoring_settings(settings).floor,
        tagging_bundle=bundles.tagging,
        cleaning_bundle=bundles.cleaning,
        judges=bundles.judges,
    )


def scoring_settings(settings: Settings) -> ScoringSettings:
    """What GRAPH must know."""
    whole = {field.name for field in fields(ScoringSettings) if field.type in (int, "int")}
    told = {name: int(n) if name in whole else n for name, n in settings.scoring.items()}
    return ScoringSettings(**told)  # type: ignore[arg-type]


def ontology(settings: Settings) -> Ontology:
    """The shop's own ontology, or the one shipped."""
    return load_ontology(settings.ontology) if settings.ontology else default_ontology()


def _shoppers(settings: Settings, bundles: Bundles) -> Build:
    del bundles
    return shoppers.build_shoppers(window_settings(settings), settings.generation)


def _queries(settings: Settings, bundles: Bundles) -> Build:
    return queries.build_queries(query_settings(settings, bundles), ontology(settings))


def _products(settings: Settings, bundles: Bundles) -> Build:
    return products.build_products(product_settings(settings, bundles), ontology(settings))


def _graph(settings: Settings, bundles: Bundles) -> Build:
    return graph.build_graph(scoring_settings(settings), ontology(settings), bundles.synonyms)


SPECS = {
    spec.name: spec
    for spec in (
        StageSpec(
            "shoppers",
            ("events",),
            ("searched", "bought"),
            shoppers.TABLES,
            _shoppers,
            forgets=True,
        ),
        StageSpec("queries", ("searched",), ("asked",), queries.TABLES, _queries, ("tagging",)),
        StageSpec(
            "products",
            ("catalog", "bought", "asked", "together"),
            ("together", "claims"),
            product_rows.TABLES,
            _products,
            ("tagging", "cleaning"),
        ),
        StageSpec("graph", ("claims", "verdicts"), ("facts",), graph.TABLES, _graph, ("synonyms",)),
    )
}


def new_run(settings: Settings, stage: str, slot: int) -> Run:
    """A worker process of a stage; call it inside the event loop.

    Raises:
        SettingsError: a stage that nobody knows.
    """
    if stage == ROUTE:
        return RouteRun(settings, slot)
    if stage not in SPECS:
        raise SettingsError(f"no such stage: {stage}; the stages are {ROUTE}, {', '.join(SPECS)}")
    return StageRun(settings, SPECS[stage], slot)
