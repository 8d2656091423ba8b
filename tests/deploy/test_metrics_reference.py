"""The list of metrics is what the code declares."""

from prometheus_client import generate_latest

from streams.metrics_reference import declared, reference
from streams.monitoring import metrics
from tests.deploy.told import DEPLOY


def test_the_list_is_the_declarations():
    told = (DEPLOY / "METRICS.md").read_text(encoding="utf-8")
    assert told == reference(), "python -m streams.metrics_reference > deploy/METRICS.md"


def test_nothing_that_is_served_is_missing_from_it():
    known = {each.name.removesuffix("_total") for each in declared()}
    served = {
        line.split()[2].removesuffix("_total").removesuffix("_created")
        for line in generate_latest(metrics.REGISTRY).decode().splitlines()
        if line.startswith("# TYPE cartograph_")
    }
    assert served <= known
    assert len(known) == len(declared())
