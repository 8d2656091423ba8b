"""The same records end in the same graph, whatever happens on the way (DESIGN, rules 1, 2, 3, 6).

The large version, 100,000 events and 20 kills: `python -m tests.kafka.exactness`.
"""

import asyncio
from pathlib import Path
from random import Random

import pytest

from streams.sample.make import Sizes, make
from tests.kafka.exactness import Ended, Plan, run, sample_records, settings_of

SEED, SIZES = 11, Sizes(products=120, shoppers=120, days=14)
PLAIN = Plan("plain")
DISTURBED = [
    Plan("kills", kills=4),
    Plan("duplicates", duplicates=0.1),
    Plan("order", shuffled_ms=5 * 60_000),
    Plan("two-workers", workers=2),
]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exactness") / "sample"
    make(folder, SEED, SIZES)
    return folder


@pytest.fixture(scope="module")
def plain(kafka: str, sample: Path) -> Ended:
    return ended(kafka, sample, PLAIN)


def ended(kafka: str, sample: Path, plan: Plan) -> Ended:
    """What a run of this plan ends with, in a graph of its own."""
    rng = Random(f"{SEED}/{plan.name}")
    records = sample_records(sample, plan, rng)
    settings = settings_of(kafka, sample.parent, plan.name, plan)
    return asyncio.run(run(settings, records, plan, rng))


def test_the_plain_run_makes_a_graph(plain: Ended):
    assert plain.facts > 500
    assert plain.outcomes["events.used"] > 1_000
    assert plain.outcomes.get("events.late", 0) == 0


@pytest.mark.parametrize("plan", DISTURBED, ids=[plan.name for plan in DISTURBED])
def test_the_graph_is_the_same(kafka: str, sample: Path, plain: Ended, plan: Plan):
    found = ended(kafka, sample, plan)
    print(f"{plan.name}: {found.facts} facts, {found.seconds:.0f} s, back after {found.back_s}")
    assert found.outcomes["events.used"] == plain.outcomes["events.used"]
    assert found.facts == plain.facts
    assert found.digest == plain.digest
    assert len(found.back_s) == plan.kills
