"""ROUTE: what it lets pass, what it makes safe, and that every record is accounted for."""

import json

import msgspec
import pytest

from streams.dead_letters import decode_dead_letter
from streams.errors import SettingsError, SourceError
from streams.events import Product, Search, decode_event, decode_product
from streams.ports import Message, Record
from streams.privacy import pseudonym
from streams.route.stage import HOUR_MS, Route, Routed, RouteSettings
from streams.topics import partition_of

SECRET = b"0123456789abcdef"
NOW_MS = 1_746_093_600_000
CLICK = {"action_name": "click", "client_id": "jane", "timestamp": NOW_MS, "product_id": "P1"}
SEARCH = {"action_name": "search", "client_id": "jane", "timestamp": NOW_MS, "user_query": "clogs"}


def settings(**changes: object) -> RouteSettings:
    sources = {"clicks": "native", "other": "native", "catalog": "native-catalog"}
    return RouteSettings(**{"sources": sources, "secret": SECRET, "partitions": 8, **changes})  # type: ignore[arg-type]


def send(
    record: object,
    *,
    topic: str = "clicks",
    partition: int = 0,
    offset: int = 0,
    at_ms: int = NOW_MS,
    key: bytes | None = None,
    **changes: object,
) -> Routed:
    value = record if isinstance(record, bytes | None) else json.dumps(record).encode()
    source_record = Record(offset, at_ms, key, value)
    return Route(settings(**changes)).route(topic, partition, [source_record])


def reason(routed: Routed) -> str:
    (message,) = routed.messages
    assert message.topic == "dead-letters"
    return decode_dead_letter(message.value).reason


def only(routed: Routed) -> Message:
    (message,) = routed.messages
    return message


def event_id(record: object, **where: object) -> str:
    return decode_event(only(send(record, **where)).value).id  # type: ignore[arg-type]


def test_an_event_goes_to_the_partition_of_its_pseudonym() -> None:
    message = only(send(CLICK))
    name = pseudonym(SECRET, "jane")
    assert message.key == name.encode()
    assert (message.topic, message.partition) == ("events", partition_of(name.encode(), 8))
    assert decode_event(message.value).shopper == name


def test_no_raw_id_is_sent() -> None:
    raw = {
        **CLICK,
        "action_name": "purchase",
        "session_id": "raw-session",
        "query_id": "raw-query",
        "order_id": "raw-order",
        "event_id": "raw-event",
        "user_id": "raw-user",
    }
    message = only(send(raw))
    sent = (message.value + message.key).decode()
    assert "raw-" not in sent
    assert "jane" not in sent


def test_another_secret_gives_other_shoppers() -> None:
    assert only(send(CLICK)).key != only(send(CLICK, secret=SECRET + b"!")).key


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(SettingsError, match="CARTOGRAPH_SECRET"):
        Route(settings(secret=b"short"))


def test_a_topic_without_a_format_is_an_error_that_names_the_others() -> None:
    with pytest.raises(SourceError, match=r"'orders' has no format: .* catalog, clicks, other"):
        send(CLICK, topic="orders")


def test_a_time_over_an_hour_ahead_is_a_dead_letter_and_the_past_is_not() -> None:
    assert only(send(CLICK, at_ms=NOW_MS - HOUR_MS)).topic == "events"
    assert reason(send(CLICK, at_ms=NOW_MS - HOUR_MS - 1)) == "future"
    assert only(send(CLICK, at_ms=NOW_MS - HOUR_MS - 1, future_ms=2 * HOUR_MS)).topic == "events"
    ten_years_ahead = {**CLICK, "timestamp": "2035-05-01T10:00:00Z"}
    assert reason(send(ten_years_ahead)) == "future"
    assert only(send({**CLICK, "timestamp": "2010-05-01T10:00:00Z"})).topic == "events"
    assert only(send({**CLICK, "timestamp": "1970-01-01T00:00:00Z"})).topic == "events"
    assert reason(send({**CLICK, "timestamp": "1969-12-31T23:59:59Z"})) == "bad_time"


def test_a_query_without_a_time_has_that_of_its_record() -> None:
    message = only(send({"user_query": "clogs", "client_id": "jane"}, at_ms=NOW_MS + 5))
    assert decode_event(message.value).at_ms == NOW_MS + 5


@pytest.mark.parametrize("nobody", ["", "  ", "null", "undefined", "None", "NaN", "anonymous"])
def test_nobody_is_no_shopper(nobody: str) -> None:
    assert reason(send({**CLICK, "client_id": nobody})) == "missing_id"


def test_ids_that_differ_by_white_space_are_one() -> None:
    assert only(send({**CLICK, "client_id": " jane "})).key == only(send(CLICK)).key
    spaced = decode_event(only(send({**CLICK, "product_id": " P1\n"})).value)
    assert spaced == decode_event(only(send(CLICK)).value)


@pytest.mark.parametrize(
    ("product", "why"),
    [
        ("", "missing_id"),
        ("P" * 201, "bad_id"),
        ("P\0", "bad_id"),
        ("a\nb", "bad_id"),
        ("a\u2028b", "bad_id"),
    ],
)
def test_a_product_id_that_no_key_can_hold_is_a_dead_letter(product: str, why: str) -> None:
    assert reason(send({**CLICK, "product_id": product})) == why


def test_the_longest_product_id_and_odd_letters_pass() -> None:
    for product in ("P" * 200, "größe 42/½ 靴", "a\u00a0b"):
        assert decode_event(only(send({**CLICK, "product_id": product})).value).product == product  # type: ignore[union-attr]


def test_a_value_that_is_too_long_is_not_read() -> None:
    value = json.dumps({**CLICK, "x": "y" * 3_000_000}).encode()
    assert reason(send(value)) == "too_long"
    assert only(send(value, max_bytes=4_000_000)).topic == "events"


def test_the_text_of_a_search_is_scrubbed_and_normalised() -> None:
    search = {**SEARCH, "user_query": " Slip-Resistant CLOGS jane@mail.example "}
    event = decode_event(only(send(search)).value)
    assert isinstance(event, Search)
    assert event.query == "slip resistant clogs [email]"


@pytest.mark.parametrize("text", ["", " ", "\u200b", "\t\n"])
def test_a_search_without_text_is_a_dead_letter(text: str) -> None:
    assert reason(send({**SEARCH, "user_query": text})) == "empty_query"


def test_an_event_with_an_id_of_its_own_has_the_same_id_wherever_it_stands() -> None:
    told = {**CLICK, "event_id": "e-1"}
    assert event_id(told) == event_id(told, partition=3, offset=99)
    assert event_id(told) != event_id({**told, "event_id": "e-2"})
    assert event_id(told) != event_id(told, topic="other")
    assert event_id(told) != event_id({**told, "action_name": "purchase"})


def test_an_event_without_an_id_is_named_after_its_place() -> None:
    assert event_id(CLICK, partition=2, offset=7) == "clicks/2/7"
    array = [CLICK, {**CLICK, "product_id": "P2"}]
    ids = [decode_event(m.value).id for m in send(array, partition=2, offset=7).messages]
    assert ids == ["clicks/2/7", "clicks/2/7/1"]


def test_a_resent_event_in_another_array_keeps_its_id() -> None:
    told = {**CLICK, "event_id": "e-1"}
    (_, second) = send([CLICK, told]).messages
    assert decode_event(second.value).id == event_id(told)


def test_lines_of_one_basket_have_ids_of_their_own() -> None:
    basket = {
        **CLICK,
        "action_name": "purchase",
        "event_id": "e",
        "items": [{"product_id": "A"}] * 3,
    }
    ids = {decode_event(message.value).id for message in send(basket).messages}
    assert len(ids) == 3


def test_the_query_and_the_event_of_one_search_are_one() -> None:
    query = {"user_query": "Clogs", "client_id": "jane", "query_id": "q", "timestamp": NOW_MS}
    event = {**SEARCH, "query_id": "q", "timestamp": NOW_MS + 3}
    assert event_id(query) == event_id(event, topic="other", offset=5)
    assert event_id(query) != event_id({**query, "user_query": "boots"})
    assert event_id(query) != event_id({**query, "client_id": "joe"})
    assert event_id(query) != event_id({**query, "query_id": "q2"})


def test_a_basket_of_5000_items_is_5000_purchases() -> None:
    items = [{"product_id": f"P{number}"} for number in range(5_000)]
    routed = send({**CLICK, "action_name": "purchase", "items": items})
    assert routed.tally["events.out"] == 5_000
    assert routed.tally["clicks.used"] == 1


def test_a_product_is_keyed_by_its_id_and_the_process_and_knows_its_place() -> None:
    record = {"product_id": "P1", "title": "Clogs", "brand": "Comfy"}
    message = only(send(record, topic="catalog", partition=3, offset=9, process="route-7"))
    assert message.key == b"P1\0route-7"
    assert message.partition == partition_of(b"P1", 8)
    assert decode_product(message.value) == Product(
        "P1", "Clogs", attributes={"brand": ["Comfy"]}, position=(3, 9)
    )


def test_text_of_a_product_is_scrubbed_cut_and_free_of_control_characters() -> None:
    record = {
        "product_id": "P1",
        "title": "A\0B " + "x" * 5_000,
        "description": "mail jane@mail.example",
        "jane@mail.example": ["4111 1111 1111 1111", "\x07", "b"],
    }
    product = decode_product(only(send(record, topic="catalog")).value)
    assert product.title.startswith("A B x")
    assert len(product.title) == 1_000
    assert product.description == "mail [email]"
    assert product.attributes == {"[email]": ["[card]", "b"]}


def test_an_empty_title_passes() -> None:
    product = decode_product(only(send({"product_id": "P1", "title": ""}, topic="catalog")).value)
    assert product.title == ""


@pytest.mark.parametrize("key", [b"P1", b'"P1"'])
def test_a_tombstone_of_a_catalog_withdraws_the_product(key: bytes) -> None:
    message = only(send(None, topic="catalog", key=key, offset=4))
    assert decode_product(message.value) == Product("P1", position=(0, 4), deleted=True)


def test_a_tombstone_elsewhere_means_nothing_and_sends_no_raw_key() -> None:
    for topic, key in (("clicks", b"jane"), ("catalog", None), ("catalog", b"")):
        routed = send(None, topic=topic, key=key)
        assert routed.messages == []
        assert routed.tally == {f"{topic}.stale": 1}


@pytest.mark.parametrize("key", [b"\xff", b'"', b"\0", b'"\\u0000"', b" "])
def test_a_tombstone_with_an_impossible_key_is_a_dead_letter(key: bytes) -> None:
    assert reason(send(None, topic="catalog", key=key)) in ("bad_id", "missing_id")


def test_a_record_with_one_bad_part_is_a_dead_letter_and_its_good_parts_go_on() -> None:
    routed = send([CLICK, {**CLICK, "timestamp": None}, {"action_name": "impression"}])
    assert [message.topic for message in routed.messages] == ["events", "dead-letters"]
    assert routed.tally == {
        "clicks.dead_letter": 1,
        "dead.missing_time": 1,
        "unused.action": 1,
        "events.out": 1,
        "dead-letters.out": 1,
    }
    letter = decode_dead_letter(routed.messages[1].value)
    assert (letter.topic, letter.partition, letter.offset, letter.item) == ("clicks", 0, 0, 1)


def test_a_dead_letter_holds_nothing_of_the_record() -> None:
    routed = send({**CLICK, "client_id": ["jane@mail.example"]})
    assert b"jane" not in only(routed).value + only(routed).key


def test_an_impression_is_read_and_not_used() -> None:
    routed = send({"action_name": "impression", "client_id": "jane"})
    assert routed == Routed([], {"clicks.unused": 1, "unused.action": 1})  # type: ignore[arg-type]


def test_event_time_is_told_for_reading_a_backlog_in_order() -> None:
    route = Route(settings())
    value = json.dumps(CLICK).encode()
    assert route.event_time("clicks", Record(0, 5, None, value)) == NOW_MS
    assert route.event_time("clicks", Record(0, 5, None, None)) is None
    assert route.event_time("catalog", Record(0, 5, None, b'{"product_id":"P"}')) is None


def test_messages_are_as_the_contract_of_events_says() -> None:
    body = msgspec.json.decode(only(send({**CLICK, "event_id": "e"})).value)
    assert set(body) == {"kind", "id", "at_ms", "shopper", "product"}
