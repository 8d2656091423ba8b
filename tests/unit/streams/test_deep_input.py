"""What is nested too deep, or too long a number, is refused like anything else that is malformed.

Found by fuzzing: msgspec and tomllib raise RecursionError, Python refuses numbers of 4,301 digits.
"""

import asyncio
from fractions import Fraction

import pytest

from models_onnx.errors import CodecError
from models_onnx.spans import decode_judged
from streams.control.claims import Control
from streams.errors import SettingsError, SourceError
from streams.kafka.producer import Producer
from streams.process import status
from streams.serve import running
from streams.settings import Settings, read_file
from streams.sources import mapping
from streams.topics import Names
from streams.totals import wire
from tests.fuzz import seeds
from tests.fuzz.staged import read_control, read_stage
from topology import canonical, units
from topology.errors import BadFactError, OntologyError
from topology.facts import decode_fact
from topology.ontology import parse_ontology
from topology.ontology_import import shopify_to_toml

DEEP = b'{"a":' * 100_000


def test_a_record_of_facts_does_not_end_every_replica():
    with pytest.raises(wire.BadMessageError):
        wire.decode("facts", b"\0" * 10 + b"id", DEEP)
    with pytest.raises(BadFactError):
        decode_fact(DEEP)


@pytest.mark.parametrize("key", [b"claim/shoppers/0", b"reload/a", b"backfill"])
def test_a_record_of_the_control_topic_does_not_end_every_worker(key):
    async def work() -> list[object]:
        foreign: list[object] = []
        names, nobody = Names("t"), "127.0.0.1:9"
        producer = Producer(nobody, names, {})
        control = Control(
            nobody, names, producer, worker="w", on_foreign=lambda *a: foreign.append(a), options={}
        )
        for value in (DEEP, b"\xff", b"null"):
            control._take(0, key, value, told=True)
        control._take(0, b"claim/\xff/1", b'{"token":"a","worker":"b"}', told=True)
        await control._consumer.stop()
        await producer.stop()
        return foreign

    assert asyncio.run(work()) == []


def test_a_verdict_does_not_end_its_partition_of_graph():
    read_stage("graph", b"\1\1v" + DEEP)
    read_control(b"\0" + DEEP)


def test_a_total_that_no_shop_can_have_is_refused_before_it_is_added_up():
    for n in (wire.MAX_TOTAL + 1, (1 << 63) - 1):
        key, value = wire.encode_total("bought", wire.Sent(0, 1, 1, b"p\0b\x0002880", n, b""))
        with pytest.raises(wire.BadMessageError):
            wire.decode("bought", key, value)
    # Twice what is just allowed, from two senders: added up, kept, and told.
    for sender in (0, 1):
        told = wire.Sent(sender, 5, 1, b"p1\0w\0p2\x0002885", wire.MAX_TOTAL, b"")
        key, value = wire.encode_total("bought", told)
        read_stage("products", bytes([1, len(key)]) + key + value)


def test_a_cached_answer_that_is_damaged_is_dropped():
    for damaged in (b"\1\x92\1\xa4\xfd\xfd\xfd\xfd", b"\1" + b"\x91" * 100_000):
        with pytest.raises(CodecError):
            decode_judged(damaged)


def test_a_taxonomy_whose_categories_are_above_each_other_is_refused(tmp_path):
    folder = seeds.taxonomy(tmp_path)
    for children in ("bb", "bb, aa"):
        (folder / "categories" / "all.yml").write_text(
            f"- {{id: aa, name: A, children: [{children}], attributes: []}}\n"
            "- {id: bb, name: B, children: [aa], attributes: []}\n"
        )
        with pytest.raises(OntologyError, match="above itself"):
            shopify_to_toml(folder)


def test_a_value_of_thousands_of_digits_is_no_number():
    digits = "9" * 5_000
    assert units.count_of(f"pack of {digits}") is None
    assert units.count_of(digits) is None
    assert units.number_of(f"1/{digits}") is None
    assert units.measure_of(f"{digits} kg", "g") is None
    assert units.count_of("pack of 6") == 6
    assert units.number_of("0\x1c1/2") == units.number_of("0 1/2") == Fraction(1, 2)
    from tests.one_partition import small_ontology

    assert canonical.value_of(small_ontology(), "weight", f"{digits} g") is None


@pytest.mark.parametrize("text", ["a = " + "[" * 5_000, "a = " + "9" * 5_000])
def test_settings_and_mappings_say_that_they_cannot_be_read(tmp_path, text):
    file = tmp_path / "cartograph.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match="cannot be read"):
        read_file(file)
    with pytest.raises(SourceError):
        mapping.source(text, "m.toml")
    with pytest.raises(OntologyError):
        parse_ontology({"o.toml": text})


def test_a_setting_beyond_any_float_is_not_allowed():
    with pytest.raises(SettingsError, match="dead_letter_ratio"):
        Settings.from_env({}, {"dead_letter_ratio": 10**400})


def test_a_file_of_a_worker_or_replica_that_is_none_is_none(tmp_path):
    file = tmp_path / "graph-0.json"
    for told in (DEEP, b'"\xff"'):
        file.write_bytes(told)
        assert status.read(file) is None
        assert running._read(file) is None
