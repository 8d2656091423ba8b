"""Whatever the bytes: ROUTE never raises, and every record ends in one outcome."""

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from streams.dead_letters import decode_dead_letter
from streams.events import decode_event, decode_product
from streams.outcomes import OUTCOMES
from streams.ports import Record
from streams.route.stage import UNUSED, Route, Routed, RouteSettings
from streams.sources import SOURCES
from streams.sources.said import REASONS, WHYS

GOLDEN = Path(__file__).parents[1] / "golden" / "sources"
MAPPINGS = {path.stem: str(path) for path in sorted(GOLDEN.glob("*.toml"))}
TOPICS = {name: name for name in SOURCES} | MAPPINGS
SAMPLES = [
    record for path in sorted(GOLDEN.glob("*.in")) for record in path.read_bytes().split(b"\n\n")
]

WORDS = """
action_name client_id user_id session_id timestamp query_id user_query event_attributes object
object_id product_id items quantity order_id event_id message id title attributes category deleted
event properties products event_name event_params key value sku
"""
KEYS = st.sampled_from(WORDS.split())
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**19), 10**19)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["click", "purchase", "search", "2025-05-01", "Order Completed", "QUERY"])
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6)
)


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """A good record with some bytes cut out, doubled or replaced."""
    value = draw(st.sampled_from(SAMPLES))
    start = draw(st.integers(0, len(value)))
    end = draw(st.integers(start, min(start + 12, len(value))))
    return value[:start] + draw(st.binary(max_size=6)) + value[end:]


BYTES = (
    st.none()
    | st.binary(max_size=60)
    | st.sampled_from(SAMPLES)
    | spoilt()
    | st.dictionaries(KEYS, VALUES, max_size=8).map(lambda record: json.dumps(record).encode())
    | st.lists(VALUES, max_size=4).map(lambda record: json.dumps(record).encode())
)
RECORDS = st.lists(
    st.builds(
        Record,
        st.integers(0, 2**40),
        st.sampled_from([-1, 0, 1_746_093_600_000, 4 * 10**12]),
        st.none() | st.binary(max_size=8),
        BYTES,
    ),
    max_size=6,
)


@lru_cache
def route() -> Route:
    return Route(RouteSettings(TOPICS, b"0123456789abcdef", 8, max_bytes=5_000))


def ends(routed: Routed, topic: str) -> dict[str, int]:
    return {end: routed.tally[f"{topic}.{end}"] for end in (*OUTCOMES, UNUSED)}


@given(st.sampled_from(sorted(TOPICS)), RECORDS)
def test_every_record_ends_in_one_outcome(topic: str, records: Sequence[Record]) -> None:
    routed = route().route(topic, 3, records)
    assert sum(ends(routed, topic).values()) == len(records)
    for record in records:
        alone = route().route(topic, 3, [record])
        assert sum(count > 0 for count in ends(alone, topic).values()) == 1


@given(st.sampled_from(sorted(TOPICS)), RECORDS)
def test_a_batch_is_its_records_one_after_the_other(topic: str, records: Sequence[Record]) -> None:
    fresh = Route(RouteSettings(TOPICS, b"0123456789abcdef", 8, max_bytes=5_000))
    one_by_one = [m for record in records for m in fresh.route(topic, 3, [record]).messages]
    assert route().route(topic, 3, records).messages == one_by_one


@given(st.sampled_from(sorted(TOPICS)), RECORDS)
def test_what_is_sent_can_be_read_and_is_counted(topic: str, records: Sequence[Record]) -> None:
    routed = route().route(topic, 3, records)
    dead = 0
    for message in routed.messages:
        if message.topic == "events":
            event = decode_event(message.value)
            assert message.key == event.shopper.encode()
            assert len(event.shopper) == 22
            assert event.at_ms >= 0
        elif message.topic == "catalog":
            product = decode_product(message.value)
            assert message.key == product.id.encode() + b"\x000"
            assert 0 < len(product.id) <= 200
        else:
            dead += 1
            assert decode_dead_letter(message.value).reason in REASONS
    assert dead == sum(routed.tally[f"dead.{reason}"] for reason in REASONS)
    named = {f"dead.{reason}" for reason in REASONS} | {f"unused.{why}" for why in WHYS}
    named |= {f"{topic}.{end}" for end in (*OUTCOMES, UNUSED)}
    named |= {"events.out", "catalog.out", "dead-letters.out"}
    assert set(routed.tally) <= named


@given(st.sampled_from(sorted(TOPICS)), RECORDS)
def test_looking_at_the_time_of_a_record_never_raises(
    topic: str, records: Sequence[Record]
) -> None:
    for record in records:
        assert isinstance(route().event_time(topic, record), int | None)


@given(st.text(min_size=1, max_size=30), st.integers(0, 2 * 10**12))
def test_a_good_click_is_used_whatever_the_ids(client: str, at_ms: int) -> None:
    record = {"action_name": "click", "client_id": "c" + client, "timestamp": str(at_ms)}
    value = json.dumps({**record, "product_id": "P"}, ensure_ascii=False).encode(errors="replace")
    # Numbers below 10**11 are seconds: none is ahead of this record.
    routed = route().route("native", 0, [Record(0, 10**14, None, value)])
    assert routed.tally["native.used"] == 1
