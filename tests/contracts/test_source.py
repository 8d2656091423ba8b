"""What ROUTE relies on in every source, whoever wrote it; a new source is added to GOOD."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.sources import SOURCES, find
from streams.sources.said import (
    KINDS,
    REASONS,
    WHYS,
    RawEvent,
    RawProduct,
    Rejected,
    Source,
    Unused,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "sources"
AT_MS = 1_746_093_600_000
GOOD = {
    "native": {"action_name": "click", "client_id": "c", "timestamp": AT_MS, "product_id": "P"},
    "ubi": {"action_name": "click", "client_id": "c", "timestamp": AT_MS, "product_id": "P"},
    "native-catalog": {"product_id": "P", "title": "t"},
    "icecat": {"id": "P", "title": "t"},
    "myntra": {"id": "P", "title": "t"},
    "online-retail": "1,P,t,1,2025-05-01 10:00:00,2.5,c,UK",
    "complete-journey": "c,1,b,P,1,2.5,0,0,0,1,2025-05-01 10:00:00",
    "complete-journey-products": "P,1,D,National,C,t,",
    "segment": {
        "event": "Product Clicked",
        "anonymousId": "c",
        "timestamp": AT_MS,
        "properties": {"product_id": "P"},
    },
    "ga4": {
        "event_name": "select_item",
        "event_timestamp": AT_MS * 1000,
        "user_pseudo_id": "c",
        "items": [{"item_id": "P"}],
    },
    "shop-catalog": {"sku": "P", "name": {"en": "t"}},
}


def source(name: str) -> Source:
    return find(name if name in SOURCES else str(GOLDEN / f"{name}.toml"))


def good(name: str) -> bytes:
    record = GOOD[name]
    return record.encode() if isinstance(record, str) else json.dumps(record).encode()


def test_every_source_is_under_the_contract() -> None:
    assert set(SOURCES) <= set(GOOD)


@pytest.mark.parametrize("name", GOOD)
def test_a_good_record_is_read_and_its_time_seen(name: str) -> None:
    (said,) = source(name).read(good(name))
    if source(name).catalog:
        assert isinstance(said, RawProduct)
        assert said.id == "P"
        assert said.title == "t"
        assert source(name).event_time(good(name)) is None
    else:
        assert isinstance(said, RawEvent)
        assert (said.shopper, said.product, said.at_ms) == ("c", "P", AT_MS)
        assert source(name).event_time(good(name)) == AT_MS


@pytest.mark.parametrize("name", GOOD)
def test_reading_twice_says_the_same(name: str) -> None:
    assert list(source(name).read(good(name))) == list(source(name).read(good(name)))
    assert list(source(name).read(good(name))) == list(find_again(name).read(good(name)))


def find_again(name: str) -> Source:
    return source(name)


@given(st.sampled_from(sorted(GOOD)), st.binary(max_size=80))
def test_any_bytes_give_parts_and_never_raise(name: str, value: bytes) -> None:
    check(source(name), value)


@given(st.sampled_from(sorted(GOOD)), st.data())
def test_damaged_records_give_parts_and_never_raise(name: str, data: st.DataObject) -> None:
    value = good(name)
    start = data.draw(st.integers(0, len(value)))
    end = data.draw(st.integers(start, len(value)))
    check(source(name), value[:start] + data.draw(st.binary(max_size=5)) + value[end:])


def check(under_test: Source, value: bytes) -> None:
    said = under_test.read(value)
    assert len(said) > 0, "a record that says nothing would vanish"
    for each in said:
        if isinstance(each, RawEvent):
            assert each.kind in KINDS
            assert isinstance(each.at_ms, int | None)
        elif isinstance(each, Rejected):
            assert each.reason in REASONS
        elif isinstance(each, Unused):
            assert each.why in WHYS
        else:
            assert isinstance(each, RawProduct)
    assert isinstance(under_test.event_time(value), int | None)


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize(
    "value", [b"[" * 100_000, b'{"a":' * 100_000, b'"' * 100_000, b"\\" * 9_999]
)
def test_deep_and_hostile_values_are_rejected_quickly(name: str, value: bytes) -> None:
    said = source(name).read(value)
    assert all(isinstance(each, Rejected) for each in said)
