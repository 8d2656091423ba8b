"""The benches compare like with like, and a figure is judged as its row says."""

from collections import defaultdict

import pytest

from streams.events import Event
from streams.shoppers.windows import WindowSettings, standing
from streams.totals.messages import BOUGHT, CLICKED, WITH
from tests.bench import ingest
from tests.bench.flow import Event as ShopEvent
from tests.bench.flow import SampleShop
from tests.bench.generate import MIXES, Feed, events, made_up_shop, native, visitors
from tests.bench.peers.environment import has_bytewax, select
from tests.bench.report import row
from tests.bench.scale import Ran, sent_of

LOCK = """\
alpha==1.0 \\
    --hash=sha256:aa
    # via cartograph (pyproject.toml)
beta==2.0 \\
    --hash=sha256:bb
    # via
    #   alpha
    #   gamma
delta==4.0 \\
    --hash=sha256:dd
    # via beta
gamma==3.0 \\
    --hash=sha256:cc
    # via cartograph (pyproject.toml)
"""


@pytest.mark.parametrize("mix", MIXES)
def test_peers_pair_what_shoppers_stands_for(mix: str):
    shop = made_up_shop(products=60, queries=20)
    stream = list(events(6_000, MIXES[mix] * 3, shop=shop, active=40))
    by_shopper: dict[str, list[Event]] = defaultdict(list)
    for event in stream:
        by_shopper[event.shopper].append(event)
    query_pairs = bought_pairs = 0
    for found in by_shopper.values():
        kinds = [key.split(b"\0") for _, key in standing(found, WindowSettings())]
        query_pairs += sum(parts[1] in (BOUGHT, CLICKED) and len(parts) == 4 for parts in kinds)
        bought_pairs += sum(parts[1] == WITH for parts in kinds)
    assert bought_pairs > 10
    assert ingest.pairs_in(list(native(iter(stream)))) == (query_pairs, bought_pairs)


@pytest.mark.parametrize("mix", MIXES)
def test_a_mix_has_the_purchases_and_the_size_that_its_name_says(mix: str):
    feed = list(native(events(40_000, MIXES[mix], shop=made_up_shop(), active=500)))
    bought = sum(b'"kind":"purchase"' in each.value for each in feed) / len(feed)
    assert bought == pytest.approx(MIXES[mix], rel=0.1)
    assert sum(len(each.value) for each in feed) / len(feed) == pytest.approx(200, abs=12)


def test_open_sessions_stay_open_and_in_order():
    stream = list(visitors(50, 4, shop=made_up_shop()))
    times = [event.at_ms for event in stream]
    assert times == sorted(times)
    assert times[-1] - times[0] < WindowSettings().gap_ms
    assert len({event.shopper for event in stream}) == 50


def test_a_part_of_a_lock_has_all_that_its_packages_need():
    assert [line for line in select(LOCK, ["alpha"]).splitlines() if "==" in line] == [
        "alpha==1.0 \\",
        "beta==2.0 \\",
        "delta==4.0 \\",
    ]


def test_bytewax_is_left_out_where_it_has_no_wheels():
    assert has_bytewax((3, 11))
    assert not has_bytewax((3, 13))


def test_a_figure_with_a_peer_is_judged_by_the_ratio():
    fast = row("x", [290.0, 310.0, 300.0], "1/s", at_least=3.0, peer="p", peer_runs=[90, 110, 101])
    assert (fast.value, fast.peer_value, fast.met) == (300, 101, False)
    assert row("y", [1.5], "s", at_most=2.0).met
    assert row("z", [1.5], "s").met is None


def test_no_tracer_is_as_late_as_an_event_of_the_shop_at_times_is():
    times = [1_000, 9_000_000, 2_000, 9_100_000, 3_000, 4_000, 5_000, 5_500, 6_000, 7_000]
    shop = SampleShop(
        [], [ShopEvent(at, Feed(b"s", b"%d" % at)) for at in times], [("A0", "B0"), ("A1", "B1")]
    )
    paced = sent_of(shop, rate=20.0, seconds=1.0).paced
    ends = {name: feed[-1].value for feed, name in paced if name is not None}
    assert [len(feed) for feed, name in paced if name is None] == [2, 2, 2]
    assert b'"timestamp": 9000001' in ends["A0"]
    assert b'"timestamp": 9100001' in ends["A1"]


def test_the_longest_silence_is_between_arrivals_whatever_was_sent_first():
    waits = [(0.0, 1.0), (1.0, 6.0), (2.0, 1.5), (6.5, 1.0)]
    assert Ran(waits, [], "", 0).longest_silence == 3.5
    assert Ran([(2.0, 4.0)], [], "", 0).longest_silence == 4.0
