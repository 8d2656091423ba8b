"""Dead letters on a real Kafka: seen, retried, dropped; a retry counts once, and never loops."""

import asyncio
import json
import os
from collections import Counter
from pathlib import Path
from unittest import mock

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import TopicPartition
from typer.testing import CliRunner, Result

from streams.__main__ import app
from streams.cli.state import checked, digested
from streams.dead_letters import dead_letter
from streams.events import decode_event
from streams.ports import Record
from streams.sample.make import Sizes, make
from streams.settings import Settings
from tests.kafka.helpers import produce, read_all, tally
from tests.kafka.running import Stages, create_all_topics, shop_settings, write

SEED, SIZES = 5, Sizes(products=120, shoppers=60, days=7)
WEEKS_MS = 30 * 86_400_000
MAPPING = """
[events]
time = "timestamp"
shopper = "client_id"
action = "action_name"
id = "event_id"
session = "session_id"
query = "user_query"
query_id = "query_id"
product = "PLACE"
order = "event_attributes.order_id"
"""
WRONG, RIGHT = "object.id", "event_attributes.object.object_id"


def cartograph(settings: Settings, *words: str) -> Result:
    """Call the command with these settings, as JSON."""
    file = settings.data_dir / "cartograph.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    told = {
        "kafka": settings.kafka,
        "prefix": settings.prefix,
        "partitions": settings.partitions,
        "data_dir": str(settings.data_dir),
        "secret": settings.secret,
        "allowance_ms": settings.allowance_ms,
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in told.items()]
    lines += [
        "[sources]",
        *(f"{json.dumps(t)} = {json.dumps(f)}" for t, f in settings.sources.items()),
    ]
    file.write_text("\n".join(lines))
    with mock.patch.dict(os.environ, {"CARTOGRAPH_CONFIG": str(file)}):
        return CliRunner().invoke(app, ["dead-letters", *words, "--json"])


def told(result: Result, code: int = 0) -> dict:
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def counts(settings: Settings, *words: str) -> dict[tuple[str, str], int]:
    rows = json.loads(cartograph(settings, "list", "--counts", *words).stdout)
    return {(each["reason"], each["state"]): each["letters"] for each in rows}


def test_a_graph_whose_mapping_was_mended_is_that_of_the_right_mapping(
    kafka: str, topic_prefix: str, tmp_path: Path
):
    make(tmp_path, SEED, SIZES)
    mapping = tmp_path / "shop.toml"
    mapping.write_text(MAPPING.replace("PLACE", WRONG))
    broken = shop_settings(
        kafka,
        topic_prefix,
        tmp_path / "mended",
        dead_letter_min=1_000_000,
        allowance_ms=WEEKS_MS,
        k_shoppers=1,
    )
    events, catalog = broken.sources
    broken = broken.with_(sources={events: str(mapping), catalog: "native-catalog"})
    create_all_topics(broken)
    for topic, name in ((events, "events"), (catalog, "catalog")):
        lines = (tmp_path / f"{name}.jsonl").read_bytes().splitlines()
        write(broken, topic, [(b"k", line) for line in lines])
    actions = Counter(json.loads(line).get("action_name") for line in _lines(tmp_path))
    bad = actions["click"] + actions["purchase"] + actions["return"]
    with Stages(broken) as stages:
        stages.rest()
        assert counts(broken) == {("missing_id", "open"): bad}
        assert counts(broken, "--stage", "shoppers") == {}
        without = digested(broken).digest

        # Not mended yet: refused again, marked, and no letter more than before.
        assert told(cartograph(broken, "retry", "--all"), 1)["states"] == {"failed": bad}
        assert counts(broken) == {("missing_id", "failed"): bad}
        mapping.write_text(MAPPING.replace("PLACE", RIGHT))
        dry = told(cartograph(broken, "retry", "--reason", "missing_id", "--dry-run"))
        assert dry["states"] == {"sent": bad}
        assert counts(broken) == {("missing_id", "failed"): bad}

        assert told(cartograph(broken, "retry", "--all"))["states"] == {"sent": bad}
        assert counts(broken) == {}
        again = told(cartograph(broken, "retry", "--state", "sent", "--all"))
        assert again["states"] == {"sent": bad}
        stages.rest()
        mended = digested(broken)

    right = broken.with_(prefix=f"{topic_prefix}.right", data_dir=tmp_path / "right")
    create_all_topics(right.with_(sources={f"{topic_prefix}.a": "", f"{topic_prefix}.b": ""}))
    with Stages(right) as stages:
        stages.rest()
    assert mended.digest == digested(right).digest
    assert [checked(each).problems for each in (broken, right)] == [[], []]
    ended, wanted = tally(broken, "shoppers"), tally(right, "shoppers")
    assert ended["events.used"] == wanted["events.used"]
    assert ended["events.duplicate"] - wanted["events.duplicate"] == bad  # the second retry
    assert mended.digest != without
    assert mended.facts > 100


def _lines(folder: Path) -> list[bytes]:
    return (folder / "events.jsonl").read_bytes().splitlines()


@pytest.fixture
def shop(kafka: str, topic_prefix: str, tmp_path: Path) -> Settings:
    settings = shop_settings(kafka, topic_prefix, tmp_path)
    create_all_topics(settings)
    return settings


NOW_MS = 1_741_567_242_840


def event(number: int, at_ms: int = NOW_MS) -> bytes:
    return json.dumps(
        {
            "action_name": "purchase",
            "event_id": f"e{number}",
            "client_id": "somebody@shop.example",
            "timestamp": at_ms,
            "product_id": f"P{number}",
        }
    ).encode()


def note_letters(settings: Settings, topic: str, values: dict[int, bytes], **more: int) -> None:
    """Dead letters as ROUTE writes them."""
    rows = [
        dead_letter(topic, 0, Record(offset, 0, None, value), "bad_time", "a test's", **more)
        for offset, value in values.items()
    ]
    write(settings, settings.topic("dead-letters"), rows)


def test_a_record_that_is_gone_or_another_one_is_said_to_be_so(shop: Settings):
    events, _ = shop.sources
    good = [event(number) for number in range(4)]
    write(shop, events, [(b"k", value) for value in good])
    note_letters(shop, events, {0: good[0], 2: b"other bytes", 3: good[3], 9: b"past the end"})
    note_letters(shop, events, {3: b"of the topic's life before"})
    asyncio.run(_delete_before(shop.kafka, events, 2))
    lost = f"{shop.prefix}.no.such.topic"
    note_letters(shop.with_(sources={lost: "native"}), lost, {5: b"x"})
    both = shop.with_(sources={**shop.sources, lost: "native"})
    done = told(cartograph(both, "retry", "--all"), 1)
    assert done["states"] == {"gone": 3, "changed": 2, "sent": 1}
    (shown,) = json.loads(cartograph(shop, "show", f"{events}/0/2").stdout)
    assert shown["letter"]["state"] == "changed"
    assert "other bytes stand at its place" in shown["now"]
    assert len(shown["history"]) == 1
    assert read_all(shop, "events")[0][1].key is not None
    assert len(read_all(shop, "events")) == 1


async def _delete_before(kafka: str, topic: str, offset: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(offset)})
    finally:
        await admin.close()


def test_a_retry_is_marked_keeps_its_id_and_is_told_late_where_it_is(shop: Settings):
    events, _ = shop.sources
    values = [event(0), event(1, NOW_MS - 86_400_000)]
    write(shop, events, [(b"k", value) for value in values])
    note_letters(shop, events, dict(enumerate(values)))
    first = told(cartograph(shop, "retry", f"{events}/0/0"))
    assert first["states"] == {"sent": 1}
    second = cartograph(shop, "retry", f"{events}/0/1/0")
    assert told(second, 1)["states"] == {"late": 1}  # the first is a day newer by now
    again = told(cartograph(shop, "retry", "--state", "all", f"{events}/0/0"))
    assert again["states"] == {"sent": 1}
    ids = Counter(decode_event(record.value or b"").id for _, record in read_all(shop, "events"))
    assert sorted(ids.values()) == [1, 2]
    assert asyncio.run(_headers(shop)) == {
        b"%s/0/%d" % (events.encode(), offset) for offset in (0, 1)
    }


async def _headers(settings: Settings) -> set[bytes]:
    found: set[bytes] = set()
    name = settings.topic("events")
    async with AIOKafkaConsumer(
        bootstrap_servers=settings.kafka, auto_offset_reset="earliest"
    ) as consumer:
        tps = [TopicPartition(name, number) for number in range(settings.partitions)]
        ends = await consumer.end_offsets(tps)
        consumer.assign(tps)
        while any([await consumer.position(tp) < ends[tp] for tp in tps]):
            for records in (await consumer.getmany(timeout_ms=100)).values():
                for record in records:
                    assert [name for name, _ in record.headers] == ["cartograph-retry"]
                    found.add(record.headers[0][1])
    return found


def test_a_product_that_is_retried_never_takes_the_place_of_a_newer_record(shop: Settings):
    _, catalog = shop.sources
    value = json.dumps({"product_id": "P1", "title": "Red shoes"}).encode()
    write(shop, catalog, [(b"P1", value), (b"P1", value)])
    note_letters(shop, catalog, {0: value, 1: value})
    assert told(cartograph(shop, "retry", "--topic", catalog))["states"] == {"sent": 2}
    keys = [record.key for _, record in read_all(shop, "catalog")]
    assert len(set(keys)) == 2
    assert {key.partition(b"\0")[0] for key in keys if key} == {b"P1"}


def test_what_an_inner_stage_refused_is_not_retried_and_what_is_dropped_is_gone(shop: Settings):
    claims = shop.topic("claims")
    produce(shop, "claims", [(0, b"no total of ours")])
    note_letters(shop, claims, {0: b"no total of ours"})
    done = told(cartograph(shop, "retry", "--all"), 1)
    assert (done["states"], done["inner"]) == ({}, 1)
    assert counts(shop, "--stage", "graph") == {("bad_time", "open"): 1}
    assert told(cartograph(shop, "drop", "--stage", "graph"))["states"] == {"dropped": 1}
    assert counts(shop) == {}
    assert counts(shop, "--state", "all") == {("bad_time", "dropped"): 1}
    refused = cartograph(shop, "drop")
    assert refused.exit_code == 2
    assert "--all" in refused.output


def test_a_record_of_two_parts_has_a_letter_for_each_that_is_refused(
    shop: Settings, tmp_path: Path
):
    events, _ = shop.sources
    mapping = tmp_path / "baskets.toml"
    words = """
[events]
time = "time"
shopper = "who"
items = "lines"
[events.item]
product = "sku"
[events.constants]
action = "purchase"
"""
    mapping.write_text(words)
    mapped = shop.with_(sources={events: str(mapping)})
    basket = {"time": NOW_MS, "who": "somebody", "lines": [{"sku": "A"}, {"sku": "B\u0007"}]}
    value = json.dumps(basket).encode()
    write(shop, events, [(b"k", value)])
    note_letters(shop, events, {0: value})  # an older mapping refused all of it
    assert told(cartograph(mapped, "retry", "--all"))["states"] == {"sent": 1}
    listed = told(cartograph(mapped, "list"))
    assert [(row["letter"], row["reason"]) for row in listed["letters"]] == [
        (f"{events}/0/0/1", "bad_id")
    ]
    done = told(cartograph(mapped, "retry", f"{events}/0/0"), 1)
    assert (done["states"], done["refused"]) == ({"failed": 1}, {"bad_id": 1})
    assert told(cartograph(mapped, "list"))["found"] == 1
