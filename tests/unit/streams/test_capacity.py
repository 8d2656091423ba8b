"""Capacity follows from unit costs: more of anything never takes less, and the sums are right."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from streams import capacity
from streams.__main__ import app
from streams.capacity import DAY_S, Costs, Shop, plan
from streams.cli.capacity import size
from streams.errors import SettingsError
from streams.settings import STAGES
from streams.topics import TOPICS

PLAIN = capacity.read("""
measured = "a test"
graph_tenfold = 2.0
graph_facts = 1000
index_share = 0.1
visit_bytes = 1000
replica_bytes_fact = 100
request_cpu_ms = 2
queries_event = 0.01
[models]
cpu_ms_answer = 10
answers_product = 5
answers_query = 1
[stages.route]
cpu_us_event = 100
cpu_us_purchase = 0
rss_mib = 100
disk_bytes = {}
[stages.shoppers]
cpu_us_event = 50
cpu_us_purchase = 1000
rss_mib = 200
disk_bytes = { event = 10 }
[stages.products]
cpu_us_event = 10
cpu_us_purchase = 0
rss_mib = 300
disk_bytes = { product = 1000, year = 1 }
[stages.graph]
cpu_us_event = 100
cpu_us_purchase = 0
rss_mib = 400
disk_bytes = { fact = 500 }
[topics.events]
write_bytes_event = 40
kept_bytes = { event = 40 }
[topics.facts]
write_bytes_event = 60
kept_bytes = { fact = 200 }
""")
SHOP = Shop(
    events_per_day=DAY_S * 1_000.0,
    products=1e4,
    shoppers=1e6,
    facts=1_000,
    purchases=0.1,
    peak=2.0,
    new_products=DAY_S / 5,
)
shops = st.builds(
    Shop,
    events_per_day=st.floats(1e3, 1e10),
    products=st.floats(1, 1e9),
    shoppers=st.floats(1, 1e9),
    facts=st.floats(1, 1e11),
    purchases=st.floats(0, 1),
    peak=st.floats(1, 20),
    new_products=st.floats(0, 1e8),
    keep_days=st.integers(1, 1_000),
    retention_days=st.integers(1, 1_000),
    replication=st.integers(1, 5),
    requests_per_s=st.floats(0, 1e5),
)


def by_stage(shop: Shop, costs: Costs = PLAIN) -> dict[str, capacity.StagePlan]:
    return {each.stage: each for each in plan(shop, costs).stages}


def test_cores_and_workers_are_those_of_the_peak():
    found = by_stage(SHOP)
    assert plan(SHOP, PLAIN).events_per_s == 2_000
    assert found["route"].cores == pytest.approx(0.2)
    assert found["shoppers"].cores == pytest.approx(2_000 * (50 + 0.1 * 1_000) / 1e6)
    assert found["products"].cores == pytest.approx(0.02 + 1 * 10 / 1e3)  # an answer a second
    assert found["products"].model_cores == pytest.approx(0.01)
    assert found["graph"].cores == pytest.approx(0.2)
    assert all(each.workers == 1 for each in found.values())


def test_graph_grows_dearer_with_each_tenfold_of_facts():
    few, many = SHOP, Shop(**{**_fields(SHOP), "facts": 100_000})
    assert by_stage(many)["graph"].cores == pytest.approx(3 * by_stage(few)["graph"].cores)


def test_memory_and_disk_follow_from_what_is_kept():
    found, whole = by_stage(SHOP), plan(SHOP, PLAIN)
    kept = SHOP.events_per_day * 97
    assert found["shoppers"].disk_bytes == pytest.approx(kept * 10 * 1.5)
    visits = min(SHOP.shoppers, 2_000 / 5 * 2_400)
    assert whole.open_visits == visits
    assert found["shoppers"].ram_bytes == pytest.approx(
        found["shoppers"].workers * 200 * (1 << 20) + kept * 10 * 0.1 + visits * 1_000
    )
    year = SHOP.events_per_day * 365
    assert found["products"].disk_bytes == pytest.approx((1e4 * 1_000 + year) * 1.5)
    assert whole.kafka_disk_bytes == pytest.approx(
        3 * (SHOP.events_per_day * 30 * 40 + 1_000 * 200)
    )
    assert whole.kafka_write_bytes_s == pytest.approx(3 * 100 * 2_000)


def test_a_store_that_is_too_large_for_one_worker_is_spread():
    large = Shop(**{**_fields(SHOP), "facts": 2e9})
    assert by_stage(large)["graph"].workers == 4  # 1 TB of facts, 250 GB each


@given(shops, st.sampled_from(["events_per_day", "products", "shoppers", "facts", "purchases"]))
def test_more_of_anything_never_takes_less(shop: Shop, what: str):
    more = Shop(
        **{**_fields(shop), what: min(getattr(shop, what) * 2, 1 if what == "purchases" else 1e12)}
    )
    few, many = plan(shop, PLAIN), plan(more, PLAIN)
    for name in ("workers", "cores", "ram_bytes", "disk_bytes", "kafka_disk_bytes", "partitions"):
        assert getattr(many, name) >= getattr(few, name), name


@given(shops)
def test_every_stage_has_room_and_partitions_have_workers(shop: Shop):
    found = plan(shop, capacity.measured())
    widest = max(each.workers for each in found.stages)
    for each in found.stages:
        assert each.cores <= each.workers * capacity.UTILISATION * (1 + 1e-9)
    assert found.partitions & (found.partitions - 1) == 0
    assert found.partitions >= min(widest * 4, capacity.MOST_PARTITIONS)
    assert found.catch_up_s > 0


def test_the_measured_table_has_every_stage_and_the_topics_of_the_graph():
    costs = capacity.measured()
    assert tuple(costs.stages) == STAGES
    asides = {"control", "verdicts", "erasures", "dead-letters"}
    assert set(costs.topics) == {topic.name for topic in TOPICS} - asides
    for stage in costs.stages.values():
        assert stage.cpu_us_event > 0
        assert stage.rss_mib > 50


@pytest.mark.parametrize(
    "wrong",
    [
        {"events_per_day": 0},
        {"facts": 0},
        {"purchases": 1.5},
        {"peak": 0.5},
        {"products": -1},
        {"events_per_day": float("inf")},
        {"facts": float("nan")},
        {"peak": float("nan")},
        {"peak": float("inf")},
        {"new_products": -1},
        {"requests_per_s": float("inf")},
    ],
)
def test_a_shop_that_cannot_be_is_refused_with_what_is_wrong(wrong: dict[str, float]):
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        Shop(**{**_fields(SHOP), **wrong})


def test_a_broken_table_says_how_to_make_a_new_one():
    with pytest.raises(SettingsError, match=r"tests\.bench\.capacity --write"):
        capacity.read("measured = 3")


def test_the_command_tells_people_and_programs_the_same():
    load = {"events-per-day": "1e9", "products": "1e7", "shoppers": "2e7", "facts": "1e8"}
    words = ["capacity", *(f"--{name}={value}" for name, value in load.items())]
    text = CliRunner().invoke(app, words)
    assert text.exit_code == 0, text.output
    told = json.loads(CliRunner().invoke(app, [*words, "--json"]).output)
    assert told["shop"]["new_products"] == 1e5
    assert f"partitions        {told['plan']['partitions']}" in text.output
    for stage in STAGES:
        assert f"\n{stage}" in text.output
    wrong = CliRunner().invoke(app, [*words, "--peak", "0.1"])
    assert wrong.exit_code == 2


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 B"), (999, "999 B"), (1_500, "1.5 KB"), (2.5e11, "250 GB"), (3e18, "3,000 PB")],
)
def test_sizes_are_told_as_disks_are_sold(value: float, text: str):
    assert size(value) == text


def _fields(shop: Shop) -> dict[str, float]:
    return {name: getattr(shop, name) for name in Shop.__slots__}
