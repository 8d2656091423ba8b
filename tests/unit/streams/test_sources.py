"""Rules of reading that the golden samples do not show: times, depth, ids, actions, the schema."""

import json
from datetime import UTC, datetime
from importlib import resources
from zoneinfo import ZoneInfo

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import SourceError
from streams.sources import find, json_text, native
from streams.sources.fields import attributes_of, id_of, path_of
from streams.sources.said import RawEvent, RawProduct, Rejected, Said, Unused
from streams.sources.times import to_ms

INSTANTS = st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000)
)


def one(record: object, spec: str = "native", **options: tuple[str, ...]) -> Said:
    (said,) = find(spec, **options).read(json.dumps(record).encode())
    return said


def ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


@given(INSTANTS)
def test_every_spelling_of_a_time_is_the_same_instant(at: datetime) -> None:
    expected = ms(at)
    assert to_ms(at.isoformat()) == expected
    assert to_ms(at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z") == expected
    assert to_ms(at.astimezone(ZoneInfo("Asia/Kolkata")).isoformat()) == expected
    assert to_ms(at.replace(tzinfo=None).isoformat(" ")) == expected
    assert to_ms(at.replace(tzinfo=None).isoformat(" ") + " UTC") == expected
    assert to_ms(expected / 1000, "s") == expected
    for unit, per_ms in (("ms", 1), ("us", 1_000), ("ns", 1_000_000)):
        assert to_ms(expected * per_ms, unit) == expected  # type: ignore[arg-type]


@given(st.integers(10**8, 4 * 10**9))
def test_the_unit_of_a_number_follows_from_its_size(seconds: int) -> None:
    for told in (seconds, seconds * 10**3, seconds * 10**6, seconds * 10**9, str(seconds)):
        assert to_ms(told) == seconds * 1000


@given(st.one_of(st.text(max_size=40), st.floats(), st.integers(), st.none(), st.booleans()))
def test_no_value_makes_reading_a_time_raise(value: object) -> None:
    for unit in ("auto", "iso", "s", "ns"):
        assert isinstance(to_ms(value, unit), int | None)  # type: ignore[arg-type]


def test_a_zone_counts_only_where_the_time_names_none() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert to_ms("2025-07-01T12:00:00", "iso", berlin) == to_ms("2025-07-01T10:00:00Z")
    assert to_ms("2025-07-01T12:00:00Z", "iso", berlin) == to_ms("2025-07-01T12:00:00Z")


@given(st.recursive(st.none() | st.text(max_size=5), st.lists, max_leaves=20), st.integers(0, 200))
def test_depth_is_counted_outside_of_strings_only(inner: object, around: int) -> None:
    value = json.dumps(inner).encode()
    level = deepest = 0
    in_text = escaped = False
    for char in value.decode():
        if in_text:
            in_text, escaped = char != '"' or escaped, char == "\\" and not escaped
        elif char == '"':
            in_text = True
        elif char in "[]":
            level += 1 if char == "[" else -1
            deepest = max(deepest, level)
    wrapped = b"[" * around + value + b"]" * around
    assert json_text.too_deep(wrapped) == (deepest + around > json_text.MAX_DEPTH)


def test_nesting_of_64_is_read_and_of_65_is_not() -> None:
    for depth, reason in ((64, None), (65, "too_deep"), (100_000, "too_deep")):
        inner = depth - 1
        value = b'{"action_name":"view","client_id":"c","timestamp":1,"product_id":"p","x":%s}' % (
            b"[" * inner + b"]" * inner
        )
        (said,) = find("native").read(value)
        assert (said.reason if isinstance(said, Rejected) else None) == reason


def test_brackets_in_text_are_no_nesting() -> None:
    said = one({"product_id": "p", "title": "[" * 500 + '\\"' + "{" * 500})
    assert isinstance(said, RawProduct)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "not_json"),
        (b"\x00\x00\x00\x00\x07{}", "not_json"),
        (b"\x00\x00\x00\x00\xff\xfe", "not_json"),
        (b'{"client_id":"\xff"}', "bad_utf8"),
        (b'{"client_id":"c"', "not_json"),
        (b"7", "wrong_type"),
        (b'{"action_name":7}', "wrong_type"),
        (b'{"action_name":"click","client_id":["c"]}', "wrong_type"),
        (b"{}", "unknown_record"),
        (b'{"id":"7"}', "unknown_record"),
        (b'{"client_id":"\\ud800","action_name":"click"}', "not_json"),
    ],
)
def test_what_cannot_be_read_says_why(value: bytes, reason: str) -> None:
    (said,) = find("native").read(value)
    assert isinstance(said, Rejected)
    assert said.reason == reason


def test_the_detail_of_a_rejection_holds_nothing_of_the_record() -> None:
    for value in (b'{"client_id":["jane@mail.example"]}', b'{"client_id":"jane@mail.example"'):
        (said,) = find("native").read(value)
        assert isinstance(said, Rejected)
        assert "jane" not in said.detail


def test_ids_are_the_same_as_text_and_as_numbers() -> None:
    assert {id_of(each) for each in ("17850", 17850, 17850.0)} == {"17850"}
    assert id_of(None) == id_of(True) == id_of([]) == ""


def test_a_query_without_a_time_takes_the_one_of_its_kafka_record() -> None:
    said = one({"user_query": "clogs", "client_id": "c"})
    assert isinstance(said, RawEvent)
    assert said.at_ms is None
    assert one({"user_query": "clogs", "client_id": "c", "timestamp": "soon"}) == Rejected(
        "bad_time", "timestamp cannot be read"
    )


def test_the_browser_comes_before_the_user_and_the_session() -> None:
    base = {"action_name": "click", "timestamp": 1746093900000, "product_id": "P"}
    ids = {"client_id": "c", "user_id": "u", "session_id": "s"}
    for taken in ("c", "u", "s"):
        said = one({**base, **ids})
        assert isinstance(said, RawEvent)
        assert said.shopper == taken
        empty = one({**base, **ids, {"c": "client_id", "u": "user_id", "s": "x"}[taken]: ""})
        assert isinstance(empty, RawEvent)
        assert empty.shopper == {"c": "u", "u": "s", "s": "s"}[taken]
        ids.pop({"c": "client_id", "u": "user_id", "s": "session_id"}[taken])


def test_the_setting_says_what_a_purchase_is() -> None:
    def kind(action: str, *purchase_actions: str) -> str:
        record = {"action_name": action, "client_id": "c", "timestamp": 1, "product_id": "P"}
        said = one(record, purchase_actions=purchase_actions or ("purchase", "buy"))
        return said.kind if isinstance(said, RawEvent) else type(said).__name__

    assert kind("buy") == kind("purchase") == kind("Order Completed") == "purchase"
    assert kind("add_to_cart") == "add_to_cart"
    assert kind("add_to_cart", "purchase", "add_to_cart") == "purchase"
    assert kind("product-added", "add_to_cart") == "purchase"
    assert kind("purchase", "add_to_cart") == "Unused"
    assert kind("hover") == "Unused"


def test_words_made_up_for_ever_do_not_fill_the_memory() -> None:
    from streams.sources.actions import Actions

    actions = Actions()
    for number in range(3_000):
        assert actions[f"word {number}"] is None
    assert len(actions) <= 1_000
    assert actions["click"] == "click"


def test_attributes_keep_every_field_and_value_once_in_order() -> None:
    assert attributes_of(
        {
            "b": ["x", "x", 2],
            "a": {"c": True, "d": {"e": 1.5}},
            "": "nameless",
            "n": None,
            "props": [{"name": "Sole", "value": ["rubber", "grip"]}, {"key": "K", "value": ""}],
        }
    ) == {"b": ["x", "2"], "a.c": ["yes"], "a.d.e": ["1.5"], "Sole": ["rubber", "grip"]}


def test_category_paths_are_texts_or_lists() -> None:
    assert path_of("Shoes > Boots>") == path_of(["Shoes", " Boots", ""]) == ("Shoes", "Boots")
    assert path_of(7) == ()


def test_an_array_is_read_part_by_part() -> None:
    records = [{"action_name": "impression"}, {"user_query": "x", "client_id": "c"}, 7]
    said = find("native").read(b" " + json.dumps(records).encode())
    assert [type(each) for each in said] == [Unused, RawEvent, Rejected]
    assert find("native").read(b"[]") == [Unused("empty")]


def test_event_time_is_that_of_the_first_record() -> None:
    assert native.event_time(b'[{"timestamp":"2025-05-01T10:00:00Z"},{}]') == 1746093600000
    assert native.event_time(b'{"timestamp":1746093600}') == 1746093600000
    for nothing in (b"", b"[]", b"{}", b"[" * 5_000, b"\xff", b'{"timestamp":[]}'):
        assert native.event_time(nothing) is None


def test_an_unknown_format_is_told_with_those_there_are() -> None:
    with pytest.raises(SourceError, match=r"'avro' is no format: use one of native, .*mapping"):
        find("avro")
    with pytest.raises(SourceError, match=r"mapping file nowhere\.toml cannot be read"):
        find("mapping:nowhere.toml")


SCHEMA = json.loads(
    resources.files("streams").joinpath("schemas/native.schema.json").read_text("utf-8")
)
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
EVENT = {"action_name": "click", "client_id": "c", "timestamp": "2025-05-01T10:00:00Z"}


@pytest.mark.parametrize(
    ("record", "fits"),
    [
        (EVENT, True),
        ({**EVENT, "event_attributes": {"object": {"object_id": 7}, "position": {"x": 1}}}, True),
        ({**EVENT, "anything": [{}], "client_id": None, "user_id": 7}, True),
        ([EVENT, {"user_query": "clogs", "client_id": 1}], True),
        ({"product_id": "P1", "title": "Clogs", "colour": "white"}, True),
        ({"id": 7, "deleted": True}, True),
        ({**EVENT, "action_name": "purchase", "items": [{"item_id": "P"}]}, True),
        ({**EVENT, "client_id": ["c"]}, False),
        ({**EVENT, "timestamp": None}, False),
        ({"action_name": "click", "client_id": "c"}, False),
        ({"action_name": "click", "timestamp": 1, "product_id": "P"}, False),
        ({"user_query": "  ", "client_id": "c"}, False),
        ({"product_id": "P1"}, False),
        ({"title": "Clogs"}, False),
        ({"product_id": "P" * 201, "title": "Clogs"}, False),
        (7, False),
    ],
)
def test_what_the_schema_takes_is_read_and_what_it_refuses_is_not(
    record: object, fits: bool
) -> None:
    from streams.ports import Record
    from streams.route.stage import Route, RouteSettings

    VALIDATOR.check_schema(SCHEMA)
    assert VALIDATOR.is_valid(record) == fits
    route = Route(RouteSettings({"t": "native"}, b"0123456789abcdef", 4))
    out = route.route("t", 0, [Record(0, 1746093600000, None, json.dumps(record).encode())])
    assert (out.tally["t.dead_letter"] == 0) == fits
