"""What the bench of capacity measures comes out of its table as it went in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import capacity
from tests.bench.capacity_table import Figures, render, rows, split

costs = st.floats(0, 1e4)
figures = st.builds(
    Figures,
    cpu_us=st.just({"route": (1.25, 0.0), "graph": (10.0, 123.4)}),
    rss_mib=st.just({"route": 100.0, "graph": 700.0}),
    disk=st.just({"graph": {"fact": 612.3}}),
    written=st.just({"events": 58.0, "facts": 0.001234}),
    kept=st.just({"events": {"event": 58.0}, "facts": {"fact": 1e-7}}),
    cpu_ms_answer=costs,
    answers_product=costs,
    queries_event=st.floats(0, 1),
    graph_tenfold=st.floats(1, 9),
    graph_facts=st.floats(1, 1e7),
    index_share=st.floats(0, 1),
    visit_bytes=costs,
    replica_bytes_fact=costs,
    request_cpu_ms=costs,
)


@given(figures)
def test_a_table_that_was_written_is_read_again_to_four_digits(found: Figures):
    again = capacity.read(render(found, "a test"))
    assert again.models.cpu_ms_answer == pytest.approx(found.cpu_ms_answer, rel=1e-3, abs=1e-9)
    assert again.graph_facts == pytest.approx(found.graph_facts, rel=1e-3)
    assert again.stages["graph"].cpu_us_purchase == 123.4
    assert again.stages["graph"].disk_bytes == {"fact": 612.3}
    assert again.stages["route"].disk_bytes == {}
    assert again.topics["facts"].kept_bytes == {"fact": 1e-7}
    assert len(rows(again)) > 10


@given(costs, costs, st.floats(0.01, 0.05), st.floats(0.08, 0.5))
def test_two_mixes_tell_the_event_from_the_purchase(
    event: float, purchase: float, light: float, full: float
):
    told = split(
        {"graph": event + light * purchase}, light, {"graph": event + full * purchase}, full
    )
    assert told["graph"] == pytest.approx((event, purchase), abs=1e-6, rel=1e-6)


def test_noise_makes_no_cost_negative():
    assert split({"route": 10.0}, 0.03, {"route": 9.0}, 0.12)["route"] == (10.0, 0.0)
    assert split({"route": 1.0}, 0.1, {"route": 90.0}, 0.2)["route"][0] == 0.0
