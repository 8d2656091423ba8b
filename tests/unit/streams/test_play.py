"""Files played as topics: order, limits, products told once, and the real data counted up."""

import gzip
import json
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from streams.errors import SourceError
from streams.play import FORMATS, Played, format_of, open_play, pace
from streams.ports import Record
from streams.route.stage import Route, RouteSettings
from streams.sources import SOURCES
from streams.sources.online_retail import COLUMNS
from streams.sources.said import RawEvent, RawProduct

REPOSITORY = Path(__file__).parents[3]
SHARED = Path(os.environ.get("CARTOGRAPH_SHARED", REPOSITORY.parent / "shared"))
HEADER = ",".join(COLUMNS)
INVOICES = [
    "1,A,LAMP,1,2011-01-01 10:00:00,2.5,7.0,UK",
    "1,B,,1,2011-01-01 10:00:00,2.5,7.0,UK",
    "2,A,LAMP,1,2011-01-02 10:00:00,2.5,,UK",
    "3,A,found,-3,2011-01-03 10:00:00,0,,UK",
    "4,A,BIG LAMP,1,2011-01-04 10:00:00,2.5,8.0,UK",
    "5,A,LAMP,1,2011-01-05 10:00:00,2.5,8.0,UK",
]


def retail(folder: Path, rows: Iterable[str] = INVOICES, name: str = "r.csv") -> Path:
    path = folder / name
    text = "\n".join([HEADER, *rows]) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def lines(folder: Path, records: Iterable[object], name: str = "x.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def events(played: Iterable[Played]) -> list[str]:
    return [each.value.decode() for each in played if each.kind == "events"]


def test_every_format_names_sources_that_there_are() -> None:
    for form in FORMATS.values():
        assert {form.events, form.catalog} <= {*SOURCES, ""}


def test_every_line_of_a_csv_is_a_record_and_the_header_is_not(tmp_path: Path) -> None:
    assert events(open_play("online-retail", [retail(tmp_path)])) == INVOICES
    packed = retail(tmp_path, name="r.csv.gz")
    assert events(open_play("online-retail", [packed, packed])) == INVOICES * 2


def test_a_product_is_told_once_for_each_name_before_the_event_that_names_it(
    tmp_path: Path,
) -> None:
    played = list(open_play("online-retail", [retail(tmp_path)]))
    told = [(place, each) for place, each in enumerate(played) if each.kind == "catalog"]
    assert [json.loads(each.value) for _, each in told] == [
        {"product_id": "A", "title": "LAMP"},
        {"product_id": "A", "title": "BIG LAMP"},
    ]
    assert [played[place + 1].value.decode() for place, _ in told] == [INVOICES[0], INVOICES[4]]
    assert {each.key for _, each in told} == {b"A"}


def test_records_of_a_shopper_have_one_key_and_time_is_that_of_the_event(tmp_path: Path) -> None:
    played = [p for p in open_play("online-retail", [retail(tmp_path)]) if p.kind == "events"]
    assert [each.key for each in played] == [b"7", b"7", b"invoice 2", b"invoice 3", b"8", b"8"]
    assert played[0].at_ms == 1_293_876_000_000


def test_a_limit_counts_records_of_the_file_and_from_leaves_older_ones_out(tmp_path: Path) -> None:
    path = retail(tmp_path)
    assert events(open_play("online-retail", [path], limit=2)) == INVOICES[:2]
    late = open_play("online-retail", [path], from_ms=1_294_000_000_000)
    assert events(late) == INVOICES[3:]


def test_a_quoted_line_break_does_not_end_a_record(tmp_path: Path) -> None:
    rows = ['1,A,"LAMP', 'BIG",1,2011-01-01 10:00:00,2.5,7.0,UK']
    assert events(open_play("online-retail", [retail(tmp_path, rows)])) == [
        '1,A,"LAMP BIG",1,2011-01-01 10:00:00,2.5,7.0,UK'
    ]


def test_a_file_of_another_format_is_refused_with_what_was_expected(tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(SourceError, match=r"other\.csv: the first line is not .*InvoiceNo"):
        list(open_play("online-retail", [path]))
    with pytest.raises(SourceError, match=r"gone\.csv cannot be played"):
        list(open_play("online-retail", [tmp_path / "gone.csv"]))
    (tmp_path / "bad.gz").write_bytes(b"no gzip")
    with pytest.raises(SourceError, match=r"bad\.gz cannot be played"):
        list(open_play("icecat", [tmp_path / "bad.gz"]))
    with pytest.raises(SourceError, match="'avro' is no format to play: use one of native"):
        open_play("avro", [path])
    with pytest.raises(SourceError, match="nothing to play"):
        open_play("native", [])


def test_native_lines_go_to_the_topic_of_their_kind_in_the_order_of_the_file(
    tmp_path: Path,
) -> None:
    records = [
        {"product_id": "P", "title": "t"},
        {"action_name": "click", "client_id": "b", "timestamp": 2_000, "product_id": "P"},
        {"action_name": "click", "client_id": "a", "timestamp": 1_000, "product_id": "P"},
        {"action_name": "impression"},
    ]
    played = list(open_play("native", [lines(tmp_path, records)]))
    assert [json.loads(each.value) for each in played] == records
    assert [each.kind for each in played] == ["catalog", "events", "events", "events"]
    assert [each.key for each in played] == [b"P", b"b", b"a", None]
    assert [each.at_ms for each in played] == [None, 2_000_000, 1_000_000, None]


def test_ubi_is_played_in_pairs_by_time_and_names_products_that_are_products(
    tmp_path: Path,
) -> None:
    def event(at: int, action: str, name: str) -> list[object]:
        about = {"object": {"object_id": f"P{at}", "description": name}}
        action_line = {"index": {"_index": "ubi_events", "_id": at}}
        told = {"action_name": action, "client_id": "c", "timestamp": at * 10**9}
        return [action_line, {**told, "event_attributes": about}]

    rows = [
        *event(1_700, "impression", "Clogs"),
        *event(1_600, "click", "Boots"),
        *event(1_650, "brand_filter", "brand"),
    ]
    played = list(open_play("ubi", [lines(tmp_path, rows)]))
    assert [each.at_ms for each in played if each.kind == "events"] == [
        1_600_000_000_000,
        1_650_000_000_000,
        1_700_000_000_000,
    ]
    assert all(each.value.count(b"\n") == 1 for each in played if each.kind == "events")
    titles = [json.loads(each.value) for each in played if each.kind == "catalog"]
    assert titles == [
        {"product_id": "P1600", "title": "Boots"},
        {"product_id": "P1700", "title": "Clogs"},
    ]


def test_a_mapping_plays_the_topic_that_it_reads(tmp_path: Path) -> None:
    golden = REPOSITORY / "tests" / "golden" / "sources"
    assert format_of(f"mapping:{golden / 'segment.toml'}").catalog == ""
    assert format_of(f"mapping:{golden / 'shop-catalog.toml'}").events == ""
    path = lines(tmp_path, [{"sku": 7, "name": {"en": "x"}}])
    (played,) = open_play(f"mapping:{golden / 'shop-catalog.toml'}", [path])
    assert (played.kind, played.key, played.at_ms) == ("catalog", b"7", None)


def test_pace_follows_event_time_and_never_goes_back() -> None:
    times = [1_000, 3_000, 2_000, None, 5_000]
    records = [Played("events", None, b"", at) for at in times]
    assert [due for due, _ in pace(records, 2.0)] == [0.0, 1.0, 1.0, 1.0, 2.0]
    assert [due for due, _ in pace(records, 0)] == [0.0] * 5
    with pytest.raises(SourceError, match="negative"):
        list(pace(records, -1))


def shared(*parts: str) -> Path:
    path = SHARED.joinpath("data", *parts)
    if not path.exists():
        pytest.skip(f"{path.name} is not there: set CARTOGRAPH_SHARED to the shared folder")
    return path


def ends(name: str, files: list[Path]) -> Counter[str]:
    """The tally of ROUTE over whole files; events under "ev", products under "cat"."""
    form = format_of(name)
    named = {"ev": form.events, "cat": form.catalog}
    route = Route(RouteSettings({t: s for t, s in named.items() if s}, b"0123456789abcdef", 8))
    tally: Counter[str] = Counter()
    for offset, each in enumerate(open_play(name, files)):
        topic = "ev" if each.kind == "events" else "cat"
        record = Record(offset, 2 * 10**12, each.key, each.value)
        tally.update(route.route(topic, 0, [record]).tally)
        tally[f"{topic}.read"] += 1
    for topic in named:
        parts = (tally[f"{topic}.{end}"] for end in ("used", "unused", "dead_letter", "stale"))
        assert sum(parts) == tally[f"{topic}.read"]
    return tally


@pytest.mark.slow
@pytest.mark.shared
def test_all_334054_lines_of_online_retail_are_accounted_for() -> None:
    from streams.sources.online_retail import look

    path = shared("online-retail", "2010-12_to_2011-09-09.csv.gz")
    said: Counter[str] = Counter()
    products = 0
    for each in open_play("online-retail", [path]):
        if each.kind == "catalog":
            products += 1
            continue
        told = look(each.value).said
        said[told.kind if isinstance(told, RawEvent) else told.why] += 1  # type: ignore[union-attr]
    assert said.total() == 334_054
    assert said == {
        "purchase": 324_584,
        "return": 5_627,
        "service": 2_020,
        "adjustment": 946,
        "no_price": 877,
    }
    assert products == 3_843


@pytest.mark.shared
def test_all_ubi_records_are_accounted_for() -> None:
    tally = ends("ubi", [shared("ubi-esci", "ubi_queries_events.ndjson")])
    assert tally["ev.read"] == 473 + 3_448
    assert (tally["ev.used"], tally["ev.unused"], tally["ev.dead_letter"]) == (1_597, 2_318, 6)
    assert tally["dead.empty_query"] == 6
    assert tally["cat.used"] == tally["cat.read"] > 400


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "folder", "count"), [("icecat", "icecat", 16_889), ("myntra", "myntra-styles", 39_953)]
)
def test_every_product_of_a_catalog_is_read(name: str, folder: str, count: int) -> None:
    path = shared(folder, "products.jsonl.gz")
    source = SOURCES[name](())
    said = [source.read(each.value)[0] for each in open_play(name, [path])]
    assert len(said) == count
    assert all(isinstance(each, RawProduct) and each.attributes for each in said)


@pytest.mark.slow
@pytest.mark.shared
def test_the_complete_journey_is_played_by_time() -> None:
    files = [
        shared("completejourney", name)
        for name in ("transactions_sample.csv.gz", "products.csv.gz")
    ]
    played = list(open_play("complete-journey", files))
    assert Counter(each.kind for each in played) == {"catalog": 92_331, "events": 75_000}
    times = [each.at_ms or 0 for each in played if each.kind == "events"]
    assert times == sorted(times)
    assert times[0] > 0
