"""Metrics of the graph's quality over time: what decided, how long it is held, what is missing.

Stages count as functions of their state (`streams.counted`), so a restart, a replay or a
withdrawn record moves these down as well as up.
"""

from streams.metrics import Gauge

FACT_REASONS = Gauge(
    "cartograph_fact_reasons",
    "Facts by what decided their status (topology.reasons). Much in conflict: compare catalog and "
    "titles. Much thin: wait for more shoppers.",
    ["relation", "status", "reason"],
)
HELD_AGE = Gauge(
    "cartograph_held_age_seconds",
    "Age of the oldest held fact of a relation: now less the Kafka time, to the hour, of the input "
    "that made it held. Old: review it (verdicts), or look at the thresholds.",
    ["relation"],
)
CATALOG_TEXT = Gauge(
    "cartograph_catalog_text_products",
    "Products by what their catalog record and their title say of an attribute. Many differ: the "
    "feed maps a field wrongly, or the tagger is wrong.",
    ["attribute", "outcome"],
)
COVERAGE_PRODUCTS = Gauge(
    "cartograph_coverage_products",
    "Products whose type is known, by department; a product of two departments counts in both.",
    ["department"],
)
COVERAGE_VALUES = Gauge(
    "cartograph_coverage_values",
    "Attributes that apply to the type of each product, with (filled) and without (missing) a "
    "value that is not rejected. Filled falls: a feed lost a field.",
    ["department", "outcome"],
)
SCORE_DRIFT = Gauge(
    "cartograph_model_score_drift",
    "PSI of a bundle's newest scores against the first that it gave in this worker. From 0.1 on "
    "look at what comes in, from 0.25 on the bundle does not fit it any more.",
    ["task", "bundle"],
)
