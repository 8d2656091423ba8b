"""The real stages through random faults: whatever happens, the graph is what the events say."""

import pytest

from tests.simulation.run import search

SCHEDULES, CHUNK = 2_000, 100


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, SCHEDULES, CHUNK))
def test_after_any_schedule_the_graph_is_what_events_and_catalog_say(start: int):
    found = search(range(start, start + CHUNK), "test")
    assert found is None, (
        f"seed test/{found[0]}: {found[1]} (python -m tests.simulation --seed test)"
    )
