"""How sure a bundle is: counted exactly, and said to drift only when it does."""

from math import log
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.models.score_watch import ScoreWatch
from streams.monitoring import metrics
from streams.monitoring.scores import BINS, WINDOW, Scores, Tally, psi, references_of, told_of

scores = st.lists(st.floats(0, 1), min_size=0, max_size=60)


@given(scores, scores)
def test_a_tally_is_a_histogram_of_its_scores(one: list[float], other: list[float]):
    tally = Tally()
    tally.add(one)
    tally.add(other)
    both = one + other
    assert tally.n == len(both)
    assert tally.total == pytest.approx(sum(both))
    for place in range(BINS):
        low, high = place / BINS, (place + 1) / BINS
        last = place == BINS - 1
        wanted = sum(low <= int(x * BINS) / BINS < high or (last and x == 1) for x in both)
        assert abs(tally.bins[place] - wanted) <= sum(x in (low, high) for x in both)


@given(scores, scores)
def test_the_index_is_no_less_than_zero_symmetric_and_zero_for_the_same(one, other):
    left, right = Tally(), Tally()
    left.add(one)
    right.add(other)
    found = psi(left.bins, right.bins)
    assert found >= 0
    assert found == pytest.approx(psi(right.bins, left.bins))
    assert psi(left.bins, left.bins) == 0


def evenly(low: float, high: float, n: int) -> list[float]:
    return [low + (high - low) * (7 * place % n) / n for place in range(n)]


def test_the_same_scores_do_not_drift_and_others_do():
    bundle = Scores()
    bundle.add(evenly(0, 1, WINDOW - 1))
    assert not bundle.stands
    bundle.add([0.5])
    assert bundle.stands
    bundle.add(evenly(0, 1, WINDOW - 1))
    assert bundle.drift is None, "too few to tell"
    bundle.add(evenly(0, 1, 1))
    assert bundle.drift is not None
    assert bundle.drift < 0.01
    bundle.add(evenly(0.5, 1, 2 * WINDOW))
    assert bundle.drift > 0.25
    assert bundle.reference.n == WINDOW, "what it is compared with stays"


def test_a_moderate_change_is_told_as_one():
    """A tenth each against 0.19 in the first and 0.09 in the others: 0.067 by hand."""
    one = [100_000] * BINS
    other = [190_000] * 2 + [90_000] * (BINS - 2)
    by_hand = (0.19 - 0.1) * log(0.19 / 0.1) + 9 * (0.09 - 0.1) * log(0.09 / 0.1)
    assert psi(one, other) == pytest.approx(by_hand, abs=1e-4)


def test_references_outlive_the_process_and_a_broken_file_begins_anew(tmp_path: Path):
    file = tmp_path / "graph-0.scores"
    first = ScoreWatch(file)
    first.answered("tagging", "t@1", evenly(0, 1, WINDOW))
    first.answered("tagging", "t@2", [0.5])
    first.report()
    second = ScoreWatch(file)
    second.answered("tagging", "t@1", evenly(0.9, 1, WINDOW))
    second.answered("tagging", "t@2", [0.5])
    assert second.scores["tagging", "t@1"].drift > 0.25
    assert not second.scores["tagging", "t@2"].stands
    second.report()
    told = metrics.REGISTRY.get_sample_value(
        "cartograph_model_score_drift", {"task": "tagging", "bundle": "t@1"}
    )
    assert told == second.scores["tagging", "t@1"].drift
    assert set(references_of(file.read_bytes())) == {("tagging", "t@1")}
    file.write_bytes(b'{"tagging t@1": {"bins": [1]}}')
    assert references_of(file.read_bytes()) == {}
    file.write_bytes(b"{")
    assert ScoreWatch(file).scores == {}


def test_the_histogram_tells_every_bundle():
    watch = ScoreWatch()
    watch.answered("cleaning", "c@1", [0.0, 0.04, 0.93, 1.0])
    labels = {"task": "cleaning", "bundle": "c@1"}

    def value(name: str, **more: str) -> float | None:
        return metrics.REGISTRY.get_sample_value(f"cartograph_model_score{name}", labels | more)

    assert value("_bucket", le="0.05") == 2
    assert value("_bucket", le="0.95") == 3
    assert value("_bucket", le="1") == value("_bucket", le="+Inf") == value("_count") == 4
    assert value("_sum") == pytest.approx(1.97)


def test_what_does_not_stand_is_not_kept():
    assert references_of(told_of({("tagging", "t@1"): Scores()})) == {}


@given(st.lists(st.lists(st.floats(-0.5, 1.5), max_size=30), max_size=12))
def test_what_is_told_is_what_counting_score_by_score_gives(calls: list[list[float]]):
    watch, bins, total = ScoreWatch(), [0] * BINS, 0.0
    for call in calls:
        watch.answered("tagging", "each@1", call)
        for score in call:
            bins[min(max(int(score * BINS), 0), BINS - 1)] += 1
            total += score
    name = "cartograph_model_score"
    (family,) = [each for each in metrics.REGISTRY.collect() if each.name == name]
    told = {
        (each.name, each.labels.get("le")): each.value
        for each in family.samples
        if (each.labels["task"], each.labels["bundle"]) == ("tagging", "each@1")
    }
    for place in range(BINS):
        le = f"{(place + 1) / BINS:g}"
        assert told.get((f"{name}_bucket", le), 0) == sum(bins[: place + 1])
    assert told.get((f"{name}_sum", None), 0) == pytest.approx(total)


@given(st.lists(st.integers(1, 3 * WINDOW), max_size=8))
def test_into_what_calls_scores_are_cut_makes_no_difference(sizes: list[int]):
    scores = [place * 7 % 101 / 101 for place in range(3 * WINDOW + 5)]
    whole, cut, at = Scores(), Scores(), 0
    whole.add(scores)
    for size in [*sizes, len(scores)]:
        cut.add(scores[at : at + size])
        at += size
    assert cut.all.bins == whole.all.bins
    assert cut.reference.bins == whole.reference.bins
    assert cut.reference.n == WINDOW
    assert cut.drift == whole.drift
