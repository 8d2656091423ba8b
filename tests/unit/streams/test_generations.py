"""What is known of graphs beside the first, and what they may differ in."""

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.control.generations import (
    LIVE,
    Generation,
    Generations,
    Serving,
    as_paths_of_here,
    check_base,
    generation_record,
    order_record,
    read_changes,
    serving_record,
    settings_of,
)
from streams.errors import SettingsError, StateError
from streams.process.status import run_folder, stage_folder
from streams.replay.stretch import read_place, read_places
from streams.rights import rights
from streams.settings import RULES, Settings
from streams.settings_rules import NotAllowed
from streams.topics import SHARED, TOPICS, TOTALS, Names

G2 = Generation(name="g2", changes={"k_shoppers": 5})


def test_a_generation_has_topics_groups_and_folders_that_no_other_has():
    base = Settings(data_dir=Path("d"))
    own = settings_of(base, G2)
    mine = {topic.name for topic in TOPICS} - SHARED
    assert set(own.names.owned()) == mine
    for topic in TOPICS:
        shared = topic.name in SHARED
        assert (own.topic(topic.name) == base.topic(topic.name)) == shared
        assert own.topic(topic.name).startswith("graph." if shared else "graph.g2.")
    assert (own.group("graph"), own.graph) == ("graph.g2.graph", "graph.g2/32")
    assert stage_folder(own, "graph") == Path("d/graph.g2/graph")
    assert run_folder(own) == Path("d/run/graph.g2")
    assert (own.k_shoppers, own.metrics_port) == (5, 0)


def test_one_that_is_built_from_totals_reads_those_of_the_first_and_has_no_shoppers():
    generation = Generation(name="t", base="totals")
    own = settings_of(Settings(), generation)
    assert [own.topic(name) for name in ("searched", "bought", "asked")] == [
        "graph.searched",
        "graph.bought",
        "graph.t.asked",
    ]
    assert not TOTALS & set(own.names.owned())
    assert generation.stages == ("queries", "products", "graph")
    assert Generation(name="e").stages == ("shoppers", "queries", "products", "graph")


def test_the_first_one_is_found_from_the_settings_of_any():
    base = Settings(k_shoppers=7)
    assert settings_of(settings_of(base, G2), Generation(name=LIVE)).topic("facts") == "graph.facts"
    assert settings_of(base, Generation(name=LIVE)) == base


@pytest.mark.parametrize("name", ["G2", "live", "a.b", "-a", "a-", "2", "x" * 31, "ä"])
def test_a_name_that_kafka_or_people_would_confuse_is_refused(name: str):
    if name != LIVE:
        with pytest.raises(NotAllowed):
            RULES["generation"].read(name)
    with pytest.raises(StateError, match="lower-case"):
        Generations().check_name(name)


def test_live_names_the_first_one_itself_whichever_answers():
    named = Settings(generation=LIVE)
    assert (named.names, named.graph) == (Settings().names, Settings().graph)
    assert rights(named) == rights(Settings())


def test_the_longest_prefix_and_name_make_topics_that_kafka_takes():
    names = Names("x" * 60, "y" * 30)
    assert max(len(names.of(topic.name)) for topic in TOPICS) < 249


Record = tuple[bytes, bytes]


def known(*told: Generation | Record, serving: Serving | None = None) -> Generations:
    found = Generations()
    for each in told:
        record = generation_record(each) if isinstance(each, Generation) else each
        assert found.take(*record)
    if serving:
        assert found.take(*serving_record(serving))
    return found


def test_what_stands_on_the_control_topic_is_read_back_and_the_last_record_counts():
    built = msgspec.structs.replace(G2, state="built", starts={"events": {0: 12}})
    found = known(G2, built, serving=Serving("g2", (LIVE, "g2")))
    assert found.find("g2") == built
    assert found.serving.name == "g2"
    assert found.live.usable


@given(st.binary() | st.none(), st.binary() | st.none())
def test_other_records_say_nothing_of_generations(key, value):
    found = known(G2)
    for name in (key, b"generation/g2", b"serving"):
        if not found.take(name, value):
            assert found.find("g2") == G2
            assert found.serving == Serving()


def test_a_swap_keeps_the_others_and_a_drop_ends_them():
    swapped = Serving().swapped("a").swapped("b").swapped("a")
    assert swapped == Serving("a", (LIVE, "a", "b"))
    assert swapped.without("b") == Serving("a", (LIVE, "a"))


def test_no_name_is_given_twice_and_a_dropped_one_is_not_found():
    dropped = Generation(name="g3", state="dropped")
    found = known(G2, dropped, Generation(name="other"))
    assert found.next_name() == "g4"
    assert known().next_name() == "g1"
    with pytest.raises(StateError, match=r"dropped is generation 'g3'.*live, "):
        found.find("g3")
    with pytest.raises(StateError, match="there is no generation 'g9'"):
        found.find("g9")


def test_settings_that_differ_are_read_as_from_the_environment():
    base = Settings(scoring={"floor": 3.0}, k_shoppers=4)
    told = ["scoring.min_support=9", "k_shoppers=4", "pair_clicks=2", "tagging_bundle=/b/t"]
    changes = read_changes(base, told)
    assert changes == {
        "pair_clicks": 2,
        "scoring": {"floor": 3.0, "min_support": 9.0},
        "tagging_bundle": "/b/t",
    }
    own = settings_of(base, Generation(name="g", changes=json.loads(json.dumps(changes))))
    assert own.scoring == changes["scoring"]
    assert own.tagging_bundle == Path("/b/t")
    assert own.k_shoppers == 4


def test_a_file_may_say_again_what_holds_for_all_and_the_command_line_goes_before_it():
    table = {"prefix": "graph", "k_shoppers": 9, "pair_clicks": 3}
    assert read_changes(Settings(), ["k_shoppers=8"], table) == {"k_shoppers": 8, "pair_clicks": 3}
    with pytest.raises(SettingsError, match="prefix cannot differ"):
        read_changes(Settings(), [], {"prefix": "another"})


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ("partitions=4", "cannot differ"),
        ("secret=0123456789abcdef", "cannot differ"),
        ("k_shopers=4", "k_shopers is no setting: did you mean k_shoppers?"),
        ("k_shoppers=none", "not a whole number"),
        ("k_shoppers.x=4", "no table"),
        ("scoring.luck=4", "luck"),
        ("k_shoppers", "NAME=VALUE"),
    ],
)
def test_a_setting_that_is_none_of_a_generation_is_refused(told: str, words: str):
    with pytest.raises(SettingsError, match=words):
        read_changes(Settings(), [told])


def test_files_are_named_so_that_any_process_finds_them(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    changes = as_paths_of_here({"ontology": "o.toml", "k_shoppers": 4})
    assert changes == {"ontology": str(tmp_path / "o.toml"), "k_shoppers": 4}


@pytest.mark.parametrize(
    "changes", [{"asked": ("2026-01-01", "")}, {"changes": {"session_gap_ms": 5_000}}]
)
def test_totals_know_no_stretch_of_events_and_no_windows(changes):
    generation = Generation(name="t", base="totals", **changes)
    with pytest.raises(SettingsError, match="--base events"):
        check_base(generation)
    check_base(msgspec.structs.replace(generation, base="events"))


@pytest.mark.parametrize(
    ("told", "place"),
    [
        ("earliest", None),
        ("now", None),
        ("1767225600000", 1767225600000),
        ("2026-01-01", 1767225600000),
        ("2026-01-01T01:00+01:00", 1767225600000),
        ("0:12,3:4", {0: 12, 3: 4}),
    ],
)
def test_a_place_is_an_end_a_time_or_offsets(told: str, place: object):
    assert read_place(told) == place


@pytest.mark.parametrize("told", ["yesterday", "0:1,", "0-1", "-5"])
def test_a_place_that_is_none_of_these_is_refused(told: str):
    with pytest.raises(SettingsError, match=r"is no place in graph\.events"):
        read_place(told)


@pytest.mark.parametrize(
    "asked", [("now", ""), ("earliest", "earliest"), ("2001", ""), ("5", "2001")]
)
def test_a_stretch_that_nothing_can_stand_in_is_refused(asked: tuple[str, str]):
    with pytest.raises(SettingsError, match=r"holds nothing|lies ahead"):
        read_places(asked, now_ms=2_000)
    assert read_places(("5", "2000"), now_ms=2_000) == (5, 2_000)


def ordered(name: str, order: str, *states: str) -> list[Record]:
    """What an order, and whoever goes on with it, writes of a generation."""
    made = Generation(name=name, order=order, changes={"k_shoppers": int(order, 16) + 2})
    later = [msgspec.structs.replace(made, state=state) for state in states]
    return [order_record(made), *(generation_record(each) for each in later)]


def test_the_first_order_in_the_log_has_the_name_and_what_others_say_counts_nowhere():
    first, second = ordered("g1", "1", "built"), ordered("g1", "2", "built", "dropped")
    found = known(*first[:1], *second[:1], first[1], *second[1:])
    assert (found.find("g1").order, found.find("g1").state) == ("1", "built")
    assert found.next_name() == "g2"


def test_what_an_older_program_says_of_an_order_counts_and_its_own_order_does_not():
    """It drops the fields that it does not know: in an upgrade that was taken back, for one."""
    made = msgspec.structs.replace(G2, order="1", made_ms=7)
    dropped = msgspec.structs.replace(made, order="", state="dropped")
    assert known(order_record(made), dropped).dropped == (
        msgspec.structs.replace(dropped, order="1"),
    )
    another = msgspec.structs.replace(dropped, made_ms=8)
    assert known(order_record(made), another).find("g2") == made


def generation_in(record: Record) -> Generation:
    return msgspec.json.decode(record[1], type=Generation)


@given(st.data())
def test_whatever_compaction_has_taken_the_same_order_has_the_name(data: st.DataObject):
    """Kafka keeps the last record of each key, of what is old enough; order and offsets stay."""
    lots = [
        ordered(name, f"{n}", *(data.draw(st.sampled_from([(), ("built",), ("built", "dropped")]))))
        for n, name in enumerate(data.draw(st.lists(st.sampled_from(["g1", "g2"]), max_size=6)))
    ]
    log: list[Record] = []
    while any(lots):  # the records of one order come one behind the other
        lot = data.draw(st.sampled_from([each for each in lots if each]))
        record = lot.pop(0)
        wins = known(*log).get(generation_in(record).name)
        if record[0].count(b"/") == 2 or (wins and wins.order == generation_in(record).order):
            log.append(record)
    dirty = data.draw(st.integers(0, len(log)))
    last = {key: place for place, (key, _) in enumerate(log[:dirty])}
    kept = [each for place, each in enumerate(log) if place >= dirty or last[each[0]] == place]
    assert known(*kept).all == known(*log).all
