"""Metrics of the graph's quality over time: what decided, how long it is held, what is missing.

Stages count as functions of their state (`streams.state.counted`), so a restart, a replay or a
withdrawn record moves these down as well as up.
"""

from collections.abc import Iterable, Mapping

from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from streams.monitoring.metrics import REGISTRY, Gauge
from streams.monitoring.scores import BINS, Key, Scores

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


class ModelScores(Collector):
    """The scores of every bundle as a histogram; counted elsewhere, 20 times as cheap as here.

    Attributes:
        scores: (task, bundle) -> what it gave since the process began.
    """

    name = "cartograph_model_score"
    words = (
        "Scores of a bundle's new answers: of a span, a claim or a pair of values. Compare with "
        "cartograph_model_score_drift."
    )
    labels = ("task", "bundle")

    def __init__(self) -> None:
        self.scores: Mapping[Key, Scores] = {}
        REGISTRY.register(self)

    def describe(self) -> Iterable[Metric]:
        return [HistogramMetricFamily(self.name, self.words, labels=self.labels)]

    def collect(self) -> Iterable[Metric]:
        family = HistogramMetricFamily(self.name, self.words, labels=self.labels)
        for (task, bundle), each in list(self.scores.items()):
            below, buckets = 0, []
            for place, count in enumerate(each.all.bins, start=1):
                below += count
                buckets.append((f"{place / BINS:g}", float(below)))
            family.add_metric((task, bundle), [*buckets, ("+Inf", float(below))], each.all.total)
        yield family


MODEL_SCORES = ModelScores()
