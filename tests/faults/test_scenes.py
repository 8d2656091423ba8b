"""Kills of workers and broker, a bad stream, a slow model: the graph is that of a clean run.

The long forms: `python -m tests.faults.soak`.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from streams.play import Played
from streams.sample.make import Sizes, make
from tests.faults import kills, odd_worker, plants, upgrade
from tests.faults.pressure import Moment, pressed, true_between
from tests.faults.scene import PATIENT, Ended, Fault, Place, nothing, place, run
from tests.kafka.exactness import Plan, sample_records, settings_of

SEED, SIZES, PLAIN = 11, Sizes(products=120, shoppers=120, days=14), Plan("plain")


class Theatre:
    """A broker of its own, the records, and what a clean run makes of them."""

    def __init__(self, folder: Path, broker: Place) -> None:
        make(folder / "sample", SEED, SIZES)
        self.folder, self.broker = folder, broker
        self.records = sample_records(folder / "sample", PLAIN, Random(SEED))
        self.clean = self.run("clean")

    def run(
        self, name: str, fault: Fault = nothing, records: list[Played] | None = None, **more: object
    ) -> Ended:
        settings = settings_of(self.broker.address, self.folder, name, PLAIN)
        settings = settings.with_(**more.pop("settings", {}))  # type: ignore[arg-type]
        chance = Random(f"{SEED}/{name}")
        rows = self.records if records is None else records
        return asyncio.run(run(self.broker, settings, rows, fault, rng=chance, **more))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    folder = tmp_path_factory.mktemp("scenes")
    with place(folder / "kafka") as broker:
        yield Theatre(folder, broker)


def is_same(found: Ended, clean: Ended) -> None:
    print(found)
    assert found.wrong == []
    assert found.outcomes["used"] == clean.outcomes["used"]
    assert found.facts == clean.facts > 500
    assert found.digest == clean.digest


@pytest.mark.kafka
def test_broker_and_a_worker_are_killed_and_the_broker_stays_away(theatre: Theatre):
    found = theatre.run(
        "both", kills.broker_killed(2, with_worker=True, away_s=4.0), settings=PATIENT
    )
    is_same(found, theatre.clean)
    assert found.told["kills"] == 2


@pytest.mark.kafka
def test_a_bad_stream_and_a_slow_model_whose_lag_is_told_truly(
    theatre: Theatre, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(odd_worker.SLOWNESS, "50")
    stream = plants.plant(theatre.records, plants.Shares(), Random(SEED))
    assert min(stream.duplicates, stream.late, stream.poison) > 10
    seen: list[Moment] = []
    found = theatre.run(
        "bad-slow",
        pressed("products", ["catalog", "bought", "asked"], seen),
        stream.records,
        command=odd_worker.command,
    )
    is_same(found, theatre.clean)
    assert found.outcomes == stream.outcomes
    assert sum(found.letters.values()) == stream.poison
    assert len([each for each in seen if each.behind]) > 5
    # The metric is set once a second, by positions of which Kafka hears in the same second.
    for before, now, after in zip(seen, seen[3:], seen[6:], strict=False):
        least, most = true_between(before, after)
        assert least <= now.told <= most


@pytest.mark.kafka
def test_workers_of_the_commit_before_are_replaced_one_by_one(theatre: Theatre, tmp_path: Path):
    try:
        rolling = upgrade.Rolling("HEAD~1", tmp_path)
    except upgrade.NoHistoryError as error:
        pytest.skip(f"no older commit here: {error}")
    found = theatre.run("upgrade", rolling.fault, command=rolling.command)
    is_same(found, theatre.clean)
    assert found.told["replaced"] == 5
