"""The graph: what it holds, what decided, how good it is over time, how it is served."""

from deploy.grafana.make.parts import (
    MOMENT,
    PER_SECOND,
    RATIO,
    SECONDS,
    Dashboard,
    row,
    series,
    stat,
    table,
)
from deploy.grafana.make.promql import (
    at,
    each,
    quantiles,
    rate,
    share,
    top,
    total,
    worst,
)

_FACTS, _TEXT = "cartograph_facts", "cartograph_catalog_text_products"
_VALUES = "cartograph_coverage_values"
_ACCEPTED = total("cartograph_fact_reasons", "relation", status="accepted")
_UNSURE = total("cartograph_fact_reasons", "status, reason", 'status!="accepted"')
_BOTH = total(_TEXT, "attribute", 'outcome=~"agree|differ"')

PAGE = Dashboard(
    name="graph",
    title="Cartograph: graph",
    about="What the graph holds and how good it is. Good: coverage rises, disagreement does not.",
    workers=False,
    rows=(
        row(
            stat(
                "Accepted",
                "Served as true. Good: grows, or rests when the shop does.",
                total(_FACTS, "", status="accepted"),
            ),
            stat(
                "Held",
                "For people to decide. Good: a small share of the accepted.",
                total(_FACTS, "", status="held"),
                alert="CartographHeldBacklog",
            ),
            stat(
                "Rejected",
                "Kept, so that nobody proposes them again. Good: any number.",
                total(_FACTS, "", status="rejected"),
            ),
            stat(
                "Values known",
                "Of the attributes that products of a type may have. Good: rises.",
                f"{total(_VALUES, '', outcome='filled')} / {total(_VALUES)}",
                unit=RATIO,
            ),
            stat(
                "Oldest held fact",
                "How long it has waited. Good: days, not months.",
                worst("cartograph_held_age_seconds"),
                unit=SECONDS,
                warn=1209600,
                bad=2592000,
                alert="CartographHeldAge",
            ),
        ),
        row(
            series(
                "Facts by relation",
                "The ten with most. Good: all grow; one that falls was taken back.",
                (top(10, total(_FACTS, "relation")), "{{relation}}"),
            ),
            series(
                "Change of facts in an hour",
                "By status. Good: smooth; a cliff is a bundle, a mapping or an ontology.",
                (f"sum by (status) (delta({at(_FACTS)}[1h]))", "{{status}}"),
                alert="CartographNoFacts",
            ),
            series(
                "Oldest held fact",
                "By relation. Good: does not rise day by day.",
                each(worst, "cartograph_held_age_seconds", "relation"),
                unit=SECONDS,
                bad=2592000,
                alert="CartographHeldAge",
            ),
            title="What it holds",
        ),
        row(
            series(
                "Accepted share",
                "Of the facts of a relation. Good: flat; a step down is a bundle that is less "
                "sure, or a catalog that is worse.",
                (
                    f"{_ACCEPTED} / {total('cartograph_fact_reasons', 'relation')}",
                    "{{relation}}",
                ),
                unit=RATIO,
                maximum=1,
                alert="CartographHeldBacklog",
            ),
            table(
                "What decided",
                "Facts by relation, status and reason. Good: no single reason holds or rejects "
                "most.",
                f"sort_desc({total('cartograph_fact_reasons', 'relation, status, reason')} > 0)",
            ),
            series(
                "Reasons to hold or reject",
                "The ten most frequent. Good: flat.",
                (top(10, _UNSURE), "{{status}}: {{reason}}"),
            ),
            title="What decided",
        ),
        row(
            series(
                "Catalog against title",
                "Share of products whose catalog says another value than their title, where both "
                "say one. Good: under 10 % and flat.",
                (share(total(_TEXT, "attribute", outcome="differ"), _BOTH), "{{attribute}}"),
                unit=RATIO,
                alert="CartographCatalogDisagrees",
            ),
            series(
                "Values known, by department",
                "Share of the attributes that apply which have a value. Good: rises.",
                (
                    f"{total(_VALUES, 'department', outcome='filled')} / "
                    f"{total(_VALUES, 'department')}",
                    "{{department}}",
                ),
                unit=RATIO,
                maximum=1,
            ),
            series(
                "Products with a type",
                "By department. Good: follows the catalog.",
                (top(15, total("cartograph_coverage_products", "department")), "{{department}}"),
            ),
            title="How good it is",
        ),
        row(
            series(
                "Queries under k shoppers",
                "They wait for the privacy gate. Good: any number; most queries are rare.",
                each(total, "cartograph_items", "what", stage="queries"),
            ),
            series(
                "Event to served fact",
                "Good: p99 under 2 s live.",
                *quantiles("cartograph_end_to_end_seconds", 0.5, 0.99),
                unit=SECONDS,
                alert="CartographEndToEndSlow",
            ),
            series(
                "Facts read by replicas",
                "By what became of them. Good: no unreadable.",
                each(rate, "cartograph_replica_records_total", "outcome"),
                (rate("cartograph_end_to_end_unknown_total", ""), "without a time"),
                unit=PER_SECOND,
                alert="CartographReplicaBehind",
            ),
            series(
                "Replicas behind",
                "Facts not read yet; -1: the broker has not told. Good: near 0.",
                (at("cartograph_replica_lag_records"), "{{instance}}"),
                alert="CartographReplicaBehind",
            ),
            title="Fresh and served",
        ),
        row(
            table(
                "Replicas",
                "Ready (1) and when the broker was last heard. Good: 1, and seconds ago.",
                at("cartograph_replica_ready"),
                alert="CartographReplicaBehind",
            ),
            stat(
                "Broker last heard by a replica",
                "Good: seconds ago.",
                f"min({at('cartograph_replica_heard_seconds')}) * 1000",
                unit=MOMENT,
                alert="CartographReplicaBehind",
            ),
        ),
    ),
)
