"""Numbers that stages give by name, as gauges with labels; pure but for the gauges themselves."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from streams.monitoring import metrics
from streams.monitoring import quality as metrics_quality

_FORMS: Mapping[tuple[str, int], Any] = {
    ("facts", 3): metrics.FACTS,
    ("reasons", 4): metrics_quality.FACT_REASONS,
    ("catalog_text", 3): metrics_quality.CATALOG_TEXT,
}
"""(first part of a name, number of its parts) -> the gauge whose labels the other parts are."""


class GaugeSet:
    """The gauges of one stage; what no partition names any more is set to 0.

    `facts.<relation>.<status>`, `reasons.<relation>.<status>.<code>`,
    `catalog_text.<attribute>.<outcome>` and `coverage.<department>.<what>` are gauges of their own;
    any other name stands in `cartograph_items` under the stage.
    """

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._told: set[str] = set()

    def tell(self, told: Iterable[Mapping[str, int]]) -> None:
        """Add up what the partitions say, and set every gauge that they name or named before."""
        added: Counter[str] = Counter()
        for each in told:
            added.update(each)
        for name in self._told - added.keys():
            self._gauge(name).set(0)
        for name, count in added.items():
            self._gauge(name).set(count)
        self._told = set(added)

    def _gauge(self, name: str) -> Any:
        parts = name.split(".")
        form = _FORMS.get((parts[0], len(parts)))
        if form is not None:
            return form.labels(*parts[1:])
        if parts[0] == "coverage" and len(parts) == 3:
            if parts[2] == "products":
                return metrics_quality.COVERAGE_PRODUCTS.labels(parts[1])
            return metrics_quality.COVERAGE_VALUES.labels(*parts[1:])
        return metrics.ITEMS.labels(self._stage, name)
