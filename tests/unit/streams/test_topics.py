"""The contract of the `graph.*` topics."""

import zlib
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.topics import (
    DAY_MS,
    MAX_MESSAGE_BYTES,
    TOPICS,
    ActualTopic,
    Names,
    TopicSpec,
    differences,
    partition_of,
    plan,
    recreated,
)


def _as_planned(specs: tuple[TopicSpec, ...]) -> dict[str, ActualTopic]:
    return {
        spec.name: ActualTopic(
            spec.name, spec.partitions, spec.replication, dict(spec.config), f"{number:032x}"
        )
        for number, spec in enumerate(specs, 1)
    }


def test_these_are_the_topics_of_a_graph_and_how_they_forget() -> None:
    config = {spec.topic.name: spec.config for spec in plan(Names(), 32, 1, 30)}
    kept_for_a_time = {
        name: int(settings["retention.ms"]) // DAY_MS
        for name, settings in config.items()
        if settings["cleanup.policy"] == "delete"
    }
    assert kept_for_a_time == {"events": 30, "dead-letters": 180}
    compacted = [n for n, settings in config.items() if settings["cleanup.policy"] == "compact"]
    assert compacted == [
        "catalog",
        "searched",
        "bought",
        "asked",
        "together",
        "claims",
        "facts",
        "control",
        "verdicts",
        "erasures",
    ]


def test_what_is_compacted_has_no_age_at_which_it_is_deleted() -> None:
    # A claim in graph.control, a total or an erasure is never too old to count.
    for spec in plan(Names(), 32, 1):
        if spec.topic.compacted:
            assert "delete" not in spec.config["cleanup.policy"]
            assert "retention.ms" not in spec.config


def test_topics_that_forget_go_by_arrival_not_by_event_time() -> None:
    # Events of 2010 that are replayed today must not be deleted on arrival.
    for spec in plan(Names(), 4, 1):
        by_arrival = spec.config.get("message.timestamp.type") == "LogAppendTime"
        assert by_arrival == (spec.config["cleanup.policy"] == "delete")


def test_every_topic_with_an_owner_has_the_graphs_partition_count_and_the_rest_one() -> None:
    counts = {spec.topic.name: spec.partitions for spec in plan(Names(), 7, 1)}
    assert {name for name, count in counts.items() if count == 1} == {
        "control",
        "erasures",
        "dead-letters",
    }
    assert set(counts.values()) == {1, 7}


def test_every_topic_takes_records_of_10_mb() -> None:
    assert MAX_MESSAGE_BYTES > 10 * 1024 * 1024
    for spec in plan(Names(), 1, 1):
        assert spec.config["max.message.bytes"] == str(MAX_MESSAGE_BYTES)


@pytest.mark.parametrize(("replication", "in_sync"), [(1, "1"), (2, "1"), (3, "2")])
def test_from_three_copies_on_two_must_have_a_record(replication: int, in_sync: str) -> None:
    for spec in plan(Names(), 1, replication):
        assert spec.replication == replication
        assert spec.config["min.insync.replicas"] == in_sync
        assert spec.config["unclean.leader.election.enable"] == "false"


@pytest.mark.parametrize("numbers", [(0, 1, 30), (1, 0, 30), (1, 1, 0), (-3, 1, 30)])
def test_a_plan_of_nothing_is_refused(numbers: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="use 1 or more"):
        plan(Names(), *numbers)


def test_names_carry_the_prefix() -> None:
    names = Names("shop-2.graph")
    assert names.dead_letters == "shop-2.graph.dead-letters"
    spelt_out = {getattr(names, topic.name.replace("-", "_")) for topic in TOPICS}
    assert spelt_out == {spec.name for spec in plan(names, 1, 1)}


@pytest.mark.parametrize(
    "prefix", ["", ".", "a.", ".a", "a..b", "a_b", "a b", "ä", "a\n", "x" * 237]
)
def test_a_prefix_that_kafka_refuses_or_confuses_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="topic prefix"):
        Names(prefix)


def test_the_longest_prefix_makes_names_that_kafka_takes() -> None:
    assert max(len(spec.name) for spec in plan(Names("x" * 236), 1, 1)) == 249


def test_topics_as_planned_do_not_differ() -> None:
    planned = plan(Names(), 4, 1)
    assert differences(planned, _as_planned(planned)) == ()


@given(st.sampled_from([topic.name for topic in TOPICS]), st.integers(1, 100))
def test_another_partition_count_is_another_graph(name: str, partitions: int) -> None:
    planned = plan(Names(), 4, 1)
    actual = _as_planned(planned)
    full = Names().of(name)
    same = actual[full].partitions == partitions
    actual[full] = replace(actual[full], partitions=partitions)
    found = differences(planned, actual)
    if same:
        assert found == ()
    else:
        (difference,) = found
        assert difference.topic == full
        assert difference.blocking
        assert "another partition count is another graph, replay into a new prefix" in (
            difference.words
        )


def test_a_missing_topic_says_how_to_make_it() -> None:
    planned = plan(Names(), 4, 1)
    actual = _as_planned(planned)
    del actual["graph.facts"]
    (difference,) = differences(planned, actual)
    assert (difference.topic, difference.blocking) == ("graph.facts", True)
    assert "cartograph topics apply" in difference.words


@pytest.mark.parametrize(
    ("setting", "value", "blocking"),
    [
        ("cleanup.policy", "delete", True),
        ("cleanup.policy", "compact,delete", True),
        ("max.message.bytes", "1048588", True),
        ("max.message.bytes", "20000000", False),
        ("segment.ms", "1", False),
    ],
)
def test_another_setting_blocks_only_where_it_loses_records(
    setting: str, value: str, blocking: bool
) -> None:
    planned = plan(Names(), 4, 1)
    actual = _as_planned(planned)
    config = {**actual["graph.claims"].config, setting: value}
    actual["graph.claims"] = replace(actual["graph.claims"], config=config)
    (difference,) = differences(planned, actual)
    assert difference.blocking == blocking
    assert f"{setting} is {value}, planned is " in difference.words


def test_a_setting_that_the_broker_keeps_to_itself_is_not_a_difference() -> None:
    planned = plan(Names(), 4, 1)
    silent = {name: replace(topic, config={}) for name, topic in _as_planned(planned).items()}
    assert differences(planned, silent) == ()


def test_other_copies_are_told_but_do_not_block() -> None:
    planned = plan(Names(), 4, 3)
    actual = {name: replace(t, replication=1) for name, t in _as_planned(planned).items()}
    found = differences(planned, actual)
    assert len(found) == len(planned)
    assert not any(difference.blocking for difference in found)


def test_a_recreated_topic_is_known_by_its_id() -> None:
    actual = _as_planned(plan(Names(), 4, 1))
    known = {name: topic.topic_id for name, topic in actual.items() if topic.topic_id}
    assert recreated(known, actual) == ()
    actual["graph.events"] = replace(actual["graph.events"], topic_id="f" * 32)
    actual["graph.claims"] = replace(actual["graph.claims"], topic_id=None)
    (difference,) = recreated(known, actual)
    assert (difference.topic, difference.blocking) == ("graph.events", True)
    assert recreated({}, actual) == ()


@given(st.binary(max_size=60), st.integers(1, 1000))
def test_an_owner_has_one_partition_of_those_there_are(owner: bytes, partitions: int) -> None:
    assert partition_of(owner, partitions) == zlib.crc32(owner) % partitions
    assert 0 <= partition_of(owner, partitions) < partitions


def test_partitions_of_owners_never_change() -> None:
    # Stored graphs depend on these numbers.
    assert [partition_of(f"shopper-{n}".encode(), 32) for n in range(6)] == [30, 8, 18, 4, 7, 17]


def test_owners_spread_evenly() -> None:
    counts = Counter(partition_of(f"product:{n}".encode(), 8) for n in range(8000))
    assert len(counts) == 8
    assert max(counts.values()) < 1.25 * min(counts.values())


def test_no_partitions_is_refused() -> None:
    with pytest.raises(ValueError, match="use 1 or more"):
        partition_of(b"x", 0)
